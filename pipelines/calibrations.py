"""The calibrations that a run is judged by: where they lie, and what they make of the judge's settings."""

from collections.abc import Iterator, Mapping

from filters.calibration import Calibration, CalibrationError
from filters.thresholds import Thresholds
from pipelines import files
from pipelines.config import Config, ConfigError
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
        problems += [f"judge: {path} {problem}" for problem in _unmeasured(found[code], config)]
    if problems:
        raise ConfigError(problems)
    return found


def _unmeasured(calibration: Calibration, config: Config) -> Iterator[str]:
    """Say which scores the calibration reads that this configuration does not measure as it did."""
    similar = {"similarity", "margin"} & set(calibration.features)
    teacher = calibration.report.get("teacher", config.score.teacher)
    if similar and teacher != config.score.teacher:
        yield f"was learnt with the teacher {teacher!r}, and score.teacher is {config.score.teacher!r}"
    if {"back_chrf", "back_similarity"} & set(calibration.features) and not config.translate.back_translation:
        yield "reads round-trip scores, and translate.back_translation is false"


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
