"""WebDataset tars: captions read, media pointed at, damage found."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pipelines.config import ConfigError, InputConfig
from pipelines.sources import find_files, open_source

Members = list[tuple[str, bytes]]


def _tar(path: Path, members: Members, *, format: int = tarfile.PAX_FORMAT) -> Path:  # noqa: A002
    with tarfile.open(path, "w", format=format) as tar:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def _json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_captions_come_from_json_or_text(tmp_path: Path, read: Any) -> None:
    """The .json counts where it has captions, its key where that is text."""
    path = _tar(
        tmp_path / "00000.tar",
        [
            ("000.jpg", b"jpg"),
            ("000.json", _json(key="from-json", caption="of the json", split="val")),
            ("000.txt", b"of the text"),
            ("001.json", _json(key=5, width=640)),
            ("001.txt", b"\xef\xbb\xbfsecond \n"),
            ("002.json", _json(captions=["third", "fourth"])),
            ("sub/003.seg.png", b"mask"),
            ("sub/003.txt", b"fifth"),
            ("./004.txt", b"sixth"),
        ],
    )
    assert read(path, format="webdataset").rows == [
        ("from-json", None, "of the json", "val", "00000.tar:000"),
        ("001", None, "second", "train", "00000.tar:001"),
        ("002", 0, "third", "train", "00000.tar:002"),
        ("002", 1, "fourth", "train", "00000.tar:002"),
        ("sub/003", None, "fifth", "train", "003"),
        ("004", None, "sixth", "train", "00000.tar:004"),
    ]


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_media_are_offsets_into_the_tar(tmp_path: Path, read: Any, tar_format: int) -> None:
    """The bytes at (offset, size) are the member's, in every flavour of tar."""
    long = "folder-" + "x" * 90 + "/" + "y" * 90
    path = _tar(
        tmp_path / "0.tar",
        [
            (f"{long}.JPEG", b"picture"),
            (f"{long}.txt", b"one"),
            ("b.txt", b"two"),
            ("b.mp4", b"film" * 500),
            ("b.png", b"png"),
        ],
        format=tar_format,
    )
    found = read(path, format="webdataset")
    assert found.captions["key"].to_pylist() == [long, "b"]
    assert [(media["uri"], media["ext"], media["size"]) for media in found.media] == [
        (str(path), "jpeg", 7),
        (str(path), "mp4", 2000),
    ]
    content = path.read_bytes()
    slices = [content[media["offset"] : media["offset"] + media["size"]] for media in found.media]
    assert slices == [b"picture", b"film" * 500]


def test_a_sample_without_media_has_none(tmp_path: Path, read: Any) -> None:
    """Text-only samples are captions all the same."""
    path = _tar(tmp_path / "0.tar", [("a.txt", b"one"), ("b.jpg", b"jpg"), ("b.txt", b"two")])
    assert [media and media["ext"] for media in read(path, format="webdataset").media] == [None, "jpg"]


def test_a_bad_sample_is_rejected_alone(tmp_path: Path, read: Any) -> None:
    """Each with its reason and the key that its members share."""
    path = _tar(
        tmp_path / "0.tar",
        [
            ("a.jpg", b"jpg"),
            ("b.json", b"{broken"),
            ("c.json", b'{"caption": "caf\xe9"}'),
            ("d.txt", b"caf\xe9"),
            ("e.json", _json(captions=[{"en": "x"}, "good"])),
            ("f.txt", b"one"),
            ("f.jpg", b""),
            ("g.json", b"[]"),
            ("h.txt", b" \n"),
            (".hidden.txt", b"not a sample"),
            ("README", b"not a sample"),
        ],
    )
    found = read(path, format="webdataset")
    assert [row[:3] for row in found.rows] == [("e", 1, "good")]
    assert found.refused == [
        ("0.tar:a", "missing_field", "a", None),
        ("0.tar:b", "malformed_record", "b", None),
        ("0.tar:c", "bad_encoding", "c", None),
        ("0.tar:d", "bad_encoding", "d", None),
        ("0.tar:e", "missing_field", "e", 0),
        ("0.tar:f", "unreadable_media", "f", None),
        ("0.tar:g", "malformed_record", "g", None),
        ("0.tar:h", "empty_caption", "h", None),
    ]


def test_a_member_name_that_is_not_utf_8_is_rejected(tmp_path: Path, read: Any) -> None:
    """Its key cannot be written anywhere."""
    path = _tar(tmp_path / "0.tar", [("caf\udce9.txt", b"one"), ("b.txt", b"two")], format=tarfile.GNU_FORMAT)
    found = read(path, format="webdataset")
    assert found.texts == ["two"]
    assert found.refused == [("0.tar:caf\\udce9", "bad_encoding", None, None)]


_SAMPLES: Members = [
    ("a.jpg", b"picture"),
    ("a.txt", b"one"),
    ("b.jpg", b"p" * 600),
    ("b.txt", b"two"),
    ("c.txt", b"three"),
]
# Headers start at bytes 0, 1024, 2048, 3584 and 4608, the end mark at 5632.


