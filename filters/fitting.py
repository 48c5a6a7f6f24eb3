"""Fitting what parts noise from clean pairs: logistic regression, and gradient-boosted trees."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import HistGradientBoostingClassifier

from filters.calibration import Boosted, Floats, Logistic, Model
from filters.features import HIGH_IS_NOISE, OF_MEANING, TWO_SIDED, Matrix
from filters.labelled import Labelled

_KNOTS: Final = (0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
"""Quantiles at which the logistic model bends; what is rare in a corpus is in the tails."""

_NARROW: Final = 1e-3
"""Of a feature that hardly varies; no score of ours is finer."""


def fit_logistic(data: Labelled, names: Sequence[str], seed: int) -> Logistic:
    """Return the regression of each kind of noise in ``data``, whose features have these ``names``.

    It has scikit-learn's penalty (half the squared weights), and bounds, which that has not: what tells of noise by
    itself (all but the `TWO_SIDED` and those `OF_MEANING`) never speaks for a pair. Among the kinds that were planted
    some unlike the others would have it so, and a kind that was not planted would be taken for clean. ``seed`` has no
    part in it.
    """
    del seed
    present = ~np.isnan(data.features)
    columns = [column[mask] for column, mask in zip(data.features.T, present.T, strict=True)]
    centre = np.array([np.median(column) if len(column) else 0.0 for column in columns])
    scale = np.array([max(column.std(), _NARROW) if len(column) else 1.0 for column in columns])
    knots = np.array([np.quantile(column, _KNOTS) if len(column) else np.zeros(len(_KNOTS)) for column in columns])
    kinds, parts = tuple(data.names), len(_KNOTS) + 2
    empty = Logistic(kinds, centre, scale, knots, np.zeros((len(kinds), len(names), parts)), np.zeros(len(kinds)))
    of_kind = [*_bounds(names, parts), (None, None)]
    found = minimize(
        _Loss(empty.basis(data.features), data),
        np.zeros(len(kinds) * len(of_kind)),
        jac=True,
        method="L-BFGS-B",
        bounds=of_kind * len(kinds),
        options={"maxiter": _STEPS, "maxfun": 2 * _STEPS, "maxcor": 20},
    )
    fitted = found.x.reshape(len(kinds), -1)
    return Logistic(kinds, centre, scale, knots, fitted[:, :-1].reshape(len(kinds), len(names), parts), fitted[:, -1])


_STEPS: Final = 1000
"""Three times as many as it took for four languages (235 to 287)."""

_Bound = tuple[float | None, float | None]


def _bounds(names: Sequence[str], parts: int) -> list[_Bound]:
    """Return the bounds of the weights of one kind: of each feature's ramps, and of its being missing."""
    found: list[_Bound] = []
    for name in names:
        bound: _Bound = (0.0, None) if name in HIGH_IS_NOISE else (None, 0.0)
        if name in TWO_SIDED or name in OF_MEANING:
            bound = (None, None)
        found += [bound] * (parts - 1) + [(None, None)]
    return found


class _Loss:
    """The negative log-likelihood of the kinds with its penalty, and its gradient."""

    def __init__(self, basis: Matrix, data: Labelled) -> None:
        self._basis = basis
        self._weights = data.weights
        self._kinds = np.stack([data.kinds == name for name in data.names], axis=1).astype(np.float64)

    def __call__(self, flat: Floats) -> tuple[float, Floats]:
        """Return both for the weights and intercept of each kind."""
        given = flat.reshape(self._kinds.shape[1], -1)
        weights, intercepts = given[:, :-1], given[:, -1]
        noise = self._basis @ weights.T + intercepts
        most = np.maximum(noise.max(axis=1), 0.0)
        likely = np.exp(noise - most[:, None])
        total = likely.sum(axis=1) + np.exp(-most)
        lost = np.log(total) + most - (noise * self._kinds).sum(axis=1)
        slope = self._weights[:, None] * (likely / total[:, None] - self._kinds)
        gradient = np.column_stack([slope.T @ self._basis + weights, slope.sum(axis=0)])
        return float(self._weights @ lost + (weights**2).sum() / 2), gradient.ravel()


def fit_boosted(data: Labelled, names: Sequence[str], seed: int) -> Boosted:
    """Return the trees that part all noise in ``data`` from what is clean; ``names`` have no part in it."""
    del names
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


FITS: Final[Mapping[str, Callable[[Labelled, Sequence[str], int], Model]]] = MappingProxyType(
    {"logistic": fit_logistic, "boosted": fit_boosted}
)
"""What may be learnt, by name: (pairs, names of their features, seed) → model. What is preferred comes first."""
