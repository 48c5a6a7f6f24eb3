"""The charts of what was measured of the noise, each a function of one language's calibration."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from pipelines.report.calibration import Measured, Shares
from pipelines.report.drawing import DROPPED, GRID, INK, KEPT, MUTED, PAGE, WIDTH, Chart, bare, drawing
from pipelines.report.words import percent, spoken

MOST_TELLING: Final = 8
"""So many scores have a histogram, beside the probability of being clean."""
_PROBABILITY: Final = "clean_probability"
_COLUMNS: Final = 3


def reliability(measured: Measured, *, name: str) -> Chart:
    """Draw the share of clean pairs against the probability that was predicted for them."""
    with drawing(f"reliability {name}", WIDTH / 2, 3.9) as (figure, drawn):
        axes = figure.add_subplot()
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        predicted = [each.predicted for each in measured.reliability]
        observed = [each.observed for each in measured.reliability]
        axes.plot(predicted, observed, color=KEPT, linewidth=1.4)
        sizes = [20 + 380 * each.share for each in measured.reliability]
        axes.scatter(predicted, observed, s=sizes, color=to_rgba(KEPT, 0.55), linewidths=0, clip_on=False, zorder=3)
        axes.text(0.98, 0.03, f"ECE {measured.ece:.4f}", ha="right", color=INK, weight="bold")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", ylabel="share that is clean")
        axes.tick_params(pad=7)
        axes.grid()
        bare(axes)
    said = "; ".join(f"{each.predicted:.2f} predicted, {each.observed:.2f} observed" for each in measured.reliability)
    return Chart(drawn[0], f"Reliability, {name}: {said}. Expected calibration error {measured.ece:.4f}.")


def trade_off(measured: Measured, *, name: str) -> Chart:
    """Draw over the share of pairs kept how much noise is left, planted and estimated."""
    chosen = measured.suggested
    planted = [each.planted_kept for each in measured.bounds]
    left = [each.noise_kept for each in measured.bounds]
    said = f"at least {chosen.min_clean_probability:g}: "
    with drawing(f"trade-off {name}", WIDTH / 2, 4.4) as (figure, drawn):
        axes = figure.add_subplot(2, 1, 1)
        _trade(axes, measured, planted, DROPPED)
        _mark(axes, chosen.kept, chosen.planted_kept, said + percent(chosen.planted_kept, 1))
        axes.set_title("planted noise kept", color=INK)
        axes.tick_params(labelbottom=False)
        axes = figure.add_subplot(2, 1, 2)
        _trade(axes, measured, left, KEPT)
        _mark(axes, chosen.kept, chosen.noise_kept, said + _fine(chosen.noise_kept))
        axes.set_title("noise left, as the probabilities have it", color=INK)
        axes.set_xlabel("share of the pairs that is kept")
    alt = (
        f"Kept against noise, {name}: the offered bound of {chosen.min_clean_probability:g} keeps "
        f"{percent(chosen.kept, 1)} of the pairs and {percent(chosen.planted_kept, 1)} of the planted noise; "
        f"{_fine(chosen.noise_kept)} of what is kept is noise, as the probabilities have it."
    )
    return Chart(drawn[0], alt)


def _trade(axes: Axes, measured: Measured, shares: Sequence[float], colour: str) -> None:
    """Draw ``shares`` [bounds] over what each bound keeps."""
    kept = [each.kept for each in measured.bounds]
    axes.plot(kept, shares, color=colour, linewidth=1.4, marker="o", markersize=3.5, clip_on=False)
    width = max(1 - min([*kept, 1.0]), 1e-3)
    axes.set(xlim=(1 - 1.03 * width, 1 + 0.01 * width), ylim=(0, 1.12 * max([*shares, 1e-6])))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.4g} %"))
    axes.tick_params(pad=7)
    axes.grid(axis="y")
    bare(axes)


def _mark(axes: Axes, kept: float, share: float, text: str) -> None:
    """Draw a ring with ``text`` around the offered bound."""
    low, high = axes.get_xlim()
    late = kept > (low + high) / 2
    axes.axvline(kept, color=MUTED, linewidth=1, linestyle=":")
    axes.scatter(kept, share, s=80, color=PAGE, edgecolors=INK, linewidths=1.6, clip_on=False, zorder=3)
    axes.annotate(
        text,
        (kept, share),
        (-9 if late else 9, 6),
        textcoords="offset points",
        ha="right" if late else "left",
        color=INK,
        weight="bold",
    )


def histograms(measured: Measured, *, name: str) -> Chart | None:
    """Draw planted noise against the corpus by probability and by the most telling scores; None without any."""
    telling = [score for score in measured.telling if score in measured.histograms][:MOST_TELLING]
    shown = [score for score in (_PROBABILITY, *telling) if score in measured.histograms]
    if not shown:
        return None
    rows = math.ceil(len(shown) / _COLUMNS)
    with drawing(f"noise {name}", WIDTH, 1.75 * rows) as (figure, drawn):
        for place, score in enumerate(shown):
            axes = figure.add_subplot(rows, _COLUMNS, place + 1)
            _histogram(axes, measured.histograms[score])
            axes.set_title(spoken(score), color=INK)
    said = ", ".join(spoken(score) for score in shown)
    return Chart(drawn[0], f"Histograms of the {name} corpus and of planted noise: {said}.")


def _histogram(axes: Axes, shares: Shares) -> None:
    """Draw planted noise behind and the corpus as a line before it; each is read off the axis, which is logarithmic."""
    floor = 0.5 * min((share for share in (*shares.corpus, *shares.planted) if share), default=0.01)
    for side, colour, filled in ((shares.planted, DROPPED, True), (shares.corpus, KEPT, False)):
        edges = np.linspace(shares.low, shares.high, len(side) + 1)
        axes.stairs(
            np.maximum(side, floor),
            edges,
            baseline=floor,
            fill=filled,
            color=to_rgba(colour, 0.5 if filled else 1.0),
            linewidth=0 if filled else 1.4,
        )
    margin = 0.02 * (shares.high - shares.low)
    axes.set_xlim(shares.low - margin, shares.high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_yscale("log")
    axes.set_ylim(floor, 1.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(axis="y")


def _fine(share: float) -> str:
    """Return a share that is small in any case, to a hundredth of a per cent."""
    return f"{share * 100:.2f} %"
