"""What a source makes of its files: splits, and in each split records and rejects."""

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from pipelines.files import File
from pipelines.media import Media

SPLIT_BYTES: Final = 32 << 20
"""Bytes of a file that one worker reads in one go, where the format can be read from the middle."""

LARGEST_RECORD: Final = 16 << 20
"""Bytes of the longest line or tar member that is taken into memory; one that is longer is cut off there."""


@dataclass(frozen=True)
class Split:
    """A part of one file that is read in one go.

    ``start`` and ``end`` (exclusive, None for the end of the file) count what the format is cut by: bytes
    for lines, row groups for Parquet; a format that is read in one piece has 0 and None.
    """

    path: str
    start: int = 0
    end: int | None = None


@dataclass(slots=True)
class Record:
    """One caption as its file has it, not yet checked or normalised (not frozen: that doubles its cost)."""

    key: str
    text: str
    n: int | None
    split: str
    origin: str
    fields: Mapping[str, object]
    """Everything the input says of the item, under the input's names: what the media template may use."""
    media: Media | None = None


@dataclass(slots=True)
class Reject:
    """One record or caption that cannot be used; ``reason`` is one of `pipelines.captions.REJECT_REASONS`."""

    origin: str
    reason: str
    detail: str
    key: str | None = None
    n: int | None = None


class Source(Protocol):
    """One format. Constructed from an `InputConfig`; one small file each, listed in ``registry.py``."""

    mapped: ClassVar[bool]
    """Whether ``input.fields`` may rename its fields."""
    compressed: ClassVar[bool]
    """Whether it can be read from ``.gz`` files."""
    template_fields: ClassVar[frozenset[str] | None]
    """What the media template may name beside ``key``; None: any field of the record."""

    def splits(self, file: File) -> list[Split]:
        """Return the parts ``file`` is read in; looks at its size or footer only."""
        ...

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield what ``split`` holds, streaming; a damaged ``.gz`` raises one of `streams.BROKEN_STREAM`."""
        ...


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


def shown(value: object) -> str:
    """Return ``value`` as a short Python literal: one line, without control characters or lone surrogates."""
    return _SHORT.repr(value[:200] if isinstance(value, str | bytes) else value)


def without_extension(file_name: str) -> str:
    """Return ``file_name`` without its extension; with its folders, so that two never share a key."""
    folder, slash, name = file_name.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + (stem if dot and stem else name)


def is_unicode(text: str) -> bool:
    """Say whether ``text`` can be UTF-8: it cannot where undecodable bytes were escaped as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
