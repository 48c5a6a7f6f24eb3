"""Files are whole or not there, whatever happens while they are written."""

import gzip
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import files

TABLE = pa.table({"a": [1, 2, None], "b": ["x", None, "é"]})


def names(folder: Path) -> list[str]:
    """Return the names in ``folder``."""
    return sorted(path.name for path in folder.iterdir())


def child(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python ``code`` in a process of its own."""
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_written_whole(tmp_path: Path) -> None:
    """A file appears under its name with its content, in a folder that is made for it."""
    path = tmp_path / "new" / "folder" / "file.bin"
    with files.written_whole(str(path)) as sink:
        sink.write(b"half")
        assert not path.exists()
        assert [name[:5] for name in names(path.parent)] == [".tmp-"]
        sink.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert names(path.parent) == ["file.bin"]


def test_written_whole_beside_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a folder is written to the current one."""
    monkeypatch.chdir(tmp_path)
    files.write_bytes("file.bin", b"content")
    assert (tmp_path / "file.bin").read_bytes() == b"content"


def write_then_fail(path: str, error: BaseException) -> None:
    """Fail in the middle of a file."""
    with files.written_whole(path) as sink:
        sink.write(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(5, "Input/output error")])
def test_an_error_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    """Neither a file nor a temporary is left where writing fails."""
    with pytest.raises(type(error)):
        write_then_fail(str(tmp_path / "file.bin"), error)
    assert names(tmp_path) == []


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    """Where a file is there already, it is replaced by a whole one or not at all."""
    (tmp_path / "file.bin").write_bytes(b"old")
    with pytest.raises(ValueError, match="no"):
        write_then_fail(str(tmp_path / "file.bin"), ValueError("no"))
    assert (tmp_path / "file.bin").read_bytes() == b"old"
    files.write_bytes(str(tmp_path / "file.bin"), b"new")
    assert (tmp_path / "file.bin").read_bytes() == b"new"


KILLED = """
import os, signal, sys
from pipelines import files
with files.written_whole(sys.argv[1]) as sink:
    sink.write(b"half")
    sink.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_a_temporary_that_nobody_reads(tmp_path: Path) -> None:
    """After kill -9 no reader sees the unfinished file, and sweeping takes it away."""
    path = str(tmp_path / "sub" / "part-1.parquet")
    files.write_bytes(str(tmp_path / "sub" / "part-0.parquet"), b"whole")
    assert child(KILLED, path).returncode == -signal.SIGKILL
    left = names(tmp_path / "sub")
    assert len(left) == 2
    assert left[0].startswith(".tmp-")
    assert left[0].endswith("-part-1.parquet")
    whole = [files.File(str(tmp_path / "sub" / "part-0.parquet"), 5)]
    assert files.listing(str(tmp_path / "sub"), suffix=".parquet") == whole
    assert files.find(str(tmp_path / "sub" / "*")) == whole
    assert files.find(str(tmp_path / "sub" / ".tmp-*")) == []
    assert files.sweep_temporaries(str(tmp_path)) == 1
    assert names(tmp_path / "sub") == ["part-0.parquet"]


FULL = """
import resource, sys
import pyarrow as pa
from pipelines import files
# To the writer, a file that may not grow is a disk that is full.
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
table = pa.table({"a": list(range(100_000))})
try:
    if sys.argv[2] == "bytes":
        files.write_bytes(sys.argv[1], b"x" * 100_000)
    elif sys.argv[2] == "few":
        with files.written_whole(sys.argv[1]) as sink:
            for _ in range(300):
                sink.write(b"1234567890")  # fails when the buffer is flushed at the end
    else:
        files.write_parquet(sys.argv[1], table)
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["bytes", "few", "parquet"])
def test_a_full_disk(tmp_path: Path, kind: str) -> None:
    """The error names the file that was being written, and nothing of it is left."""
    path = str(tmp_path / "file.bin")
    finished = child(FULL, path, kind)
    assert finished.stdout == f"[Errno 27] File too large: '{path}'\n", finished.stderr
    assert names(tmp_path) == []


def test_no_temporaries_to_sweep(tmp_path: Path) -> None:
    """Finished files are left alone."""
    files.write_bytes(str(tmp_path / "a" / "file"), b"")
    assert files.sweep_temporaries(str(tmp_path)) == 0
    assert files.sweep_temporaries(str(tmp_path / "nowhere")) == 0
    assert names(tmp_path / "a") == ["file"]


