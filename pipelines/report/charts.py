"""The report's charts, each a function of the audit's figures."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipelines.report.drawing import (
    DROPPED,
    INK,
    KEPT,
    MUTED,
    PAGE,
    WIDTH,
    Chart,
    bare,
    bars,
    counted,
    drawing,
    logarithmic,
    matrix,
)
from pipelines.report.figures import (
    Audit,
    HistogramFigures,
    LanguageFigures,
    RuleFigures,
    ScoreFigures,
)
from pipelines.report.words import percent, spoken

_SHOWN_SCORES: Final = {
    "similarity": "similarity (cosine)",
    "lid_prob": "language probability",
    "mt_logprob": "log-probability per token",
    "length_ratio": "length ratio",
    "copy_ratio": "copied words",
    "repetition": "repetition",
    "script_share": "letters in the right script",
    "back_chrf": "round trip (chrF)",
}
_LABELS: Final = 12
"""Columns of the language identification chart before the rest is one column."""


def kept_by_language(audit: Audit) -> Chart:
    """Draw a bar for each language: the shares of pairs kept, dropped for one reason and for several."""
    languages = [audit["languages"][code] for code in audit["run"]["languages"]]
    made = np.array([max(language["made"], 1) for language in languages])
    several = np.array([language["dropped_for_several_reasons"] for language in languages])
    parts = {
        "kept": (np.array([language["kept"] for language in languages]), KEPT, 1.0),
        "dropped for one reason": (
            np.array([language["dropped"] for language in languages]) - several,
            DROPPED,
            0.6,
        ),
        "dropped for several": (several, DROPPED, 1.0),
    }
    with drawing("kept", WIDTH, (0.3 if len(languages) <= 10 else 0.2) * len(languages) + 0.85) as (
        figure,
        drawn,
    ):
        axes = figure.add_subplot()
        places = range(len(languages))
        start = np.zeros(len(languages))
        for label, (counts, colour, alpha) in parts.items():
            share = counts / made * 100
            axes.barh(places, share, left=start, height=0.62, color=to_rgba(colour, alpha), label=label)
            start += share
        for place, language in zip(places, languages, strict=True):
            text = f"{percent(language['kept'], language['made'])} of {language['made']:,}"
            axes.text(101, place, text, va="center", color=INK)
        axes.set_yticks(places, [language["name"] for language in languages], color=INK)
        axes.set(xlim=(0, 117), ylim=(len(languages) - 0.4, -0.6), xticks=range(0, 101, 20))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0f} %"))
        bare(axes)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1), ncols=3, handlelength=1, borderaxespad=0.2)
    kept = ", ".join(f"{each['name']} {percent(each['kept'], each['made'])}" for each in languages)
    return Chart(drawn[0], f"Share of pairs kept in each language: {kept}.")


def reasons_by_language(audit: Audit, reasons: Sequence[str]) -> Chart:
    """Draw a heat map of the share of each language's pairs that each reason dropped."""
    languages = [audit["languages"][code] for code in audit["run"]["languages"]]
    counts = np.array([[_pairs(language, reason) for reason in reasons] for language in languages])
    shares = counts / np.maximum(1, [[language["made"]] for language in languages]) * 100
    return matrix(
        "reasons",
        np.sqrt(shares / max(shares.max(), 1e-9)),
        [[f"{share:.1f}" if share else "" for share in row] for row in shares],
        rows=[language["name"] for language in languages],
        columns=[spoken(reason) for reason in reasons],
        alt="Share of each language's pairs dropped for each reason, in percent; the table has the totals.",
    )


def language_confusion(audit: Audit) -> Chart:
    """Draw what language identification ranked first for each language, in percent of its pairs."""
    languages = [audit["languages"][code] for code in audit["run"]["languages"]]
    wrong: dict[str, int] = {}
    for language in languages:
        for label, count in language["lid"]["labels"].items():
            if label != language["lid"]["expected"]:
                wrong[label] = wrong.get(label, 0) + count
    labels = sorted(wrong, key=lambda label: (-wrong[label], label))[:_LABELS]
    columns = ["as expected", *labels, *(["other"] if len(wrong) > len(labels) else []), "cannot tell"]
    counts = np.zeros((len(languages), len(columns)))
    for row, language in enumerate(languages):
        found = language["lid"]["labels"]
        right = found.get(language["lid"]["expected"], 0)
        named = [found.get(label, 0) if label != language["lid"]["expected"] else 0 for label in labels]
        silent = language["made"] - sum(found.values())
        counts[row, 0], counts[row, 1 : len(labels) + 1], counts[row, -1] = right, named, silent
        if "other" in columns:
            counts[row, -2] = sum(found.values()) - right - sum(named)
    shares = counts / np.maximum(1, [[language["made"]] for language in languages]) * 100
    intensity = np.sqrt(shares / 100)
    return matrix(
        "lid",
        intensity,
        [[_share_text(share) for share in row] for row in shares],
        rows=[language["name"] for language in languages],
        columns=columns,
        colours=[KEPT] + [DROPPED] * len(labels) + [DROPPED] * ("other" in columns) + [MUTED],
        alt="What language identification says of each language's translations, in percent of the pairs.",
    )


