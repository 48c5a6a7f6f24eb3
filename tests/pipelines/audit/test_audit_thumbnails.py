"""Tests of the pictures that the report takes from the shards."""

import base64
import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from pipelines.report.thumbnails import read_thumbnails


def _jpeg(width: int, height: int) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(sink, "JPEG")
    return sink.getvalue()


def _write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _decoded(uri: str) -> Image.Image:
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_picture_is_made_small(tmp_path: Path) -> None:
    """A picture is scaled to 160 pixels on its longer side and keeps its shape."""
    _write_tar(tmp_path / "train-000000.tar", {"a.jpg": _jpeg(640, 320), "a.json": b"{}", "a.txt": b"x"})
    found = read_thumbnails({"train-000000": {"a"}}, str(tmp_path))
    assert _decoded(found["a"]).size == (160, 80)


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    """Other keys of the shard are passed over."""
    _write_tar(tmp_path / "s.tar", {"a.jpg": _jpeg(9, 9), "b.jpg": _jpeg(9, 9)})
    assert list(read_thumbnails({"s": {"b"}}, str(tmp_path))) == ["b"]


def test_key_is_found_by_its_escaped_name(tmp_path: Path) -> None:
    """A key with a slash, dots and letters beyond ASCII stands under its escaped name in the tar."""
    _write_tar(tmp_path / "s.tar", {"a%2Eb%2Fc%20d%2E%C3%A9.jpg": _jpeg(9, 9)})
    assert list(read_thumbnails({"s": {"a.b/c d.é"}}, str(tmp_path))) == ["a.b/c d.é"]


def test_pairs_show_their_item_once(tmp_path: Path) -> None:
    """In layout ``pair`` the name goes on behind the key; a key that ends like one is not mistaken for it."""
    members = {"a-0-en.jpg": _jpeg(9, 9), "a-0-de.jpg": b"not looked at", "a-0-de-1-zh_Hant.jpg": _jpeg(300, 9)}
    _write_tar(tmp_path / "s.tar", members)
    found = read_thumbnails({"s": {"a", "a-0-de"}}, str(tmp_path), layout="pair")
    assert {key: _decoded(uri).size for key, uri in found.items()} == {"a": (9, 9), "a-0-de": (160, 5)}
    assert read_thumbnails({"s": {"a"}}, str(tmp_path)) == {}


@pytest.mark.parametrize("content", [b"", b"no picture", _jpeg(64, 64)[:100], b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_picture_is_left_out(tmp_path: Path, content: bytes) -> None:
    """Empty, foreign and broken media give no picture and no error."""
    _write_tar(tmp_path / "s.tar", {"a.jpg": content, "b.jpg": _jpeg(9, 9)})
    assert list(read_thumbnails({"s": {"a", "b"}}, str(tmp_path))) == ["b"]


def test_text_only_sample_has_no_picture(tmp_path: Path) -> None:
    """JSON and text are not tried as pictures."""
    _write_tar(tmp_path / "s.tar", {"a.json": _jpeg(9, 9), "a.txt": _jpeg(9, 9)})
    assert read_thumbnails({"s": {"a"}}, str(tmp_path)) == {}


def test_missing_shard_has_no_pictures(tmp_path: Path) -> None:
    """A run without the shard gives nothing, which verify complains of, not the report."""
    assert read_thumbnails({"s": {"a"}}, str(tmp_path)) == {}


def test_truncated_shard_gives_what_is_whole(tmp_path: Path) -> None:
    """Pictures before the break are shown."""
    _write_tar(tmp_path / "s.tar", {"a.jpg": _jpeg(9, 9), "b.jpg": _jpeg(300, 300)})
    whole = (tmp_path / "s.tar").read_bytes()
    (tmp_path / "s.tar").write_bytes(whole[:2300])
    assert list(read_thumbnails({"s": {"a", "b"}}, str(tmp_path))) == ["a"]


def test_palette_and_transparency_become_jpeg(tmp_path: Path) -> None:
    """Pictures of other modes than RGB are converted."""
    sink = io.BytesIO()
    Image.new("RGBA", (20, 10), (0, 0, 255, 128)).save(sink, "PNG")
    _write_tar(tmp_path / "s.tar", {"a.png": sink.getvalue()})
    assert _decoded(read_thumbnails({"s": {"a"}}, str(tmp_path))["a"]).mode == "RGB"
