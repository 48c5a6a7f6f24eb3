"""What the figures say, in words."""

from collections.abc import Mapping

from filters.verdict import RULES
from pipelines.config import Config
from pipelines.report.calibration import NoiseRate
from pipelines.report.figures import LanguageFigures, ReasonFigures


def sentence(name: str, *, made: int, kept: int, reasons: Mapping[str, ReasonFigures]) -> str:
    """Return what happened to one language's pairs in one sentence, with the two commonest reasons."""
    if not made:
        return f"{name}: no pairs were made."
    worst = [f"{spoken(reason)} ({figure['pairs']:,})" for reason, figure in list(reasons.items())[:2]]
    lead = "" if len(reasons) < 2 else "most "
    why = f"; {lead}dropped for {' and '.join(worst)}" if worst else ""
    return f"{name}: {kept:,} of {made:,} pairs kept ({percent(kept, made)}){why}."


def spoken(name: str) -> str:
    """Return a reason's or score's name as one says it: ``low_similarity`` is low similarity."""
    return name.replace("_", " ")


def percent(part: float, whole: float) -> str:
    """Return a share with one decimal; a dash where there is nothing; 100.0 % is all and 0.0 % none."""
    if not whole:
        return "–"
    share = part / whole * 100
    if part < whole and share >= 99.95:
        return "> 99.9 %"
    if part and share < 0.05:
        return "< 0.1 %"
    return f"{share:.1f} %"


def noise_rate(rate: NoiseRate) -> str:
    """Return in a clause how much of a corpus looks like planted noise, with the interval around it."""
    interval = f"{rate.level * 100:g} % interval"
    if not rate.high:
        return f"no pairs look like planted noise ({interval} of no width, since none was found)"
    low, high = percent(rate.low, 1), percent(rate.high, 1)
    between = f"between {low} and {high} of the pairs look" if low != high else f"{low} of the pairs look"
    return f"{between} like planted noise ({interval}; the best estimate is {percent(rate.estimate, 1)})"


def notes(languages: Mapping[str, LanguageFigures], *, config: Config, read: int, missing_media: int) -> list[str]:
    """Return what was not there, not measured or not judged, in whole sentences.

    ``missing_media`` of the ``read`` captions were rejected for it.
    """
    said: list[str] = []
    if missing_media and config.input.tolerated_missing is not None:
        said.append(
            f"The media of {missing_media:,} of {read:,} captions ({percent(missing_media, read)}) are missing; "
            "input.max_rejected does not count these."
        )
    teacher = config.score.teacher
    if teacher == "none":
        said.append("No similarity was measured: no teacher is configured.")
    elif "low_similarity" in config.judge.active_rules and all(
        config.thresholds_for(code).min_similarity is None for code in languages
    ):
        said.append("No pair was judged by its similarity: judge.thresholds sets no min_similarity for this teacher.")
    if not config.translate.back_translation:
        said.append("Nothing was translated back, so no pair was judged by its round trip.")
    for language in languages.values():
        missing = language["not_measured"]
        if "similarity" in missing and teacher != "none":
            said.append(
                f"{language['name']}: similarity was not measured, since the teacher ({teacher}) does not "
                "know this language. No pair was dropped or weighted for it."
            )
        known = {"similarity"} | (set() if config.translate.back_translation else {"back_chrf", "back_logprob"})
        known |= set() if config.judge.by_probability else {"clean_probability"}
        if others := [spoken(name) for name in missing if name not in known]:
            said.append(f"{language['name']}: not measured for any pair: {', '.join(others)}.")
    off = [spoken(name) for name in RULES if name not in config.judge.active_rules]
    if off:
        said.append(f"Rules that were switched off: {', '.join(off)}.")
    return said
