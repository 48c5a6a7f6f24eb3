"""The ledger's embeddings of the source texts: written by score, a part at a time, read by cut, a shard at a time.

Parts are Arrow files rather than Parquet: a shard's texts lie all over the ledger, and of a file that is mapped into
memory only the rows that are wanted are read. Nothing of them goes through a shuffle: memory holds the ids (24 bytes a
text of the ledger) and one shard's rows.
"""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines import files, tables
from pipelines.ledger import Ledger
from pipelines.runner import RunFailed

Vectors = npt.NDArray[np.float16]

_ID: Final = "text_id"
_VECTOR: Final = "embedding"


def write_embeddings(path: str, text_ids: pa.ChunkedArray, vectors: npt.NDArray[np.floating[Any]]) -> None:
    """Write ``vectors`` [texts, dim], as float16, and their ids as a part of the ledger, whole or not at all."""
    flat = pa.array(np.ascontiguousarray(vectors, np.float16).ravel())
    rows = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    table = pa.table({_ID: text_ids.combine_chunks(), _VECTOR: rows})
    with files.written_whole(path) as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def part_ids(path: str) -> pa.ChunkedArray:
    """Return the ids of the texts in one part."""
    with files.open_raw(path) as source:
        options = pa.ipc.IpcReadOptions(included_fields=[0])
        return pa.ipc.open_file(source, options=options).read_all()[_ID]


def dimension(ledger: Ledger, fingerprint: str) -> int:
    """Return the length of the embeddings in one folder of the ledger; 0 where it has none."""
    for part in ledger.parts("embeddings", fingerprint):
        with files.open_raw(part.path) as source:
            return int(pa.ipc.open_file(source).schema.field(_VECTOR).type.list_size)
    return 0


class EmbeddingStore:
    """The embeddings that one teacher has made, looked up by text. Threads may share it.

    Parts on another machine are copied to a temporary folder here when they are first needed, once a process.
    """

    def __init__(self, ledger: Ledger, fingerprint: str) -> None:
        self._ledger = ledger
        self._fingerprint = fingerprint
        self._lock = threading.Lock()
        self._paths: list[str] = []
        self._ids: npt.NDArray[np.bytes_] | None = None
        self._part: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._row: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._dimension = 0
        self._copies: tempfile.TemporaryDirectory[str] | None = None

    def take(self, text_ids: pa.Array) -> Vectors:
        """Return the embeddings of ``text_ids``, float16 [texts, dim]; raises `RunFailed` where the ledger lacks any.

        Of a text that is in several parts, as after two runs at once on one ledger, the first part by name counts.
        """
        ids = self._loaded()
        wanted = tables.id_strings(pa.chunked_array([text_ids], pa.binary(16)))
        at = np.searchsorted(ids, wanted)
        found = ids[np.minimum(at, len(ids) - 1)] == wanted if len(ids) else np.zeros(len(wanted), bool)
        if not found.all():
            raise RunFailed(
                f"the ledger lacks the embeddings of {(~found).sum():,} of {len(wanted):,} texts: run score (or build) "
                "to the end first"
            )
        vectors = np.empty((len(wanted), self._dimension), np.float16)
        parts, rows = self._part[at], self._row[at]
        order = np.argsort(parts, kind="stable")
        for chosen in np.split(order, 1 + np.flatnonzero(np.diff(parts[order]))) if len(order) else ():
            with _mapped(self._paths[parts[chosen[0]]]) as part:
                vectors[chosen] = part[rows[chosen]]
        return vectors

    def _loaded(self) -> npt.NDArray[np.bytes_]:
        with self._lock:
            if self._ids is None:
                parts = self._ledger.parts("embeddings", self._fingerprint)
                self._paths = [self._here(part.path) for part in parts]
                columns = [tables.id_strings(part_ids(path)) for path in self._paths]
                ids = np.concatenate([np.empty(0, "S16"), *columns])
                order = np.argsort(ids, kind="stable")
                lengths = [len(column) for column in columns]
                self._part = np.repeat(np.arange(len(columns), dtype=np.int32), lengths)[order]
                self._row = np.concatenate([np.empty(0, np.int32), *(np.arange(n, dtype=np.int32) for n in lengths)])[
                    order
                ]
                self._dimension = dimension(self._ledger, self._fingerprint)
                self._ids = ids[order]
            return self._ids

    def _here(self, path: str) -> str:
        """Return where the part at ``path`` can be mapped into memory."""
        if files.is_local(path):
            return path
        self._copies = self._copies or tempfile.TemporaryDirectory(prefix="captionloom-")
        copy = Path(self._copies.name) / PurePosixPath(path).name
        with files.open_raw(path) as source, copy.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        return str(copy)


@contextlib.contextmanager
def _mapped(path: str) -> Iterator[Vectors]:
    """Map one part into memory: float16 [texts, dim], of which a page is read when it is first touched."""
    with pa.memory_map(path) as source:
        rows = pa.ipc.open_file(source).get_batch(0)[_VECTOR]
        yield rows.values.to_numpy().reshape(len(rows), rows.type.list_size)
