"""Parallel text that somebody else made: files of (source, target) pairs, or the kept pairs of a run, as one table.

A record that is no pair is rejected with its origin and reason, as in a run.
"""

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import files
from pipelines.config import ConfigError
from pipelines.run import Run

FORMATS: Final = (".tsv", ".csv", ".jsonl", ".parquet")
"""What a file's name ends in, ``.gz`` behind it or not."""

COLUMNS: Final = ("source", "target")

PAIRS: Final = pa.schema([pa.field(name, pa.string(), nullable=False) for name in (*COLUMNS, "origin")])


@dataclass(frozen=True)
class Reject:
    """A record that is no pair."""

    origin: str
    """``file:line``, or ``file:row`` of a Parquet file, from 1."""
    reason: str
    """``bad_encoding``, ``malformed_record``, ``missing_field`` or ``empty_text``."""


@dataclass(frozen=True)
class Parallel:
    """What `read_parallel` found."""

    pairs: pa.Table
    """`PAIRS`: both texts without spaces around them, and where they stand; of a run with ``item``, the key."""
    rejects: list[Reject] = field(default_factory=list)


def read_parallel(paths: Sequence[str], *, language: str, columns: Sequence[str] = COLUMNS) -> Parallel:
    """Return the pairs in ``paths``: one file or run directory, or two files, line-aligned.

    A TSV has the source first and the target second, unless its first line has the names in ``columns``; CSV (with a
    header), JSON lines and Parquet have columns of these names. A run directory gives its kept pairs in ``language``.
    Raises `ConfigError` where there is nothing to read.
    """
    for name in paths:
        if not Path(name).exists():
            raise ConfigError([f"{name}: there is no such file or run directory"])
    if len(paths) == 2:
        return _collected(_aligned(Path(paths[0]), Path(paths[1])))
    if len(paths) != 1:
        raise ConfigError([f"{len(paths)} inputs: give one file or run directory, or two line-aligned files"])
    path = Path(paths[0])
    if path.is_dir():
        return Parallel(kept_pairs(Run(str(path)), language))
    suffix = _suffix(path)
    if suffix not in FORMATS:
        raise ConfigError([f"{path}: known are {', '.join(FORMATS)}, each with .gz too, and two line-aligned files"])
    readers = {".tsv": _tsv, ".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    return _collected(readers[suffix](path, columns))


def kept_pairs(run: Run, language: str) -> pa.Table:
    """Return the kept pairs of a finished run in one language, each text once; raises `ConfigError`.

    Columns are those of `PAIRS` and ``item``, the key of the text's first caption.
    """
    found = []
    for part in files.listing(run.pairs, suffix=".parquet"):
        pairs = files.read_parquet(part.path, ["key", "n", "language", "source", "target", "keep"])
        chosen = pairs.filter(pc.and_(pairs["keep"], pc.equal(pairs["language"], language)))
        origin = pc.binary_join_element_wise(chosen["key"], pc.cast(chosen["n"], pa.string()), "#")
        found.append(
            pa.table([chosen["source"], chosen["target"], origin, chosen["key"]], names=[*PAIRS.names, "item"])
        )
    if not found:
        raise ConfigError([f"{run.root} holds no pairs: run cut (or build) first"])
    table = pa.concat_tables(found)
    if not table.num_rows:
        raise ConfigError([f"{run.root} holds no kept pair in {language!r}"])
    # A text that several captions share stands there once for each of them.
    first = (
        table.append_column("row", pa.array(range(table.num_rows))).group_by(list(COLUMNS)).aggregate([("row", "min")])
    )
    return table.take(first["row_min"].combine_chunks().sort())


_Record = tuple[str, Any, Any] | Reject
"""(origin, source, target), or what is wrong."""


def _collected(records: Iterator[_Record]) -> Parallel:
    rows: list[tuple[str, str, str]] = []
    rejects: list[Reject] = []
    for record in records:
        if isinstance(record, Reject):
            rejects.append(record)
            continue
        origin, *texts = record
        if not all(isinstance(text, str) for text in texts):
            rejects.append(Reject(origin, "missing_field"))
            continue
        source, target = (text.strip() for text in texts)
        if source and target:
            rows.append((source, target, origin))
        else:
            rejects.append(Reject(origin, "empty_text"))
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    return Parallel(pa.table([pa.array(column, pa.string()) for column in columns], schema=PAIRS), rejects)


def _aligned(source: Path, target: Path) -> Iterator[_Record]:
    ones, others = list(lines(source)), list(lines(target))
    if len(ones) != len(others):
        raise ConfigError([f"{source} has {len(ones):,} lines and {target} {len(others):,}: they are not aligned"])
    for (origin, one), (_, other) in zip(ones, others, strict=True):
        yield Reject(origin, "bad_encoding") if one is None or other is None else (origin, one, other)


def _tsv(path: Path, columns: Sequence[str]) -> Iterator[_Record]:
    places = [0, 1]
    for i, (origin, line) in enumerate(lines(path)):
        if line is None:
            yield Reject(origin, "bad_encoding")
            continue
        cells = line.split("\t")
        if i == 0 and set(columns) <= set(cells):
            places = [cells.index(name) for name in columns]
        elif len(cells) > max(places):
            yield origin, cells[places[0]], cells[places[1]]
        else:
            yield Reject(origin, "malformed_record")


def _csv(path: Path, columns: Sequence[str]) -> Iterator[_Record]:
    with opened(path) as content:
        reader = csv.DictReader(line.decode("utf-8", "replace") for line in content)
        for name in columns:
            if name not in (reader.fieldnames or ()):
                raise ConfigError([f"{path} has no column {name!r}; there are {', '.join(reader.fieldnames or ())}"])
        for row in reader:
            origin = f"{path}:{reader.line_num}"
            texts = [row[name] for name in columns]
            bad = any("\ufffd" in text for text in texts if text)
            yield Reject(origin, "bad_encoding") if bad else (origin, texts[0], texts[1])


def _jsonl(path: Path, columns: Sequence[str]) -> Iterator[_Record]:
    for origin, line in lines(path):
        if line is None:
            yield Reject(origin, "bad_encoding")
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            yield origin, record.get(columns[0]), record.get(columns[1])
        else:
            yield Reject(origin, "malformed_record")


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[_Record]:
    try:
        content = pq.ParquetFile(path)
        names = content.schema_arrow.names
        for name in columns:
            if name not in names:
                raise ConfigError([f"{path} has no column {name!r}; there are {', '.join(names)}"])
        row = 0
        for batch in content.iter_batches(columns=list(columns), use_threads=False):
            for source, target in zip(batch[columns[0]].to_pylist(), batch[columns[1]].to_pylist(), strict=True):
                row += 1
                yield f"{path}:{row}", source, target
    except pa.ArrowInvalid as error:
        raise ConfigError([f"{path} is no Parquet file: {error}"]) from error


def lines(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the origin and the text of each line; None where its bytes are not UTF-8."""
    with opened(path) as content:
        for i, line in enumerate(content, 1):
            try:
                yield f"{path}:{i}", line.decode("utf-8-sig" if i == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                yield f"{path}:{i}", None


def opened(path: Path) -> Any:
    """Open the bytes of ``path``, unpacked where its name ends in ``.gz``."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
