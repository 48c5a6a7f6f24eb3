"""Reading small files through the public functions, as the pipelines do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.captions import CAPTIONS, REJECTS
from pipelines.config import InputConfig
from pipelines.sources import find_files, open_source, read_tables


@dataclass(frozen=True)
class Tables:
    """Everything that was read, in order."""

    captions: pa.Table
    rejects: pa.Table

    @property
    def rows(self) -> list[tuple[str, int | None, str, str, str]]:
        """(key, n, text, split, origin) of each caption; the origin without the folder."""
        names = ("key", "n", "text", "split", "origin")
        columns = [self.captions[name].to_pylist() for name in names]
        return [(*row[:4], Path(row[4]).name) for row in zip(*columns, strict=True)]

    @property
    def texts(self) -> list[str]:
        return self.captions["text"].to_pylist()

    @property
    def refused(self) -> list[tuple[str, str, str | None, int | None]]:
        """(origin without the folder, reason, key, n) of each reject."""
        names = ("origin", "reason", "key", "n")
        columns = [self.rejects[name].to_pylist() for name in names]
        return [(Path(row[0]).name, *row[1:]) for row in zip(*columns, strict=True)]

    @property
    def details(self) -> list[str]:
        return self.rejects["detail"].to_pylist()

    @property
    def media(self) -> list[Any]:
        return self.captions["media"].to_pylist()


Reader = Callable[..., Tables]


@pytest.fixture(scope="session")
def read() -> Reader:
    """Return a function that reads ``path`` (a pattern) with the given settings of the input."""

    def read_all(path: Path | str, *, rows: int = 20_000, **settings: Any) -> Tables:
        config = InputConfig(path=str(path), **settings)
        source = open_source(config)
        pairs = [
            pair
            for file in find_files(config)
            for split in source.splits(file)
            for pair in read_tables(config, split, rows=rows)
        ]
        captions = pa.concat_tables([CAPTIONS.empty_table(), *(pair[0] for pair in pairs)])
        rejects = pa.concat_tables([REJECTS.empty_table(), *(pair[1] for pair in pairs)])
        return Tables(captions, rejects)

    return read_all
