"""A YAML file and ``--set`` options become a `Config`, or one message that lists all that is wrong."""

import contextlib
import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from filters.similarity import TEACHERS
from filters.thresholds import ThresholdError
from pipelines import files
from pipelines.config import Config, ConfigError, nearest
from pipelines.sources.record import shown
from translate.hub import is_hub_id
from translate.languages import LanguageError, parse_language


def load_config(path: str, *, overrides: Sequence[str] = ()) -> tuple[Config | None, list[str]]:
    """Return the configuration in the YAML file ``path`` with ``overrides``, and all that is wrong with it.

    An override is ``section.setting=value``. Relative paths start at the file's own folder. A wrong setting
    is named and left at its default, a wrong language left out, so that what else is wrong is found too; the
    configuration is None where not even that can be had. Nothing may run while the list is not empty. Raises
    `ConfigError` where there is nothing to read.
    """
    settings = _read(path)
    for override in overrides:
        _override(settings, override)
    config, problems = _validate(settings)
    if config is not None:
        problems += _language_problems(config)
        config = _canonical(config, Path(path).resolve().parent)
        problems += [*_decoding_problems(config), *_threshold_problems(config), *_shard_problems(config)]
    return config, [f"{path}: {problem}" for problem in problems]


def _validate(settings: dict[str, Any]) -> tuple[Config | None, list[str]]:
    """Return the configuration without its wrong settings, if it can do without, and what is wrong."""
    try:
        return Config.model_validate(settings), []
    except ValidationError as error:
        errors = error.errors()
    problems = list(dict.fromkeys(_explain(settings, details) for details in errors))
    try:
        return Config.model_validate(_without(settings, errors)), problems
    except ValidationError:
        return None, problems


def _without(settings: dict[str, Any], errors: Sequence[ErrorDetails]) -> dict[str, Any]:
    """Return ``settings`` without those that ``errors`` are about."""
    rest = copy.deepcopy(settings)
    # From the last on: what is left of a list keeps its index.
    for place in reversed(dict.fromkeys(_place(settings, details["loc"]) for details in errors)):
        inner: Any = rest
        with contextlib.suppress(KeyError, IndexError):  # gone already, with what was around it
            for part in place[:-1]:
                inner = inner[part]
            del inner[place[-1]]
    return rest


