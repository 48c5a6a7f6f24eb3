"""The files of ``input.exclude``: keys and captions of evaluation sets, of whatever format, as one table."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.captions import normalise
from pipelines.config import ConfigError, EvaluationFormat, EvaluationInput, ExcludeConfig, InputConfig
from pipelines.exclusion import near
from pipelines.exclusion.forms import canonical_keys, folded
from pipelines.files import File
from pipelines.sources import find_files, open_source
from pipelines.sources.record import Reject, Split, shown
from pipelines.sources.streams import BROKEN_STREAM, lines

EVALUATION: Final = pa.schema(
    [
        pa.field("evaluation_set", pa.string(), nullable=False),
        pa.field("is_key", pa.bool_(), nullable=False),  # a caption otherwise
        pa.field("given", pa.string(), nullable=False),  # as its file has it
        pa.field("compared", pa.string(), nullable=False),  # in the form of `forms`
    ]
)

_BY_EXTENSION: Final[dict[str, EvaluationFormat]] = {
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".tar": "webdataset",
}


def read_evaluation(config: InputConfig) -> pa.Table:
    """Return every key and caption of the files of ``input.exclude`` as a table of `EVALUATION`, in their order.

    Raises `ConfigError` with all that is wrong: files that are not there, hold neither keys nor captions, or have a
    broken record (what is not read is not kept out), and captions without the extra that compares them.
    """
    problems: list[str] = []
    found = [EVALUATION.empty_table()]
    for i, entry in enumerate(config.exclude):
        where = f"input.exclude[{i}]"
        try:
            table = _read(entry)
        except ConfigError as error:
            problems += [
                f"{where}: {problem.removeprefix('input.path: ').removeprefix('input.')}" for problem in error.problems
            ]
            continue
        except OSError as error:
            problems.append(f"{where}: {entry.path}: {error.strerror or error}")
            continue
        if not table.num_rows:
            problems.append(f"{where}: {entry.path} holds neither keys nor captions")
        found.append(table)
    evaluation = pa.concat_tables(found).combine_chunks()
    if not pc.all(evaluation["is_key"], min_count=0).as_py() and not near.available():
        problems.append("input.exclude: comparing captions needs datasketch: pip install 'captionloom[exclude]'")
    if problems:
        raise ConfigError(problems)
    return evaluation


def _read(entry: ExcludeConfig) -> pa.Table:
    keys: list[str] = []
    captions: list[str] = []
    for file, is_key, text in _items(entry):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ConfigError([f"{file}: not UTF-8: {shown(text)}"]) from None
        (keys if is_key else captions).append(text)
    tables = []
    for is_key, values, form in ((True, keys, canonical_keys), (False, captions, folded)):
        given = normalise(pa.array(values, pa.string()))
        compared = form(given)
        same = [pa.repeat(pa.scalar(value), len(values)) for value in (entry.set_name, is_key)]
        table = pa.table([*same, given, compared], schema=EVALUATION)
        tables.append(table.filter(pc.not_equal(table["compared"], "")))
    return pa.concat_tables(tables)


def _items(entry: ExcludeConfig) -> Iterator[tuple[str, bool, str]]:
    """Yield (file, whether it is a key, key or caption); raises `ConfigError` at the first broken record."""
    name = entry.format or _format_by_extension(entry.path)
    plain = name == "txt"
    config = EvaluationInput(format="jsonl" if name == "txt" else name, path=entry.path, fields=entry.fields)
    if plain and entry.fields:
        raise ConfigError(["fields: txt has none: leave them out"])
    source = open_source(config)
    for file in find_files(config):
        if plain:
            yield from _lines(file)
            continue
        before = None
        try:
            for item in (item for split in source.splits(file) for item in source.records(split)):
                if item.key and item.key != before:
                    before = item.key
                    yield file.path, True, item.key
                if not isinstance(item, Reject):
                    yield file.path, False, item.text
                elif not (item.key and item.reason == "missing_field"):
                    raise ConfigError([f"{item.origin}: {item.reason}: {item.detail}"])
        except BROKEN_STREAM as error:
            raise ConfigError([f"{file.path}: the compressed stream breaks off: {error}"]) from None


def _format_by_extension(path: str) -> EvaluationFormat:
    suffixes = PurePosixPath(path.lower().removesuffix(".gz")).suffixes
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in _BY_EXTENSION:
        told = ", ".join(_BY_EXTENSION)
        raise ConfigError([f"{path}: its name does not tell its format ({told} do): give format"])
    return _BY_EXTENSION[suffix]


def _lines(file: File) -> Iterator[tuple[str, bool, str]]:
    """Yield the lines of ``file``: a key where there is no space in it, or else a caption."""
    try:
        for _, line in lines(Split(file.path)):
            text = line.decode("utf-8", "surrogateescape").strip()
            if text:
                yield file.path, len(text.split()) == 1, text
    except BROKEN_STREAM as error:
        raise ConfigError([f"{file.path}: the compressed stream breaks off: {error}"]) from None
