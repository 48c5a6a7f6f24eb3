"""Ingest: the input read once, its rejects kept, everything counted."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import files
from pipelines.config import ConfigError, InputConfig, RunnerConfig
from pipelines.ingest import Ingested, count_distinct, ingest, with_key_hash
from pipelines.run import Run
from pipelines.runner import Launcher

Ingest = Callable[..., Ingested]
HASH_OF_A = "40f89e395b66422f"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return an empty run directory."""
    return Run(str(tmp_path / "run"))


@pytest.fixture
def ingested(tmp_path: Path, run: Run) -> Ingest:
    """Return a function that ingests JSON records, one file for each list, and says what they held."""

    def read(*records: Sequence[object]) -> Ingested:
        for old in tmp_path.glob("*.jsonl"):
            old.unlink()
        for i, lines in enumerate(records):
            text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
            (tmp_path / f"{i}.jsonl").write_text(text)
        config = InputConfig(format="jsonl", path=str(tmp_path / "*.jsonl"))
        return ingest(run, config, Launcher(RunnerConfig(workers=1)))

    return read


def record(key: str, caption: str, split: str = "train") -> dict[str, str]:
    """Return one line of input."""
    return {"key": key, "caption": caption, "split": split}


def test_what_was_read(ingested: Ingest, run: Run) -> None:
    """Captions, distinct texts after normalisation, keys by split and rejects by reason are counted."""
    found = ingested(
        [record("a", "A dog."), record("a", " A  dog. "), record("b", "A cat.", "val"), "{\n", record("c", " ")],
        [record("b", "A dog.", "val"), {"caption": "no key"}],
    )
    assert found == Ingested(
        captions=4,
        rejects={"malformed_record": 1, "missing_field": 1, "empty_caption": 1},
        texts=2,
        keys={"train": 1, "val": 1},
        split_of={},
    )
    assert found.read == 7
    captions = pa.concat_tables([files.read_parquet(part.path) for part in files.listing(run.captions)])
    assert sorted(zip(captions["key"].to_pylist(), captions["text"].to_pylist(), strict=True)) == [
        ("a", "A dog."),
        ("a", "A dog."),
        ("b", "A cat."),
        ("b", "A dog."),
    ]
    rejects = pa.concat_tables([files.read_parquet(part.path) for part in files.listing(run.rejects)])
    assert sorted(rejects["reason"].to_pylist()) == ["empty_caption", "malformed_record", "missing_field"]


def test_reading_again_replaces(ingested: Ingest, run: Run) -> None:
    """Parts and rejects of an earlier reading are not left beside the new ones."""
    ingested([record("a", "A dog."), "{\n"], [record("b", "A cat."), "[\n"])
    found = ingested([record("a", "A dog.")])
    assert found == Ingested(captions=1, rejects={}, texts=1, keys={"train": 1}, split_of={})
    assert len(files.listing(run.captions)) == 1
    assert files.listing(run.rejects) == []


def test_a_key_in_two_splits(ingested: Ingest) -> None:
    """It is kept in the first by name, and counted there only."""
    found = ingested([record("a", "One.", "val"), record("b", "Two.", "val")], [record("a", "Three.", "train")])
    assert found.keys == {"train": 1, "val": 1}
    assert found.split_of == {HASH_OF_A: "train"}


def test_nothing_usable(ingested: Ingest) -> None:
    """An input of rejects only is counted like any other."""
    found = ingested(["{\n", "[\n"])
    assert found == Ingested(captions=0, rejects={"malformed_record": 2}, texts=0, keys={}, split_of={})


def test_an_empty_file(ingested: Ingest) -> None:
    """A file without a line holds nothing."""
    assert ingested([]) == Ingested(captions=0, rejects={}, texts=0, keys={}, split_of={})


def test_no_file(ingested: Ingest) -> None:
    """A pattern that matches nothing is a wrong configuration."""
    with pytest.raises(ConfigError, match="no file matches"):
        ingested()


def test_key_hashes() -> None:
    """The hash that chooses a shard, for a column at once; written out as ``b2sum -l 64`` gives it."""
    hashed = with_key_hash(pa.table({"key": pa.chunked_array([["a", ""], ["a.b/c d.é"]])}))
    found = [f"{value:016x}" for value in hashed["key_hash"].to_pylist()]
    assert found == [HASH_OF_A, "e4a6a0577479b2b4", "4b2dfcd4e02c03c3"]
    assert with_key_hash(pa.table({"key": pa.array([], pa.string())}))["key_hash"].type == pa.uint64()


def parts(folder: Path, *tables: list[tuple[bytes, int, str]]) -> str:
    """Write caption parts of (text_id, key_hash, split), as much of them as is counted; return their folder."""
    schema = pa.schema([("text_id", pa.binary(16)), ("key_hash", pa.uint64()), ("split", pa.string())])
    for i, rows in enumerate(tables):
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        files.write_parquet(str(folder / f"part-{i}.parquet"), pa.table(arrays, schema=schema))
    return str(folder)


def test_distinct_texts(tmp_path: Path) -> None:
    """Texts from several tables are counted once, those whose id ends in NUL too."""
    a, b, nul = b"a" * 16, b"b" * 15 + b"\0", bytes(16)
    folder = parts(
        tmp_path, [(a, 1, "train"), (b, 1, "train")], [(b, 1, "train"), (nul, 1, "train")], [(a, 1, "train")]
    )
    assert count_distinct((0, 1), captions=folder) == {"texts": 3, "keys": {"train": 1}, "split_of": {}}


def test_keys_in_several_splits(tmp_path: Path) -> None:
    """A key counts in the first split by name, whatever came first; it is named with that split."""
    placed = [("val", 1), ("val", 2), ("val", 3), ("test", 3), ("test", 4), ("train", 3), ("train", 1)]
    folder = parts(tmp_path, [(bytes(16), key, split) for split, key in placed])
    assert count_distinct((0, 1), captions=folder) == {
        "texts": 1,
        "keys": {"test": 2, "train": 1, "val": 1},
        "split_of": {"0000000000000001": "train", "0000000000000003": "test"},
    }


ROW = st.tuples(
    st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1) | st.integers(0, 4), st.sampled_from(["a", "b", "c"])
)


@given(st.lists(st.lists(ROW, max_size=8), max_size=4), st.integers(1, 3))
def test_passes_add_up(tables: list[list[tuple[bytes, int, str]]], passes: int) -> None:
    """However many passes there are, their sums are those of sets of texts and of keys in their first splits."""
    with tempfile.TemporaryDirectory() as folder:
        captions = parts(Path(folder), *tables)
        found = [count_distinct((number, passes), captions=captions) for number in range(passes)]
    rows = [row for table in tables for row in table]
    first: dict[int, str] = {}
    for _, key, split in sorted(rows, key=lambda row: row[2]):
        first.setdefault(key, split)
    assert sum(one["texts"] for one in found) == len({text_id[:8] for text_id, _, _ in rows})
    for split in "abc":
        assert sum(one["keys"].get(split, 0) for one in found) == list(first.values()).count(split)
    moved = {f"{key:016x}": first[key] for _, key, split in rows if first[key] != split}
    assert {key: split for one in found for key, split in one["split_of"].items()} == moved
