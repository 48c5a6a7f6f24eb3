"""Bytes in, lines out: of whole files, ``.gz`` streams, and byte ranges that share no line."""

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from pipelines.files import File, open_decompressed
from pipelines.sources.record import LARGEST_RECORD, Split

BOM: Final = b"\xef\xbb\xbf"

BROKEN_STREAM: Final = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a truncated or corrupt ``.gz`` raises."""


def is_compressed(path: str) -> bool:
    """Say whether `open_decompressed` decompresses ``path``: by its extension alone."""
    return path.lower().endswith(".gz")


def line_splits(file: File, *, split_bytes: int) -> list[Split]:
    """Cut ``file`` into ranges of ``split_bytes``; a ``.gz``, which has no middle to read from, is one."""
    if is_compressed(file.path):
        return [Split(file.path)]
    starts = range(0, file.size, split_bytes)
    return [Split(file.path, start, min(start + split_bytes, file.size)) for start in starts]


def lines(split: Split) -> Iterator[tuple[int, bytes]]:
    r"""Yield (byte offset, line) for each line that starts in ``split``, without its ``\n`` or ``\r\n``.

    A line belongs to the split in which its first byte lies, so that any cutting of a file yields each line
    once. Empty lines and the byte order mark of the file are passed over; of a line longer than
    `LARGEST_RECORD` only that many bytes are yielded. Offsets in a ``.gz`` count decompressed bytes.
    """
    with open_decompressed(split.path) as stream:
        offset = split.start
        if offset:
            # From one byte before: where that is the end of a line, the next line is ours.
            stream.seek(offset - 1)
            offset += _skip_line(stream) - 1
        while (split.end is None or offset < split.end) and (line := stream.readline(LARGEST_RECORD)):
            start = offset
            offset += len(line)
            if len(line) == LARGEST_RECORD and not line.endswith(b"\n"):
                offset += _skip_line(stream)
            if not start:
                line = line.removeprefix(BOM)
            line = line.rstrip(b"\r\n")
            if line:
                yield start, line


def _skip_line(stream: BinaryIO) -> int:
    """Read to the end of the current line; return how many bytes that was."""
    skipped = 0
    while piece := stream.readline(LARGEST_RECORD):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped
