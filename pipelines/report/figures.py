"""The figures of an audit, in the shape of ``audit.json``: the report draws them, other programs read them."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Final, TypedDict

from filters.verdict import RULES
from pipelines.captions import REJECT_REASONS
from pipelines.config import Config
from pipelines.summary import KEPT, LENGTHS, WEIGHT, Histogram, LanguageSummary, Ranked, Row, Summary, bins_of
from translate.languages import parse_language

VERSION: Final = 1


class RunFigures(TypedDict):
    """What was run: as in ``config.yaml``, for the head of the report."""

    source_language: str
    model: str
    teacher: str
    back_translation: bool
    languages: list[str]
    """In the order of the configuration."""


class Totals(TypedDict):
    """Captions read = captions used + captions rejected; pairs made = kept + dropped, over all languages."""

    captions_read: int
    captions_rejected: int
    captions_used: int
    pairs_made: int
    pairs_kept: int
    pairs_dropped: int


class RejectFigures(TypedDict):
    """One reason to reject a caption."""

    explanation: str
    count: int
    examples: list[Row]


class RuleFigures(TypedDict):
    """One reason to drop a pair: the scores it reads and the thresholds it holds them against."""

    explanation: str
    active: bool
    columns: list[str]
    thresholds: list[str]


class ReasonFigures(TypedDict):
    """How many pairs of one language a rule dropped, and how many of them no other rule did."""

    pairs: int
    only: int


class Overlap(TypedDict):
    """``counts[i][j]`` pairs were dropped for both ``reasons[i]`` and ``reasons[j]``; the diagonal has all of one."""

    reasons: list[str]
    counts: list[list[int]]


class HistogramFigures(TypedDict):
    """``counts[i]`` values lie between edges i and i + 1; missing are those that were not measured."""

    counts: list[int]
    below: int
    above: int
    missing: int
    mean: float | None


class ScoreFigures(TypedDict):
    """One score, of the kept and of the dropped pairs."""

    kept: HistogramFigures
    dropped: HistogramFigures


class LengthFigures(TypedDict):
    """``counts[i]`` texts are i long, up to the longest; percentiles are exact unless they are ``above``."""

    counts: list[int]
    above: int
    missing: int
    mean: float | None
    p5: float | None
    p50: float | None
    p95: float | None


class LabelFigures(TypedDict):
    """What language identification ranked first, and what it should have."""

    expected: str
    labels: dict[str, int]


class Samples(TypedDict):
    """Pairs drawn by the hash of key, caption index and language: the same ones however the work was split."""

    kept: list[Row]
    dropped: dict[str, list[Row]]


class LanguageFigures(TypedDict):
    """All about the pairs of one language."""

    name: str
    sentence: str
    made: int
    kept: int
    dropped: int
    reasons: dict[str, ReasonFigures]
    dropped_for_several_reasons: int
    overlap: Overlap
    scores: dict[str, ScoreFigures]
    not_measured: list[str]
    """Scores that are null for every pair."""
    lid: LabelFigures
    lengths: dict[str, LengthFigures]
    weight: HistogramFigures
    thresholds: dict[str, float | None]
    samples: Samples


class Audit(TypedDict):
    """The whole of ``audit.json``. ``edges`` are the bounds of the bins of every score and of ``weight``."""

    version: int
    run: RunFigures
    totals: Totals
    notes: list[str]
    rules: dict[str, RuleFigures]
    rejects: dict[str, RejectFigures]
    edges: dict[str, list[float]]
    languages: dict[str, LanguageFigures]


def figures(summary: Summary, *, config: Config) -> Audit:
    """Return the audit of what ``summary`` counted, judged as ``config`` says.

    Every language of the configuration has an entry, also where it has no pairs.
    """
    codes = [*config.languages, *sorted(set(summary.languages) - set(config.languages))]
    counted = {code: summary.languages.get(code, LanguageSummary()) for code in codes}
    languages = {code: _language(code, counted[code], config) for code in codes}
    # Every caption is translated into every language, so each language has seen all captions that could be used.
    used = max((language.made for language in counted.values()), default=0)
    rejected = summary.rejects.total()
    scores = sorted({name for language in counted.values() for name, _ in language.scores})
    return {
        "version": VERSION,
        "run": {
            "source_language": config.source_language,
            "model": _model_name(config.translate.model),
            "teacher": config.score.teacher,
            "back_translation": config.translate.back_translation,
            "languages": codes,
        },
        "totals": {
            "captions_read": used + rejected,
            "captions_rejected": rejected,
            "captions_used": used,
            "pairs_made": sum(language.made for language in counted.values()),
            "pairs_kept": sum(language.kept for language in counted.values()),
            "pairs_dropped": sum(language.dropped for language in counted.values()),
        },
        "notes": notes(languages, config=config),
        "rules": {
            name: {
                "explanation": rule.explanation,
                "active": name in config.judge.active_rules,
                "columns": list(rule.columns),
                "thresholds": list(rule.thresholds),
            }
            for name, rule in RULES.items()
        },
        "rejects": {
            reason: {
                "explanation": REJECT_REASONS.get(reason, ""),
                "count": count,
                "examples": _rows(summary.examples[reason]),
            }
            for reason, count in _by_count(summary.rejects)
        },
        "edges": {
            name: [round(float(edge), 6) for edge in bins.edges]
            for name, bins in {**{score: bins_of(score) for score in scores}, "weight": WEIGHT}.items()
        },
        "languages": languages,
    }


def sentence(name: str, *, made: int, kept: int, reasons: Mapping[str, ReasonFigures]) -> str:
    """Return what happened to one language's pairs in one sentence, with the two commonest reasons."""
    if not made:
        return f"{name}: no pairs were made."
    worst = [f"{spoken(reason)} ({figure['pairs']:,})" for reason, figure in list(reasons.items())[:2]]
    lead = "" if len(reasons) < 2 else "most "
    why = f"; {lead}dropped for {' and '.join(worst)}" if worst else ""
    return f"{name}: {kept:,} of {made:,} pairs kept ({kept / made * 100:.1f} %){why}."


