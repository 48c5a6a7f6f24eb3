"""A shard's bytes depend on its samples alone, and the usual readers read them."""

import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import webdataset

from shards.keys import unescape_key
from shards.sample import Caption, Sample
from shards.writer import ShardWriter

LONG = "ein/sehr langer.Schlüssel" * 40


def sample(key: str, media: bytes | None = b"\xff\xd8 picture") -> Sample:
    """Return a sample with one caption."""
    return Sample(
        key=key,
        split="train",
        captions=(Caption(0, f"A dog called {key[:20]}."),),
        media=media,
        ext="" if media is None else "jpg",
    )


SAMPLES = [sample("b"), sample("a.b/c d.é"), sample("empty", b""), sample("text only", None), sample(LONG)]


def written(samples: Sequence[Sample]) -> tuple[bytes, ShardWriter]:
    """Return the bytes of a shard of ``samples``, and its writer."""
    sink = io.BytesIO()
    with ShardWriter(sink) as writer:
        for one in samples:
            writer.write(one)
    return sink.getvalue(), writer


def test_the_same_samples_give_the_same_bytes() -> None:
    """Nothing of the time, the machine or the user gets into a shard."""
    assert written(SAMPLES)[0] == written(SAMPLES)[0]


def test_what_the_writer_says_of_the_shard() -> None:
    """Size, checksum and number of samples are those of the bytes written, the end of the tar included."""
    content, writer = written(SAMPLES)
    assert writer.samples == 5
    assert writer.size == len(content)
    assert writer.sha256 == hashlib.sha256(content).hexdigest()
    assert len(content) % 10240 == 0


def test_members() -> None:
    """Members stand in the order of the samples, each with time 0, owner 0 and mode 0644."""
    content, _ = written(SAMPLES[:4])
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [
        "b.jpg",
        "b.json",
        "b.txt",
        "a%2Eb%2Fc%20d%2E%C3%A9.jpg",
        "a%2Eb%2Fc%20d%2E%C3%A9.json",
        "a%2Eb%2Fc%20d%2E%C3%A9.txt",
        "empty.jpg",
        "empty.json",
        "empty.txt",
        "text%20only.json",
        "text%20only.txt",
    ]
    assert {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in members} == {
        (0, 0, 0, "", "")
    }
    assert {member.mode for member in members} == {0o644}
    assert all(member.isreg() for member in members)


def test_a_short_name_is_plain_ustar() -> None:
    """A header as it stands in the tar: what does not need PAX is USTAR."""
    content, _ = written([sample("k")])
    header = content[:512]
    assert header[:6] == b"k.jpg\0"
    assert header[100:108] == b"0000644\0"
    assert header[136:148] == b"00000000000\0"
    assert header[257:265] == b"ustar\x0000"


def test_a_long_name_is_whole() -> None:
    """A name longer than USTAR's hundred bytes is kept by a PAX header."""
    content, _ = written([sample(LONG)])
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        names = tar.getnames()
    assert len(names[0]) > 1000
    assert unescape_key(names[0].removesuffix(".jpg")) == LONG


def test_media_are_not_touched() -> None:
    """Media come out as they went in, empty ones too."""
    content, _ = written([sample("every byte", bytes(range(256)) * 100), sample("none", b"")])
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        media = [tar.extractfile(name) for name in ("every%20byte.jpg", "none.jpg")]
        assert [file.read() for file in media if file] == [bytes(range(256)) * 100, b""]


def test_webdataset_reads_it(tmp_path: Path) -> None:
    """The webdataset library gives one sample for each of ours, under its escaped key, with its files."""
    (tmp_path / "train-000000.tar").write_bytes(written(SAMPLES)[0])
    read = list(webdataset.WebDataset(str(tmp_path / "train-000000.tar"), shardshuffle=False))
    assert [unescape_key(found["__key__"]) for found in read] == ["b", "a.b/c d.é", "empty", "text only", LONG]
    assert [found.get("jpg") for found in read] == [b"\xff\xd8 picture"] * 2 + [b"", None, b"\xff\xd8 picture"]
    assert [json.loads(found["json"])["key"] for found in read] == ["b", "a.b/c d.é", "empty", "text only", LONG]
    assert read[0]["txt"] == b"A dog called b."


def test_no_samples() -> None:
    """A shard of nothing is a whole, empty tar."""
    content, writer = written([])
    assert writer.samples == 0
    assert content == b"\0" * 10240


def test_an_error_leaves_no_end_mark() -> None:
    """What breaks off does not look whole: the tar gets no end."""
    sink = io.BytesIO()
    with contextlib.suppress(KeyError), ShardWriter(sink) as writer:
        writer.write(sample("k"))
        raise KeyError("k")
    assert len(sink.getvalue()) == 3 * 1024
    assert not sink.getvalue().endswith(b"\0" * 1024)


def test_only_write_is_asked_of_the_sink() -> None:
    """A sink that cannot seek or tell, such as an upload, will do."""

    class Upload:
        content = b""

        def write(self, piece: bytes) -> int:
            self.content += piece
            return len(piece)

    upload = Upload()
    with ShardWriter(upload) as writer:  # type: ignore[arg-type]
        writer.write(SAMPLES[0])
    assert upload.content == written(SAMPLES[:1])[0]
