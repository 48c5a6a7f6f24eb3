"""How sure a translation model is of a given translation, token by token."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_WORST: Final = 0.25
"""The share of the tokens that `worst` is the mean of."""

_COMMON: Final = 2.0
"""Tokens that are added to every frequency: one that is rare in a small table is not as rare as it seems."""

TOKEN_SCORES: Final = ("mt_logprob", "mt_min_logprob", "mt_worst_logprob", "mt_pmi", "mt_min_pmi", "mt_worst_pmi")


def token_scores(tokens: Sequence[list[str] | None], logprobs: Sequence[list[float] | None]) -> dict[str, pa.Array]:
    """Return the scores of translations, by column name: float32 [rows], null where there are no tokens.

    ``tokens`` are the pieces of each translation and ``logprobs`` the log-probability (natural) of each, by forced
    decoding.

    - ``mt_logprob``: mean over the tokens, at most 0.
    - ``mt_min_logprob``: that of the least likely token.
    - ``mt_worst_logprob``: mean over the least likely quarter of the tokens, at least one.
    - ``mt_pmi``: mean over the tokens of the pointwise mutual information with the source: how much likelier the
      source makes the token, as a logarithm. A token's probability by itself is its frequency in the table.
    - ``mt_min_pmi``: the least of it, and ``mt_worst_pmi`` the mean of the two least. A rare word without a cause is as
      unlikely as a common one that is there for it, but only of the former does the source say nothing.
    """
    lists = pa.array(logprobs, pa.list_(pa.float64()))
    pieces = pa.array(tokens, pa.list_(pa.string()))
    rows = len(lists)
    parents = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    values = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    if not len(values):
        return {name: pa.nulls(rows, pa.float32()) for name in TOKEN_SCORES}
    encoded = pieces.flatten().dictionary_encode()
    ids = encoded.indices.to_numpy().astype(np.int64)
    counts = np.bincount(ids) + _COMMON
    information = values - np.log(counts / counts.sum())[ids]
    count = np.bincount(parents, minlength=rows)
    found = {
        "mt_logprob": _lowest(values, parents, count, count),
        "mt_min_logprob": _lowest(values, parents, count, np.minimum(count, 1)),
        "mt_worst_logprob": _lowest(values, parents, count, np.maximum(1, (count * _WORST).astype(np.int64))),
        "mt_pmi": _lowest(information, parents, count, count),
        "mt_min_pmi": _lowest(information, parents, count, np.minimum(count, 1)),
        "mt_worst_pmi": _lowest(information, parents, count, np.minimum(count, 2)),
    }
    return {name: pa.array(column, pa.float32(), mask=count == 0) for name, column in found.items()}


def _lowest(
    values: npt.NDArray[np.float64],
    parents: npt.NDArray[np.int64],
    count: npt.NDArray[np.int64],
    taken: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Return for each row the mean of the ``taken`` [rows] lowest of its ``count`` [rows] values; 0 where it has none.

    ``values`` and ``parents`` are [values]: each value and its row, ascending.
    """
    order = np.lexsort((values, parents))
    rank = np.arange(len(values)) - np.repeat(np.cumsum(count) - count, count)
    chosen = rank < taken[parents]
    total = np.bincount(parents[chosen], values[order][chosen], minlength=len(count))
    return np.asarray(total / np.maximum(np.minimum(taken, count), 1))
