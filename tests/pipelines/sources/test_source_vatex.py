"""VATEX as it is released: a list of videos with English and Chinese captions."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

_VIDEOS = [
    {
        "videoID": "Ptf_2VRj-V0_000122_000132",
        "enCap": ["A boy is swimming.", "A person swims in a pool."],
        "chCap": ["一个男孩在游泳。", "有人在泳池里游泳。"],
    },
    {"videoID": "_-0xyz_000001_000011", "enCap": ["Two men talk."], "chCap": ["两个男人在说话。"]},
]


def _write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_english_captions_in_their_order(tmp_path: Path, read: Any) -> None:
    """The key is the videoID, n the place in enCap, the split the configured one; a .gz is read as well."""
    expected = [
        ("Ptf_2VRj-V0_000122_000132", 0, "A boy is swimming.", "val"),
        ("Ptf_2VRj-V0_000122_000132", 1, "A person swims in a pool.", "val"),
        ("_-0xyz_000001_000011", 0, "Two men talk.", "val"),
    ]
    path = _write(tmp_path / "vatex.json", _VIDEOS)
    packed = tmp_path / "vatex.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for file, origins in ((path, "vatex.json"), (packed, "vatex.json.gz")):
        found = read(file, format="vatex", split="val")
        assert [row[:4] for row in found.rows] == expected
        assert [row[4] for row in found.rows] == [f"{origins}#0", f"{origins}#0", f"{origins}#1"]


def test_chinese_captions_where_they_are_asked_for(tmp_path: Path, read: Any) -> None:
    """``fields: {captions: chCap}`` makes the human Chinese captions the source."""
    found = read(_write(tmp_path / "v.json", _VIDEOS), format="vatex", fields={"captions": "chCap"})
    assert found.texts == ["一个男孩在游泳。", "有人在泳池里游泳。", "两个男人在说话。"]


def test_a_broken_video_is_rejected_alone(tmp_path: Path, read: Any) -> None:
    """No id, no captions (as in the private test set), a caption that is no text, or no object at all."""
    videos = [
        {"enCap": ["No id."]},
        {"videoID": "private"},
        {"videoID": "empty", "enCap": []},
        {"videoID": "mixed", "enCap": ["Good.", None]},
        "text",
        _VIDEOS[1],
    ]
    found = read(_write(tmp_path / "v.json", videos), format="vatex")
    assert [row[:3] for row in found.rows] == [("mixed", 0, "Good."), ("_-0xyz_000001_000011", 0, "Two men talk.")]
    assert found.refused == [
        ("v.json#0", "missing_field", None, None),
        ("v.json#1", "missing_field", "private", None),
        ("v.json#2", "missing_field", "empty", None),
        ("v.json#3", "missing_field", "mixed", 1),
        ("v.json#4", "malformed_record", None, None),
    ]
    assert found.details[:2] == ["no videoID", "no enCap"]


@pytest.mark.parametrize("content", [b"", b"[{", b'{"videos": []}', b"[" * 100_000])
def test_what_is_no_list_of_videos_is_one_reject(tmp_path: Path, read: Any, content: bytes) -> None:
    """The file as a whole is the origin."""
    path = tmp_path / "v.json"
    path.write_bytes(content)
    assert read(path, format="vatex").refused == [("v.json", "malformed_record", None, None)]


def test_missing_videos_are_rejected_and_others_found_under_either_extension(tmp_path: Path, read: Any) -> None:
    """``{key}.{mp4,webm}``: the first file that is there; where none is, missing_media with every path tried."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("one.webm", "two.mp4", "two.webm"):
        (videos / name).write_bytes(b"video")
    (videos / "broken.webm").write_bytes(b"")
    document = [{"videoID": key, "enCap": ["A video."]} for key in ("one", "two", "gone", "broken")]
    found = read(_write(tmp_path / "v.json", document), format="vatex", media=f"{videos}/{{key}}.{{mp4,webm}}")
    assert [(media["uri"], media["ext"]) for media in found.media] == [
        (f"{videos}/one.webm", "webm"),
        (f"{videos}/two.mp4", "mp4"),
    ]
    assert [(key, reason) for _, reason, key, _ in found.refused] == [
        ("gone", "missing_media"),
        ("broken", "unreadable_media"),
    ]
    assert found.details[0] == f"'{videos}/gone.mp4', '{videos}/gone.webm'"