def spoken(name: str) -> str:
    """Return a reason's or score's name as one says it: ``low_similarity`` is low similarity."""
    return name.replace("_", " ")


def notes(languages: Mapping[str, LanguageFigures], *, config: Config) -> list[str]:
    """Return what was not measured or not judged, in whole sentences."""
    said: list[str] = []
    teacher = config.score.teacher
    if teacher == "none":
        said.append("No similarity was measured: no teacher is configured.")
    if not config.translate.back_translation:
        said.append("Nothing was translated back, so no pair was judged by its round trip.")
    for language in languages.values():
        missing = language["not_measured"]
        if "similarity" in missing and teacher != "none":
            said.append(
                f"{language['name']}: similarity was not measured, since the teacher ({teacher}) does not know "
                "this language. No pair was dropped or weighted for it."
            )
        known = {"similarity"} | (set() if config.translate.back_translation else {"back_chrf", "back_logprob"})
        if others := [spoken(name) for name in missing if name not in known]:
            said.append(f"{language['name']}: not measured for any pair: {', '.join(others)}.")
    off = [spoken(name) for name in RULES if name not in config.judge.active_rules]
    if off:
        said.append(f"Rules that were switched off: {', '.join(off)}.")
    return said


def _language(code: str, counted: LanguageSummary, config: Config) -> LanguageFigures:
    parsed = parse_language(code)
    pairs, only = Counter[str](), Counter[str]()
    for combination, count in counted.combinations.items():
        pairs.update(dict.fromkeys(combination, count))
        if len(combination) == 1:
            only[combination[0]] += count
    reasons: dict[str, ReasonFigures] = {
        reason: {"pairs": count, "only": only[reason]} for reason, count in _by_count(pairs)
    }
    names = list(dict.fromkeys(name for name, _ in counted.scores))
    return {
        "name": parsed.name,
        "sentence": sentence(parsed.name, made=counted.made, kept=counted.kept, reasons=reasons),
        "made": counted.made,
        "kept": counted.kept,
        "dropped": counted.dropped,
        "reasons": reasons,
        "dropped_for_several_reasons": sum(n for names, n in counted.combinations.items() if len(names) > 1),
        "overlap": _overlap(counted.combinations, list(reasons)),
        "scores": {
            name: {
                "kept": _histogram(counted.scores[name, True]),
                "dropped": _histogram(counted.scores[name, False]),
            }
            for name in names
        },
        "not_measured": [
            name
            for name in names
            if not counted.scores[name, True].total and not counted.scores[name, False].total
        ],
        "lid": {"expected": parsed.lid_label, "labels": dict(_by_count(counted.labels))},
        "lengths": {
            name: _length(histogram, name)
            for name, histogram in counted.lengths.items()
            if parsed.spaced or name != "target_words"  # nothing separates the words there
        },
        "weight": _histogram(counted.weights),
        "thresholds": dataclasses.asdict(config.judge.thresholds_for(code)),
        "samples": {
            "kept": _rows(counted.samples.get(KEPT, [])),
            "dropped": {reason: _rows(counted.samples.get(reason, [])) for reason in reasons},
        },
    }


def _overlap(combinations: Mapping[tuple[str, ...], int], reasons: list[str]) -> Overlap:
    places = {reason: place for place, reason in enumerate(reasons)}
    counts = [[0] * len(reasons) for _ in reasons]
    for combination, count in combinations.items():
        for one in combination:
            for other in combination:
                counts[places[one]][places[other]] += count
    return {"reasons": reasons, "counts": counts}


def _histogram(histogram: Histogram) -> HistogramFigures:
    below, *counts, above = histogram.counts.tolist()
    return {
        "counts": counts,
        "below": below,
        "above": above,
        "missing": histogram.missing,
        "mean": _rounded(histogram.mean),
    }


def _length(histogram: Histogram, name: str) -> LengthFigures:
    bins = LENGTHS[name]
    counts = histogram.counts.tolist()[1:-1]
    while counts and not counts[-1]:
        counts.pop()
    return {
        "counts": counts,
        "above": int(histogram.counts[-1]),
        "missing": histogram.missing,
        "mean": _rounded(histogram.mean),
        "p5": histogram.quantile(0.05, bins),
        "p50": histogram.quantile(0.5, bins),
        "p95": histogram.quantile(0.95, bins),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _rows(ranked: list[Ranked]) -> list[Row]:
    return [row for _, row in ranked]


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _model_name(model: str | dict[str, str]) -> str:
    return model if isinstance(model, str) else ", ".join(f"{code}: {name}" for code, name in sorted(model.items()))
