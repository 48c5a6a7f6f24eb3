"""Files on any Beam filesystem: find, read, and write so that a reader never sees half of one."""

import contextlib
import gzip
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

TEMPORARY = ".tmp-"
"""Every unfinished file's name begins with this; readers skip such names."""


@dataclass(frozen=True)
class File:
    """One file that a pattern matched: its path and its size in bytes (compressed size for ``.gz``)."""

    path: str
    size: int


def find(pattern: str) -> list[File]:
    """Return the files that ``pattern`` (a path or a glob, on any Beam filesystem) matches, sorted by path."""
    matched = FileSystems.match([pattern])[0].metadata_list
    files = [File(found.path, found.size_in_bytes) for found in matched]
    visible = [file for file in files if not PurePosixPath(file.path).name.startswith(TEMPORARY)]
    return sorted(visible, key=lambda file: file.path)


def listing(folder: str, *, prefix: str = "", suffix: str = "") -> list[File]:
    """Return the finished files directly in ``folder`` whose names begin and end so, by name; none without a folder."""
    if is_local(folder):
        try:
            with os.scandir(folder) as entries:
                found = [File(entry.path, entry.stat().st_size) for entry in entries if entry.is_file()]
        except FileNotFoundError:
            return []
    else:
        found = find(join(folder, f"{prefix}*{suffix}"))
    names = [(PurePosixPath(file.path).name, file) for file in found]
    return [
        file
        for name, file in sorted(names, key=lambda named: named[0])
        if name.startswith(prefix) and name.endswith(suffix) and not name.startswith(TEMPORARY)
    ]


def exists(path: str) -> bool:
    """Say whether a file or folder is at ``path``."""
    return bool(FileSystems.exists(path))


def size(path: str) -> int:
    """Return the bytes of the file at ``path``."""
    if is_local(path):
        return os.path.getsize(path)  # noqa: PTH202
    return int(FileSystems.match([path])[0].metadata_list[0].size_in_bytes)


def modified(path: str) -> float:
    """Return the time at which ``path`` was last written, in seconds since the epoch."""
    return os.path.getmtime(path) if is_local(path) else FileSystems.last_updated(path)  # noqa: PTH204


def is_local(path: str) -> bool:
    """Say whether ``path`` is on this machine's own filesystem."""
    return "://" not in path


def open_raw(path: str) -> BinaryIO:
    """Open ``path`` for reading as the bytes that lie on disk: seekable, never decompressed."""
    if is_local(path):
        return open(path, "rb")  # noqa: PTH123  the caller closes it; several times faster than Beam's
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def open_decompressed(path: str) -> BinaryIO:
    """Open ``path`` for reading, decompressed if its name ends in ``.gz``; a truncated one raises `EOFError`.

    Not by Beam, whose reader takes a truncated gzip for a whole one (2.77).
    """
    if not path.lower().endswith(".gz"):
        return open_raw(path)
    return cast("BinaryIO", gzip.GzipFile(fileobj=open_raw(path)))


def join(folder: str, *names: str) -> str:
    """Join path components on any Beam filesystem."""
    return str(FileSystems.join(folder, *names))


def make_folder(path: str) -> None:
    """Create ``path`` and its parents; nothing happens where it is there already."""
    if is_local(path):
        os.makedirs(path, exist_ok=True)  # noqa: PTH103  one code path for local and remote strings
    else:
        with contextlib.suppress(OSError):
            FileSystems.mkdirs(path)


def remove(paths: Iterable[str]) -> None:
    """Delete files and folders; those that are gone already are passed over."""
    present = [path for path in paths if exists(path)]
    if present:
        FileSystems.delete(present)


@contextlib.contextmanager
def written_whole(path: str) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` and rename it to ``path`` when the block ends without error.

    A reader sees the old file or the whole new one, never a part. When the block fails the temporary is
    removed; when the process is killed it stays, under a name that no reader takes for a result.
    """
    folder, name = FileSystems.split(path)
    if folder:
        make_folder(folder)
    temporary = join(folder, f"{TEMPORARY}{uuid.uuid4().hex}-{name}")
    try:
        with (
            open(temporary, "wb")  # noqa: PTH123
            if is_local(path)
            else FileSystems.create(temporary, compression_type=CompressionTypes.UNCOMPRESSED)
        ) as sink:
            yield sink
        if is_local(path):
            os.replace(temporary, path)  # noqa: PTH105
        else:
            FileSystems.rename([temporary], [path])
    except BaseException as error:
        with contextlib.suppress(Exception):
            FileSystems.delete([temporary])
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:
            # A full disk fails in write(), which does not know the name.
            raise OSError(error.errno, os.strerror(error.errno), path) from error
        raise


def write_bytes(path: str, content: bytes) -> None:
    """Write ``content`` to ``path`` whole or not at all."""
    with written_whole(path) as sink:
        sink.write(content)


def read_bytes(path: str) -> bytes:
    """Return the bytes of ``path``, never decompressed."""
    with open_raw(path) as source:
        return source.read()


def write_parquet(path: str, table: pa.Table) -> None:
    """Write ``table`` to ``path`` as Parquet (zstd), whole or not at all; the same table gives the same bytes."""
    with written_whole(path) as sink:
        pq.write_table(table, sink, compression="zstd")


def read_parquet(path: str, columns: list[str] | None = None) -> pa.Table:
    """Return the Parquet file at ``path`` as one table, of ``columns`` only where they are given."""
    with open_raw(path) as source:
        return parquet_file(source).read(columns=columns, use_threads=False)


def parquet_file(source: BinaryIO) -> pq.ParquetFile:
    """Return the Parquet file in ``source``, read by the calling thread alone.

    By default Arrow's own threads read ahead, through the Python object; one that is still at it when the interpreter
    ends aborts the process (apache/arrow 34314, 50482).
    """
    return pq.ParquetFile(source, pre_buffer=False)


def sweep_temporaries(folder: str) -> int:
    """Delete what killed processes left unfinished below the local ``folder``; return how many files."""
    swept = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(TEMPORARY):
                os.unlink(os.path.join(parent, name))  # noqa: PTH108, PTH118
                swept += 1
    return swept


def ipc_bytes(table: pa.Table) -> bytes:
    """Return ``table`` as one LZ4-compressed Arrow IPC stream: how tables travel through a shuffle."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def ipc_table(content: bytes) -> pa.Table:
    """Return the table that `ipc_bytes` made ``content`` from."""
    return pa.ipc.open_stream(content).read_all()
