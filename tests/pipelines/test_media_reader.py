"""Reading media: the bytes as they are, or why they cannot be had."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from pipelines.captions import REJECT_REASONS
from pipelines.media import Media, MediaError, MediaReader

OPEN_FILES = Path("/proc/self/fd")
CONTENT = {"a.jpg": b"\xff\xd8 first", "b.jpg": bytes(range(256)) * 8, "empty.jpg": b""}


def whole(path: Path) -> Media:
    """Return a file of its own."""
    return Media(str(path), "jpg")


def reason(media: Media) -> str:
    """Return why ``media`` cannot be read."""
    with pytest.raises(MediaError) as refused:
        MediaReader().read(media)
    assert refused.value.reason in REJECT_REASONS
    assert media.uri in refused.value.detail
    return refused.value.reason


@pytest.fixture
def tar(tmp_path: Path) -> dict[str, Media]:
    """Return the members of a tar by name."""
    path = tmp_path / "media.tar"
    with tarfile.open(path, "w") as written:
        for name, content in CONTENT.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            written.addfile(member, io.BytesIO(content))
    with tarfile.open(path) as read:
        return {member.name: Media(str(path), "jpg", member.offset_data, member.size) for member in read}


def test_a_file(tmp_path: Path) -> None:
    """A file's bytes come as they are."""
    (tmp_path / "a.jpg").write_bytes(CONTENT["b.jpg"])
    assert MediaReader().read(whole(tmp_path / "a.jpg")) == CONTENT["b.jpg"]


def test_a_gz_is_not_decompressed(tmp_path: Path) -> None:
    """Media are never re-encoded, whatever they are called."""
    (tmp_path / "a.nii.gz").write_bytes(b"\x1f\x8b as it is")
    assert MediaReader().read(whole(tmp_path / "a.nii.gz")) == b"\x1f\x8b as it is"


def test_a_missing_file(tmp_path: Path) -> None:
    """No file, no folder for it, and a link that leads nowhere."""
    assert reason(whole(tmp_path / "no.jpg")) == "missing_media"
    assert reason(whole(tmp_path / "no" / "no.jpg")) == "missing_media"
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    assert reason(whole(tmp_path / "link.jpg")) == "missing_media"


def test_an_empty_file(tmp_path: Path) -> None:
    """Nothing is no picture."""
    (tmp_path / "a.jpg").touch()
    assert reason(whole(tmp_path / "a.jpg")) == "unreadable_media"


def test_a_folder(tmp_path: Path) -> None:
    """A folder is no picture, nor is one below a file."""
    assert reason(whole(tmp_path)) == "unreadable_media"
    (tmp_path / "a.jpg").write_bytes(b"1")
    assert reason(whole(tmp_path / "a.jpg" / "b.jpg")) == "unreadable_media"


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes would block for ever."""
    os.mkfifo(tmp_path / "a.jpg")
    assert reason(whole(tmp_path / "a.jpg")) == "unreadable_media"


def test_a_device_is_not_read() -> None:
    """A device never ends."""
    assert reason(whole(Path("/dev/zero"))) == "unreadable_media"


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """What the filesystem refuses is a reject, not a crash."""
    assert reason(whole(tmp_path / ("a" * 300))) == "unreadable_media"


def test_members_of_a_tar(tar: dict[str, Media]) -> None:
    """Members are read from where they lie, in any order, by one reader."""
    reader = MediaReader()
    assert reader.read(tar["b.jpg"]) == CONTENT["b.jpg"]
    assert reader.read(tar["a.jpg"]) == CONTENT["a.jpg"]
    assert reader.read(tar["b.jpg"]) == CONTENT["b.jpg"]
    reader.close()
    assert reader.read(tar["a.jpg"]) == CONTENT["a.jpg"]
    reader.close()


def test_an_empty_member(tar: dict[str, Media]) -> None:
    """Nothing is no picture in a tar either."""
    assert reason(tar["empty.jpg"]) == "unreadable_media"


def test_a_missing_tar(tar: dict[str, Media]) -> None:
    """A tar that is gone since its members were found."""
    Path(tar["a.jpg"].uri).unlink()
    assert reason(tar["a.jpg"]) == "missing_media"


@pytest.mark.parametrize("lost", [1, 2000])
def test_a_truncated_tar(tar: dict[str, Media], lost: int) -> None:
    """A tar that ends before the member does, or before it starts."""
    media = tar["b.jpg"]
    assert media.offset is not None
    assert media.size is not None
    os.truncate(media.uri, media.offset + media.size - lost)
    assert reason(media) == "truncated_tar"
    assert MediaReader().read(tar["a.jpg"]) == CONTENT["a.jpg"]


def test_a_tar_that_is_a_folder(tmp_path: Path) -> None:
    """A folder has no members."""
    assert reason(Media(str(tmp_path), "jpg", 512, 10)) == "unreadable_media"


def test_few_tars_stay_open(tmp_path: Path) -> None:
    """However many tars a shard takes from, only the last few are held open."""

    def held() -> int:
        return sum(link.resolve().parent == tmp_path for link in OPEN_FILES.iterdir() if link.is_symlink())

    for i in range(30):
        (tmp_path / f"{i}.tar").write_bytes(b"0123456789")
    reader = MediaReader()
    for i in range(30):
        assert reader.read(Media(str(tmp_path / f"{i}.tar"), "jpg", i % 8, 2)) == b"0123456789"[i % 8 : i % 8 + 2]
    assert 1 <= held() <= 8
    reader.close()
    assert held() == 0


def test_state(tmp_path: Path) -> None:
    """A local file has a size and a time; one that is not there, or is remote, has none."""
    (tmp_path / "a.jpg").write_bytes(b"123")
    os.utime(tmp_path / "a.jpg", ns=(0, 1_000_000_007))
    assert whole(tmp_path / "a.jpg").state() == (3, 1_000_000_007)
    assert whole(tmp_path / "no.jpg").state() is None
    assert Media("gs://bucket/a.jpg", "jpg").state() is None
