"""COCO captions: annotations joined with their images and ranked."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

_IMAGES = [
    {"id": 9, "file_name": "000000000009.jpg"},
    {"id": 25},
    {"id": 30, "file_name": "val/000000000030.png"},
]
_ANNOTATIONS = [
    {"id": 200, "image_id": 9, "caption": "second"},
    {"id": 1000, "image_id": 9, "caption": "third"},
    {"id": 31, "image_id": 25, "caption": "without a name"},
    {"id": 99, "image_id": 9, "caption": "first"},
    {"id": 7, "image_id": 30, "caption": "in a folder"},
    {"id": 8, "image_id": 44, "caption": "of no image"},
]


def _write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_n_is_the_rank_of_the_annotation(tmp_path: Path, read: Any) -> None:
    """Ranks follow the annotation ids as numbers, whatever the order in the file."""
    expected = [
        ("000000000009", 0, "first", "train", "c.json#99"),
        ("000000000009", 1, "second", "train", "c.json#200"),
        ("000000000009", 2, "third", "train", "c.json#1000"),
        ("25", 0, "without a name", "train", "c.json#31"),
        ("val/000000000030", 0, "in a folder", "train", "c.json#7"),
        ("44", 0, "of no image", "train", "c.json#8"),
    ]
    for seed in range(3):
        shuffled = random.Random(seed).sample(_ANNOTATIONS, len(_ANNOTATIONS))
        path = _write(tmp_path / "c.json", {"images": _IMAGES, "annotations": shuffled})
        assert sorted(read(path, format="coco").rows) == sorted(expected)


def test_a_bad_annotation_is_rejected_alone(tmp_path: Path, read: Any) -> None:
    """It keeps its rank where it has one."""
    annotations = [
        {"id": 1, "image_id": 9, "caption": None},
        {"id": 2, "image_id": 9, "caption": "two"},
        {"id": 3, "caption": "no image"},
        {"image_id": 9, "caption": "no id"},
        "text",
    ]
    found = read(_write(tmp_path / "c.json", {"images": _IMAGES, "annotations": annotations}), format="coco")
    assert [row[:3] for row in found.rows] == [("000000000009", 1, "two")]
    assert found.refused == [
        ("c.json#annotations[2]", "missing_field", None, None),
        ("c.json#annotations[3]", "missing_field", None, None),
        ("c.json#annotations[4]", "malformed_record", None, None),
        ("c.json#1", "missing_field", "000000000009", 0),
    ]
    assert found.details == ["no image_id", "no id", "not a JSON object: 'text'", "no caption"]


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "not a JSON document: "),
        (b'{"images": [', "not a JSON document: "),
        (b"[]", "not an object with the lists 'images' and 'annotations'"),
        (b'{"images": []}', "not an object with the lists 'images' and 'annotations'"),
        (b"[" * 100_000, "not a JSON document: "),
    ],
)
def test_what_is_no_coco_document_is_one_reject(tmp_path: Path, read: Any, content: bytes, detail: str) -> None:
    """The file as a whole is the origin."""
    path = tmp_path / "c.json"
    path.write_bytes(content)
    found = read(path, format="coco")
    assert found.refused == [("c.json", "malformed_record", None, None)]
    assert found.details[0].startswith(detail)


def test_bad_text_costs_its_own_caption(tmp_path: Path, read: Any) -> None:
    """Half a surrogate pair, or a byte that is not UTF-8, does not spoil the document."""
    path = tmp_path / "c.json"
    path.write_bytes(
        b'{"images": [], "annotations": [{"id": 1, "image_id": 1, "caption": "half \\ud800"},'
        b'{"id": 2, "image_id": 1, "caption": "caf\xe9"}, {"id": 3, "image_id": 1, "caption": "good"}]}'
    )
    found = read(path, format="coco")
    assert found.texts == ["good"]
    assert found.refused == [("c.json#1", "bad_encoding", "1", 0), ("c.json#2", "bad_encoding", "1", 1)]


def test_the_template_may_name_file_and_id(tmp_path: Path, read: Any) -> None:
    """An image without a file name has no media path of that kind."""
    (tmp_path / "000000000009.jpg").write_bytes(b"jpg")
    path = tmp_path / "c.json.gz"
    annotations = [_ANNOTATIONS[0], _ANNOTATIONS[2]]
    path.write_bytes(gzip.compress(json.dumps({"images": _IMAGES, "annotations": annotations}).encode()))
    found = read(path, format="coco", media=f"{tmp_path}/{{file_name}}")
    assert [media["uri"] for media in found.media] == [f"{tmp_path}/000000000009.jpg"]
    assert found.refused == [("c.json.gz#31", "missing_field", "25", 0)]
    assert found.details == ["no file_name for the media path"]