def funnel(language: LanguageFigures, *, read: int, rejected: int) -> Chart:
    """Draw the way from captions read to pairs kept, each loss as a step."""
    several = language["dropped_for_several_reasons"]
    reasons = [reason for reason in language["overlap"]["reasons"] if language["reasons"][reason]["only"]]
    losses = [(f"only {spoken(reason)}", language["reasons"][reason]["only"]) for reason in reasons]
    losses += [("several reasons", several)] if several else []
    losses.sort(key=lambda loss: -loss[1])
    steps = [("captions read", read, 0, MUTED), ("rejected", rejected, read - rejected, DROPPED)]
    steps.append(("pairs made", language["made"], 0, MUTED))
    left = language["made"]
    for name, count in losses:
        left -= count
        steps.append((name, count, left, DROPPED))
    steps.append(("pairs kept", language["kept"], 0, KEPT))
    with drawing(f"funnel {language['name']}", WIDTH / 2, 0.25 * len(steps) + 0.2) as (figure, drawn):
        axes = figure.add_subplot()
        top = max(read, 1)
        for place, (_, count, start, colour) in enumerate(steps):
            axes.barh(place, count, left=start, height=0.66, color=colour)
            lost = colour == DROPPED
            label = f"−{count:,}  ({percent(count, steps[0 if place == 1 else 2][1])})" if lost else f"{count:,}"
            end = start if lost else count
            inside = end > 0.3 * top
            axes.text(
                end + (-0.012 if inside else 0.012) * top,
                place,
                label,
                va="center",
                ha="right" if inside else "left",
                color=PAGE if inside and not lost else INK,
                weight="normal" if lost else "bold",
            )
        axes.set_yticks(range(len(steps)), [name for name, *_ in steps], color=INK)
        axes.set(xlim=(0, top), ylim=(len(steps) - 0.5, -0.5), xticks=[])
        bare(axes)
    said = "; ".join(f"{name}: {count:,}" for name, count, *_ in steps)
    return Chart(drawn[0], f"From captions to kept pairs, {language['name']}. {said}.")


def overlap(language: LanguageFigures) -> Chart:
    """Draw how many pairs were dropped for both of any two reasons."""
    counts = np.array(language["overlap"]["counts"])
    names = [spoken(reason) for reason in language["overlap"]["reasons"]]
    below = np.tri(len(names), dtype=bool)
    return matrix(
        f"overlap {language['name']}",
        np.where(below, np.sqrt(counts / max(counts.max(), 1)), 0),
        [
            [f"{count:,}" if shown and count else "" for count, shown in zip(*row, strict=True)]
            for row in zip(counts, below, strict=True)
        ],
        rows=names,
        columns=names,
        width=WIDTH / 2,
        alt=f"How many {language['name']} pairs were dropped for both of two reasons.",
    )


