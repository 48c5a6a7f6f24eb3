"""The probability that a pair is clean: what a calibration holds, written as JSON, and what it says of a pair.

numpy alone reads it: where pairs are judged, nothing that fits models is needed (`filters.calibrate` fits them).
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from filters.features import FEATURES, Matrix, matrix

VERSION: Final = 2
"""Of the file. A calibration of another version is refused."""

Floats = npt.NDArray[np.float64]

LEAST_RATE: Final = 0.01
"""A probability never supposes less noise than this: what was planted is not all that there is."""

_NEVER: Final = 1e-4
"""No probability is nearer to 0 or 1: the odds of a certainty cannot be weighed against anything."""


class CalibrationError(ValueError):
    """A file is no calibration, or not one that this version reads."""


class Model(Protocol):
    """Features → how much they look like a clean pair's, as log-odds."""

    def log_odds(self, features: Matrix) -> Floats:
        """Return float64 [rows] of float64 [rows, features], whose NaN are missing values."""

    def to_json(self) -> dict[str, Any]:
        """Return what `model_from_json` reads."""


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression of clean pairs and each kind of noise, on ramps.

    Between two ``knots`` of a feature a ramp rises from 0 to their distance and stays there, so that its weight is the
    slope between them; all are in units of ``scale`` and 0 at the ``centre``. A feature that is missing has a weight of
    its own. With u_k the log-odds of kind k against clean, those of a clean pair are -log(sum of exp(u_k)): a pair need
    look like one kind of noise only, and what it has in common with clean ones otherwise does not make up for that.
    """

    kinds: tuple[str, ...]
    """Of noise: what the model was fitted to."""
    centre: Floats
    """[features]: stands for a missing value."""
    scale: Floats
    """[features], above 0."""
    knots: Floats
    """[features, knots]."""
    weights: Floats
    """[kinds, features, 2 + knots]: of each ramp, and of the feature's being missing."""
    intercepts: Floats
    """[kinds]."""

    def log_odds(self, features: Matrix) -> Floats:
        """Return float64 [rows]."""
        noise = self.basis(features) @ self.weights.reshape(len(self.kinds), -1).T + self.intercepts
        found: Floats = -np.logaddexp.reduce(noise, axis=1)
        return found

    def basis(self, features: Matrix) -> Matrix:
        """Return float64 [rows, features * (2 + knots)], what the weights are for."""
        missing = np.isnan(features)
        values = np.clip((np.where(missing, self.centre, features) - self.centre) / self.scale, -_FAR, _FAR)
        knots = (self.knots - self.centre[:, None]) / self.scale[:, None]
        bounds = np.pad(knots, ((0, 0), (1, 1)), constant_values=((0, 0), (-_FAR, _FAR)))
        low, high = bounds[:, :-1], bounds[:, 1:]
        ramps = np.clip(values[:, :, None], low, high) - np.clip(0.0, low, high)
        parts = np.concatenate([ramps, missing[:, :, None].astype(np.float64)], axis=2)
        return parts.reshape(len(features), parts.shape[1] * parts.shape[2])

    def to_json(self) -> dict[str, Any]:
        """Return the coefficients by name."""
        return {
            "kind": "logistic",
            "kinds": list(self.kinds),
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "knots": self.knots.tolist(),
            "weights": self.weights.tolist(),
            "intercepts": self.intercepts.tolist(),
        }


_FAR: Final = 20.0
"""Standard deviations beyond which a value is as odd as it can be."""


@dataclass(frozen=True)
class Boosted:
    """Gradient-boosted trees. All trees stand in one array of nodes, each tree's root where ``roots`` says."""

    roots: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    """[nodes]: what a node asks for; -1 in a leaf."""
    threshold: Floats
    """[nodes]: a value of no more than this goes left."""
    missing_left: npt.NDArray[np.bool_]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: Floats
    """[nodes]: what a leaf adds to the log-odds."""
    baseline: float

    def log_odds(self, features: Matrix) -> Floats:
        """Return float64 [rows]."""
        total = np.full(len(features), self.baseline)
        rows = np.arange(len(features))
        for root in self.roots:
            node = np.full(len(features), root)
            while True:
                asks = self.feature[node]
                inner = asks >= 0
                if not inner.any():
                    break
                values = features[rows, np.maximum(asks, 0)]
                left = np.where(np.isnan(values), self.missing_left[node], values <= self.threshold[node])
                node = np.where(inner, np.where(left, self.left[node], self.right[node]), node)
            total += self.value[node]
        return total

    def to_json(self) -> dict[str, Any]:
        """Return the nodes, column by column."""
        return {
            "kind": "boosted",
            "baseline": self.baseline,
            "roots": self.roots.tolist(),
            "feature": self.feature.tolist(),
            "threshold": self.threshold.tolist(),
            "missing_left": self.missing_left.tolist(),
            "left": self.left.tolist(),
            "right": self.right.tolist(),
            "value": self.value.tolist(),
        }


