"""Pairs of which is known what was planted in them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from filters.calibration import Floats
from filters.features import Matrix

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def kinds_of(pairs: pa.Table) -> npt.NDArray[Any]:
    """Return the kind of noise planted in each row, [rows] of str, ``""`` where none was."""
    return np.array(pairs["noise_kind"].fill_null("").to_pylist(), dtype=object)


@dataclass(frozen=True)
class Labelled:
    """Pairs of which is known what was planted."""

    features: Matrix
    kinds: npt.NDArray[Any]
    """[rows] of str: the kind of noise, ``""`` of a clean pair."""
    groups: Ints
    """[rows]: pairs of one source, clean or noisy, are of one group and stay in one fold."""

    @property
    def clean(self) -> Bools:
        """[rows]: whether nothing was planted."""
        return np.asarray(self.kinds == "", dtype=bool)

    @property
    def names(self) -> list[str]:
        """The kinds that were planted."""
        return sorted(set(self.kinds.tolist()) - {""})

    def where(self, rows: Bools) -> "Labelled":
        """Return the chosen rows."""
        return Labelled(self.features[rows], self.kinds[rows], self.groups[rows])

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

    def aucs(self, scores: Floats) -> dict[str, float]:
        """Return for each kind how well ``scores`` [rows], high where clean, part it from what is clean."""
        found = {}
        for name in self.names:
            rows = self.clean | (self.kinds == name)
            found[name] = auc(self.clean[rows], scores[rows])
        return found


def auc(clean: Bools, scores: Floats) -> float:
    """Return the probability, 0 to 1, that a clean pair's score is above a noisy one's."""
    return float(roc_auc_score(clean, scores))
