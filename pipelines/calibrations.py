"""The calibrations that a run is judged by: where they lie, and what they make of the judge's settings."""

from collections.abc import Iterator, Mapping

from filters.calibration import Calibration, CalibrationError
from filters.confidence import TOKEN_SCORES
from filters.thresholds import Thresholds
from pipelines import files
from pipelines.config import Config, ConfigError, LanguageOverride
from pipelines.run import Run


def calibration_path(folder: str, code: str) -> str:
    """Return the file of one language in a folder that ``captionloom calibrate`` wrote."""
    return files.join(folder, f"{code}.json")


def read_calibration(path: str) -> Calibration:
    """Return the calibration in ``path``; raises `CalibrationError`, which names it."""
    try:
        return Calibration.from_json(files.read_bytes(path))
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from None


def noise_line(calibration: Calibration) -> str:
    """Return the estimated rate of noise as a clause."""
    rate = calibration.report["noise_rate"]
    return f"{rate['estimate']:.1%} of the pairs look like planted noise ({rate['low']:.1%} to {rate['high']:.1%})"


def load_calibrations(run: Run, config: Config) -> dict[str, Calibration]:
    """Return what each language is judged by; empty where the configuration judges by rules alone.

    Raises `ConfigError` that names every language without a calibration that can be read.
    """
    if not config.judge.by_probability:
        return {}
    folder = config.judge.calibration or run.calibration
    found, problems = {}, []
    for code in config.languages:
        path = calibration_path(folder, code)
        if not files.exists(path):
            problems.append(
                f"judge: {path} is not there: judging by the probability of being clean needs what "
                "captionloom calibrate learns from a finished run"
            )
            continue
        try:
            found[code] = read_calibration(path)
        except CalibrationError as error:
            problems.append(f"judge: {error}")
            continue
        back = config.translate.back_translation
        # What a model says of its own translations is no such score, whether score.tokens is on or not.
        differences = unlike(found[code], code=code, teacher=config.score.teacher, back=back, tokens=False)
        problems += [f"judge: {path} {difference}" for difference in differences]
    if problems:
        raise ConfigError(problems)
    return found


def with_bounds(config: Config, bounds: Mapping[str, float]) -> Config:
    """Return ``config`` with the bounds on the probability that a cut has found, as thresholds of their languages."""
    languages = dict(config.judge.languages)
    for code, bound in bounds.items():
        own = languages.get(code, LanguageOverride())
        thresholds = {**own.thresholds, "min_clean_probability": bound}
        languages[code] = own.model_copy(update={"thresholds": thresholds})
    return config.model_copy(update={"judge": config.judge.model_copy(update={"languages": languages})})


def unlike(calibration: Calibration, *, code: str, teacher: str, back: bool, tokens: bool) -> Iterator[str]:
    """Say in what the pairs to judge are not measured as those were that the calibration was learnt from.

    ``code``: their language; ``teacher``: its name; ``back``: they were translated back; ``tokens``: somebody else's
    translations were read token by token.
    """
    features = set(calibration.features)
    learnt_with = calibration.report.get("teacher", teacher)
    if calibration.language != code:
        yield f"was learnt of {calibration.language!r}, not of {code!r}"
    if {"similarity", "margin"} & features and learnt_with != teacher:
        yield f"was learnt with the teacher {learnt_with!r}, not with {teacher!r}"
    if {"back_chrf", "back_similarity"} & features and not back:
        yield "reads round-trip scores, and nothing is translated back"
    if set(TOKEN_SCORES) & features and not tokens:
        yield "reads what a model says of somebody else's translations, token by token"


def thresholds_in_force(
    config: Config, code: str, calibrations: Mapping[str, Calibration], kept_from: Mapping[str, float]
) -> Thresholds:
    """Return the thresholds for the language ``code``, with the bound on the probability where there is one.

    ``kept_from``: for ``judge.keep``, language → the probability from which on pairs are kept.
    """
    thresholds = config.thresholds_for(code)
    if code not in calibrations or thresholds.min_clean_probability is not None:
        return thresholds
    bound = kept_from.get(code, config.judge.min_clean_probability)
    if bound == "learnt":
        bound = float(calibrations[code].report["suggested"]["min_clean_probability"])
    return thresholds.replaced({"min_clean_probability": bound})
