"""WebDataset tars, as img2dataset writes them: captions are read, media are only pointed at."""

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Final

from pipelines.config import InputConfig
from pipelines.files import File, open_raw
from pipelines.media import Media
from pipelines.sources.fields import FieldMap
from pipelines.sources.jsontext import parse_object
from pipelines.sources.record import LARGEST_RECORD, Record, Reject, Split, shown
from pipelines.sources.streams import BOM

MEDIA_EXTENSIONS: Final = frozenset(
    (
        *("avif", "bmp", "gif", "heic", "jpeg", "jpg", "jxl", "png", "tif", "tiff", "webp"),
        *("avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm"),
    )
)


@dataclass(frozen=True)
class WebDataset:
    """A sample is the run of members that share a path up to the first dot of the file's name.

    The caption is in the ``.json`` (``caption`` or ``captions``), or where that has none in the ``.txt``; the
    key is the ``.json``'s ``key`` where that is text, or else what the members share, folder included (but no
    leading ``./``). The media is the first member with a usual image or video extension, given as (tar,
    offset, size). Origins are ``tar:SHARED-PATH``.

    In a tar that breaks off, every sample before the one that is cut is whole; where the end-of-archive mark
    is missing the last sample counts as cut, for nothing says that it has all of its members.
    """

    config: InputConfig

    mapped: ClassVar[bool] = True
    compressed: ClassVar[bool] = False
    template_fields: ClassVar[frozenset[str] | None] = frozenset()

    def splits(self, file: File) -> list[Split]:
        """Return the tar: its members can only be found one after the other."""
        return [Split(file.path)]

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the captions of each sample; of media only the tar's headers are read."""
        fields = FieldMap.of(self.config)
        sample: _Sample | None = None
        with open_raw(split.path) as stream:
            size = stream.seek(0, os.SEEK_END)
            try:
                for member in _members(stream, size):
                    path, ext = _split_name(member.name)
                    if not path or not member.isfile():
                        continue
                    if sample is None or sample.path != path:
                        if sample is not None:
                            yield from sample.records(fields)
                        sample = _Sample(split.path, path)
                    if member.offset_data + member.size > size:
                        raise _DamageError("truncated_tar", f"{shown(member.name)} goes on after byte {size}, the last")
                    sample.add(member, ext, stream)
            except _DamageError as damage:
                if sample is None:
                    yield Reject(split.path, damage.reason, str(damage))
                else:
                    yield Reject(sample.origin, damage.reason, str(damage), sample.path)
                return
        if sample is not None:
            yield from sample.records(fields)


class _DamageError(Exception):
    """The tar cannot be read on from here."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass
class _Sample:
    """The members seen so far of one sample."""

    tar: str
    path: str
    text: bytes | None = None
    json: bytes | None = None
    media: tuple[tarfile.TarInfo, str] | None = None
    """The media member and its extension."""

    @property
    def origin(self) -> str:
        return f"{self.tar}:{self.path}"

    def add(self, member: tarfile.TarInfo, ext: str, stream: BinaryIO) -> None:
        """Take in ``member``: the first of each kind counts."""
        if ext == "txt" and self.text is None:
            self.text = _content(member, stream)
        elif ext == "json" and self.json is None:
            self.json = _content(member, stream)
        elif ext in MEDIA_EXTENSIONS and self.media is None:
            self.media = member, ext

    def records(self, fields: FieldMap) -> list[Record | Reject]:
        """Return the captions of the sample, now that all its members have been added."""
        item = {} if self.json is None else parse_object(self.json, self.origin)
        if isinstance(item, Reject):
            item.key = self.path
            return [item]
        if not isinstance(item.get(fields.key), str):
            item[fields.key] = self.path
        if fields.captions_in(item) is None and self.text is not None:
            try:
                item[fields.captions[0]] = self.text.removeprefix(BOM).decode()
            except UnicodeDecodeError as wrong:
                detail = f"{wrong.reason} at byte {wrong.start}: {shown(self.text)}"
                return [Reject(self.origin, "bad_encoding", detail, str(item[fields.key]))]
        return [self._with_media(record) for record in fields.records(item, self.origin)]

    def _with_media(self, record: Record | Reject) -> Record | Reject:
        if self.media is None or isinstance(record, Reject):
            return record
        member, ext = self.media
        if member.issparse() or not member.size:
            detail = f"{'sparse' if member.issparse() else 'empty'}: {shown(member.name)}"
            return Reject(record.origin, "unreadable_media", detail, record.key, record.n)
        record.media = Media(self.tar, ext, member.offset_data, member.size)
        return record


def _members(stream: BinaryIO, size: int) -> Iterator[tarfile.TarInfo]:
    """Yield the headers of a tar of ``size`` bytes; raises `_DamageError` unless it ends as tars do."""
    offset = 0
    stream.seek(0)
    try:
        tar = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115  it opens nothing of its own
        while (member := tar.next()) is not None:
            # tarfile keeps every header it has seen, and follows a negative size backwards for ever
            # (CVE-2025-8194).
            tar.members.clear()  # type: ignore[attr-defined]
            if member.size < 0 or tar.offset <= offset:
                raise _DamageError("malformed_record", f"the header at byte {member.offset} has a negative size")
            offset = tar.offset
            yield member
    except (tarfile.TarError, ValueError, OverflowError) as error:
        reason = "truncated_tar" if stream.tell() >= size else "malformed_record"
        raise _DamageError(reason, f"{error} at byte {offset}") from None
    stream.seek(offset)
    mark = stream.read(tarfile.BLOCKSIZE)
    if not mark.strip(b"\0") and mark:
        return
    if len(mark) < tarfile.BLOCKSIZE:
        raise _DamageError("truncated_tar", f"the tar ends at byte {size} without its end mark")
    raise _DamageError("malformed_record", f"no tar header at byte {offset}")


def _split_name(name: str) -> tuple[str, str]:
    """Return (what a sample's members share, lower-case extension), cut at the first dot after the folder."""
    folder, slash, file = name.removeprefix("./").rpartition("/")
    stem, dot, ext = file.partition(".")
    return (folder + slash + stem if stem and dot else ""), ext.lower()


def _content(member: tarfile.TarInfo, stream: BinaryIO) -> bytes:
    stream.seek(member.offset_data)
    return stream.read(min(member.size, LARGEST_RECORD))
