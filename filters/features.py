"""From a pair's scores to the numbers that a calibrated model reads."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.confidence import TOKEN_SCORES

Matrix = npt.NDArray[np.float64]

FEATURES: Final = (
    "lid_prob",
    "lid_other_prob",
    "similarity",
    "margin",
    "length_z",
    *TOKEN_SCORES,
    "back_chrf",
    "back_similarity",
    "length_ratio",
    "copy_ratio",
    "repetition",
    "loops",
    "numbers_differ",
    "number_words_differ",
    "script_share",
    "punctuation_difference",
    "ending_differs",
    "unbalanced",
    "oddity",
)
"""The scores that tell of noise, by the name of their column. Which of them a corpus has, its calibration says."""

TWO_SIDED: Final = frozenset({"length_ratio", "length_z"})
"""Those of the `FEATURES` that tell of noise by their distance from the usual, on either side."""

HIGH_IS_NOISE: Final = frozenset(
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
"""Those of which a high value tells of noise; of all others but the `TWO_SIDED` a low one does."""

OF_MEANING: Final = frozenset({"similarity", "margin", "back_chrf", "back_similarity", *TOKEN_SCORES})
"""Those that measure much the same thing, so that one corrects the other: beside it, a high one may tell of noise."""


def measured(pairs: pa.Table) -> tuple[str, ...]:
    """Return the `FEATURES` that at least one of ``pairs`` has a value of: a teacher may not know the language."""
    return tuple(
        name for name in FEATURES if name in pairs.column_names and pairs[name].null_count < max(1, pairs.num_rows)
    )


def matrix(pairs: pa.Table, names: Sequence[str]) -> Matrix:
    """Return float64 [rows, names]: the scores in the columns ``names``, NaN where one is null or its column absent."""
    columns = [
        np.asarray(pc.cast(pairs[name], pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        if name in pairs.column_names
        else np.full(pairs.num_rows, np.nan)
        for name in names
    ]
    return np.column_stack(columns) if columns else np.empty((pairs.num_rows, 0))
