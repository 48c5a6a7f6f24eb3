"""Parallel files become pairs; what is none is rejected with its origin and reason."""

import gzip
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import ConfigError
from pipelines.parallel import Reject, read_parallel


def read(*paths: Path, columns: tuple[str, str] = ("source", "target")) -> tuple[list[list[str]], list[Reject]]:
    """Return the rows (source, target, origin without its folder) and the rejects."""
    found = read_parallel([str(path) for path in paths], language="de", columns=columns)
    rows = [[row["source"], row["target"], Path(row["origin"]).name] for row in found.pairs.to_pylist()]
    return rows, [Reject(Path(reject.origin).name, reject.reason) for reject in found.rejects]


def test_a_tsv(tmp_path: Path) -> None:
    """Two columns without a header; a line of one cell, an empty side and foreign bytes are rejected by their line."""
    file = tmp_path / "pairs.tsv"
    file.write_bytes(
        b"\xef\xbb\xbfA dog.\tEin Hund.\r\nA cat.\n \tEine Katze.\nA cow.\tEine K\xfch.\nA fox. \t Ein Fuchs.\n"
    )
    rows, rejects = read(file)
    assert rows == [["A dog.", "Ein Hund.", "pairs.tsv:1"], ["A fox.", "Ein Fuchs.", "pairs.tsv:5"]]
    assert rejects == [
        Reject("pairs.tsv:2", "malformed_record"),
        Reject("pairs.tsv:3", "empty_text"),
        Reject("pairs.tsv:4", "bad_encoding"),
    ]


def test_a_tsv_with_a_header(tmp_path: Path) -> None:
    """Where the first line names the columns, they are taken from there."""
    file = tmp_path / "pairs.tsv.gz"
    file.write_bytes(gzip.compress(b"id\tde\ten\n7\tEin Hund.\tA dog.\n"))
    assert read(file, columns=("en", "de")) == ([["A dog.", "Ein Hund.", "pairs.tsv.gz:2"]], [])


def test_csv_and_json_lines(tmp_path: Path) -> None:
    """Columns by their names, quoted cells and all; a record without one of them is rejected."""
    (tmp_path / "pairs.csv").write_text('source,target\n"A dog, a cat.","Ein Hund, eine Katze."\nA cow.\n', "utf-8")
    assert read(tmp_path / "pairs.csv") == (
        [["A dog, a cat.", "Ein Hund, eine Katze.", "pairs.csv:2"]],
        [Reject("pairs.csv:3", "missing_field")],
    )
    lines = [
        json.dumps({"source": "A dog.", "target": "Ein Hund."}),
        "{",
        '{"source": "A"}',
        '{"source": 1, "target": "x"}',
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines), "utf-8")
    assert read(tmp_path / "pairs.jsonl") == (
        [["A dog.", "Ein Hund.", "pairs.jsonl:1"]],
        [
            Reject("pairs.jsonl:2", "malformed_record"),
            Reject("pairs.jsonl:3", "missing_field"),
            Reject("pairs.jsonl:4", "missing_field"),
        ],
    )


def test_parquet(tmp_path: Path) -> None:
    """Columns by their names; a null is a missing field."""
    table = pa.table({"source": ["A dog.", "A cat."], "target": ["Ein Hund.", None]})
    pq.write_table(table, tmp_path / "pairs.parquet")
    assert read(tmp_path / "pairs.parquet") == (
        [["A dog.", "Ein Hund.", "pairs.parquet:1"]],
        [Reject("pairs.parquet:2", "missing_field")],
    )


def test_two_line_aligned_files(tmp_path: Path) -> None:
    """Line by line; another number of lines is refused."""
    (tmp_path / "en").write_text("A dog.\nA cat.\n")
    (tmp_path / "de").write_text("Ein Hund.\nEine Katze.\n")
    assert read(tmp_path / "en", tmp_path / "de")[0] == [
        ["A dog.", "Ein Hund.", "en:1"],
        ["A cat.", "Eine Katze.", "en:2"],
    ]
    (tmp_path / "de").write_text("Ein Hund.\n")
    with pytest.raises(ConfigError, match=r"has 2 lines and .* 1: they are not aligned"):
        read(tmp_path / "en", tmp_path / "de")


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_every_json_line_is_a_pair_or_a_reject(records: list[tuple[str, str]]) -> None:
    """Nothing disappears, whatever the texts are."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.jsonl"
        file.write_text("".join(json.dumps({"source": one, "target": two}) + "\n" for one, two in records), "utf-8")
        rows, rejects = read(file)
    assert [row[:2] for row in rows] == [[a.strip(), b.strip()] for a, b in records if a.strip() and b.strip()]
    assert len(rows) + len(rejects) == len(records)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("gone.tsv", None, "there is no such file"),
        ("pairs.docx", b"x", "known are .tsv, .csv, .jsonl, .parquet"),
        ("pairs.csv", b"en,de\n", "has no column 'source'; there are en, de"),
        ("pairs.parquet", b"PAR", "is no Parquet file"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    """One message that names the file."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        read(tmp_path / name)


def test_the_kept_pairs_of_a_run(built_run: Path) -> None:
    """In one language, each pair of texts once; a language that it has none of is refused."""
    pairs = pa.concat_tables([pq.read_table(file) for file in sorted((built_run / "pairs").iterdir())]).to_pylist()
    wanted = {(row["source"], row["target"]) for row in pairs if row["keep"] and row["language"] == "de"}
    found = read_parallel([str(built_run)], language="de").pairs.to_pylist()
    assert {(row["source"], row["target"]) for row in found} == wanted
    assert len(found) == len(wanted)
    with pytest.raises(ConfigError, match="holds no kept pair in 'zh'"):
        read_parallel([str(built_run)], language="zh")
