"""What a calibration says of itself: how well noise is told, how true the probabilities are, what a bound would do."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from filters.calibration import Floats
from filters.features import HIGH_IS_NOISE, TWO_SIDED, Matrix
from filters.labelled import Bools, Labelled


def report(
    pairs: pa.Table,
    data: Labelled,
    tried: Labelled,
    scores: Floats,
    probability: Floats,
    held_out: Floats,
    names: Sequence[str],
) -> dict[str, Any]:
    """Return what was measured by the ``scores`` [rows], of models that never saw the pair (see docs/noise.md).

    ``held_out`` are the probabilities of those ``tried``, planted noise or kept by the rules, among as many noisy as
    clean ones; ``probability`` [rows] those at the noise rate.
    """
    clean = data.clean
    curve = _trade(probability[clean], probability[~clean], data.weights[~clean])
    best = max(curve, key=lambda point: point["f1"])
    return {
        "clean": int(clean.sum()),
        "noisy": {name: int((data.kinds == name).sum()) for name in data.names},
        "auc": data.aucs(scores),
        "detectors": {name: data.aucs(values) for name, values in oriented(data.features, clean, names)},
        "reliability": _reliability(held_out, tried.clean, tried.weights),
        "ece": expected_calibration_error(held_out, tried.clean, tried.weights),
        "curve": curve,
        "suggested": best,
        "histograms": {
            "clean_probability": _histogram(probability, clean, (0.0, 1.0)),
            **{name: _histogram(values, clean) for name, values in zip(names, data.features.T, strict=True)},
        },
        "boundary": _boundary(pairs, probability, clean, best["min_clean_probability"]),
    }


def oriented(features: Matrix, clean: Bools, names: Sequence[str]) -> Iterator[tuple[str, Floats]]:
    """Return each of ``features`` [rows, names] with its name, turned so that it is high where clean.

    A missing value becomes the middle one of the ``clean`` rows.
    """
    for name, column in zip(names, features.T, strict=True):
        usual = np.nanmedian(column[clean])
        values = np.where(np.isnan(column), usual, column)
        values = -np.abs(values - usual) if name in TWO_SIDED else values
        yield name, -values if name in HIGH_IS_NOISE else values


def _reliability(probability: Floats, clean: Bools, weights: Floats) -> list[dict[str, float]]:
    """Return for each tenth of the range that has pairs: mean probability, share that is clean, weight in all."""
    tenth = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    weight = np.bincount(tenth, weights, minlength=_BINS)
    predicted = np.bincount(tenth, weights * probability, minlength=_BINS)
    observed = np.bincount(tenth, weights * clean, minlength=_BINS)
    return [
        {
            "predicted": float(predicted[i] / weight[i]),
            "observed": float(observed[i] / weight[i]),
            "share": float(weight[i] / weight.sum()),
        }
        for i in np.flatnonzero(weight)
    ]


_BINS: Final = 10


def expected_calibration_error(probability: Floats, clean: Bools, weights: Floats | None = None) -> float:
    """Return the mean distance, 0 to 1, of what is predicted and what is so, over ten bins of equal width.

    All are [rows]; Naeini, Cooper and Hauskrecht (2015).
    """
    bins = _reliability(probability, clean, np.ones(len(clean)) if weights is None else weights)
    return sum(one["share"] * abs(one["predicted"] - one["observed"]) for one in bins)


_TINY: Final = 1e-9


def _trade(corpus: Floats, planted: Floats, weights: Floats) -> list[dict[str, float]]:
    """Return what each bound on the probability would do to the corpus, as the probabilities themselves have it.

    ``kept``: the share of the corpus at or above the bound; ``noise_kept``: the noisy share of that; ``noise_found``:
    the share of the corpus's noise below it; ``f1`` of finding that noise; ``planted_kept``: the share of the planted
    noise at or above it. No label says so: it is what follows if the probabilities are right.
    """
    noise = 1 - corpus
    points = []
    for bound in _BOUNDS:
        kept = corpus >= bound
        found = float(noise[~kept].sum())
        points.append(
            {
                "min_clean_probability": bound,
                "kept": float(kept.mean()),
                "noise_kept": float(noise[kept].mean()) if kept.any() else 0.0,
                "noise_found": found / max(float(noise.sum()), _TINY),
                "f1": 2 * found / max(float((~kept).sum() + noise.sum()), _TINY),
                "planted_kept": float(weights[planted >= bound].sum() / weights.sum()),
            }
        )
    return points


_BOUNDS: Final = (*(round(0.05 * i, 2) for i in range(20)), 0.97, 0.98, 0.99, 0.995)


def _histogram(values: Floats, clean: Bools, ends: tuple[float, float] | None = None) -> dict[str, Any]:
    present = values[~np.isnan(values)]
    low, high = ends or np.quantile(present, [0.002, 0.998]).tolist()
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _HISTOGRAM + 1)

    def share(rows: Bools) -> list[float]:
        counted, _ = np.histogram(np.clip(values[rows & ~np.isnan(values)], low, high), edges)
        total = max(1, int(counted.sum()))
        return [round(float(count) / total, 5) for count in counted]

    return {"low": float(low), "high": float(high), "corpus": share(clean), "planted": share(~clean)}


_HISTOGRAM: Final = 40


def _boundary(pairs: pa.Table, probability: Floats, clean: Bools, bound: float) -> list[dict[str, Any]]:
    """Return the corpus's own pairs whose probability is nearest to ``bound``, each source once."""
    rows = np.flatnonzero(clean)
    rows = rows[np.argsort(np.abs(probability[rows] - bound), kind="stable")]
    found: dict[str, dict[str, Any]] = {}
    for row in rows[: _BOUNDARY * _BOUNDARY].tolist():
        source, target = (pairs[name][row].as_py() for name in ("source", "target"))
        found.setdefault(
            source, {"source": source, "target": target, "clean_probability": round(float(probability[row]), 4)}
        )
    return list(found.values())[:_BOUNDARY]


_BOUNDARY: Final = 12