def _place(settings: dict[str, Any], location: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return ``location`` as far as it is in ``settings``: pydantic adds the members of unions to it."""
    inner: Any = settings
    for depth, part in enumerate(location):
        if not (isinstance(part, int) if isinstance(inner, list) else isinstance(inner, dict) and part in inner):
            return tuple(location[:depth])
        inner = inner[part]
    return tuple(location)


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, which also refuses a mapping that has one key twice instead of taking the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping; raises `yaml.constructor.ConstructorError` that names the key and its line."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                continue  # no setting of ours; it may not even be hashable
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands there twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _read(path: str) -> dict[str, Any]:
    try:
        settings = yaml.load(files.read_bytes(path), _UniqueKeys)  # noqa: S506  a SafeLoader
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


def _explain(settings: dict[str, Any], details: ErrorDetails) -> str:
    """Return one line on one validation error: the setting, what is wrong, what was given."""
    if details["type"] == "missing":
        return f"{_name(details['loc'])} is required"
    place = _place(settings, details["loc"])
    if details["type"] == "extra_forbidden":
        known = _known_settings(place[:-1])
        like = nearest(str(place[-1]), known)
        return f"unknown setting {_name(place)!r}{like}; known here: {', '.join(known)}"
    message, given = details["msg"].removeprefix("Value error, "), details["input"]
    if details["type"] == "string_type" and isinstance(given, bool):
        message += "; YAML reads no, yes, on and off as true or false unless quoted"
    return f"{_name(place) or 'the configuration'}: {message} (got {shown(given)})"


def _name(location: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


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
    models = [
        ("translate.model", config.translate.model),
        ("translate.back_model", config.translate.back_model),
    ]
    named: list[tuple[str, Iterable[str]]] = [
        ("source_language", [config.source_language]),
        ("languages", config.languages),
        ("judge.languages", config.judge.languages),
        *((name, model) for name, model in models if isinstance(model, dict)),
    ]
    codes: dict[str, list[str]] = {}
    for where, given in named:
        codes[where] = []
        for code in given:
            try:
                codes[where].append(parse_language(code).code)
            except LanguageError as error:
                yield f"{where}: {error}"
        for code in sorted({code for code in codes[where] if codes[where].count(code) > 1}):
            yield f"{where}: {code!r} stands there twice"
    for code in codes["source_language"]:
        if code in codes["languages"]:
            yield f"languages: {code!r} is the source language"
    for code in codes["judge.languages"]:
        if code not in codes["languages"]:
            yield f"judge.languages: {code!r} is not among the languages"


_SMALLEST_BATCH: Final = 64


def _decoding_problems(config: Config) -> Iterator[str]:
    """Say what CTranslate2 would refuse, ignore or die of in the middle of a run."""
    settings = config.translate
    sampling = settings.sampling_topk != 1
    if 0 < settings.max_batch_tokens < _SMALLEST_BATCH:
        yield f"translate.max_batch_tokens: 0, or at least {_SMALLEST_BATCH} (got {settings.max_batch_tokens})"
    if sampling and settings.beam_size > 1:
        yield f"translate.sampling_topk: sampling needs beam_size: 1 (got {settings.beam_size})"
    if not sampling and settings.num_hypotheses > settings.beam_size * settings.patience:
        yield (
            f"translate.num_hypotheses: {settings.num_hypotheses} is more than beam_size x patience "
            f"({settings.beam_size * settings.patience:g})"
        )
    for name in ("sampling_topp", "sampling_temperature"):
        if not sampling and getattr(settings, name) != 1:
            yield f"translate.{name}: does nothing without sampling: set sampling_topk (0: the whole vocabulary) too"


def _threshold_problems(config: Config) -> Iterator[str]:
    if config.judge.keep is not None and config.judge.min_clean_probability is not None:
        yield "judge: keep and min_clean_probability both say how many pairs are kept; give one of them"
    found: dict[str, list[str]] = {}
    for code in config.languages:
        try:
            config.thresholds_for(code)
        except ThresholdError as error:
            found.setdefault(str(error), []).append(code)
    for problem, codes in found.items():
        yield f"judge, for {', '.join(codes)}: {problem}"


def _shard_problems(config: Config) -> Iterator[str]:
    shards = config.shards
    if shards.embeddings and config.score.teacher == "none":
        yield "shards.embeddings: they are the teacher's, and score.teacher is none; name one, such as muse"
    if shards.embeddings and shards.layout == "pair":
        yield "shards.embeddings: only layout item has them, a row for each caption (got shards.layout: pair)"
    if not shards.source_pairs and shards.layout == "item":
        yield "shards.source_pairs: only layout pair can do without the source captions (got shards.layout: item)"


_BUNDLED: Final = {"mini", "none", *TEACHERS}
"""Names of models and teachers that are no paths."""


def _canonical(config: Config, folder: Path) -> Config:
    """Return ``config`` with BCP-47 codes, without what is no language, and with absolute paths."""

    def codes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
        for name in names:
            with contextlib.suppress(LanguageError):
                yield name, parse_language(name).code

    def placed(path: str) -> str:
        return str(folder / path) if files.is_local(path) else path

    def template(path: str) -> str:
        # The folder is no part of the template: braces in its name are literal.
        literal = Path(str(folder).replace("{", "{{").replace("}", "}}"))
        return str(literal / path) if files.is_local(path) else path

    def model(value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        if isinstance(value, dict):
            return {code: placed_model(value[name]) for name, code in codes(value)}
        return value and placed_model(value)

    def placed_model(name: str) -> str:
        # An id at Hugging Face looks like a relative path: it is one where such a folder is there.
        if name in _BUNDLED or (is_hub_id(name.replace("{lang}", "x")) and not (folder / Path(name).parts[0]).is_dir()):
            return name
        return placed(name)

    source_language = next((code for _, code in codes([config.source_language])), "en")
    targets = dict.fromkeys(code for _, code in codes(config.languages))
    targets.pop(source_language, None)
    source, judge = config.input, config.judge
    return config.model_copy(
        update={
            "languages": list(targets),
            "source_language": source_language,
            "out": config.out and placed(config.out),
            "ledger": config.ledger and placed(config.ledger),
            "input": source.model_copy(
                update={
                    "path": [placed(path) for path in source.paths],
                    "media": source.media and template(source.media),
                    "media_root": source.media_root and placed(source.media_root),
                    "exclude": [each.model_copy(update={"path": placed(each.path)}) for each in source.exclude],
                }
            ),
            "translate": config.translate.model_copy(
                update={
                    "model": model(config.translate.model),
                    "back_model": model(config.translate.back_model),
                }
            ),
            "score": config.score.model_copy(update={"teacher": placed_model(config.score.teacher)}),
            "judge": judge.model_copy(
                update={
                    "languages": {code: judge.languages[name] for name, code in codes(judge.languages)},
                    "calibration": judge.calibration and placed(judge.calibration),
                }
            ),
        }
    )