def model_from_json(held: Mapping[str, Any]) -> Model:
    """Return the model that ``to_json`` wrote; raises `CalibrationError`."""
    if held.get("kind") == "logistic":
        names = ("centre", "scale", "knots", "weights", "intercepts")
        arrays = {name: np.array(held[name], np.float64) for name in names}
        return Logistic(kinds=tuple(held["kinds"]), **arrays)
    if held.get("kind") == "boosted":
        return Boosted(
            roots=np.array(held["roots"], np.int32),
            feature=np.array(held["feature"], np.int32),
            threshold=np.array(held["threshold"], np.float64),
            missing_left=np.array(held["missing_left"], bool),
            left=np.array(held["left"], np.int32),
            right=np.array(held["right"], np.int32),
            value=np.array(held["value"], np.float64),
            baseline=float(held["baseline"]),
        )
    raise CalibrationError(f"unknown kind of model {held.get('kind')!r}; known: logistic, boosted")


@dataclass(frozen=True)
class Curve:
    """From a model's log-odds to the probability, among as many noisy pairs as clean ones; rises or stays."""

    log_odds: Floats
    """[points], ascending."""
    probability: Floats
    """[points] in [0, 1]; between the points the line between them, beyond them the last."""

    def __call__(self, log_odds: Floats) -> Floats:
        """Return float64 [rows]."""
        found: Floats = np.clip(np.interp(log_odds, self.log_odds, self.probability), _NEVER, 1 - _NEVER)
        return found


@dataclass(frozen=True)
class Calibration:
    """What was learnt of the noise in one language."""

    language: str
    features: tuple[str, ...]
    """Names of the columns that the model reads."""
    models: tuple[Model, ...]
    """One for each fold (see `fold_of`), fitted without the sources of that fold: no pair is judged by a model that saw
    it, neither those that were learnt from nor any other."""
    curve: Curve
    noise_rate: float
    """The share of noisy pairs in the corpus, as far as they look like planted ones; in [0, 1]."""
    report: Mapping[str, Any]
    """What was measured while it was learnt: see docs/noise.md. Nothing is judged by it."""

    def clean_probability(self, pairs: pa.Table) -> pa.FloatArray:
        """Return float32 [rows], 0 to 1: the probability that a pair is clean where `noise_rate`, or 1 %, are not."""
        even = self.curve(self.log_odds(pairs))
        return pa.array(at_rate(even, max(self.noise_rate, LEAST_RATE)), pa.float32())

    def log_odds(self, pairs: pa.Table) -> Floats:
        """Return float64 [rows]: how much each pair looks clean, before that becomes a probability."""
        features, folds = matrix(pairs, self.features), fold_of(pairs["source"], len(self.models))
        found = np.empty(pairs.num_rows)
        for fold, model in enumerate(self.models):
            found[folds == fold] = model.log_odds(features[folds == fold])
        return found

    def to_json(self) -> bytes:
        """Return the file, the same bytes for the same calibration."""
        held = {
            "version": VERSION,
            "language": self.language,
            "features": list(self.features),
            "noise_rate": self.noise_rate,
            "models": [model.to_json() for model in self.models],
            "curve": {"log_odds": self.curve.log_odds.tolist(), "probability": self.curve.probability.tolist()},
            "report": self.report,
        }
        return orjson.dumps(held, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return what `to_json` wrote; raises `CalibrationError` for anything else."""
        try:
            held = orjson.loads(content)
            if held["version"] != VERSION:
                raise CalibrationError(f"version {held['version']!r}, and this captionloom reads {VERSION}")
            unknown = set(held["features"]) - set(FEATURES)
            if unknown:
                raise CalibrationError(f"unknown features {', '.join(sorted(unknown))}")
            if not held["models"]:
                raise CalibrationError("no models")
            curve = Curve(*(np.array(held["curve"][name], np.float64) for name in ("log_odds", "probability")))
            return cls(
                language=held["language"],
                features=tuple(held["features"]),
                models=tuple(model_from_json(model) for model in held["models"]),
                curve=curve,
                noise_rate=float(held["noise_rate"]),
                report=held["report"],
            )
        except CalibrationError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CalibrationError(f"this is no calibration: {error!r}") from error


def fold_of(sources: pa.ChunkedArray | pa.Array, folds: int) -> npt.NDArray[np.int64]:
    """Return the fold, 0 to ``folds`` - 1, of each source text: by its CRC-32, whatever stands around it."""
    return np.array([zlib.crc32(source.encode()) % folds for source in sources.to_pylist()], dtype=np.int64)


def at_rate(even: Floats, noise_rate: float) -> Floats:
    """Return the probabilities of being clean where ``noise_rate`` of all pairs are noisy, of those where half are.

    Bayes' rule with other priors (Saerens, Latinne and Decaestecker 2002, equation 2.4).
    """
    clean, noisy = even * (1 - noise_rate), (1 - even) * noise_rate
    found: Floats = clean / np.maximum(clean + noisy, np.finfo(np.float64).tiny)
    return found


def share_above(probabilities: Sequence[int], keep: float) -> float:
    """Return the highest bound, a multiple of 1 / bins, at or above which at least the share ``keep`` lies.

    ``probabilities`` counts how many are at each of the bins + 1 multiples of 1 / bins.
    """
    counts = np.asarray(probabilities)
    from_above = np.cumsum(counts[::-1])[::-1]
    enough = np.flatnonzero(from_above / max(1, counts.sum()) >= keep)
    return float(enough[-1]) / (len(counts) - 1) if len(enough) else 0.0
