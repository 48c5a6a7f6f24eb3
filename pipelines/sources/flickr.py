"""Flickr8k's and Flickr30k's token files: ``file#n<TAB>caption``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pipelines.config import InputConfig
from pipelines.files import File
from pipelines.sources.record import SPLIT_BYTES, Record, Reject, Split, shown, without_extension
from pipelines.sources.streams import line_splits, lines


@dataclass(frozen=True)
class Flickr:
    """The key is the file's name without its extension; origins are ``path@OFFSET``, the line's start."""

    config: InputConfig
    split_bytes: int = SPLIT_BYTES

    mapped: ClassVar[bool] = False
    compressed: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str] | None] = frozenset({"file"})

    def splits(self, file: File) -> list[Split]:
        """Return byte ranges."""
        return line_splits(file, split_bytes=self.split_bytes)

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the caption of each line."""
        for offset, line in lines(split):
            yield self._record(line, f"{split.path}@{offset}")

    def _record(self, line: bytes, origin: str) -> Record | Reject:
        try:
            text = line.decode()
        except UnicodeDecodeError as wrong:
            return Reject(origin, "bad_encoding", f"{wrong.reason} at byte {wrong.start}: {shown(line)}")
        name, tab, caption = text.partition("\t")
        file, _, n = name.rpartition("#")
        if not tab or not file or not n.isdecimal() or len(n) > 9:
            return Reject(origin, "malformed_record", f"not 'file#n<TAB>caption': {shown(text)}")
        return Record(without_extension(file), caption, int(n), self.config.split, origin, {"file": file})
