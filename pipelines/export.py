"""What every export begins with: the kept pairs of a finished run, streamed; and the two plainest files of them."""

import contextlib
import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Final, cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from pipelines import files
from pipelines.config import Config, ConfigError
from pipelines.judging import PAIRS
from pipelines.run import Run
from pipelines.runner import RunFailed
from shards.manifest import Manifest, ManifestError, Shard, read_manifest
from shards.sample import DECIMALS
from translate.languages import LanguageError, parse_language

ROW_GROUP: Final = 10_000
"""Rows that are read, and written as one row group, at once."""

_FIRST: Final = ("key", "n", "split", "language", "source", "target", "back", "weight")
_NOT_EXPORTED: Final = ("text_id", "keep", "reasons")
"""Says nothing of a kept pair to who has no ledger."""

EXPORTED: Final = pa.schema(
    [
        *(PAIRS.field(name) for name in _FIRST),
        *(field for field in PAIRS if field.name not in (*_FIRST, *_NOT_EXPORTED)),
    ]
)
"""A row of an export: where the pair stands, its texts, its weight and every score."""


@dataclass(frozen=True)
class Wanted:
    """Which of the kept pairs are exported, as the command says it."""

    languages: tuple[str, ...] = ()
    """Any code or name; none named: all of the run."""
    splits: tuple[str, ...] = ()
    """None named: all of the run."""
    min_weight: float = 0.0


@dataclass(frozen=True)
class Finished:
    """A finished run."""

    run: Run
    manifest: Manifest
    config: Config

    @property
    def splits(self) -> list[str]:
        """The splits that have shards, in the order of their names."""
        return sorted({shard.split for shard in self.manifest.shards})


@dataclass(frozen=True)
class Selection:
    """The kept pairs of a finished run in some languages and splits."""

    of: Finished
    languages: tuple[str, ...]
    """BCP-47, in the order of the run."""
    splits: tuple[str, ...]
    min_weight: float

    @property
    def shards(self) -> list[Shard]:
        """The run's shards of these splits, by split, then by name."""
        chosen = [shard for shard in self.of.manifest.shards if shard.split in self.splits]
        return sorted(chosen, key=lambda shard: (shard.split, shard.name))

    def pairs(self, shard: Shard, columns: Sequence[str] = EXPORTED.names) -> Iterator[pa.Table]:
        """Yield ``columns`` of the pairs of ``shard``, in the order of the run: by key, caption and language."""
        path = files.join(self.of.run.pairs, f"{PurePosixPath(shard.name).stem}.parquet")
        needed = list(dict.fromkeys([*columns, "language", "keep", "weight"]))
        languages = pa.array(self.languages, pa.string())
        try:
            with files.open_raw(path) as source:
                for batch in files.parquet_file(source).iter_batches(ROW_GROUP, columns=needed, use_threads=False):
                    rows = pa.Table.from_batches([batch])
                    heavy = pc.greater_equal(rows["weight"], pa.scalar(self.min_weight, pa.float32()))
                    chosen = pc.and_(pc.and_(rows["keep"], heavy), pc.is_in(rows["language"], value_set=languages))
                    yield _with(rows.filter(chosen), columns)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise RunFailed(f"{path} cannot be read ({error}): captionloom verify says what else is wrong") from error

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield all pairs as `EXPORTED`, a row group at a time."""
        return regrouped((table for shard in self.shards for table in self.pairs(shard)), ROW_GROUP)


def _with(pairs: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return ``columns`` of ``pairs``; null for a score that the captionloom of the run did not know yet."""
    schema = pa.schema([EXPORTED.field(name) for name in columns])
    unknown = {field.name for field in schema} - {*_FIRST, *pairs.column_names}
    return pa.table(
        [pa.nulls(len(pairs), field.type) if field.name in unknown else pairs[field.name] for field in schema],
        schema=schema,
    )


def finished(run: Run, problems: list[str]) -> Finished | None:
    """Return the finished run in ``run``; None, with the problem added, where there is none."""
    if not files.exists(run.manifest):
        problems.append(f"{run.root} holds no finished run ({run.manifest} is not there): build it to the end first")
        return None
    try:
        manifest = read_manifest(files.read_bytes(run.manifest))
        config = Config.model_validate(yaml.safe_load(files.read_bytes(run.config)))
    except (ManifestError, OSError, ValueError, yaml.YAMLError) as error:
        problems.append(f"{run.root} holds no run that can be read: {' '.join(str(error).split())}")
        return None
    return Finished(run, manifest, config)


