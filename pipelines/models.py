"""What ``captionloom models`` says: the models of a configuration, where they come from and what they can do."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from filters.encoder_files import EncoderFiles
from pipelines.config import Config
from pipelines.plan import back_setting, model_name
from pipelines.teachers import find_teacher
from translate.hub import Origin, cache_dir, find
from translate.languages import Language, parse_language
from translate.models import Model, ModelError, listed


@dataclass
class Use:
    """One model of a configuration and the directions that are asked of it."""

    name: str
    found: tuple[Model | EncoderFiles, Origin] | None = None
    directions: list[tuple[Language, Language]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why it cannot be had, or cannot do one of the directions."""
    notes: list[str] = field(default_factory=list)
    """What else there is to know."""


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
    return [*uses.values(), *_teacher(config, source, fetch=fetch)]


def _teacher(config: Config, source: Language, *, fetch: bool) -> list[Use]:
    """Return the teacher, unless it is bundled or there is none."""
    try:
        found = find_teacher(config.score, make=fetch)
    except ModelError as error:
        return [Use(config.score.teacher, problems=[str(error)])]
    if found is None or found[0].files is None:
        return []
    teacher = found[0].files
    asked = [source, *(parse_language(code) for code in config.languages)]
    unknown = [language.code for language in asked if not teacher.knows(language.code)]
    notes = teacher.notes()
    if unknown:
        notes.append(f"its card does not list {', '.join(unknown)}: no similarity there")
    return [Use(config.score.teacher, (teacher, found[1]), notes=notes)]


def _look(use: Use, *, fetch: bool) -> None:
    if not use.directions:
        return
    try:
        use.found = model, _ = find(use.name, make=fetch)
    except ModelError as error:
        use.problems.append(str(error))
        return
    for one, other in use.directions:
        try:
            model.check(one, other)
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
            kind = model.family if isinstance(model, Model) else "a teacher"
            yield f"  is        {kind}, {model.size / 1e6:,.1f} MB, digest {model.digest}"
            yield f"  licence   {origin.licence or 'not stated'}"
            if isinstance(model, Model):
                yield f"  can do    {model.knows()}"
            else:
                yield f"  reads by  {model.summary()}"
                languages = f"{len(model.languages)} languages" if model.languages else "not stated"
                yield f"  can do    {languages}"
        if use.directions:
            yield f"  asked for {listed((one.code, other.code) for one, other in use.directions)}"
        for note in use.notes:
            yield f"  note      {note}"
        for problem in dict.fromkeys(use.problems):
            yield f"  problem   {problem}"


def fetched_lines(uses: Iterable[Use]) -> Iterator[str]:
    """Say what a machine without a network needs."""
    cached = [use.found[0].path for use in uses if use.found and use.found[0].path.is_relative_to(cache_dir())]
    if cached:
        yield f"copy {cache_dir()} to the machines that shall run without a network, to the same place"
        yield "(or anywhere, and set CAPTIONLOOM_CACHE there)"
