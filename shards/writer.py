"""Samples to a tar whose bytes depend on the samples alone."""

import hashlib
import io
import tarfile
from types import TracebackType
from typing import BinaryIO, Self

from shards.sample import Sample


class ShardWriter:
    """Writes samples to an open binary file as a USTAR/PAX tar: mtime 0, owner 0, mode 0644.

    Use as a context manager; afterwards ``samples``, ``media`` (samples that have any), ``size`` (bytes) and
    ``sha256`` describe the shard.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = _HashingSink(sink)
        # typeshed wants a whole file; tarfile writes through write() and tell() alone.
        self._tar = tarfile.open(fileobj=self._sink, mode="w", format=tarfile.PAX_FORMAT)  # type: ignore[call-overload]  # noqa: SIM115
        self.samples = 0
        self.media = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._tar.close()

    def write(self, sample: Sample) -> None:
        """Append the files of ``sample``."""
        for name, content in sample.files():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            self._tar.addfile(entry, io.BytesIO(content))
        # tarfile remembers every member for getmembers(), which nobody asks of a writer.
        self._tar.members = []
        self.samples += 1
        self.media += sample.media is not None

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._sink.position

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes written so far, hexadecimal."""
        return self._sink.digest.hexdigest()


class _HashingSink:
    """Passes writes on and hashes them, so that no shard is read again for its checksum."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()
        self.position = 0

    def write(self, content: bytes) -> int:
        self._sink.write(content)
        self.digest.update(content)
        self.position += len(content)
        return len(content)

    def tell(self) -> int:
        return self.position