def select(run: Run, wanted: Wanted, problems: list[str]) -> Selection | None:
    """Return what ``wanted`` says of ``run``; adds all that is wrong to ``problems``; None without a finished run."""
    found = finished(run, problems)
    if found is None:
        return None
    asked = []
    for code in wanted.languages:
        try:
            asked.append(parse_language(code).code)
        except LanguageError as error:
            problems.append(f"--language: {error}")
    has = list(found.manifest.languages)
    if unknown := sorted(set(asked) - set(has)):
        problems.append(f"--language: {run.root} has no {', '.join(unknown)}; it has {', '.join(has)}")
    if strange := sorted(set(wanted.splits) - set(found.splits)):
        problems.append(f"--split: {run.root} has no split {', '.join(strange)}; it has {', '.join(found.splits)}")
    if not 0 <= wanted.min_weight <= 1:
        problems.append(f"--min-weight: {wanted.min_weight:g} is not between 0 and 1")
    return Selection(
        found,
        tuple(code for code in has if not wanted.languages or code in asked),
        tuple(split for split in found.splits if not wanted.splits or split in wanted.splits),
        wanted.min_weight,
    )


def export_parquet(run: Run, out: str, wanted: Wanted, *, overwrite: bool) -> int:
    """Write the kept pairs to the Parquet file ``out`` as `EXPORTED`; return how many.

    Raises `ConfigError` with all that is wrong, before anything is written.
    """
    selection = _selected_for_file(run, out, wanted, suffixes=(".parquet",), overwrite=overwrite)
    rows = 0
    with files.written_whole(out) as sink, pq.ParquetWriter(sink, EXPORTED, compression="zstd") as writer:
        for table in selection:
            writer.write_table(table)
            rows += table.num_rows
    return rows


def export_jsonl(run: Run, out: str, wanted: Wanted, *, overwrite: bool) -> int:
    """Write the kept pairs to ``out`` (``.jsonl``, or ``.jsonl.gz``), one JSON object a line; return how many.

    The fields are those of `EXPORTED`, numbers rounded as in a sample. Raises `ConfigError` with all that is wrong,
    before anything is written.
    """
    selection = _selected_for_file(run, out, wanted, suffixes=(".jsonl", ".jsonl.gz"), overwrite=overwrite)
    rows = 0
    with files.written_whole(out) as sink, _compressed(sink, out) as lines:
        for table in selection:
            lines.write(json_lines(table))
            rows += table.num_rows
    return rows


def json_lines(table: pa.Table) -> bytes:
    """Return the rows of ``table`` as JSON lines."""
    columns = [_rounded(table[name]).to_pylist() for name in table.column_names]
    names = table.column_names
    options = orjson.OPT_APPEND_NEWLINE
    rows = zip(*columns, strict=True)
    return b"".join(orjson.dumps(dict(zip(names, row, strict=True)), option=options) for row in rows)


def _rounded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(column.type):
        return pc.round(column.cast(pa.float64()), ndigits=DECIMALS)
    return column


@contextlib.contextmanager
def _compressed(sink: BinaryIO, out: str) -> Iterator[BinaryIO]:
    if not out.endswith(".gz"):
        yield sink
        return
    # Without name and time the same pairs give the same bytes.
    with gzip.GzipFile(filename="", fileobj=sink, mode="wb", mtime=0) as compressed:
        yield cast("BinaryIO", compressed)


def _selected_for_file(run: Run, out: str, wanted: Wanted, *, suffixes: Sequence[str], overwrite: bool) -> Selection:
    """Return what is to be written to the file ``out``; raises `ConfigError` with all that is wrong."""
    problems: list[str] = []
    selection = select(run, wanted, problems)
    if not out.endswith(tuple(suffixes)):
        problems.append(f"--out {out}: its name has to end in {' or '.join(suffixes)}")
    elif not overwrite and files.exists(out):
        problems.append(f"--out {out} is there already: give another, or add --overwrite to replace it")
    if selection is None or problems:
        raise ConfigError(problems)
    return selection


def regrouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the rows of ``tables``, all of one schema, in tables of ``rows``, the last one smaller; none empty."""
    held: list[pa.Table] = []
    waiting = 0
    for table in tables:
        held.append(table)
        waiting += table.num_rows
        while waiting >= rows:
            joined = pa.concat_tables(held)
            yield joined.slice(0, rows).combine_chunks()
            held, waiting = [joined.slice(rows)], waiting - rows
    if waiting:
        yield pa.concat_tables(held).combine_chunks()
