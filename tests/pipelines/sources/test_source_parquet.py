"""Parquet: rows by row groups, the same field mapping as JSON Lines."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.config import ConfigError, InputConfig
from pipelines.files import File
from pipelines.sources import Split, open_source
from pipelines.sources.parquet import Parquet


def test_a_column_of_lists_is_numbered(tmp_path: Path, read: Any) -> None:
    """Origins are row numbers in the file."""
    path = tmp_path / "c.parquet"
    table = pa.table({"key": ["a", "b"], "captions": [["one", "two"], ["three"]], "split": ["val", None]})
    pq.write_table(table, path, row_group_size=1)
    assert read(path, format="parquet").rows == [
        ("a", 0, "one", "val", "c.parquet#0"),
        ("a", 1, "two", "val", "c.parquet#0"),
        ("b", 0, "three", "train", "c.parquet#1"),
    ]


def test_a_column_of_texts_is_mapped(tmp_path: Path, read: Any) -> None:
    """Integers are keys; large and dictionary strings are texts; columns that are not needed are not read."""
    path = tmp_path / "c.parquet"
    table = pa.table(
        {
            "id": pa.array([1, None], pa.int64()),
            "text": pa.array(["one", "two"], pa.large_string()),
            "set": pa.array(["dev", "dev"]).dictionary_encode(),
            "file": ["x.jpg", "y.jpg"],
            "pixels": [b"\xff", b"\xff"],
        }
    )
    pq.write_table(table, path)
    (tmp_path / "x.jpg").write_bytes(b"jpg")
    fields = {"key": "id", "caption": "text", "split": "set", "image": "file"}
    found = read(path, format="parquet", fields=fields, media=f"{tmp_path}/{{image}}")
    assert found.rows == [("1", None, "one", "dev", "c.parquet#0")]
    assert [media["uri"] for media in found.media] == [f"{tmp_path}/x.jpg"]
    assert found.refused == [("c.parquet#1", "missing_field", None, None)]
    assert found.details == ["no id"]


def test_splits_are_runs_of_row_groups(tmp_path: Path) -> None:
    """Each row group is in one split, and each row in one record."""
    path = tmp_path / "c.parquet"
    texts = [f"dog number {i}" for i in range(10)]
    pq.write_table(pa.table({"key": [str(i) for i in range(10)], "caption": texts}), path, row_group_size=2)
    config = InputConfig(format="parquet", path=str(path))
    file = File(str(path), path.stat().st_size)
    assert Parquet(config).splits(file) == [Split(str(path), 0, 5)]
    source = Parquet(config, split_bytes=1)
    splits = source.splits(file)
    assert [(split.start, split.end) for split in splits] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    records = [record for split in splits for record in source.records(split)]
    assert [(record.text, Path(record.origin).name) for record in records] == [
        (f"dog number {i}", f"c.parquet#{i}") for i in range(10)
    ]


def test_a_string_that_is_not_utf_8_costs_its_row(tmp_path: Path, read: Any) -> None:
    """Parquet writers do not always check."""
    path = tmp_path / "c.parquet"
    texts = pa.array([b"one", b"caf\xe9", b"two"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"key": ["a", "b", "c"], "caption": texts}), path)
    found = read(path, format="parquet")
    assert found.texts == ["one", "two"]
    assert found.refused == [("c.parquet#1", "bad_encoding", None, None)]


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """Said when the footer is looked at, before anything runs."""
    path = tmp_path / "c.parquet"
    path.write_bytes(b"key,caption\na,one\n")
    source = open_source(InputConfig(format="parquet", path=str(path)))
    with pytest.raises(ConfigError, match=r"c\.parquet is not a Parquet file"):
        source.splits(File(str(path), 18))


def test_a_file_without_rows_is_empty(tmp_path: Path, read: Any) -> None:
    """Neither captions nor rejects."""
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"key": pa.array([], pa.string())}), path)
    found = read(path, format="parquet")
    assert (found.captions.num_rows, found.rejects.num_rows) == (0, 0)
