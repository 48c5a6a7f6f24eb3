"""Learning what noise looks like in one language, from pairs in which some was planted.

Needs scikit-learn (the extra ``calibrate``); what comes out of it is read by `filters.calibration` without.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from filters.calibration import (
    LEAST_RATE,
    Boosted,
    Both,
    Calibration,
    Curve,
    Floats,
    Logistic,
    Model,
    at_rate,
    fold_of,
)
from filters.features import Matrix, matrix, measured

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MODELS: Final = ("both", "logistic", "boosted")
"""What may be learnt, what is preferred first; ``both`` is the mean of the two others' log-odds."""

FOLDS: Final = 5
FEWEST: Final = 200
"""Clean pairs below which nothing is learnt: a fold would have forty."""
FEWEST_NOISY: Final = 20
"""Noisy ones: a fold would have four."""

_ISOTONIC: Final = 1000
"""Pairs from which isotonic regression beats Platt's sigmoid (Niculescu-Mizil and Caruana 2005)."""

_BOOTSTRAPS: Final = 200
_LEVEL: Final = 0.95
_KNOTS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles at which the logistic model bends."""


class CalibrateError(ValueError):
    """From these pairs nothing can be learnt."""


@dataclass(frozen=True)
class _Labelled:
    """Pairs of which is known what was planted."""

    features: Matrix
    kinds: npt.NDArray[Any]
    """[rows] of str: the kind of noise, ``""`` of a clean pair."""
    groups: Ints
    """[rows]: pairs of one source, clean or noisy, are of one group and stay in one fold."""

    @property
    def clean(self) -> Bools:
        return np.asarray(self.kinds == "", dtype=bool)

    @property
    def names(self) -> list[str]:
        """The kinds that were planted."""
        return sorted(set(self.kinds.tolist()) - {""})

    def where(self, rows: Bools) -> "_Labelled":
        return _Labelled(self.features[rows], self.kinds[rows], self.groups[rows])

    @property
    def weights(self) -> Floats:
        """[rows]: every kind weighs the same, and all noise as much as what is clean."""
        clean = self.clean
        weights = clean.astype(np.float64)
        names = self.names
        for name in names:
            rows = self.kinds == name
            weights[rows] = clean.sum() / len(names) / rows.sum()
        return weights


def calibrate(pairs: pa.Table, *, language: str, seed: int = 0) -> Calibration:
    """Learn from ``pairs`` the probability that a pair in ``language`` is clean.

    ``pairs`` has the scores of every pair as it stands there, clean or with its noise, and the columns ``source``,
    ``target``, ``noise_kind`` (string, null for what nothing was planted in) and ``group`` (int64: the same for pairs
    of one source). What nothing was planted in is the corpus itself, and need not be all clean: how much of it is noise
    like the planted is estimated, and allowed for. Of a logistic regression, boosted trees and both together the one is
    taken that finds kinds of noise which it was not fitted to. The same pairs and seed give the same calibration.
    Raises `CalibrateError` for fewer than 200 clean pairs or 20 with noise, and where no clean one has a score.
    """
    kinds = np.array(pairs["noise_kind"].fill_null("").to_pylist(), dtype=object)
    names = measured(pairs.filter(pa.array(kinds == "")))
    data = _Labelled(matrix(pairs, names), kinds, pairs["group"].to_numpy().astype(np.int64))
    clean, noisy = int(data.clean.sum()), int((~data.clean).sum())
    if clean < FEWEST or noisy < FEWEST_NOISY:
        raise CalibrateError(
            f"{clean:,} clean pairs and {noisy:,} with noise: at least {FEWEST} and {FEWEST_NOISY} are needed"
        )
    if not names:
        raise CalibrateError("no clean pair has any of the scores that noise is told by")
    # Threads of the libraries would but wait for each other: these tables are small.
    with threadpool_limits(limits=1):
        return _calibrated(pairs, data, names, language, seed)


def _calibrated(pairs: pa.Table, data: _Labelled, names: tuple[str, ...], language: str, seed: int) -> Calibration:
    folds = fold_of(pairs["source"], FOLDS)
    left_out = _left_out(data, folds, seed)
    best = _chosen(left_out)
    models = tuple(_FITS[best](data.where(folds != fold), seed) for fold in range(FOLDS))
    scores = np.empty(len(folds))
    for fold, model in enumerate(models):
        scores[folds == fold] = model.log_odds(data.features[folds == fold])
    rate = noise_rate(*_for_rate(scores, data))
    curve = _purified(_curve(scores, data), rate)
    return Calibration(
        language=language,
        features=names,
        models=models,
        curve=curve,
        noise_rate=rate,
        report=_report(pairs, data, scores, curve, names, rate, seed) | {"model": best, "left_out": left_out},
    )


def _chosen(left_out: Mapping[str, Mapping[str, float]]) -> str:
    """Return the first of `MODELS` that finds unknown kinds of noise as well as the best of them.

    As well is to one standard error of the difference over the kinds (the rule of Breiman et al. 1984, section 3.4.3).
    """
    found = {model: np.array([aucs[kind] for kind in sorted(aucs)]) for model, aucs in left_out.items()}
    best = max(MODELS, key=lambda model: found[model].sum())

    def as_good(model: str) -> bool:
        lost = found[best] - found[model]
        return len(lost) < 2 or bool(lost.mean() <= lost.std(ddof=1) / np.sqrt(len(lost)))

    return next(model for model in MODELS if as_good(model))


def noise_rate(corpus: Floats, planted: Floats, weights: Floats | None = None) -> float:
    """Return the share of the corpus, 0 to 1, that may be noise like the planted.

    ``corpus`` [rows] and ``planted`` [others] are scores, high where clean; ``weights`` [others] those of the planted.
    At any bound, the corpus has at least as large a share of its rows below as noise of that share would bring: the
    smallest ratio is the largest share that the scores allow (Blanchard, Lee and Scott 2010, theorem 2). It is looked
    for where 10, 20 to 90 % of the planted noise are below, and taken where it is smallest with two standard errors
    added: of many ratios of few rows the smallest is too small.
    """
    if not len(corpus) or not len(planted):
        return 0.0
    return _rate_and_bound(corpus, planted, np.ones(len(planted)) if weights is None else weights)[0]


def _rate_and_bound(corpus: Floats, planted: Floats, weights: Floats) -> tuple[float, float]:
    """Return the noise rate, and the share of the planted noise that is below the bound where it is taken."""
    order = np.argsort(planted, kind="stable")
    ordered = planted[order]
    below = np.cumsum(weights[order])
    below /= below[-1]
    bounds = ordered[np.minimum(np.searchsorted(below, _SHARES), len(planted) - 1)]
    of_planted = below[np.searchsorted(ordered, bounds, side="right") - 1]
    rows = len(corpus)
    of_corpus = np.searchsorted(np.sort(corpus), bounds, side="right") / rows
    error = np.sqrt((of_corpus + 1 / rows) / rows)
    best = int(((of_corpus + 2 * error) / of_planted).argmin())
    return float(min(1.0, of_corpus[best] / of_planted[best])), float(of_planted[best])


_SHARES: Final = np.arange(1, 10) / 10


def _for_rate(scores: Floats, data: _Labelled) -> tuple[Floats, Floats, Floats]:
    """Return the scores of the corpus's texts, of planted noise, and the weights of that, to estimate a rate by.

    Noise in a pair that was noisy before is worse than any that is in the corpus: texts that look so themselves do not
    count among the planted.
    """
    clean = data.clean
    groups, text = np.unique(data.groups, return_inverse=True)
    count = np.bincount(text[clean], minlength=len(groups))
    mean = np.bincount(text[clean], scores[clean], minlength=len(groups)) / np.maximum(count, 1)
    order = np.argsort(scores[~clean])
    weight = np.cumsum(data.weights[~clean][order])
    suspicious = mean <= scores[~clean][order][np.searchsorted(weight, weight[-1] * _SUSPICIOUS)]
    usable = ~clean & ~suspicious[text]
    if not usable.any():
        usable = ~clean
    return mean[count > 0], scores[usable], data.weights[usable]


_SUSPICIOUS: Final = 0.6
"""A text is, that looks no better than this share of the planted noise."""


def _purified(curve: Curve, rate: float) -> Curve:
    """Return from ``curve``, which parts a corpus with noise from noise, the one that parts its clean pairs from it.

    With c, n and u = (1 - rate) c + rate n the densities of clean, noisy and all pairs, c / n = (u / n - rate) /
    (1 - rate) (Elkan and Noto 2008 for the case that all of the corpus is one class).
    """
    odds = curve.probability / np.maximum(1 - curve.probability, _TINY)
    clean = np.maximum(odds - rate, 0.0) / max(1 - rate, _TINY)
    return Curve(curve.log_odds, clean / (1 + clean))


_TINY: Final = 1e-9


def _folds(groups: Ints, seed: int) -> Ints:
    """Return the fold of each row, by its group."""
    names, of_row = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    return np.asarray(drawn[of_row], dtype=np.int64)


_Fit = Callable[[_Labelled, int], Model]


def _fit_logistic(data: _Labelled, seed: int) -> Model:
    present = ~np.isnan(data.features)
    columns = [column[mask] for column, mask in zip(data.features.T, present.T, strict=True)]
    centre = np.array([np.median(column) if len(column) else 0.0 for column in columns])
    scale = np.array([max(column.std(), _NARROW) if len(column) else 1.0 for column in columns])
    knots = np.array([np.quantile(column, _KNOTS) if len(column) else np.zeros(len(_KNOTS)) for column in columns])
    empty = Logistic(centre, scale, knots, np.zeros((len(columns), len(_KNOTS) + 2)), 0.0)
    found = LogisticRegression(C=1.0, max_iter=2000, random_state=seed)
    found.fit(empty.basis(data.features), data.clean, sample_weight=data.weights)
    return Logistic(centre, scale, knots, found.coef_.reshape(len(columns), -1), float(found.intercept_[0]))


_NARROW: Final = 1e-3
"""Of a feature that hardly varies; no score of ours is finer."""


def _fit_boosted(data: _Labelled, seed: int) -> Model:
    found = HistGradientBoostingClassifier(
        max_iter=200,
        learning_rate=0.08,
        max_leaf_nodes=16,
        min_samples_leaf=20,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    # Of a column without any value sklearn 1.9 finds no thresholds, and raises.
    never = np.isnan(data.features).all(axis=0)
    found.fit(np.where(never, 0.0, data.features), data.clean, sample_weight=data.weights)
    trees = [trees_of_step[0].nodes for trees_of_step in found._predictors]
    sizes = [len(nodes) for nodes in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    nodes = np.concatenate(trees)
    offsets = np.repeat(roots, sizes)
    leaf = nodes["is_leaf"].astype(bool)
    return Boosted(
        roots=roots,
        feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
        # Infinite where a node parts what is there from what is missing, which JSON cannot say.
        threshold=np.where(leaf, 0.0, np.minimum(nodes["num_threshold"], np.finfo(np.float64).max)),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        left=np.where(leaf, 0, nodes["left"] + offsets).astype(np.int32),
        right=np.where(leaf, 0, nodes["right"] + offsets).astype(np.int32),
        value=nodes["value"].astype(np.float64),
        baseline=float(found._baseline_prediction.item()),
    )


def _fit_both(data: _Labelled, seed: int) -> Both:
    return Both(_fit_logistic(data, seed), _fit_boosted(data, seed))


_FITS: Final[Mapping[str, _Fit]] = {"logistic": _fit_logistic, "boosted": _fit_boosted, "both": _fit_both}


def _left_out(data: _Labelled, folds: Ints, seed: int) -> dict[str, dict[str, float]]:
    """Return for each model and kind its AUC where it never saw that kind, on sources that it never saw either."""
    found: dict[str, dict[str, float]] = {model: {} for model in MODELS}
    test = folds < FOLDS // 2
    for name in data.names if len(data.names) > 1 else ():
        tried = data.where(test & (data.clean | (data.kinds == name)))
        seen = data.where(~test & (data.kinds != name))
        if not tried.names or not seen.names:
            continue
        both = _fit_both(seen, seed)
        for model, scored in (("logistic", both.first), ("boosted", both.second), ("both", both)):
            found[model][name] = _auc(tried.clean, scored.log_odds(tried.features))
    return found


def _curve(scores: Floats, data: _Labelled) -> Curve:
    if len(scores) < _ISOTONIC:
        platt = LogisticRegression(C=1e6).fit(scores[:, None], data.clean, sample_weight=data.weights)
        if platt.coef_[0, 0] <= 0:  # by chance: the scores tell nothing, and a curve does not fall
            return Curve(np.zeros(1), np.full(1, 0.5))
        points = np.linspace(scores.min(), scores.max(), 101)
        return Curve(points, platt.predict_proba(points[:, None])[:, 1])
    isotonic = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, data.clean, data.weights)
    return Curve(isotonic.X_thresholds_.astype(np.float64), isotonic.y_thresholds_.astype(np.float64))


def _auc(clean: Bools, scores: Floats) -> float:
    return float(roc_auc_score(clean, scores))


def _report(
    pairs: pa.Table,
    data: _Labelled,
    scores: Floats,
    curve_of: Curve,
    names: Sequence[str],
    rate: float,
    seed: int,
) -> dict[str, Any]:
    """Return what was measured by the ``scores``, of models that never saw the pair (see docs/noise.md)."""
    clean = data.clean
    probability = at_rate(curve_of(scores), max(rate, LEAST_RATE))
    low, high = _interval(scores, data, seed)
    held_out = _held_out(scores, data, seed)
    curve = _trade(probability[clean], probability[~clean], data.weights[~clean])
    best = max(curve, key=lambda point: point["f1"])
    return {
        "clean": int(clean.sum()),
        "noisy": {name: int((data.kinds == name).sum()) for name in data.names},
        "noise_rate": {"estimate": rate, "low": low, "high": high, "level": _LEVEL},
        "auc": _per_kind(data, scores),
        "detectors": {name: _per_kind(data, values) for name, values in oriented(data.features, clean, names)},
        "reliability": _reliability(held_out, clean, data.weights),
        "ece": expected_calibration_error(held_out, clean, data.weights),
        "curve": curve,
        "suggested": best,
        "histograms": {
            "clean_probability": _histogram(probability, clean, (0.0, 1.0)),
            **{name: _histogram(values, clean) for name, values in zip(names, data.features.T, strict=True)},
        },
        "boundary": _boundary(pairs, probability, clean, best["min_clean_probability"]),
    }


def _held_out(scores: Floats, data: _Labelled, seed: int) -> Floats:
    """Return for each row the probability that nothing was planted in it, by a curve that the row had no part in."""
    half = _folds(data.groups, seed + 1) < FOLDS // 2
    found = np.empty(len(scores))
    for fitted in (half, ~half):
        found[~fitted] = _curve(scores[fitted], data.where(fitted))(scores[~fitted])
    return found


def _per_kind(data: _Labelled, scores: Floats) -> dict[str, float]:
    """Return for each kind how well ``scores``, high where clean, part it from what is clean."""
    found = {}
    for name in data.names:
        rows = data.clean | (data.kinds == name)
        found[name] = _auc(data.clean[rows], scores[rows])
    return found


def oriented(features: Matrix, clean: Bools, names: Sequence[str]) -> Iterator[tuple[str, Floats]]:
    """Return each of ``features`` [rows, names] with its name, turned so that it is high where clean.

    A missing value becomes the middle one of the ``clean`` rows.
    """
    for name, column in zip(names, features.T, strict=True):
        usual = np.nanmedian(column[clean])
        values = np.where(np.isnan(column), usual, column)
        values = -np.abs(values - usual) if name in _TWO_SIDED else values
        yield name, -values if name in _HIGH_IS_NOISE else values


_TWO_SIDED: Final = frozenset({"length_ratio", "length_z"})
_HIGH_IS_NOISE: Final = frozenset(
    {
        "lid_other_prob",
        "copy_ratio",
        "repetition",
        "loops",
        "numbers_differ",
        "number_words_differ",
        "punctuation_difference",
        "ending_differs",
        "unbalanced",
        "oddity",
    }
)


def _interval(scores: Floats, data: _Labelled, seed: int) -> tuple[float, float]:
    """Return the bootstrap's percentile interval of the noise rate; texts and planted noise are drawn anew.

    Where none of n texts is below the bound no draw has any: there, 3 / n is what 95 % of the time is not exceeded.
    """
    draw = np.random.default_rng(seed)
    corpus, planted, weights = _for_rate(scores, data)
    _, share = _rate_and_bound(corpus, planted, weights)
    rates = []
    for _ in range(_BOOTSTRAPS):
        chosen = draw.integers(len(planted), size=len(planted))
        rates.append(noise_rate(draw.choice(corpus, len(corpus)), planted[chosen], weights[chosen]))
    low, high = np.quantile(rates, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), max(float(high), min(1.0, 3 / len(corpus) / share))


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
