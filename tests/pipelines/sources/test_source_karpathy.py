"""Karpathy's documents: images with their sentences and splits."""

import json
from pathlib import Path
from typing import Any


def _write(path: Path, *images: Any) -> Path:
    path.write_text(json.dumps({"images": images, "dataset": "coco"}))
    return path


def test_sentences_keep_their_index_and_split(tmp_path: Path, read: Any) -> None:
    """The split is the file's own, restval too."""
    path = _write(
        tmp_path / "d.json",
        {
            "filename": "COCO_1.jpg",
            "filepath": "val2014",
            "split": "restval",
            "sentences": [{"raw": "one"}, {"raw": "two"}],
        },
        {"filename": "2.jpg", "sentences": [{"raw": "three", "tokens": ["three"]}]},
    )
    assert read(path, format="karpathy", split="dev").rows == [
        ("COCO_1", 0, "one", "restval", "d.json#0"),
        ("COCO_1", 1, "two", "restval", "d.json#0"),
        ("2", 0, "three", "dev", "d.json#1"),
    ]


def test_the_template_may_name_path_and_ids(tmp_path: Path, read: Any) -> None:
    """Numbers are written out."""
    (tmp_path / "val2014").mkdir()
    (tmp_path / "val2014" / "7-a.JPG").write_bytes(b"jpg")
    path = _write(
        tmp_path / "d.json",
        {
            "filename": "a.jpg",
            "filepath": "val2014",
            "cocoid": 7,
            "split": "test",
            "sentences": [{"raw": "one"}],
        },
    )
    found = read(path, format="karpathy", media=f"{tmp_path}/{{filepath}}/{{cocoid}}-{{key}}.JPG")
    assert found.media == [{"uri": f"{tmp_path}/val2014/7-a.JPG", "offset": None, "size": None, "ext": "jpg"}]


def test_a_bad_item_is_rejected_alone(tmp_path: Path, read: Any) -> None:
    """Of an image, or of a sentence, only what is wrong is lost."""
    path = _write(
        tmp_path / "d.json",
        3,
        {"split": "test", "sentences": [{"raw": "one"}]},
        {"filename": "a.jpg", "split": "test"},
        {"filename": "b.jpg", "split": 5, "sentences": [{"raw": "one"}]},
        {"filename": "c.jpg", "split": "test", "sentences": ["one", {"tokens": []}, {"raw": "good"}]},
    )
    found = read(path, format="karpathy")
    assert [row[:3] for row in found.rows] == [("c", 2, "good")]
    assert found.refused == [
        ("d.json#0", "malformed_record", None, None),
        ("d.json#1", "missing_field", None, None),
        ("d.json#2", "missing_field", "a", None),
        ("d.json#3", "missing_field", "b", None),
        ("d.json#4", "missing_field", "c", 0),
        ("d.json#4", "missing_field", "c", 1),
    ]


def test_another_document_is_one_reject(tmp_path: Path, read: Any) -> None:
    """The file as a whole is the origin."""
    path = tmp_path / "d.json"
    path.write_text('{"annotations": []}')
    found = read(path, format="karpathy")
    assert found.refused == [("d.json", "malformed_record", None, None)]
    assert found.details == ["not an object with the list 'images'"]
