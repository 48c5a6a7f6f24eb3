"""What ``captionloom models`` says: the models of a configuration, where they come from and what they can do."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipelines.config import Config
from pipelines.plan import back_setting, model_name
from translate.hub import Origin, cache_dir, find
from translate.languages import Language, parse_language
from translate.models import Model, ModelError, listed


@dataclass
class Use:
    """One model of a configuration and the directions that are asked of it."""

    name: str
    found: tuple[Model, Origin] | None = None
    directions: list[tuple[Language, Language]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why it cannot be had, or cannot do one of the directions."""


def list_models(config: Config, *, fetch: bool) -> list[Use]:
    """Return the models that ``config`` names, each once; ``fetch`` also fetches and converts them."""
    source = parse_language(config.source_language)
    settings = config.translate
    uses: dict[str, Use] = {}
    for code in config.languages:
        target = parse_language(code)
        asked = [("translate.model", settings.model, source, target)]
        if settings.back_translation:
            asked.append((*back_setting(config), target, source))
        for where, setting, one, other in asked:
            try:
                name = model_name(where, setting, target)
            except ModelError as error:
                uses.setdefault(where, Use(where)).problems.append(str(error))
                continue
            uses.setdefault(name, Use(name)).directions.append((one, other))
    for use in uses.values():
        _look(use, fetch=fetch)
    return list(uses.values())


def _look(use: Use, *, fetch: bool) -> None:
    if not use.directions:
        return
    try:
        use.found = find(use.name, make=fetch)
    except ModelError as error:
        use.problems.append(str(error))
        return
    for one, other in use.directions:
        try:
            use.found[0].check(one, other)
        except ModelError as error:
            use.problems.append(str(error))


def model_lines(uses: Iterable[Use]) -> Iterator[str]:
    """Say what each model is, line by line."""
    for use in uses:
        yield use.name
        if use.found:
            model, origin = use.found
            revision = f" at {origin.revision}" if origin.revision else ""
            yield f"  from      {origin.source}{revision}"
            yield f"  lies in   {model.path}"
            yield f"  is        {model.family}, {model.size / 1e6:,.1f} MB, digest {model.digest}"
            yield f"  licence   {origin.licence or 'not stated'}"
            yield f"  can do    {model.knows()}"
        if use.directions:
            yield f"  asked for {listed((one.code, other.code) for one, other in use.directions)}"
        for problem in dict.fromkeys(use.problems):
            yield f"  problem   {problem}"


def fetched_lines(uses: Iterable[Use]) -> Iterator[str]:
    """Say what a machine without a network needs."""
    cached = [use.found[0].path for use in uses if use.found and use.found[0].path.is_relative_to(cache_dir())]
    if cached:
        yield f"copy {cache_dir()} to the machines that shall run without a network, to the same place"
        yield "(or anywhere, and set CAPTIONLOOM_CACHE there)"
