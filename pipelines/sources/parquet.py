"""Parquet: a row an item, with a column of captions or of lists of captions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.config import ConfigError, InputConfig
from pipelines.files import File, open_raw, parquet_file
from pipelines.sources.fields import FieldMap
from pipelines.sources.media import template_names
from pipelines.sources.record import SPLIT_BYTES, Record, Reject, Split

_ROWS: Final = 4096
"""Rows decoded at a time."""


@dataclass(frozen=True)
class Parquet:
    """Splits count row groups. Origins are ``path#ROW``, the row's index in the file from 0."""

    config: InputConfig
    split_bytes: int = SPLIT_BYTES

    mapped: ClassVar[bool] = True
    compressed: ClassVar[bool] = False
    template_fields: ClassVar[frozenset[str] | None] = None

    def splits(self, file: File) -> list[Split]:
        """Return runs of row groups of about ``split_bytes``; `ConfigError` where it is no Parquet."""
        with open_raw(file.path) as stream:
            try:
                footer = parquet_file(stream).metadata
            except pa.ArrowInvalid as error:
                raise ConfigError([f"input.path: {file.path} is not a Parquet file: {error}"]) from None
            sizes = [_compressed_bytes(footer.row_group(group)) for group in range(footer.num_row_groups)]
        splits, start, filled = [], 0, 0
        for group, size in enumerate(sizes):
            filled += size
            if filled >= self.split_bytes or group == len(sizes) - 1:
                splits.append(Split(file.path, start, group + 1))
                start, filled = group + 1, 0
        return splits

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the captions of each row; only the columns that are needed are read, a batch at a time."""
        fields = FieldMap.of(self.config)
        with open_raw(split.path) as stream:
            file = parquet_file(stream)
            wanted = {*fields.names, *template_names(self.config)}
            columns = [name for name in file.schema_arrow.names if name in wanted]
            row = sum(file.metadata.row_group(group).num_rows for group in range(split.start))
            groups = range(split.start, file.num_row_groups if split.end is None else split.end)
            batches = file.iter_batches(_ROWS, row_groups=list(groups), columns=columns, use_threads=False)
            for batch in batches:
                for values in _rows(batch):
                    origin = f"{split.path}#{row}"
                    if values is None:
                        yield Reject(origin, "bad_encoding", "a string in this row is not UTF-8")
                    else:
                        yield from fields.records(values, origin)
                    row += 1


def _compressed_bytes(group: pq.RowGroupMetaData) -> int:
    return sum(group.column(index).total_compressed_size for index in range(group.num_columns))


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, object] | None]:
    """Yield each row of ``batch``; None for one that holds a string which is not UTF-8."""
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield batch.slice(index, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield None
    else:
        yield from rows
