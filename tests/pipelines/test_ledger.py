"""The ledger's names and listings."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import files
from pipelines.ledger import Ledger, fingerprint, part_name

IDS = st.lists(st.binary(min_size=16, max_size=16), unique=True, min_size=1, max_size=5)


def column(ids: list[bytes]) -> pa.ChunkedArray:
    """Return ``ids`` as a column of a table."""
    return pa.chunked_array([pa.array(ids, pa.binary(16))])


def test_fingerprint() -> None:
    """A fingerprint is the language and sixteen hexadecimal digits of BLAKE2b of sorted JSON."""
    # printf '{"a":[1,"é"],"b":null}' | b2sum -l 64
    assert fingerprint("de", {"b": None, "a": [1, "é"]}) == "de-1f6f0382445111b2"
    assert fingerprint("zh-Hant", {"a": [1, "é"], "b": None}) == "zh-Hant-1f6f0382445111b2"


@pytest.mark.parametrize("other", [{"a": 2}, {"a": 1.5}, {"a": "1"}, {"a": None}, {"b": 1}, {"a": 1, "b": None}, {}])
def test_another_value_makes_another_fingerprint(other: dict[str, object]) -> None:
    """Type, name and presence of a value count."""
    assert fingerprint("de", other) != fingerprint("de", {"a": 1})


def test_part_name() -> None:
    """A part is named by the ids in it, as ``b2sum -l 128`` of their bytes."""
    # printf 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb' | b2sum -l 128
    assert part_name(column([b"a" * 16, b"b" * 16])) == "part-3106330ede3673ae78e9b017358c794a.parquet"


@given(IDS)
def test_chunks_do_not_change_a_name(ids: list[bytes]) -> None:
    """The name is of the rows, however they lie in memory."""
    chunks = pa.chunked_array([pa.array([one], pa.binary(16)) for one in ids])
    assert part_name(chunks) == part_name(column(ids))


@given(IDS, IDS)
def test_other_rows_have_another_name(first: list[bytes], second: list[bytes]) -> None:
    """Other ids, or the same in another order, are another part."""
    assert (part_name(column(first)) == part_name(column(second))) == (first == second)


def test_parts(tmp_path: Path) -> None:
    """Finished parts of one folder are listed; unfinished ones and other files are not."""
    ledger = Ledger(str(tmp_path))
    for name in ("part-b.parquet", "part-a.parquet", ".tmp-1-part-c.parquet", "notes.txt"):
        files.write_bytes(ledger.part("scores", "de-1", name), b"1")
    assert ledger.part("scores", "de-1", "part-a.parquet") == f"{tmp_path}/scores/de-1/part-a.parquet"
    assert [Path(part.path).name for part in ledger.parts("scores", "de-1")] == ["part-a.parquet", "part-b.parquet"]
    assert ledger.names("scores", "de-1") == {"part-a.parquet", "part-b.parquet"}


def test_no_folder(tmp_path: Path) -> None:
    """A fingerprint that nothing was made with has no parts."""
    assert Ledger(str(tmp_path / "nowhere")).parts("translations", "de-1") == []
    assert Ledger(str(tmp_path)).names("backs", "de-1") == frozenset()
