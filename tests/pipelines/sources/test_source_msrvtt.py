"""MSR-VTT: sentences joined with their videos' splits and ranked."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

_VIDEOS = [
    {"id": 0, "video_id": "video0", "split": "train", "category": 9, "url": "x", "start time": 1.0, "end time": 2.0},
    {"id": 1, "video_id": "video6513", "split": "validate"},
    {"id": 2, "video_id": "video7010", "split": "test"},
    {"id": 3, "video_id": "video9"},
]
_SENTENCES = [
    {"caption": "second", "video_id": "video0", "sen_id": 20},
    {"caption": "third", "video_id": "video0", "sen_id": 100},
    {"caption": "first", "video_id": "video0", "sen_id": 3},
    {"caption": "validated", "video_id": "video6513", "sen_id": 4},
    {"caption": "tested", "video_id": "video7010", "sen_id": 1},
    {"caption": "of no split", "video_id": "video9", "sen_id": 2},
]


def _write(path: Path, **document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_n_is_the_rank_and_the_split_the_videos(tmp_path: Path, read: Any) -> None:
    """Ranks follow the sentence ids as numbers, whatever the order in the file; ``validate`` is ``val``."""
    expected = [
        ("video0", 0, "first", "train", "m.json#3"),
        ("video0", 1, "second", "train", "m.json#20"),
        ("video0", 2, "third", "train", "m.json#100"),
        ("video6513", 0, "validated", "val", "m.json#4"),
        ("video7010", 0, "tested", "test", "m.json#1"),
        ("video9", 0, "of no split", "extra", "m.json#2"),
    ]
    for seed in range(3):
        shuffled = random.Random(seed).sample(_SENTENCES, len(_SENTENCES))
        path = _write(tmp_path / "m.json", videos=_VIDEOS, sentences=shuffled)
        assert read(path, format="msrvtt", split="extra").rows == expected


def test_a_bad_sentence_is_rejected_alone(tmp_path: Path, read: Any) -> None:
    """It keeps its rank where it has one; a sentence of no listed video could be of any split."""
    sentences = [
        {"video_id": "video0", "sen_id": 1},
        {"video_id": "video0", "sen_id": 2, "caption": "two"},
        {"video_id": "video0", "caption": "no id"},
        {"sen_id": 4, "caption": "no video"},
        {"video_id": "video77", "sen_id": 5, "caption": "an unknown video"},
        {"video_id": "video5", "sen_id": 6, "caption": "a split that is no text"},
        7,
    ]
    videos = [*_VIDEOS, {"video_id": "video5", "split": 3}, {"split": "train"}, None]
    found = read(_write(tmp_path / "m.json", videos=videos, sentences=sentences), format="msrvtt")
    assert [row[:3] for row in found.rows] == [("video0", 1, "two")]
    assert found.refused == [
        ("m.json#sentences[2]", "missing_field", None, None),
        ("m.json#sentences[3]", "missing_field", None, None),
        ("m.json#sentences[6]", "malformed_record", None, None),
        ("m.json#1", "missing_field", "video0", 0),
        ("m.json#6", "missing_field", "video5", 0),
        ("m.json#5", "missing_field", "video77", 0),
    ]
    assert found.details == [
        "no sen_id",
        "no video_id",
        "not a JSON object: 7",
        "no caption",
        "split is 3, not text",
        "no video 'video77' in 'videos', so no split",
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"videos": []}', b'{"sentences": [], "videos": {}}'])
def test_what_is_no_msrvtt_document_is_one_reject(tmp_path: Path, read: Any, content: bytes) -> None:
    """The file as a whole is the origin."""
    path = tmp_path / "m.json"
    path.write_bytes(content)
    assert read(path, format="msrvtt").refused == [("m.json", "malformed_record", None, None)]


def test_videos_in_folders_by_split(tmp_path: Path, read: Any) -> None:
    """The two folders of the release are alternatives of one template; the file may be compressed."""
    for folder, video in (("TrainValVideo", "video0"), ("TestVideo", "video7010")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{video}.mp4").write_bytes(b"video")
    path = tmp_path / "m.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"videos": _VIDEOS, "sentences": _SENTENCES}).encode()))
    found = read(path, format="msrvtt", media=f"{tmp_path}/{{TrainValVideo,TestVideo}}/{{video_id}}.mp4")
    assert {media["uri"] for media in found.media} == {
        f"{tmp_path}/TrainValVideo/video0.mp4",
        f"{tmp_path}/TestVideo/video7010.mp4",
    }
    assert sorted({(key, reason) for _, reason, key, _ in found.refused}) == [
        ("video6513", "missing_media"),
        ("video9", "missing_media"),
    ]
