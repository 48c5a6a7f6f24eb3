"""From the summary of a run to the figures of its audit."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Final

from filters.verdict import RULES
from pipelines.captions import REJECT_REASONS
from pipelines.config import Config
from pipelines.exclusion.overlaps import Way
from pipelines.report.figures import (
    Audit,
    EvaluationFigures,
    HistogramFigures,
    LanguageFigures,
    LengthFigures,
    Overlap,
    ReasonFigures,
)
from pipelines.report.words import notes, sentence
from pipelines.summary import KEPT, LENGTHS, WEIGHT, Histogram, LanguageSummary, Leak, Ranked, Row, Summary, bins_of
from translate.languages import parse_language

VERSION: Final = 1
"""Of the layout of ``audit.json``."""


def tally(summary: Summary, *, config: Config) -> Audit:
    """Return the audit of what ``summary`` counted, judged as ``config`` says.

    Every language of the configuration has an entry, also where it has no pairs.
    """
    codes = [*config.languages, *sorted(set(summary.languages) - set(config.languages))]
    counted = {code: summary.languages.get(code, LanguageSummary()) for code in codes}
    languages = {code: _language(code, counted[code], config) for code in codes}
    # Every caption is translated into every language, so each has seen all captions that could be used.
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
        "notes": notes(languages, config=config, read=used + rejected, missing_media=summary.rejects["missing_media"]),
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
        "evaluation_sets": _evaluation_sets(summary.leaks, config),
        "edges": {
            name: [round(float(edge), 6) for edge in bins.edges]
            for name, bins in {**{score: bins_of(score) for score in scores}, "weight": WEIGHT}.items()
        },
        "languages": languages,
    }


def _evaluation_sets(leaks: Mapping[tuple[str, str], Leak], config: Config) -> dict[str, EvaluationFigures]:
    """Return the figures of every evaluation set of the configuration, also where nothing of it was found."""
    figures: dict[str, EvaluationFigures] = {}
    for name in dict.fromkeys(
        [*(entry.set_name for entry in config.input.exclude), *sorted(name for name, _ in leaks)]
    ):
        found = {way.label: leaks.get((name, way.label), Leak()) for way in Way}
        together = sum(found.values(), Leak())
        figures[name] = {
            "items": len(together.items),
            "captions": together.captions,
            "ways": {way: {"items": len(leak.items), "captions": leak.captions} for way, leak in found.items()},
        }
    return figures


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
            name for name in names if not counted.scores[name, True].total and not counted.scores[name, False].total
        ],
        "lid": {"expected": parsed.lid_label, "labels": dict(_by_count(counted.labels))},
        "lengths": {
            name: _length(histogram, name)
            for name, histogram in counted.lengths.items()
            if parsed.spaced or name != "target_words"  # nothing separates the words there
        },
        "weight": _histogram(counted.weights),
        "thresholds": dataclasses.asdict(config.thresholds_for(code)),
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
