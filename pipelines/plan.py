"""The plan of a run: for each language the models, the fingerprints, and what is known not to be possible.

Nothing here loads a model: cut needs the fingerprints too.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from filters.language import BUNDLED, plausible_labels
from pipelines.captions import NORMALISER_VERSION
from pipelines.config import Config, ConfigError, TranslateConfig
from pipelines.ledger import Fingerprints, fingerprint
from pipelines.teachers import TeacherPlan, find_teacher
from translate.decoding import Decoding, Device
from translate.hub import resolve
from translate.languages import Language, LanguageError, parse_language
from translate.models import Model, ModelError

Resolve = Callable[[str], Model]

TRANSLATIONS_VERSION = 1
"""Raised when a translation is stored otherwise."""

SCORES_VERSION = 2
"""Raised when a stored score is computed otherwise."""

EMBEDDINGS_VERSION = 1
"""Raised when a source text is embedded or stored otherwise."""


@dataclass(frozen=True)
class LanguagePlan:
    """What one target language needs."""

    language: Language
    model: Model
    back_model: Model | None
    fingerprints: Fingerprints
    plausible: frozenset[str]
    """The fastText labels that language identification chooses from."""
    teacher_knows: bool
    """Whether the teacher was trained on this language (and on the source); otherwise its similarity is null."""


@dataclass(frozen=True)
class Plan:
    """What every stage needs to know of a run beside its captions."""

    source: Language
    languages: tuple[LanguagePlan, ...]
    decoding: Decoding
    device: Device
    teacher: TeacherPlan | None
    tokens: bool
    """Whether each token of the translations is measured."""
    unit_size: int
    embeddings: str | None = None
    """The ledger's folder for the teacher's embeddings of the source texts; None where they are not asked for."""

    @property
    def codes(self) -> list[str]:
        """The target languages' BCP-47 codes, in the configured order."""
        return [plan.language.code for plan in self.languages]

    def of(self, code: str) -> LanguagePlan:
        """Return what the target language ``code`` needs."""
        return self.languages[self.codes.index(code)]

    def notes(self) -> list[str]:
        """Return, as sentences, which scores will be missing."""
        if self.teacher is None:
            return ["no teacher is configured: similarity is not measured"]
        return self.teacher.notes() + [
            f"{plan.language.name} ({plan.language.code}): the teacher {self.teacher.name!r} does not know it, "
            "so its similarity is not measured and no rule fires on it"
            for plan in self.languages
            if not plan.teacher_knows
        ]


def make_plan(config: Config) -> Plan:
    """Resolve the models of ``config``; raises `ConfigError` with every model and language that cannot be done."""
    try:
        source = parse_language(config.source_language)
    except LanguageError as error:
        raise ConfigError([str(error)]) from None
    settings = config.translate
    decoding = decoding_of(config)
    plans, problems = [], []
    teacher = None
    try:
        found = find_teacher(config.score)
        teacher = found[0] if found else None
    except ModelError as error:
        problems.append(str(error))
    if config.shards.embeddings and teacher and not teacher.knows(source.code):
        problems.append(
            f"shards.embeddings: the teacher {teacher.name!r} does not know {source.name}, the captions' language"
        )
    once = functools.cache(resolve)  # its digest reads the whole model, which most languages share
    for code in config.languages:
        try:
            plans.append(_plan_language(config, source, parse_language(code), decoding, teacher, once))
        except (ModelError, LanguageError) as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return Plan(
        source=source,
        languages=tuple(plans),
        decoding=decoding,
        device=device_of(config),
        teacher=teacher,
        tokens=config.score.tokens,
        unit_size=settings.unit_size,
        embeddings=_embeddings(source, teacher) if config.shards.embeddings and teacher else None,
    )


def decoding_of(config: Config) -> Decoding:
    """Return what ``config`` says of decoding."""
    return Decoding(**_named(config.translate, Decoding))


def _embeddings(source: Language, teacher: TeacherPlan) -> str:
    made_by = {"teacher": teacher.identity, "normaliser": NORMALISER_VERSION, "version": EMBEDDINGS_VERSION}
    return fingerprint(source.code, made_by)


def device_of(config: Config) -> Device:
    """Return what ``config`` says of the device."""
    return Device(**_named(config.translate, Device))


def _named(settings: TranslateConfig, kind: type[Decoding] | type[Device]) -> dict[str, Any]:
    """Return the settings that are fields of ``kind``, under their common names."""
    return settings.model_dump(include={field.name for field in fields(kind)})


def _plan_language(
    config: Config,
    source: Language,
    target: Language,
    decoding: Decoding,
    teacher: TeacherPlan | None,
    resolve: Resolve,
) -> LanguagePlan:
    settings = config.translate
    model = _model("translate.model", settings.model, target, resolve)
    try:
        model.check(source, target)
    except ModelError as error:
        raise ModelError(f"translate.model: {error}") from None
    back_model = _back_model(config, source, target, resolve) if settings.back_translation else None
    made_by: dict[str, Any] = {
        "model": model.digest,
        "decoding": asdict(decoding),
        "compute_type": settings.compute_type,
        "normaliser": NORMALISER_VERSION,
        "source": source.code,
        "version": TRANSLATIONS_VERSION,
    }
    translations = fingerprint(target.code, made_by)
    backs = fingerprint(target.code, {"translations": translations, "model": back_model.digest}) if back_model else None
    knows = teacher is not None and teacher.knows(target.code) and teacher.knows(source.code)
    scores = fingerprint(
        target.code,
        {
            "translations": translations,
            "backs": backs,
            "teacher": teacher.identity if teacher and knows else None,
            "lid": _lid_digest(),
            "tokens": [model.digest, settings.compute_type] if config.score.tokens else None,
            "version": SCORES_VERSION,
        },
    )
    return LanguagePlan(
        language=target,
        model=model,
        back_model=back_model,
        fingerprints=Fingerprints(translations=translations, backs=backs, scores=scores),
        plausible=plausible_labels([source.lid_label, target.lid_label]),
        teacher_knows=knows,
    )


def _back_model(config: Config, source: Language, target: Language, resolve: Resolve) -> Model:
    where, setting = back_setting(config)
    model = _model(where, setting, target, resolve)
    try:
        model.check(target, source)
        if config.translate.back_model is None and model.source_language is None and not model.tokens.languages:
            raise ModelError(f"model {model.name!r} does not say that it translates from {target.name}")
    except ModelError as error:
        raise ModelError(
            f"translate.back_translation: no model is configured for {target.name} -> {source.name}: {error}; "
            "set translate.back_model, or back_translation: false"
        ) from error
    return model


def back_setting(config: Config) -> tuple[str, str | dict[str, str]]:
    """Return the setting that names the model for the way back, and its value."""
    settings = config.translate
    if settings.back_model:
        return "translate.back_model", settings.back_model
    return "translate.model", settings.model


def model_name(where: str, setting: str | dict[str, str], target: Language) -> str:
    """Return the name of the model that the setting called ``where`` has for ``target``; raises `ModelError`."""
    if isinstance(setting, str):
        return setting.replace("{lang}", target.code)
    if target.code in setting:
        return setting[target.code]
    raise ModelError(f"{where}: no model for {target.name} ({target.code}) in the map")


def _model(where: str, setting: str | dict[str, str], target: Language, resolve: Resolve) -> Model:
    """Return the model that the setting called ``where`` has for ``target``."""
    name = model_name(where, setting, target)
    try:
        return resolve(name)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from None


@functools.cache
def _lid_digest() -> str:
    with BUNDLED.open("rb") as model:
        return hashlib.file_digest(model, "blake2b").hexdigest()[:32]
