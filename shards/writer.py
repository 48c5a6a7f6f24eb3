"""Samples to a tar whose bytes depend on the samples alone."""

import functools
import hashlib
import tarfile
from types import TracebackType
from typing import BinaryIO, Final, Self

from shards.sample import PairSample, Sample

_BLOCK: Final = tarfile.BLOCKSIZE
_LONGEST_NAME: Final = 100
_LARGEST_SIZE: Final = 8**11 - 1
"""What the plain USTAR header of POSIX.1-1988 holds; anything longer or larger needs PAX records."""


class ShardWriter:
    """Writes samples to an open binary file as a USTAR/PAX tar: mtime 0, owner 0, mode 0644.

    Use as a context manager; afterwards ``samples``, ``media`` (samples that have any), ``size`` (bytes) and
    ``sha256`` describe the shard.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()
        self.size = 0
        self.samples = 0
        self.media = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            # Two empty blocks end a tar, and it is filled up to a whole record, as tarfile and GNU tar do.
            self._write(bytes(2 * _BLOCK))
            self._write(bytes(-self.size % tarfile.RECORDSIZE))

    def write(self, sample: Sample | PairSample) -> None:
        """Append the files of ``sample``."""
        parts = []
        for name, content in sample.files():
            parts += [member_header(name, len(content)), content, bytes(-len(content) % _BLOCK)]
        self._write(b"".join(parts))
        self.samples += 1
        self.media += sample.media is not None

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes written so far, hexadecimal."""
        return self._digest.hexdigest()

    def _write(self, content: bytes) -> None:
        self._sink.write(content)
        # Hashed on the way, so that no shard is read again for its checksum.
        self._digest.update(content)
        self.size += len(content)


def member_header(name: str, size: int) -> bytes:
    """Return the tar header of a file of ``size`` bytes: what `tarfile` makes of it, at a tenth of the time."""
    raw = name.encode()
    if len(raw) > _LONGEST_NAME or size > _LARGEST_SIZE or not name.isascii():
        entry = tarfile.TarInfo(name)
        entry.size = size
        return entry.tobuf(tarfile.PAX_FORMAT)
    before, after, rest = _template()
    digits = b"%011o" % size
    checksum = rest + sum(raw) + sum(digits)
    return raw.ljust(_LONGEST_NAME, b"\0") + before + digits + after % checksum


@functools.cache
def _template() -> tuple[bytes, bytes, int]:
    """Return a header's bytes from name to size and from size on, and the checksum of what never changes."""
    header = tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT)
    name_end, size_at, size_end, sum_at, sum_end = 100, 124, 135, 148, 156
    before = header[name_end:size_at]
    fixed = [before, header[size_end:sum_at], b" " * (sum_end - sum_at), header[sum_end:]]
    escaped = [part.replace(b"%", b"%%") for part in (header[size_end:sum_at], header[sum_end:])]
    return before, escaped[0] + b"%06o\0 " + escaped[1], sum(map(sum, fixed))
