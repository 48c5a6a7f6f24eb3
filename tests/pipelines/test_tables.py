"""Splitting tables by what a column hashes to."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tables import id_hashes, id_strings, partition, unique_rows

IDS = st.lists(st.binary(min_size=16, max_size=16) | st.sampled_from([bytes(16), b"a" * 15 + b"\0", b"a" * 16]))
A, B, NULS = b"a" * 16, b"a" * 15 + b"\0", bytes(16)


def chunked(*chunks: list[bytes]) -> pa.ChunkedArray:
    """Return ids in these chunks."""
    return pa.chunked_array([pa.array(chunk, pa.binary(16)) for chunk in chunks], pa.binary(16))


def rows(table: pa.Table) -> list[int]:
    """Return the ``row`` column."""
    return table["row"].to_pylist()


def test_id_hashes() -> None:
    """The hash is the first four bytes, big-endian."""
    ids = chunked([bytes.fromhex("00000001") + bytes(12)], [bytes.fromhex("fffefdfc") + b"x" * 12])
    hashes = id_hashes(ids)
    assert hashes.dtype == np.uint32
    assert hashes.tolist() == [1, 0xFFFEFDFC]


def test_ids_that_end_in_nul() -> None:
    """Ids that differ in a trailing NUL only are different, and sort as they should."""
    ids = id_strings(chunked([A, B, NULS, B]))
    assert (ids == ids[1]).tolist() == [False, True, False, True]
    assert np.argsort(ids, kind="stable").tolist() == [2, 1, 3, 0]
    assert len(np.unique(ids)) == 3


def test_slices_and_chunks() -> None:
    """A slice of a column is read from where it starts, and chunks follow one another."""
    ids = chunked([A, B], [NULS, A]).slice(1, 2)
    assert id_strings(ids).tolist() == [B.rstrip(b"\0"), b""]
    assert id_hashes(ids).tolist() == [0x61616161, 0]


def test_no_ids() -> None:
    """Columns without a row, with and without chunks, give nothing."""
    for ids in (pa.chunked_array([], pa.binary(16)), chunked([]), chunked([A]).slice(1)):
        assert len(id_strings(ids)) == 0
        assert len(id_hashes(ids)) == 0


@given(IDS, st.integers(0, 4), st.integers(0, 4))
def test_strings_compare_as_ids_do(ids: list[bytes], start: int, cut: int) -> None:
    """Order and equality are those of the sixteen bytes, whatever the slice and the chunks."""
    column = chunked(ids[:cut], ids[cut:]).slice(start)
    expected = ids[start:]
    strings = id_strings(column)
    order = sorted(range(len(expected)), key=lambda i: expected[i])
    assert np.argsort(strings, kind="stable").tolist() == order
    assert len(np.unique(strings)) == len(set(expected))


def test_partition() -> None:
    """Groups come in ascending order, each with its rows in theirs."""
    table = pa.table({"row": [0, 1, 2, 3, 4]})
    parts = list(partition(table, np.array([7, 2, 7, 0, 2], dtype=np.uint32)))
    assert [(group, rows(part)) for group, part in parts] == [(0, [3]), (2, [1, 4]), (7, [0, 2])]
    assert {type(group) for group, _ in parts} == {int}


def test_partition_of_nothing() -> None:
    """No rows make no groups."""
    assert list(partition(pa.table({"row": pa.array([], pa.int64())}), np.array([], dtype=np.uint32))) == []


@given(st.lists(st.integers(0, 5)), st.integers(0, 3))
def test_partition_loses_nothing(groups: list[int], start: int) -> None:
    """Every row is in exactly one part, that of its group."""
    table = pa.table({"row": pa.array(range(len(groups)), pa.int64())}).slice(start)
    parts = dict(partition(table, np.array(groups[start:], dtype=np.int64)))
    expected = {
        group: [row for row in range(start, len(groups)) if groups[row] == group] for group in set(groups[start:])
    }
    assert {group: rows(part) for group, part in parts.items()} == expected
    assert list(parts) == sorted(parts)


def test_unique_rows() -> None:
    """Of rows with one id the first stays, and the order does."""
    table = pa.table({"id": chunked([B, A, B], [NULS, A]), "row": [0, 1, 2, 3, 4]})
    assert rows(unique_rows(table, "id")) == [0, 1, 3]


def test_unique_rows_already() -> None:
    """Rows that are distinct come back as they are."""
    table = pa.table({"id": chunked([B, A]), "row": [0, 1]})
    assert unique_rows(table, "id") is table
    assert unique_rows(table.slice(0, 0), "id").num_rows == 0


@given(IDS, st.integers(0, 3))
def test_unique_rows_are_the_first_of_each(ids: list[bytes], start: int) -> None:
    """What is kept is what a set would keep."""
    table = pa.table({"id": chunked(ids), "row": pa.array(range(len(ids)), pa.int64())}).slice(start)
    first: dict[bytes, int] = {}
    for row in range(start, len(ids)):
        first.setdefault(ids[row], row)
    assert rows(unique_rows(table, "id")) == sorted(first.values())
