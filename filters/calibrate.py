"""Learning what noise looks like in one language, from pairs in which some was planted.

Needs scikit-learn (the extra ``calibrate``); what comes out of it is read by `filters.calibration` without.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
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
from filters.calibration_report import report
from filters.features import matrix, measured
from filters.labelled import Bools, Ints, Labelled, auc
from filters.noise_rate import for_rate, noise_rate
from filters.thresholds import Thresholds
from filters.verdict import RULES, judge

MODELS: Final = ("both", "logistic", "boosted")
"""What may be learnt, what is preferred first; ``both`` is the mean of the two others' log-odds."""

FOLDS: Final = 5
FEWEST: Final = 200
"""Clean pairs below which nothing is learnt: a fold would have forty."""
FEWEST_NOISY: Final = 20
"""Noisy ones: a fold would have four."""

_ISOTONIC: Final = 1000
"""Pairs from which isotonic regression beats Platt's sigmoid (Niculescu-Mizil and Caruana 2005)."""

_KNOTS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles at which the logistic model bends."""


class CalibrateError(ValueError):
    """From these pairs nothing can be learnt."""


def calibrate(pairs: pa.Table, *, language: str, seed: int = 0, thresholds: Thresholds | None = None) -> Calibration:
    """Learn from ``pairs`` the probability that a pair in ``language`` is clean.

    ``pairs`` has the scores of every pair as it stands there, clean or with its noise, and the columns ``source``,
    ``target``, ``noise_kind`` (string, null for what nothing was planted in) and ``group`` (int64: the same for pairs
    of one source). What nothing was planted in is the corpus itself, and need not be all clean: how much of it is noise
    like the planted is estimated, and allowed for. Of a logistic regression, boosted trees and both together the one is
    taken that finds kinds of noise which it was not fitted to. The same pairs and seed give the same calibration.

    What the default rules drop by ``thresholds`` does not pass for clean in the fitting: a corpus that is shifted in
    part has more misaligned pairs than are planted, and they would look like the corpus. It counts in all else.

    Raises `CalibrateError` for fewer than 200 clean pairs or 20 with noise, and where no clean one has a score.
    """
    kinds = np.array(pairs["noise_kind"].fill_null("").to_pylist(), dtype=object)
    names = measured(pairs.filter(pa.array(kinds == "")))
    data = Labelled(matrix(pairs, names), kinds, pairs["group"].to_numpy().astype(np.int64))
    trusted = np.ones(len(kinds), dtype=bool)
    if thresholds is not None:
        trusted = ~data.clean | judge(pairs, rules=tuple(RULES), thresholds=thresholds)["keep"].to_numpy()
    clean, noisy = int((data.clean & trusted).sum()), int((~data.clean).sum())
    if clean < FEWEST or noisy < FEWEST_NOISY:
        raise CalibrateError(
            f"{clean:,} clean pairs and {noisy:,} with noise: at least {FEWEST} and {FEWEST_NOISY} are needed"
        )
    if not names:
        raise CalibrateError("no clean pair has any of the scores that noise is told by")
    # Threads of the libraries would but wait for each other: these tables are small.
    with threadpool_limits(limits=1):
        return _calibrated(pairs, data, trusted, names, language, seed)


def _calibrated(
    pairs: pa.Table, data: Labelled, trusted: Bools, names: tuple[str, ...], language: str, seed: int
) -> Calibration:
    folds = fold_of(pairs["source"], FOLDS)
    left_out = _left_out(data.where(trusted), folds[trusted], seed)
    best = _chosen(left_out)
    models = tuple(_FITS[best](data.where(trusted & (folds != fold)), seed) for fold in range(FOLDS))
    scores = np.empty(len(folds))
    for fold, model in enumerate(models):
        scores[folds == fold] = model.log_odds(data.features[folds == fold])
    rate = noise_rate(*for_rate(scores, data))
    curve = _purified(_curve(scores, data), rate)
    probability = at_rate(curve(scores), max(rate, LEAST_RATE))
    found = report(pairs, data, scores, probability, _held_out(scores, data, seed), names, rate, seed)
    return Calibration(
        language=language,
        features=names,
        models=models,
        curve=curve,
        noise_rate=rate,
        report=found | {"model": best, "left_out": left_out},
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


def _purified(curve: Curve, rate: float) -> Curve:
    """Return from ``curve``, which parts a corpus with noise from noise, the one that parts its clean pairs from it.

    With c, n and u = (1 - rate) c + rate n the densities of clean, noisy and all pairs, c / n = (u / n - rate) /
    (1 - rate) (Elkan and Noto 2008 for the case that all of the corpus is one class).
    """
    odds = curve.probability / np.maximum(1 - curve.probability, _TINY)
    clean = np.maximum(odds - rate, 0.0) / max(1 - rate, _TINY)
    return Curve(curve.log_odds, clean / (1 + clean))


_TINY: Final = 1e-9


_Fit = Callable[[Labelled, int], Model]


def _fit_logistic(data: Labelled, seed: int) -> Model:
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


def _fit_boosted(data: Labelled, seed: int) -> Model:
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


def _fit_both(data: Labelled, seed: int) -> Both:
    return Both(_fit_logistic(data, seed), _fit_boosted(data, seed))


_FITS: Final[Mapping[str, _Fit]] = {"logistic": _fit_logistic, "boosted": _fit_boosted, "both": _fit_both}


def _left_out(data: Labelled, folds: Ints, seed: int) -> dict[str, dict[str, float]]:
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
            found[model][name] = auc(tried.clean, scored.log_odds(tried.features))
    return found


def _curve(scores: Floats, data: Labelled) -> Curve:
    if len(scores) < _ISOTONIC:
        platt = LogisticRegression(C=1e6).fit(scores[:, None], data.clean, sample_weight=data.weights)
        if platt.coef_[0, 0] <= 0:  # by chance: the scores tell nothing, and a curve does not fall
            return Curve(np.zeros(1), np.full(1, 0.5))
        points = np.linspace(scores.min(), scores.max(), 101)
        return Curve(points, platt.predict_proba(points[:, None])[:, 1])
    isotonic = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, data.clean, data.weights)
    return Curve(isotonic.X_thresholds_.astype(np.float64), isotonic.y_thresholds_.astype(np.float64))


def _held_out(scores: Floats, data: Labelled, seed: int) -> Floats:
    """Return for each row the probability that nothing was planted in it, by a curve that the row had no part in."""
    half = _folds(data.groups, seed + 1) < FOLDS // 2
    found = np.empty(len(scores))
    for fitted in (half, ~half):
        found[~fitted] = _curve(scores[fitted], data.where(fitted))(scores[~fitted])
    return found


def _folds(groups: Ints, seed: int) -> Ints:
    """Return the fold of each row, by its group."""
    names, of_row = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    return np.asarray(drawn[of_row], dtype=np.int64)
