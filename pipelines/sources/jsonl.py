"""JSON Lines: one object a line, with one caption or a list of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pipelines.config import InputConfig
from pipelines.files import File
from pipelines.sources.fields import FieldMap
from pipelines.sources.jsontext import parse_object
from pipelines.sources.record import SPLIT_BYTES, Record, Reject, Split
from pipelines.sources.streams import line_splits, lines


@dataclass(frozen=True)
class JsonLines:
    """Origins are ``path@OFFSET``, the byte at which the line starts."""

    config: InputConfig
    split_bytes: int = SPLIT_BYTES

    mapped: ClassVar[bool] = True
    compressed: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str] | None] = None

    def splits(self, file: File) -> list[Split]:
        """Return byte ranges."""
        return line_splits(file, split_bytes=self.split_bytes)

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the captions of each line."""
        fields = FieldMap.of(self.config)
        for offset, line in lines(split):
            origin = f"{split.path}@{offset}"
            item = parse_object(line, origin)
            if type(item) is dict:
                yield from fields.records(item, origin)
            elif isinstance(item, Reject) and not line.isspace():
                yield item
