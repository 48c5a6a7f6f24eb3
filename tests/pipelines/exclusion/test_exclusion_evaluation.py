"""The files of evaluation sets: which formats, and what is refused."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.config import ConfigError, InputConfig
from pipelines.exclusion import near, read_evaluation

Rows = list[tuple[str, bool, str, str]]


def evaluation(*entries: Any) -> Rows:
    """Return (set, is a key, as given, as compared) of what the entries of ``input.exclude`` hold."""
    table = read_evaluation(InputConfig(format="jsonl", path="none", exclude=list(entries)))
    return [tuple(row.values()) for row in table.to_pylist()]


def problems(*entries: Any) -> list[str]:
    """Return what is wrong with the entries."""
    with pytest.raises(ConfigError) as error:
        evaluation(*entries)
    return error.value.problems


def test_lines_of_xtd10(tmp_path: Path) -> None:
    """A line without a space is a key, any other a caption; empty ones and the order mark are nothing; .gz is read."""
    names, captions = tmp_path / "test_image_names.txt", tmp_path / "test_1kcaptions_en.txt.gz"
    names.write_text("COCO_val2014_000000391895.jpg\r\n\nCOCO_val2014_000000060623.jpg\n")
    captions.write_bytes(gzip.compress(b"\xef\xbb\xbfA man with a red helmet.\n  \n...  !!\nTwo dogs\n"))
    assert evaluation(str(names), {"path": str(captions), "name": "XTD10"}) == [
        ("test_image_names", True, "COCO_val2014_000000391895.jpg", "391895"),
        ("test_image_names", True, "COCO_val2014_000000060623.jpg", "60623"),
        ("XTD10", False, "A man with a red helmet.", "a man with a red helmet"),
        ("XTD10", False, "Two dogs", "two dogs"),
    ]


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    "e.jsonl": _jsonl,
    "e.csv": _csv,
    "e.tsv": _csv,
    "e.parquet": _parquet,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("image", "text"), [("e", True, "a.jpg", "a"), ("e", True, "b", "b"), ("e", False, "One.", "one")]),
        (("image",), [("e", True, "a.jpg", "a"), ("e", True, "b", "b")]),
        (("text",), [("e", False, "One.", "one")]),
    ],
)
def test_columns_of_keys_or_captions_or_both(tmp_path: Path, name: str, names: tuple[str, ...], expected: Rows) -> None:
    """Fields are mapped as those of the input; a row need not have both, and an empty cell is nothing."""
    rows = [{"image": "a.jpg", "text": "One."}, {"image": "b", "text": ""}]
    path = tmp_path / name
    WRITERS[name](path, [{key: row[key] for key in names} for row in rows])
    assert evaluation({"path": str(path), "fields": {"key": "image", "caption": "text"}}) == expected


def test_documents_of_coco_and_others(tmp_path: Path) -> None:
    """Every format of the input; an image's key stands there once, whatever the number of its captions."""
    coco, vatex, flickr = tmp_path / "captions.json", tmp_path / "vatex.json", tmp_path / "results.token"
    images = [{"id": 9, "file_name": "COCO_val2014_000000000009.jpg"}]
    annotations = [{"id": i, "image_id": 9, "caption": text} for i, text in enumerate(["One.", "Two.", None])]
    coco.write_text(json.dumps({"images": images, "annotations": annotations}))
    vatex.write_text(json.dumps([{"videoID": "a_1_2", "enCap": ["Three."]}, {"videoID": "private_1_2"}]))
    flickr.write_text("x.jpg#0\tFour.\n")
    found = evaluation(
        {"path": str(coco), "format": "coco"},
        {"path": str(vatex), "format": "vatex"},
        {"path": str(flickr), "format": "flickr", "name": "Flickr30k"},
    )
    assert found == [
        ("captions", True, "COCO_val2014_000000000009", "9"),
        ("captions", False, "One.", "one"),
        ("captions", False, "Two.", "two"),
        ("vatex", True, "a_1_2", "a_1_2"),
        ("vatex", True, "private_1_2", "private_1_2"),
        ("vatex", False, "Three.", "three"),
        ("Flickr30k", True, "x", "x"),
        ("Flickr30k", False, "Four.", "four"),
    ]


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Missing, empty and broken files, unknown formats, mappings that nothing reads: each with its entry."""
    contents = {
        "empty.txt": b"",
        "signs.txt": b"... !!\n",
        "nothing.jsonl": b'{"key": "", "caption": " "}\n',
        "broken.jsonl": b'{"key": "a"}\n{"key": \n',
        "latin.txt": b"A caf\xe9 in town\n",
        "document.json": b"{}",
        "cut.txt.gz": gzip.compress(b"A man\n" * 1000)[:-9],
        "fake.parquet": b"no parquet",
        "captions.zip": b"PK",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    at = str(tmp_path)
    found = problems(
        f"{at}/none.txt",
        *(f"{at}/{name}" for name in contents if name != "nothing.jsonl"),
        {"path": f"{at}/document.json", "format": "coco"},
        {"path": f"{at}/document.json", "format": "coco", "fields": {"key": "id"}},
        {"path": f"{at}/empty.txt", "fields": {"key": "id"}},
        f"{at}/nothing.jsonl",
    )
    told = "its name does not tell its format (.txt, .jsonl, .csv, .tsv, .parquet, .tar do): give format"
    expected = [
        f"input.exclude[0]: no file matches '{at}/none.txt'",
        f"input.exclude[1]: {at}/empty.txt holds neither keys nor captions",
        f"input.exclude[2]: {at}/signs.txt holds neither keys nor captions",
        f"input.exclude[3]: {at}/broken.jsonl@13: malformed_record: ",
        f"input.exclude[4]: {at}/latin.txt: not UTF-8: 'A caf\\udce9 in town'",
        f"input.exclude[5]: {at}/document.json: {told}",
        f"input.exclude[6]: {at}/cut.txt.gz: the compressed stream breaks off: ",
        f"input.exclude[7]: {at}/fake.parquet is not a Parquet file: ",
        f"input.exclude[8]: {at}/captions.zip: its name does not tell its format",
        f"input.exclude[9]: {at}/document.json: malformed_record: not an object with the lists",
        "input.exclude[10]: fields: coco names its fields itself: leave them out",
        "input.exclude[11]: fields: txt has none: leave them out",
        f"input.exclude[12]: {at}/nothing.jsonl holds neither keys nor captions",
    ]
    assert len(found) == len(expected)
    for one, begins in zip(found, expected, strict=True):
        assert one.startswith(begins)


def test_captions_need_the_extra_and_keys_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without datasketch one line says how to get it."""
    monkeypatch.setattr(near, "available", lambda: False)
    keys, captions = tmp_path / "keys.txt", tmp_path / "captions.txt"
    keys.write_text("a.jpg\n")
    captions.write_text("A dog runs.\n")
    assert evaluation(str(keys)) == [("keys", True, "a.jpg", "a")]
    assert problems(str(captions)) == [
        "input.exclude: comparing captions needs datasketch: pip install 'captionloom[exclude]'"
    ]


def test_no_evaluation_set_is_an_empty_table() -> None:
    """Nothing is excluded by default."""
    assert evaluation() == []
