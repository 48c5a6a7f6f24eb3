"""Lines of byte ranges: every line exactly once, wherever the file is cut."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.files import File, open_decompressed
from pipelines.sources import streams
from pipelines.sources.record import Split
from pipelines.sources.streams import line_splits, lines

_LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")), max_size=8)


def _all_lines(path: Path, *, split_bytes: int) -> list[tuple[int, bytes]]:
    file = File(str(path), path.stat().st_size)
    return [line for split in line_splits(file, split_bytes=split_bytes) for line in lines(split)]


@pytest.mark.parametrize("split_bytes", [1, 2, 3, 4, 5, 7, 100])
def test_every_cutting_yields_each_line_once(tmp_path: Path, split_bytes: int) -> None:
    """The byte at which a line starts decides its split, so lines come once and in order."""
    path = tmp_path / "lines"
    path.write_bytes(b"one\n\ntwo two\r\nthree")
    assert _all_lines(path, split_bytes=split_bytes) == [(0, b"one"), (5, b"two two"), (14, b"three")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=_LINES,
    end=st.sampled_from([b"\n", b"\r\n"]),
    final=st.booleans(),
    bom=st.booleans(),
    split_bytes=st.integers(1, 40),
)
def test_any_lines_survive_any_cutting(
    tmp_path: Path, content: list[bytes], end: bytes, final: bool, bom: bool, split_bytes: int
) -> None:
    """Line ends, a missing last one, empty lines and a byte order mark make no difference."""
    path = tmp_path / "lines"
    path.write_bytes((streams.BOM if bom else b"") + end.join(content) + (end if final else b""))
    if content and content[0].startswith(streams.BOM):
        return  # a mark of the content's own would be taken for the file's
    found = _all_lines(path, split_bytes=split_bytes)
    assert [line for _, line in found] == [line for line in content if line]
    written = path.read_bytes()
    for offset, line in found:
        start = offset or (len(streams.BOM) if bom else 0)
        assert written[start : start + len(line)] == line


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    """The mark that Windows editors write is removed, in the first line only."""
    path = tmp_path / "lines"
    path.write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")
    assert _all_lines(path, split_bytes=100) == [(0, b"one"), (7, b"\xef\xbb\xbftwo")]


def test_an_endless_line_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without line ends is not taken into memory as one line, and the next line is found."""
    monkeypatch.setattr(streams, "LARGEST_RECORD", 10)
    path = tmp_path / "lines"
    path.write_bytes(b"a" * 35 + b"\nnext\n")
    assert _all_lines(path, split_bytes=8) == [(0, b"a" * 10), (36, b"next")]


def test_a_line_of_exactly_the_limit_swallows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line after one that just fits is read."""
    monkeypatch.setattr(streams, "LARGEST_RECORD", 4)
    path = tmp_path / "lines"
    path.write_bytes(b"abc\nabcd\nx\n")
    assert _all_lines(path, split_bytes=100) == [(0, b"abc"), (4, b"abcd"), (9, b"x")]


def test_an_empty_file_has_no_splits() -> None:
    """Nothing to read is no work."""
    assert line_splits(File("empty.jsonl", 0), split_bytes=10) == []


def test_splits_cover_the_file() -> None:
    """The last range ends with the file."""
    assert line_splits(File("a.tsv", 25), split_bytes=10) == [
        Split("a.tsv", 0, 10),
        Split("a.tsv", 10, 20),
        Split("a.tsv", 20, 25),
    ]


def test_a_gzip_is_one_split() -> None:
    """A compressed file cannot be read from the middle."""
    assert line_splits(File("a.tsv.gz", 25), split_bytes=10) == [Split("a.tsv.gz", 0, None)]


def test_gzip_offsets_count_decompressed_bytes(tmp_path: Path) -> None:
    """Two gzip members one after the other are one stream."""
    path = tmp_path / "lines.gz"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert _all_lines(path, split_bytes=2) == [(0, b"one"), (4, b"two")]


def test_a_truncated_gzip_raises(tmp_path: Path) -> None:
    """The end of the file inside a gzip stream is an error, not the end of the text."""
    path = tmp_path / "lines.gz"
    path.write_bytes(gzip.compress(b"one\n" * 1000)[:-9])
    with open_decompressed(str(path)) as stream, pytest.raises(EOFError, match="end-of-stream marker"):
        stream.read()
