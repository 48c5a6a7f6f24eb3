"""Which files there are, and which settings do not go together."""

import gzip
import pickle
from pathlib import Path
from typing import Any, get_args

import pytest

from pipelines.config import ConfigError, Format, InputConfig
from pipelines.sources import Split, find_files, open_source
from pipelines.sources.registry import SOURCES


def test_every_format_has_a_source() -> None:
    """The configuration knows no format that cannot be read, and no source is out of reach."""
    assert set(SOURCES) == set(get_args(Format))


@pytest.mark.parametrize("name", ["flickr", "coco", "karpathy"])
def test_fields_of_a_fixed_format_cannot_be_mapped(name: str) -> None:
    """A mapping that nothing reads is refused, together with what else is wrong."""
    with pytest.raises(ConfigError) as error:
        open_source(InputConfig(format=name, path="x", fields={"key": "id"}, media="{nothing}"))
    assert len(error.value.problems) == 2
    assert error.value.problems[0] == f"input.fields: {name} names its fields itself: leave them out"


def test_overlapping_patterns_match_a_file_once(tmp_path: Path) -> None:
    """Files come sorted, each once, however it was named."""
    for name in ("b.jsonl", "a.jsonl"):
        (tmp_path / name).write_text("{}\n")
    patterns = [f"{tmp_path}/*.jsonl", f"{tmp_path}/a*", f"{tmp_path}/../{tmp_path.name}/b.jsonl"]
    files = find_files(InputConfig(format="jsonl", path=patterns))
    assert [Path(file.path).name for file in files] == ["a.jsonl", "b.jsonl"]
    assert [file.size for file in files] == [3, 3]


def test_every_pattern_without_a_file_is_named(tmp_path: Path) -> None:
    """All of them in one message."""
    (tmp_path / "a.jsonl").write_text("{}\n")
    (tmp_path / "folder").mkdir()
    patterns = [str(tmp_path / name) for name in ("a.jsonl", "none.jsonl", "*.csv", "folder")]
    with pytest.raises(ConfigError) as error:
        find_files(InputConfig(format="jsonl", path=patterns))
    assert error.value.problems == [
        f"input.path: no file matches '{tmp_path}/none.jsonl'",
        f"input.path: no file matches '{tmp_path}/*.csv'",
        f"input.path: '{tmp_path}/folder' is a folder: name the files in it, such as {tmp_path}/folder/*",
    ]


def test_an_unknown_filesystem_is_a_problem() -> None:
    """Beam's own words follow."""
    with pytest.raises(ConfigError, match=r"input\.path: cannot look for 'nowhere://x/y\.jsonl': "):
        find_files(InputConfig(format="jsonl", path="nowhere://x/y.jsonl"))


@pytest.mark.parametrize(
    ("name", "format_name"),
    [("a.parquet.gz", "parquet"), ("a.tar.gz", "webdataset"), ("a.jsonl.zst", "jsonl"), ("a.zip", "csv")],
)
def test_compression_that_cannot_be_read_is_refused(tmp_path: Path, name: str, format_name: Any) -> None:
    """The file is named, and what to do."""
    (tmp_path / name).write_bytes(gzip.compress(b"x"))
    with pytest.raises(ConfigError, match=rf"{name} is .*: unpack it"):
        find_files(InputConfig(format=format_name, path=str(tmp_path / name)))


def test_a_file_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """It could stand in no table."""
    (tmp_path / "caf\udce9.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="is not a UTF-8 file name: rename it"):
        find_files(InputConfig(format="jsonl", path=f"{tmp_path}/*"))


def test_splits_and_sources_travel() -> None:
    """Both are sent to workers."""
    split = Split("a.jsonl", 5, 10)
    assert pickle.loads(pickle.dumps(split)) == split  # noqa: S301
    source = open_source(InputConfig(format="jsonl", path="a.jsonl"))
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301