@pytest.mark.parametrize(
    ("length", "texts", "cut"),
    [
        (0, [], None),
        (100, [], None),
        (515, [], "a"),
        (1024, [], "a"),
        (1500, [], "a"),
        (1537, [], "a"),
        (2047, [], "a"),
        (2048, [], "a"),
        (2500, [], "a"),
        (2560, ["one"], "b"),
        (3584, ["one"], "b"),
        (4097, ["one"], "b"),
        (4607, ["one"], "b"),
        (5121, ["one", "two"], "c"),
        (5632, ["one", "two"], "c"),
        (5633, ["one", "two", "three"], "none"),
        (6000, ["one", "two", "three"], "none"),
        (10240, ["one", "two", "three"], "none"),
    ],
)
def test_a_truncated_tar_loses_the_sample_that_is_cut(
    tmp_path: Path, read: Any, length: int, texts: list[str], cut: str | None
) -> None:
    """What is whole before the cut is kept, and the cut is a reject at the sample it went through."""
    content = _tar(tmp_path / "whole.tar", _SAMPLES).read_bytes()
    assert len(content) == 10240
    path = tmp_path / "0.tar"
    path.write_bytes(content[:length])
    found = read(path, format="webdataset")
    assert found.texts == texts
    origin = "0.tar" if cut is None else f"0.tar:{cut}"
    assert found.refused == ([] if cut == "none" else [(origin, "truncated_tar", cut, None)])


def test_every_cut_is_noticed(tmp_path: Path, read: Any) -> None:
    """Whatever the length, each caption is as in the whole tar, and a missing one comes with a reject."""
    content = _tar(tmp_path / "whole.tar", _SAMPLES).read_bytes()
    path = tmp_path / "0.tar"
    whole = [("a", 512, "one"), ("b", 2560, "two"), ("c", None, "three")]
    for length in range(0, 5700, 37):
        path.write_bytes(content[:length])
        found = read(path, format="webdataset")
        offsets = [media and media["offset"] for media in found.media]
        captions = list(zip(found.captions["key"].to_pylist(), offsets, found.texts, strict=True))
        assert captions == whole[: len(captions)]
        assert [refused[1] for refused in found.refused] == ["truncated_tar"] * (len(captions) < 3)


def test_garbage_inside_a_tar_is_noticed(tmp_path: Path, read: Any) -> None:
    """A header that is none ends the reading with a reject, not in silence."""
    content = bytearray(_tar(tmp_path / "whole.tar", _SAMPLES).read_bytes())
    content[3584:3684] = b"\xff" * 100
    path = tmp_path / "0.tar"
    path.write_bytes(content)
    found = read(path, format="webdataset")
    assert found.texts == ["one"]
    assert found.refused == [("0.tar:b", "malformed_record", "b", None)]
    assert found.details == ["no tar header at byte 3584"]


def test_what_is_no_tar_is_one_reject(tmp_path: Path, read: Any) -> None:
    """A file of another kind."""
    path = tmp_path / "0.tar"
    path.write_bytes(b"key,caption\n" * 100)
    assert read(path, format="webdataset").refused == [("0.tar", "malformed_record", None, None)]


@pytest.mark.parametrize("size", [-1, -1024, -1536])
def test_a_negative_size_does_not_loop(tmp_path: Path, read: Any, size: int) -> None:
    """A forged header that points backwards ends the reading."""
    header = tarfile.TarInfo("b.txt")
    header.size = 512
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 10 + (size & 0xFFFF).to_bytes(2, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    content = _tar(tmp_path / "whole.tar", [("a.txt", b"one")]).read_bytes()
    path = tmp_path / "0.tar"
    path.write_bytes(content[:1024] + bytes(block) + bytes(2048))
    found = read(path, format="webdataset")
    assert found.refused == [("0.tar:a", "malformed_record", "a", None)]


def test_an_empty_tar_is_empty(tmp_path: Path, read: Any) -> None:
    """Only an end mark: neither captions nor rejects."""
    found = read(_tar(tmp_path / "0.tar", []), format="webdataset")
    assert (found.captions.num_rows, found.rejects.num_rows) == (0, 0)


@pytest.mark.parametrize("name", ["0.tar.gz", "0.tgz", "0.tar.zst"])
def test_compressed_tars_are_refused(tmp_path: Path, name: str) -> None:
    """Offsets mean nothing in them; said before anything is read."""
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigError, match=rf"{name} is .*compressed.*: unpack it$"):
        find_files(InputConfig(format="webdataset", path=str(tmp_path / name)))


def test_a_media_template_is_refused() -> None:
    """The tars hold the media."""
    with pytest.raises(ConfigError, match=r"input\.media: webdataset input holds its media itself"):
        open_source(InputConfig(format="webdataset", path="x.tar", media="photos/{key}.jpg"))
