"""Who reads what, and what happens where a shard is broken."""

import io
import pickle
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webdataset.handlers import ignore_and_continue, ignore_and_stop, reraise_exception

from shards.stream import Epoch, Part, Place, ShardError, Slot, parts_of, read_parts


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 30))
def test_every_sample_is_read_once(shards: int, readers: int, samples: int) -> None:
    """However many readers, each sample of each shard is exactly one reader's, and shards differ by one at most."""
    urls = [str(i) for i in range(shards)]
    parts = [parts_of(urls, Slot(index, readers)) for index in range(readers)]

    read = Counter(
        (part.url, i) for one in parts for part in one for i in range(samples) if i % part.step == part.first
    )

    assert read == Counter((url, i) for url in urls for i in range(samples))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert min(map(len, parts)) >= 1


def test_dealt_out() -> None:
    """Enough shards are dealt out whole; two for five readers are read by three and by two of them."""
    assert [parts_of(["a", "b", "c"], Slot(i, 2)) for i in range(2)] == [[Part("a"), Part("c")], [Part("b")]]
    assert [parts_of(["a", "b"], Slot(i, 5)) for i in range(5)] == [
        [Part("a", 0, 3)],
        [Part("b", 0, 2)],
        [Part("a", 1, 3)],
        [Part("b", 1, 2)],
        [Part("a", 2, 3)],
    ]


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says which node and worker a process is; what is given goes before it."""
    for name, value in {"RANK": "1", "WORLD_SIZE": "3", "WORKER": "2", "NUM_WORKERS": "4"}.items():
        monkeypatch.setenv(name, value)
    assert Place().slot() == Slot(7, 12)
    assert Place(0, 2).slot() == Slot(4, 8)


def test_a_spawned_worker_is_told_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the parent knows of several nodes goes along when a loader is pickled; of one node nothing is fixed."""
    alone = pickle.dumps(Place())
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    told = pickle.dumps(Place())
    monkeypatch.delenv("RANK")
    assert pickle.loads(told) == Place(1, 2)  # noqa: S301  our own
    assert pickle.loads(alone) == Place()  # noqa: S301  our own


def test_a_pickled_epoch_is_a_number() -> None:
    """Pickled for no child process, it goes its own way."""
    epoch = Epoch(3)
    copy = pickle.loads(pickle.dumps(epoch))  # noqa: S301  our own
    epoch.value = 5
    assert (epoch.value, copy.value) == (5, 3)


Spoil = Callable[[bytes], bytes]

SPOILT: dict[str, tuple[Spoil, str]] = {
    "within a file": (lambda tar: tar[: 3 * 512 + 100], "unexpected end of data"),
    "between two files": (lambda tar: tar[: 4 * 512], "it breaks off or is damaged at byte 2048: empty header"),
    "within a header": (lambda tar: tar[: 4 * 512 + 99], "it breaks off or is damaged at byte 2048: truncated header"),
    "a header overwritten": (
        lambda tar: tar[: 4 * 512] + b"x" * 512 + tar[5 * 512 :],
        "it breaks off or is damaged at byte 2048: invalid header",
    ),
    "nothing": (lambda _: b"", "it breaks off or is damaged at byte 0: empty header"),
    "no tar": (lambda _: b"x" * 10240, "it breaks off or is damaged at byte 0: invalid header"),
}


def write_tar(path: Path, *, samples: int) -> None:
    """Write a tar with ``samples`` samples of two files of up to 512 bytes, so two blocks each."""
    with tarfile.open(path, "w") as tar:
        for i in range(samples):
            for ext in ("json", "txt"):
                entry = tarfile.TarInfo(f"{i}.{ext}")
                entry.size = 300
                tar.addfile(entry, io.BytesIO(bytes(300)))


@pytest.mark.parametrize("what", SPOILT)
def test_a_broken_shard(what: str, tmp_path: Path) -> None:
    """Wherever it breaks off or is damaged it raises, with its name; a handler may go on with the next one."""
    spoil, message = SPOILT[what]
    for name in ("a", "b", "c"):
        write_tar(tmp_path / f"{name}.tar", samples=3)
    broken = tmp_path / "b.tar"
    broken.write_bytes(spoil(broken.read_bytes()))
    parts = [Part(str(tmp_path / f"{name}.tar")) for name in ("a", "b", "c")]

    with pytest.raises(ShardError) as failed:
        list(read_parts(parts, reraise_exception))
    assert str(failed.value) == f"{broken}: {message}"

    going_on = [Path(one["__url__"]).stem for one in read_parts(parts, ignore_and_continue)]
    assert going_on.count("a") == going_on.count("c") == 3
    assert going_on.count("b") < 3
    assert {Path(one["__url__"]).stem for one in read_parts(parts, ignore_and_stop)} <= {"a", "b"}


def test_a_missing_shard(tmp_path: Path) -> None:
    """One that was deleted since it was found is named."""
    with pytest.raises(ShardError, match=r"gone\.tar: .*No such file"):
        list(read_parts([Part(str(tmp_path / "gone.tar"))], reraise_exception))


def test_an_empty_tar(tmp_path: Path) -> None:
    """A tar of no files is whole, and has no samples."""
    write_tar(tmp_path / "empty.tar", samples=0)
    assert list(read_parts([Part(str(tmp_path / "empty.tar"))], reraise_exception)) == []
