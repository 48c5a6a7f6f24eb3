"""JSON Lines: captions one by one or in lists, names mapped, damage confined to its line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.config import InputConfig
from pipelines.files import File
from pipelines.sources import read_tables
from pipelines.sources.jsonl import JsonLines


def _write(path: Path, *items: Any) -> Path:
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
    return path


def test_a_list_of_captions_is_numbered_by_its_index(tmp_path: Path, read: Any) -> None:
    """One line, several captions: n is the place in the list, the origin that of the line."""
    path = _write(tmp_path / "c.jsonl", {"key": "a", "captions": ["A dog .", "Two  dogs ."], "split": "val"})
    assert read(path, format="jsonl").rows == [
        ("a", 0, "A dog .", "val", "c.jsonl@0"),
        ("a", 1, "Two dogs .", "val", "c.jsonl@0"),
    ]


def test_single_captions_are_not_numbered(tmp_path: Path, read: Any) -> None:
    """One caption a line has no n, unless the line gives it; the split defaults to the setting."""
    path = _write(
        tmp_path / "c.jsonl",
        {"key": "a", "caption": "A dog ."},
        {"key": "a", "captions": "A cat .", "split": ""},
        {"key": "b", "caption": "A cow .", "n": 3},
    )
    assert read(path, format="jsonl", split="test").rows == [
        ("a", None, "A dog .", "test", "c.jsonl@0"),
        ("a", None, "A cat .", "test", "c.jsonl@35"),
        ("b", 3, "A cow .", "test", "c.jsonl@84"),
    ]


def test_fields_are_mapped(tmp_path: Path, read: Any) -> None:
    """`input.fields` gives the input's names; a mapped caption is not looked for elsewhere."""
    path = _write(tmp_path / "c.jsonl", {"id": 7, "en": "A dog .", "captions": {"de": "x"}, "set": "dev", "i": "2"})
    fields = {"key": "id", "caption": "en", "split": "set", "n": "i"}
    assert read(path, format="jsonl", fields=fields).rows == [("7", 2, "A dog .", "dev", "c.jsonl@0")]


def test_a_key_survives_unchanged(tmp_path: Path, read: Any) -> None:
    """Dots, slashes, spaces and accents are the writer's business, not the reader's."""
    path = _write(tmp_path / "c.jsonl", {"key": "a.b/c d.é", "caption": "A dog ."})
    assert read(path, format="jsonl").captions["key"].to_pylist() == ["a.b/c d.é"]


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b'{"key": "a", "caption"', "malformed_record", "unexpected end of data"),
        (b"[1, 2]", "malformed_record", "not a JSON object: [1, 2]"),
        (b'"text"', "malformed_record", "not a JSON object: 'text'"),
        (b'{"key": "a", "caption": NaN}', "malformed_record", "NaN"),
        (b'{"key": "a", "caption": "tab\there"}', "malformed_record", "control character"),
        (b"[" * 100_000, "malformed_record", "[[["),
        (b'{"caption": "A dog ."}', "missing_field", "no key"),
        (b'{"key": null, "caption": "A dog ."}', "missing_field", "no key"),
        (b'{"key": true, "caption": "A dog ."}', "missing_field", "key is True, not text"),
        (b'{"key": 1.5, "caption": "A dog ."}', "missing_field", "key is 1.5, not text"),
        (b'{"key": {}, "caption": "A dog ."}', "missing_field", "key is {}, not text"),
        (b'{"key": "a"}', "missing_field", "no captions or caption"),
        (
            b'{"key": "a", "caption": 5}',
            "missing_field",
            "captions or caption is 5, not text or a list of texts",
        ),
        (
            b'{"key": "a", "captions": []}',
            "missing_field",
            "captions or caption is [], not text or a list of texts",
        ),
        (b'{"key": "a", "caption": "A dog .", "split": 1}', "missing_field", "split is 1, not text"),
        (b'{"key": "a", "caption": "A dog .", "split": "../x"}', "missing_field", "split is '../x'"),
        (
            b'{"key": "a", "caption": "A dog .", "n": -1}',
            "missing_field",
            "n is -1, not a whole number from 0",
        ),
        (b'{"key": "a", "caption": "A dog .", "n": 2147483648}', "missing_field", "n is 2147483648"),
        (b'{"key": "a", "caption": "caf\xe9"}', "bad_encoding", "invalid continuation byte at byte 28"),
        (b'{"key": "a", "caption": "half \\ud800"}', "bad_encoding", "surrogate"),
        (b'{"key": "", "caption": "A dog ."}', "bad_key", "0 bytes, not 1 to 1,024"),
    ],
)
def test_a_bad_line_is_rejected_alone(tmp_path: Path, read: Any, line: bytes, reason: str, detail: str) -> None:
    """The line before and the one after are read, and the reject says where and why."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(b'{"key": "a", "caption": "one"}\n' + line + b'\n{"key": "a", "caption": "two"}\n')
    found = read(path, format="jsonl")
    assert found.texts == ["one", "two"]
    assert [refused[:2] for refused in found.refused] == [("c.jsonl@31", reason)]
    assert detail in found.details[0]
    assert len(found.details[0]) <= 200
    assert found.details[0].isprintable()


def test_one_bad_item_leaves_the_rest_of_the_list(tmp_path: Path, read: Any) -> None:
    """The others keep their index."""
    path = _write(tmp_path / "c.jsonl", {"key": "a", "captions": ["one", None, 3, "two"]})
    found = read(path, format="jsonl")
    assert [row[1:3] for row in found.rows] == [(0, "one"), (3, "two")]
    assert found.refused == [("c.jsonl@0", "missing_field", "a", 1), ("c.jsonl@0", "missing_field", "a", 2)]
    assert found.details == ["no caption 1", "caption 2 is 3, not text"]


def test_blank_lines_are_nothing(tmp_path: Path, read: Any) -> None:
    """Empty lines and lines of spaces are neither captions nor rejects."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(b'\xef\xbb\xbf\r\n{"key": "a", "caption": "one"}\r\n\r\n  \t\r\n{"key": "b", "caption": "two"}')
    found = read(path, format="jsonl")
    assert found.texts == ["one", "two"]
    assert found.refused == []


