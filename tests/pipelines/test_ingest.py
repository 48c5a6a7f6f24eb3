"""Ingest: the input read once, its rejects kept, everything counted."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import files
from pipelines.config import ConfigError, InputConfig, RunnerConfig
from pipelines.ingest import Ingested, count_distinct, ingest, key_hashes
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
    hashes = key_hashes(pa.chunked_array([["a", ""], ["a.b/c d.é"]]))
    assert [f"{value:016x}" for value in hashes.tolist()] == [HASH_OF_A, "e4a6a0577479b2b4", "4b2dfcd4e02c03c3"]
    assert key_hashes(pa.chunked_array([], pa.string())).tolist() == []


def packed(*values: int) -> bytes:
    """Return 64-bit hashes as they travel."""
    return np.array(values, dtype=np.uint64).tobytes()


def test_distinct_texts() -> None:
    """Texts from several tables are counted once, those whose id ends in NUL too."""
    a, b, nul = b"a" * 16, b"a" * 15 + b"\0", bytes(16)
    assert count_distinct(("texts", 1), [("", a + b), ("", b + nul), ("", a)]) == {"texts": 3}


def test_distinct_keys() -> None:
    """Keys are counted once in each split."""
    assert count_distinct(("keys", 1), [("train", packed(1, 2)), ("train", packed(2, 3))]) == {
        "keys": {"train": 3},
        "split_of": {},
    }


def test_keys_in_several_splits() -> None:
    """A key counts in the first split by name, whatever came first; it is named with that split."""
    values = [("val", packed(1, 2, 3)), ("test", packed(3, 4)), ("train", packed(3, 1))]
    assert count_distinct(("keys", 1), values) == {
        "keys": {"test": 2, "train": 1, "val": 1},
        "split_of": {"0000000000000001": "train", "0000000000000003": "test"},
    }


PLACED = st.lists(st.tuples(st.sampled_from(["train", "val", "test"]), st.integers(0, 2**64 - 1) | st.integers(0, 4)))


@given(PLACED, st.randoms(use_true_random=False))
def test_the_order_of_tables_does_not_matter(placed: list[tuple[str, int]], random: object) -> None:
    """Whichever worker was first, the counts are those of a set of keys."""

    def values() -> Iterator[tuple[str, bytes]]:
        random.shuffle(placed)  # type: ignore[attr-defined]
        yield from ((split, packed(key)) for split, key in placed)

    found = count_distinct(("keys", 0), values())
    assert found == count_distinct(("keys", 0), values())
    first: dict[int, str] = {}
    for split, key in sorted(placed):
        first.setdefault(key, split)
    assert sum(found["keys"].values()) == len(first)
    assert {split: list(first.values()).count(split) for split in found["keys"]} == found["keys"]
