"""CSV and TSV: headers, quotes, ragged rows and wrong encodings."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from pipelines.config import InputConfig
from pipelines.files import File
from pipelines.sources.delimited import Tsv


def test_csv_quotes_commas_and_line_ends(tmp_path: Path, read: Any) -> None:
    """Origins are the line on which a record starts."""
    path = tmp_path / "c.csv"
    path.write_bytes(b'key,caption,split\r\na,"A dog,\r\nrunning",train\r\n\r\nb,"A ""big"" cat",val\r\nc,A cow,\r\n')
    assert read(path, format="csv", split="rest").rows == [
        ("a", None, "A dog, running", "train", "c.csv:2"),
        ("b", None, 'A "big" cat', "val", "c.csv:5"),
        ("c", None, "A cow", "rest", "c.csv:6"),
    ]


def test_csv_fields_are_mapped(tmp_path: Path, read: Any) -> None:
    """The header's names may be others, and a mapped n is a number."""
    path = tmp_path / "c.csv"
    path.write_bytes(b"\xef\xbb\xbfimage,text,index\na.jpg,A dog,4\nb.jpg,A cat,\n")
    fields = {"key": "image", "caption": "text", "n": "index"}
    assert [row[:3] for row in read(path, format="csv", fields=fields).rows] == [
        ("a.jpg", 4, "A dog"),
        ("b.jpg", None, "A cat"),
    ]


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        (b"x,A dog, running", "malformed_record", "3 cells under a header of 2: ' running'"),
        (b'x,"A dog" runs', "malformed_record", "',' expected after '\"'"),
        (b"x", "missing_field", "no captions or caption"),
        (b"x,", "empty_caption", "''"),
        (b",A dog", "bad_key", "0 bytes, not 1 to 1,024: ''"),
        (b"x,Caf\xe9", "bad_encoding", "not UTF-8: 'xCaf\\udce9'"),
        (b"x,a\x00b", "control_characters", "'a\\x00b'"),
        (b"x," + b"a" * 140_000, "malformed_record", "field larger than field limit (131072)"),
    ],
)
def test_a_bad_csv_row_is_rejected_alone(tmp_path: Path, read: Any, row: bytes, reason: str, detail: str) -> None:
    """The rows around it are read."""
    path = tmp_path / "c.csv"
    path.write_bytes(b"key,caption\na,one\n" + row + b"\nb,two\n")
    found = read(path, format="csv")
    assert found.texts == ["one", "two"]
    assert [refused[:2] for refused in found.refused] == [("c.csv:3", reason)]
    assert found.details == [detail]


def test_an_open_quote_at_the_end_is_a_reject(tmp_path: Path, read: Any) -> None:
    """A quote that is never closed does not silently swallow the rows after it."""
    path = tmp_path / "c.csv"
    path.write_bytes(b'key,caption\na,one\nb,"two\nc,three\n')
    found = read(path, format="csv")
    assert found.texts == ["one"]
    assert found.refused == [("c.csv:3", "malformed_record", None, None)]


@pytest.mark.parametrize("name", ["c.csv", "c.tsv"])
def test_a_header_in_another_encoding_spoils_every_row(tmp_path: Path, read: Any, name: str) -> None:
    """Nobody can say what the columns are called."""
    path = tmp_path / name
    path.write_bytes("key,caption\na,one\nb,two\n".replace(",", "\t" if name == "c.tsv" else ",").encode("utf-16"))
    found = read(path, format=name[2:])
    assert found.texts == []
    assert {refused[1] for refused in found.refused} == {"bad_encoding"}


@pytest.mark.parametrize("name", ["c.csv", "c.tsv"])
def test_columns_of_other_names_are_missing_fields(tmp_path: Path, read: Any, name: str) -> None:
    """A wrong mapping shows as one reject a row."""
    path = tmp_path / name
    path.write_bytes(b"image,text\na,one\nb,two\n".replace(b",", b"\t" if name == "c.tsv" else b","))
    found = read(path, format=name[2:])
    assert [refused[1] for refused in found.refused] == ["missing_field", "missing_field"]
    assert found.details == ["no key", "no key"]


@pytest.mark.parametrize(
    ("name", "content"), [("c.csv.gz", b"key,caption\na,one\n"), ("c.tsv.gz", b"key\tcaption\na\tone\n")]
)
def test_gzip_is_read(tmp_path: Path, read: Any, name: str, content: bytes) -> None:
    """Compressed tables are read by their extension."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(content))
    assert read(path, format=name[2:5]).texts == ["one"]


def test_tsv_takes_quotes_as_they_are(tmp_path: Path, read: Any) -> None:
    """A tab-separated file has no quoting; origins are byte offsets."""
    path = tmp_path / "c.tsv"
    path.write_bytes(b'\r\nkey\tcaption\tn\r\na\t"A dog" runs\t1\r\nb\tA cat\t0\r\n')
    assert read(path, format="tsv").rows == [
        ("a", 1, '"A dog" runs', "train", "c.tsv@17"),
        ("b", 0, "A cat", "train", "c.tsv@35"),
    ]


def test_a_bad_tsv_row_is_rejected_alone(tmp_path: Path, read: Any) -> None:
    """A stray tab and bad bytes cost their own rows."""
    path = tmp_path / "c.tsv"
    path.write_bytes(b"key\tcaption\na\tone\nx\tA\tdog\ny\tCaf\xe9\nb\ttwo\n")
    found = read(path, format="tsv")
    assert found.texts == ["one", "two"]
    assert [refused[:2] for refused in found.refused] == [
        ("c.tsv@18", "malformed_record"),
        ("c.tsv@26", "bad_encoding"),
    ]


@pytest.mark.parametrize("split_bytes", [1, 5, 12, 13, 20, 100])
def test_every_tsv_split_knows_the_header(tmp_path: Path, split_bytes: int) -> None:
    """The header is no record in any split, and names the columns in all."""
    path = tmp_path / "c.tsv"
    path.write_bytes(b"caption\tkey\none\ta\ntwo\tb\n")
    source = Tsv(InputConfig(format="tsv", path=str(path)), split_bytes=split_bytes)
    records = [record for split in source.splits(File(str(path), 24)) for record in source.records(split)]
    assert [(record.key, record.text) for record in records] == [("a", "one"), ("b", "two")]


@pytest.mark.parametrize("name", ["c.csv", "c.tsv"])
@pytest.mark.parametrize("content", [b"", b"key", b"\n\n"])
def test_a_table_without_rows_is_empty(tmp_path: Path, read: Any, name: str, content: bytes) -> None:
    """Neither captions nor rejects."""
    path = tmp_path / name
    path.write_bytes(content)
    found = read(path, format=name[2:])
    assert (found.captions.num_rows, found.rejects.num_rows) == (0, 0)