def test_listing(tmp_path: Path) -> None:
    """Files come by name with their sizes; folders, other names and a missing folder give nothing."""
    for name in ("part-b.parquet", "part-a.parquet", "other-a.parquet", "part-c.txt", ".tmp-1-part-d.parquet"):
        (tmp_path / name).write_bytes(b"12")
    (tmp_path / "part-e.parquet").mkdir()
    found = files.listing(str(tmp_path), prefix="part-", suffix=".parquet")
    assert found == [
        files.File(str(tmp_path / "part-a.parquet"), 2),
        files.File(str(tmp_path / "part-b.parquet"), 2),
    ]
    assert files.listing(str(tmp_path / "nowhere")) == []


def test_find(tmp_path: Path) -> None:
    """A glob gives its files by path; one that matches nothing gives none."""
    for name in ("b.jsonl", "a.jsonl", ".tmp-1-c.jsonl"):
        (tmp_path / name).write_bytes(b"123")
    assert files.find(str(tmp_path / "*.jsonl")) == [
        files.File(str(tmp_path / "a.jsonl"), 3),
        files.File(str(tmp_path / "b.jsonl"), 3),
    ]
    assert files.find(str(tmp_path / "a.jsonl")) == [files.File(str(tmp_path / "a.jsonl"), 3)]
    assert files.find(str(tmp_path / "*.csv")) == []


def test_remove(tmp_path: Path) -> None:
    """Files and folders go; what is gone already is no error."""
    files.write_bytes(str(tmp_path / "folder" / "file"), b"")
    files.write_bytes(str(tmp_path / "file"), b"")
    files.remove([str(tmp_path / "folder"), str(tmp_path / "file"), str(tmp_path / "nowhere")])
    assert names(tmp_path) == []


def test_gzip_is_read_decompressed(tmp_path: Path) -> None:
    """By the name's end alone; the raw bytes can be had too."""
    path = str(tmp_path / "file.jsonl.GZ")
    (tmp_path / "file.jsonl.GZ").write_bytes(gzip.compress(b"text"))
    with files.open_decompressed(path) as stream:
        assert stream.read() == b"text"
    assert files.read_bytes(path)[:2] == b"\x1f\x8b"


def test_a_truncated_gzip_is_an_error(tmp_path: Path) -> None:
    """Half a stream is never taken for a whole one."""
    (tmp_path / "file.gz").write_bytes(gzip.compress(b"text" * 1000)[:-9])
    with files.open_decompressed(str(tmp_path / "file.gz")) as stream, pytest.raises(EOFError):
        stream.read()


@pytest.mark.parametrize(
    ("path", "local"), [("a/b", True), ("/a", True), ("gs://bucket/a", False), ("s3://b", False), ("hdfs://b", False)]
)
def test_is_local(path: str, *, local: bool) -> None:
    """A scheme makes a path remote."""
    assert files.is_local(path) is local


def test_parquet(tmp_path: Path) -> None:
    """A table comes back as it was, whole or in part; the same table gives the same bytes."""
    for name in ("1", "2"):
        files.write_parquet(str(tmp_path / name), TABLE)
    assert files.read_parquet(str(tmp_path / "1")).equals(TABLE)
    assert files.read_parquet(str(tmp_path / "1"), ["b"]).equals(TABLE.select(["b"]))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


COLUMNS = st.integers(0, 30).flatmap(
    lambda rows: st.fixed_dictionaries(
        {
            "id": st.lists(st.binary(min_size=16, max_size=16), min_size=rows, max_size=rows),
            "text": st.lists(
                st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=rows, max_size=rows
            ),
            "score": st.lists(st.none() | st.floats(width=32, allow_nan=False), min_size=rows, max_size=rows),
            "reasons": st.lists(st.lists(st.sampled_from(["a", "b"])), min_size=rows, max_size=rows),
        }
    )
)
SCHEMA = pa.schema(
    [("id", pa.binary(16)), ("text", pa.string()), ("score", pa.float32()), ("reasons", pa.list_(pa.string()))]
)


@given(COLUMNS, st.integers(0, 5))
def test_tables_survive_a_shuffle(columns: dict[str, list[object]], start: int) -> None:
    """A table, or a slice of one, comes out of its bytes as it went in, with its schema."""
    table = pa.table(columns, schema=SCHEMA).slice(start)
    assert files.ipc_table(files.ipc_bytes(table)).equals(table)
    assert files.ipc_table(files.ipc_bytes(table)).schema == SCHEMA


def test_broken_bytes_are_no_table() -> None:
    """Bytes that break off are an error, not a shorter table."""
    with pytest.raises((ValueError, OSError)):
        files.ipc_table(files.ipc_bytes(TABLE)[:-100])
