"""A YAML file and ``--set`` options become a `Config`, or one message that lists all that is wrong."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from filters.thresholds import ThresholdError
from pipelines import files
from pipelines.config import Config, ConfigError, nearest
from translate.languages import LanguageError, parse_language


def load_config(path: str, *, overrides: Sequence[str] = ()) -> tuple[Config | None, list[str]]:
    """Return the configuration in the YAML file ``path`` with ``a.b=value`` ``overrides``, and all that is wrong.

    Relative paths in it start at the file's own folder. A wrong setting is named and left at its default, so that
    what else is wrong is found too; the configuration is None where not even that can be had. Nothing may run while
    the list is not empty. Raises `ConfigError` where there is nothing to read.
    """
    settings = _read(path)
    for override in overrides:
        _override(settings, override)
    config, problems = _validate(settings)
    if config is not None:
        problems += [*_language_problems(config), *_threshold_problems(config)]
        config = _canonical(config, Path(path).resolve().parent)
    return config, [f"{path}: {problem}" for problem in problems]


def _validate(settings: dict[str, Any]) -> tuple[Config | None, list[str]]:
    """Return the configuration without its wrong settings, if it can do without them, and what is wrong with those."""
    problems: list[str] = []
    while True:
        try:
            return Config.model_validate(settings), problems
        except ValidationError as error:
            problems += [_explain(details) for details in error.errors()]
            settings = copy.deepcopy(settings)
            if not all([_drop(settings, details["loc"]) for details in error.errors()]):
                return None, problems


def _drop(settings: dict[str, Any], location: Sequence[int | str]) -> bool:
    """Delete the setting at ``location``; return whether it was there."""
    inner: Any = settings
    for part in location[:-1]:
        if isinstance(inner, dict) and part not in inner:
            return True  # a union's member, or gone with an earlier problem
        if not isinstance(inner, dict):
            break
        inner = inner[part]
    return isinstance(inner, dict) and (inner.pop(location[-1], inner) is not inner)


def _read(path: str) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(files.read_bytes(path))
    except FileNotFoundError:
        raise ConfigError([f"no configuration file {path}"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path} is not YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(settings, dict):
        raise ConfigError([f"{path}: a configuration is a mapping of settings, not {type(settings).__name__}"])
    return settings


def _override(settings: dict[str, Any], override: str) -> None:
    name, equals, value = override.partition("=")
    if not equals or not all(name.split(".")):
        raise ConfigError([f"--set {override!r}: write it as section.setting=value"])
    *sections, last = name.split(".")
    for section in sections:
        inner = settings.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError([f"--set {override!r}: {section} is not a section"])
        settings = inner
    try:
        settings[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError([f"--set {override!r}: {value!r} is not a YAML value"]) from None


def _explain(details: ErrorDetails) -> str:
    """Return one line on one validation error: the setting, what is wrong, what was given."""
    location = [part for part in details["loc"] if not (isinstance(part, str) and "[" in part)]
    name = ".".join(str(part) for part in location)
    if details["type"] == "extra_forbidden":
        known = _known_settings(location[:-1])
        return f"unknown setting {name!r}{nearest(str(location[-1]), known)}; known here: {', '.join(known)}"
    if details["type"] == "missing":
        return f"{name} is required"
    message = details["msg"].removeprefix("Value error, ")
    return f"{name}: {message} (got {details['input']!r})"


def _known_settings(location: Sequence[object]) -> list[str]:
    """Return the settings of the section at ``location``."""
    section: Any = Config
    for part in location:
        if isinstance(section, type) and issubclass(section, BaseModel) and part in section.model_fields:
            section = section.model_fields[str(part)].annotation
        elif get_args(section):  # a mapping of sections, such as judge.languages
            section = get_args(section)[-1]
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _language_problems(config: Config) -> Iterator[str]:
    named = [("source_language", config.source_language)]
    named += [(f"languages[{i}]", code) for i, code in enumerate(config.languages)]
    named += [("judge.languages", code) for code in config.judge.languages]
    for section, value in (
        ("translate.model", config.translate.model),
        ("translate.back_model", config.translate.back_model),
    ):
        named += [(section, code) for code in value] if isinstance(value, dict) else []
    codes: dict[str, str] = {}
    for where, code in named:
        try:
            codes[code] = parse_language(code).code
        except LanguageError as error:
            yield f"{where}: {error}"
    targets = [codes.get(code, code) for code in config.languages]
    for code in sorted({code for code in targets if targets.count(code) > 1}):
        yield f"languages: {code!r} stands there twice"
    if codes.get(config.source_language) in targets:
        yield f"languages: {config.source_language!r} is the source language"
    for code in config.judge.languages:
        if code in codes and codes[code] not in targets:
            yield f"judge.languages: {code!r} is not among the languages"


def _threshold_problems(config: Config) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for code in config.languages:
        try:
            config.judge.thresholds_for(code)
        except ThresholdError as error:
            found.setdefault(str(error), []).append(code)
    for problem, codes in found.items():
        yield f"judge, for {', '.join(codes)}: {problem}"


def _canonical(config: Config, folder: Path) -> Config:
    """Return ``config`` with BCP-47 codes, where they can be told, and with relative paths made absolute."""

    def code(name: str) -> str:
        try:
            return parse_language(name).code
        except LanguageError:
            return name

    def placed(path: str) -> str:
        return str(folder / path) if files.is_local(path) else path

    def model(value: str | dict[str, str] | None) -> Any:
        if isinstance(value, dict):
            return {code(language): model(name) for language, name in value.items()}
        return value if value in (None, "mini") else placed(value)

    source = config.input
    update: dict[str, Any] = {
        "languages": [code(language) for language in config.languages],
        "source_language": code(config.source_language),
        "out": config.out and placed(config.out),
        "ledger": config.ledger and placed(config.ledger),
        "input": source.model_copy(
            update={
                "path": [placed(path) for path in source.paths],
                "media": source.media and placed(source.media),
                "media_root": source.media_root and placed(source.media_root),
            }
        ),
        "translate": config.translate.model_copy(
            update={"model": model(config.translate.model), "back_model": model(config.translate.back_model)}
        ),
        "judge": config.judge.model_copy(
            update={"languages": {code(name): given for name, given in config.judge.languages.items()}}
        ),
    }
    return config.model_copy(update=update)
