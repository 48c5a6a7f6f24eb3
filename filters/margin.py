"""How much nearer a translation is to its own source than to the other captions around it."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.similarity import Embeddings

NEIGHBOURS: Final = 4
"""The k of Artetxe and Schwenk (2019)."""

_FEWEST: Final = 16
"""With fewer pairs the nearest of the others are far away, and the margin tells nothing."""

_BLOCK: Final = 4096
"""Pairs that are compared with each other: memory is the square of it."""

_FLOOR: Final = 0.01
"""Cosines to the nearest are positive but for encoders that nobody trained; this keeps the ratio finite."""


def ratio_margin(sources: Embeddings, targets: Embeddings, texts: tuple[pa.Array, pa.Array]) -> pa.FloatArray:
    """Return float32 [rows]: each pair's cosine over the mean cosine to its nearest others; about 1 for a random pair.

    This is the ratio margin of Artetxe and Schwenk (2019, equation 2) with four neighbours on each side: those of
    the source among the targets of other pairs, and of the target among the sources of other pairs. ``sources`` and
    ``targets`` are float32 [rows, dimension] with rows of length 1, of the ``texts`` (sources, targets): a text that
    is the pair's own is no neighbour of it, in whichever pair it stands. Null for all where there are fewer than 16
    pairs, and for a pair that has fewer than four others. Among more than 4,096, a pair's neighbours are looked for in
    its own block of about as many.
    """
    rows = len(sources)
    if rows < _FEWEST:
        return pa.nulls(rows, pa.float32())
    own = np.einsum("ij,ij->i", sources, targets)
    around = np.empty(rows, dtype=np.float32)
    for block in np.array_split(np.arange(rows), -(-rows // _BLOCK)):
        here = slice(block[0], block[-1] + 1)
        cosines = sources[here] @ targets[here].T
        np.fill_diagonal(cosines, -np.inf)
        across = np.ascontiguousarray(cosines.T)
        _mask(cosines, texts[1].slice(block[0], len(block)))
        of_sources = _nearest(cosines)
        _mask(across, texts[0].slice(block[0], len(block)))
        around[here] = (of_sources + _nearest(across)) / 2
    return pa.array(own / np.maximum(around, _FLOOR), pa.float32(), mask=np.isneginf(around))


def _mask(cosines: npt.NDArray[np.float32], texts: pa.Array) -> None:
    """Put out of reach, for each row, the columns that have the same one of ``texts`` as the row."""
    ids = texts.dictionary_encode(null_encoding="encode").indices.to_numpy()
    for repeated in np.flatnonzero(np.bincount(ids) > 1):
        same = np.flatnonzero(ids == repeated)
        cosines[np.ix_(same, same)] = -np.inf


def _nearest(cosines: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Return the mean of the largest of each row."""
    return np.partition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:].mean(axis=1)