def test_latin_1_costs_the_lines_it_spoils(tmp_path: Path, read: Any) -> None:
    """Only lines with an accent cannot be read as UTF-8."""
    path = tmp_path / "c.jsonl"
    path.write_bytes('{"key": "a", "caption": "Ein Café"}\n{"key": "b", "caption": "Ein Hund"}\n'.encode("latin-1"))
    found = read(path, format="jsonl")
    assert found.texts == ["Ein Hund"]
    assert found.refused == [("c.jsonl@0", "bad_encoding", None, None)]


def test_utf_16_yields_rejects_only(tmp_path: Path, read: Any) -> None:
    """A file in another encoding is nowhere taken for text."""
    path = tmp_path / "c.jsonl"
    path.write_bytes('{"key": "a", "caption": "one"}\n{"key": "b", "caption": "two"}\n'.encode("utf-16"))
    found = read(path, format="jsonl")
    assert found.texts == []
    assert [refused[1] for refused in found.refused] == [
        "bad_encoding",
        "malformed_record",
        "malformed_record",
    ]


def test_gzip_is_read_as_a_stream(tmp_path: Path, read: Any) -> None:
    """Origins count decompressed bytes."""
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"key": "a", "caption": "one"}\n{"key": "b", "caption": "two"}\n'))
    assert [row[4] for row in read(path, format="jsonl").rows] == ["c.jsonl.gz@0", "c.jsonl.gz@31"]


def test_a_truncated_gzip_is_one_reject(tmp_path: Path, read: Any) -> None:
    """What came before the cut is kept."""
    content = b"".join(b'{"key": "%d", "caption": "number %d"}\n' % (i, i) for i in range(5000))
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress(content)[:-2000])
    found = read(path, format="jsonl")
    assert 1000 < len(found.texts) < 5000
    assert found.texts[-1] == f"number {len(found.texts) - 1}"
    assert found.refused == [("c.jsonl.gz", "malformed_record", None, None)]
    assert found.details[0].startswith("the compressed stream breaks off:")


def test_what_is_no_gzip_is_one_reject(tmp_path: Path, read: Any) -> None:
    """A name that promises compression is believed, and found out."""
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(b'{"key": "a", "caption": "one"}\n')
    assert read(path, format="jsonl").refused == [("c.jsonl.gz", "malformed_record", None, None)]


def test_tables_hold_the_rows_asked_for(tmp_path: Path) -> None:
    """A split comes as several tables, none with more records than ``rows``."""
    path = _write(tmp_path / "c.jsonl", *({"key": str(i), "caption": f"dog {i}"} for i in range(5)), {})
    config = InputConfig(format="jsonl", path=str(path))
    [split] = JsonLines(config).splits(File(str(path), path.stat().st_size))
    sizes = [(captions.num_rows, rejects.num_rows) for captions, rejects in read_tables(config, split, rows=2)]
    assert sizes == [(2, 0), (2, 0), (1, 1)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    captions=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=10),
    split_bytes=st.integers(1, 200),
)
def test_any_cutting_gives_the_same_records(tmp_path: Path, captions: list[str], split_bytes: int) -> None:
    """Whatever the split size, each caption comes out once, in order, as it went in."""
    path = _write(tmp_path / "c.jsonl", *({"key": str(i), "caption": text} for i, text in enumerate(captions)))
    source = JsonLines(InputConfig(format="jsonl", path=str(path)), split_bytes=split_bytes)
    splits = source.splits(File(str(path), path.stat().st_size))
    records = [record for split in splits for record in source.records(split)]
    assert [(record.key, record.text) for record in records] == [(str(i), text) for i, text in enumerate(captions)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(content=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_crash_the_reader(tmp_path: Path, read: Any, content: bytes) -> None:
    """Anything at all becomes rejects or captions, one for each line at least."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(content + b"\n")
    found = read(path, format="jsonl")
    seen = [line for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    assert found.captions.num_rows + found.rejects.num_rows == len(seen)
