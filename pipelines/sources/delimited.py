"""Tables as text: CSV with quotes, and TSV, both with a header line."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pipelines.config import InputConfig
from pipelines.files import File, open_decompressed
from pipelines.sources.fields import FieldMap
from pipelines.sources.record import SPLIT_BYTES, Record, Reject, Split, is_unicode, shown
from pipelines.sources.streams import line_splits, lines


@dataclass(frozen=True)
class Csv:
    """RFC 4180: a quoted cell may hold commas, doubled quotes and line ends. A file is one split, streamed.

    Origins are ``path:LINE``, the line, from 1, on which the record starts. A quote that is never closed
    takes the lines after it into its cell, up to 128 KiB, and they are rejected with it.
    """

    config: InputConfig

    mapped: ClassVar[bool] = True
    compressed: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str] | None] = None

    def splits(self, file: File) -> list[Split]:
        """Return the file: only a reader from its start knows which line ends are quoted."""
        return [Split(file.path)] if file.size else []

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the caption of each row."""
        fields = FieldMap.of(self.config)
        columns: list[str] | None = None
        with (
            open_decompressed(split.path) as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
        ):
            reader = csv.reader(text, strict=True)
            while True:
                origin = f"{split.path}:{reader.line_num + 1}"
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    yield Reject(origin, "malformed_record", str(error))
                    continue
                if row is None:
                    return
                if columns is None:
                    columns = row or None
                elif row:
                    yield from _row_records(fields, columns, row, origin)


@dataclass(frozen=True)
class Tsv:
    """One row a line, cells between tabs, no quoting. Origins are ``path@OFFSET``, where the line starts."""

    config: InputConfig
    split_bytes: int = SPLIT_BYTES

    mapped: ClassVar[bool] = True
    compressed: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str] | None] = None

    def splits(self, file: File) -> list[Split]:
        """Return byte ranges."""
        return line_splits(file, split_bytes=self.split_bytes)

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the caption of each row; the header is read again in every split."""
        fields = FieldMap.of(self.config)
        header, columns = next(((start, _cells(line)) for start, line in lines(Split(split.path))), (0, []))
        for offset, line in lines(split):
            if offset != header:
                yield from _row_records(fields, columns, _cells(line), f"{split.path}@{offset}")


def _cells(line: bytes) -> list[str]:
    return line.decode("utf-8", "surrogateescape").split("\t")


def _row_records(fields: FieldMap, columns: list[str], row: list[str], origin: str) -> list[Record | Reject]:
    """Return what one row holds; columns that it does not reach are absent."""
    for cells, where in ((row, ""), (columns, "in the header: ")):
        joined = "".join(cells)
        if not joined.isascii() and not is_unicode(joined):
            return [Reject(origin, "bad_encoding", f"not UTF-8: {where}{shown(joined)}")]
    if len(row) > len(columns):
        detail = f"{len(row)} cells under a header of {len(columns)}: {shown(row[-1])}"
        return [Reject(origin, "malformed_record", detail)]
    return fields.records(dict(zip(columns, row, strict=False)), origin)
