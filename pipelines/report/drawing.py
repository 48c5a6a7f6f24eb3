"""Drawing for an HTML page: one style, one palette, SVG whose bytes depend on the figures alone."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

KEPT: Final = "#0072b2"
DROPPED: Final = "#d55e00"  # the two that Okabe and Ito's colour-blind-safe palette puts farthest apart
INK: Final = "#1d2129"
MUTED: Final = "#667080"
GRID: Final = "#d9dde3"
PAGE: Final = "#fefefe"
_VARIABLES: Final = {
    KEPT: "kept",
    DROPPED: "dropped",
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAGE: "page",
}
"""Colour → the CSS variable that replaces it, so that charts follow the page into dark mode."""

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "patch.linewidth": 0,
}
WIDTH: Final = 11.0
"""Inches: the width of the page's column."""

_FLOOR: Final = 0.5
"""Where the logarithmic axes begin: below one pair, so that one pair can be seen."""


@dataclass(frozen=True)
class Chart:
    """One drawing: an ``<svg>`` element without a document around it, and what it shows, in words."""

    svg: str
    alt: str


@contextmanager
def drawing(name: str, width: float, height: float) -> Iterator[tuple[Figure, list[str]]]:
    """Give a figure to draw on; on leaving, its SVG is the only item of the list."""
    # The salt goes into element ids, which must not be the same in two charts of one page.
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(wspace=0.06, hspace=0.09))
        drawn: list[str] = []
        yield figure, drawn
        sink = io.StringIO()
        figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        drawn.append(_embedded(sink.getvalue()))


def _embedded(svg: str) -> str:
    """Return an SVG document as an element of an HTML page: no prologue, no group ids, the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:xmlns|xmlns:xlink|version|id)="[^"]*"', "", svg[: svg.index(">")]) + svg[svg.index(">") :]
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # every chart has a patch_1, and nothing refers to it
    svg = re.sub(r" ?font-family: [^;\"]*;?", "", svg)  # the page's own
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return re.sub(r"<[^>]*>", _compact, re.sub(r"\n\s*", "\n", svg))


def _compact(tag: re.Match[str]) -> str:
    """Return a tag with its numbers to a hundredth of a point, and without what says nothing."""
    without = re.sub(r' transform="rotate\(-?0 [^"]*"|; stroke-linejoin: miter', "", tag[0])
    return re.sub(r"(\.\d\d)\d+", r"\1", without).replace("\n", " ").replace("  L ", "L")


def matrix(
    name: str,
    intensity: npt.NDArray[np.float64],
    texts: Sequence[Sequence[str]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    alt: str,
    width: float = WIDTH,
    colours: Sequence[str] = (),
) -> Chart:
    """Draw a table of ``texts`` whose cells are coloured by ``intensity`` [rows, columns] in 0 to 1."""
    cells = np.array([[to_rgba(colour) for colour in colours or [DROPPED] * len(columns)]] * len(rows))
    cells[..., 3] = 0.75 * intensity
    with drawing(name, width, (0.26 if len(rows) <= 15 else 0.2) * len(rows) + 1.05) as (figure, drawn):
        axes = figure.add_subplot()
        for row, column in np.argwhere(intensity > 0):
            axes.barh(row, 0.96, left=column + 0.02, height=0.92, color=cells[row, column])
        for row, line in enumerate(texts):
            for column, text in enumerate(line):
                axes.text(column + 0.5, row, text, ha="center", va="center", color=INK, fontsize=8)
        axes.set_yticks(range(len(rows)), rows, color=INK)
        places = np.arange(len(columns)) + 0.5
        axes.set_xticks(places, columns, color=INK, rotation=35, ha="left", rotation_mode="anchor")
        axes.xaxis.tick_top()
        # Few columns stay as wide as a number needs, instead of filling the page.
        axes.set(xlim=(0, max(len(columns), 8)), ylim=(len(rows) - 0.5, -0.5))
        bare(axes)
    return Chart(drawn[0], alt)


def bars(axes: Axes, counts: Sequence[int], edges: npt.NDArray[np.float64], colour: str, *, alpha: float = 1.0) -> None:
    """Draw a histogram of ``counts`` between ``edges`` for a logarithmic axis."""
    steps = np.flatnonzero(np.diff(counts, prepend=-1))  # neighbours of one height are one bar: a smaller page
    axes.stairs(
        np.maximum(counts, _FLOOR)[steps],
        edges[[*steps, -1]],
        baseline=_FLOOR,
        fill=True,
        color=to_rgba(colour, alpha),
    )


def logarithmic(axes: Axes, highest: int) -> None:
    """Let ``axes`` count pairs by powers of ten, up to ``highest``."""
    axes.set_yscale("log")
    axes.set_ylim(_FLOOR, 2.0 * highest)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    counted(axes)


def counted(axes: Axes) -> None:
    """Label the vertical axis with whole numbers, and with lines instead of an edge."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}" if count >= 1 or not count else ""))
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y")


def bare(axes: Axes) -> None:
    """Take away the frame."""
    axes.spines[:].set_visible(False)