def scores(language: LanguageFigures, *, edges: dict[str, list[float]], rules: dict[str, RuleFigures]) -> Chart | None:
    """Draw the histograms of all measured scores with their thresholds; None where nothing was measured."""
    shown = [name for name in _SHOWN_SCORES if name in language["scores"] and _any(language["scores"][name])]
    if not shown:
        return None
    columns = 4
    rows = -(-len(shown) // columns)
    with drawing(f"scores {language['name']}", WIDTH, 1.95 * rows) as (figure, drawn):
        for place, name in enumerate(shown):
            axes = figure.add_subplot(rows, columns, place + 1)
            bounds = {
                field: value
                for rule in rules.values()
                if name in rule["columns"] and rule["active"]
                for field in rule["thresholds"]
                if (value := language["thresholds"].get(field)) is not None
            }
            _score(axes, language["scores"][name], np.array(edges[name]), bounds)
            axes.set_title(_SHOWN_SCORES[name], pad=26, color=INK)
    said = ", ".join(_SHOWN_SCORES[name] for name in shown)
    return Chart(drawn[0], f"Histograms of kept and dropped {language['name']} pairs: {said}.")


def lengths_and_weights(language: LanguageFigures, *, edges: dict[str, list[float]]) -> Chart:
    """Draw how long sources and translations are, and what the kept pairs weigh."""
    units = [unit for unit in ("characters", "words") if f"target_{unit}" in language["lengths"]]
    with drawing(f"lengths {language['name']}", WIDTH, 1.9) as (figure, drawn):
        for place, unit in enumerate(units):
            axes = figure.add_subplot(1, 3, place + 1)
            for side, colour, label in (("source", MUTED, "source"), ("target", KEPT, "translation")):
                counts = language["lengths"][f"{side}_{unit}"]["counts"]
                width = 5 if unit == "characters" else 1
                grouped = np.add.reduceat(counts, range(0, len(counts), width)) if counts else np.zeros(1)
                axes.stairs(
                    grouped,
                    np.arange(len(grouped) + 1) * width,
                    fill=side == "source",
                    color=to_rgba(colour, 0.35 if side == "source" else 1.0),
                    linewidth=1.4,
                    label=label,
                )
            highest = [language["lengths"][f"{side}_{unit}"]["p95"] or 0 for side in ("source", "target")]
            axes.set_xlim(0, max(10, 1.6 * max(highest)))
            axes.set_title(f"length in {unit}", color=INK)
            axes.legend(loc="upper right", handlelength=1, borderaxespad=0)
            counted(axes)
        axes = figure.add_subplot(1, 3, len(units) + 1)
        bars(axes, language["weight"]["counts"], np.array(edges["weight"]), KEPT)
        axes.set_title("weight of kept pairs", color=INK)
        logarithmic(axes, max([*language["weight"]["counts"], 1]))
    return Chart(drawn[0], f"Lengths of {language['name']} sources and translations, and weights of kept pairs.")


def _score(axes: Axes, score: ScoreFigures, edges: npt.NDArray[np.float64], bounds: dict[str, float]) -> None:
    """Draw one score: kept behind, dropped in front; each is read off the axis, which is logarithmic."""
    kept, dropped = _with_tails(score["kept"]), _with_tails(score["dropped"])
    bars(axes, kept, edges, KEPT, alpha=0.55)
    bars(axes, dropped, edges, DROPPED, alpha=0.8)
    used = np.flatnonzero(np.array(kept) + np.array(dropped))
    ends = [edges[used[0]], edges[used[-1] + 1], *bounds.values()]
    margin = max(0.03 * (max(ends) - min(ends)), edges[1] - edges[0])
    axes.set_xlim(max(min(ends) - margin, edges[0] - margin), min(max(ends) + margin, edges[-1] + margin))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    logarithmic(axes, max([*kept, *dropped, 1]))
    # Neighbours would write over each other on one line.
    for level, (field, value) in enumerate(sorted(bounds.items(), key=lambda bound: bound[1])):
        full = field.startswith("full_")
        axes.axvline(value, color=MUTED if full else INK, linewidth=1.1, linestyle=":" if full else "-")
        low, high = axes.get_xlim()
        late = value > low + 0.6 * (high - low)
        word = "full weight" if full else ("at least" if field.startswith("min_") else "at most")
        axes.annotate(
            f"{word} {value:g}".replace("-", "−"),
            (value, 1),
            (-1 if late else 1, 3 + 10 * (len(bounds) - 1 - level)),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if late else "left",
            fontsize=8,
            color=MUTED if full else INK,
        )


def _with_tails(histogram: HistogramFigures) -> list[int]:
    """Return the counts with what lies beyond the first and the last bin added to these."""
    counts = list(histogram["counts"])
    counts[0] += histogram["below"]
    counts[-1] += histogram["above"]
    return counts


def _any(score: ScoreFigures) -> bool:
    return any(sum(_with_tails(side)) for side in (score["kept"], score["dropped"]))


def _pairs(language: LanguageFigures, reason: str) -> int:
    return language["reasons"][reason]["pairs"] if reason in language["reasons"] else 0


def _share_text(share: float) -> str:
    return "" if not share else "< 0.1" if share < 0.05 else f"{share:.1f}"
