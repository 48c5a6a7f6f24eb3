"""Arbitrary damage to a file of any format: rejects with known reasons, never an exception."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.captions import REJECT_REASONS

_FORMATS = {
    "jsonl": b'{"key": "a", "captions": ["one", "two"]}\n{"key": "b", "caption": "three"}\n',
    "csv": b'key,caption,n\na,"one\n1",0\nb,two,1\n',
    "tsv": b"key\tcaption\tn\na\tone\t0\nb\ttwo\t1\n",
    "flickr": b"a.jpg#0\tone\nb.jpg#1\ttwo\n",
    "coco": b'{"images": [{"id": 1, "file_name": "a.jpg"}],"annotations": [{"id": 2, "image_id": 1, "caption": "x"}]}',
    "karpathy": b'{"images": [{"filename": "a.jpg", "split": "val", "sentences": [{"raw": "one"}]}]}',
}

_EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6)
_RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def _damaged(content: bytes, edits: list[tuple[float, bytes]]) -> bytes:
    """Return ``content`` with bytes replaced at fractions of its length."""
    damaged = bytearray(content)
    for place, piece in edits:
        start = int(place * len(content))
        damaged[start : start + len(piece)] = piece
    return bytes(damaged)


@pytest.mark.parametrize("name", list(_FORMATS))
@_RELAXED
@given(edits=_EDITS)
@example(edits=[(0.0, b"\xff\xfe")])
@example(edits=[(0.5, b'\n"\0\r')])
def test_a_damaged_text_file_is_read(tmp_path: Path, read: Any, name: str, edits: list[tuple[float, bytes]]) -> None:
    """What is lost is explained."""
    path = tmp_path / "damaged"
    path.write_bytes(_damaged(_FORMATS[name], edits))
    found = read(path, format=name)
    assert {refused[1] for refused in found.refused} <= set(REJECT_REASONS)
    assert all(detail.isprintable() and len(detail) <= 200 for detail in found.details)


def _tar_bytes() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in (
            ("a.jpg", b"picture" * 100),
            ("a.json", json.dumps({"captions": ["one", "two"]}).encode()),
            ("long" * 40 + ".txt", b"three"),
            ("c.txt", b"four"),
            ("c.png", b"png"),
        ):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return sink.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(edits=_EDITS, keep=st.floats(0, 1))
def test_a_damaged_tar_is_read(tmp_path: Path, read: Any, edits: list[tuple[float, bytes]], keep: float) -> None:
    """No media outside the file is pointed at, and the reading ends."""
    content = _damaged(_tar_bytes(), edits)
    path = tmp_path / "0.tar"
    path.write_bytes(content[: int(keep * len(content))])
    found = read(path, format="webdataset")
    assert {refused[1] for refused in found.refused} <= set(REJECT_REASONS)
    for media in found.media:
        if media is not None:
            assert 0 <= media["offset"] < media["offset"] + media["size"] <= path.stat().st_size
