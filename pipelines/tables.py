"""Splitting tables by what a column hashes to: how rows find their bucket or shard without per-row Python."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

_COMPACT: Final = 1_000_000
"""Values that wait, at least, before they are sorted in."""


def id_hashes(ids: pa.ChunkedArray) -> npt.NDArray[np.uint32]:
    """Return the first four bytes (big-endian) of each fixed_size_binary[16] id, as uint32 [rows]."""
    return np.ascontiguousarray(_raw(ids)[:, :4]).view(">u4").ravel().astype(np.uint32)


def id_strings(ids: pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    """Return each 16-byte id as numpy ``S16``, which sorts and compares as the id does."""
    # Trailing NULs are dropped alike from both sides of any comparison of equally long ids.
    return np.ascontiguousarray(_raw(ids)).view("S16").ravel()


def id_numbers(ids: pa.ChunkedArray) -> Hashes:
    """Return the first eight bytes of each fixed_size_binary[16] id as a number, uint64 [rows]."""
    return id_strings(ids).view(np.uint64)[::2].copy()


class Distinct:
    """The distinct values of arrays that come one after the other: sorted now and then, eight bytes a value."""

    def __init__(self) -> None:
        self._sorted: Hashes = np.empty(0, dtype=np.uint64)
        self._added: list[Hashes] = []
        self._pending = 0

    def add(self, values: Hashes) -> None:
        """Add ``values``, uint64, in any order and as often as they like."""
        self._added.append(values)
        self._pending += len(values)
        if self._pending > max(_COMPACT, len(self._sorted)):
            self.values()

    def values(self) -> Hashes:
        """Return what was added, each once, ascending."""
        self._sorted = np.unique(np.concatenate([self._sorted, *self._added]))
        self._added, self._pending = [], 0
        return self._sorted


def _raw(ids: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """Return the bytes of the ids, uint8 [rows, 16]."""
    chunks = [
        np.frombuffer(chunk.buffers()[1], dtype=np.uint8).reshape(-1, 16)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in ids.chunks
    ]
    return np.concatenate(chunks) if chunks else np.empty((0, 16), dtype=np.uint8)


def partition(table: pa.Table, groups: npt.NDArray[np.integer]) -> Iterator[tuple[int, pa.Table]]:
    """Yield (group, its rows in their order) for each group that ``groups`` [rows] names, ascending."""
    if not table.num_rows:
        return
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rows = table.take(pa.array(order)).combine_chunks()
    for start, end in zip(starts, [*starts[1:], len(ordered)], strict=True):
        yield int(ordered[start]), rows.slice(start, end - start)


def unique_rows(table: pa.Table, column: str) -> pa.Table:
    """Return ``table`` without the rows whose 16-byte id in ``column`` came before, in its order."""
    _, first = np.unique(id_strings(table[column]), return_index=True)
    return table if len(first) == table.num_rows else table.take(pa.array(np.sort(first)))
