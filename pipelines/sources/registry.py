"""Which class reads which format, and which files there are to read."""

import os
from collections.abc import Callable
from typing import Final

from pipelines.config import ConfigError, InputConfig
from pipelines.files import File, find, is_local
from pipelines.sources.coco import Coco
from pipelines.sources.delimited import Csv, Tsv
from pipelines.sources.flickr import Flickr
from pipelines.sources.jsonl import JsonLines
from pipelines.sources.karpathy import Karpathy
from pipelines.sources.media import MediaTemplate
from pipelines.sources.msrvtt import MsrVtt
from pipelines.sources.parquet import Parquet
from pipelines.sources.record import Source, is_unicode
from pipelines.sources.vatex import Vatex
from pipelines.sources.webdataset import WebDataset

SOURCES: Final[dict[str, Callable[[InputConfig], Source]]] = {
    "jsonl": JsonLines,
    "csv": Csv,
    "tsv": Tsv,
    "flickr": Flickr,
    "coco": Coco,
    "karpathy": Karpathy,
    "parquet": Parquet,
    "webdataset": WebDataset,
    "vatex": Vatex,
    "msrvtt": MsrVtt,
}

_OTHER_COMPRESSION: Final = (".bz2", ".xz", ".zst", ".zip", ".tgz")


def open_source(config: InputConfig) -> Source:
    """Return the source of ``config.format``; raises `ConfigError` where other settings do not go with it."""
    source = SOURCES[config.format](config)
    problems = []
    if config.fields and not source.mapped:
        problems.append(f"input.fields: {config.format} names its fields itself: leave them out")
    try:
        MediaTemplate.of(config, known=source.template_fields)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return source


def find_files(config: InputConfig) -> list[File]:
    """Return the files that ``config.paths`` match, each once, sorted by path.

    Raises `ConfigError` that names every pattern without a file, and every file that cannot be read because
    of its compression or its name.
    """
    found: dict[str, File] = {}
    problems = []
    for pattern in config.paths:
        try:
            matched = find(pattern)
        except (OSError, ValueError) as error:
            problems.append(f"input.path: cannot look for {pattern!r}: {error}")
            continue
        files = [file for file in matched if not (is_local(file.path) and os.path.isdir(file.path))]  # noqa: PTH112
        if matched and not files:
            problems.append(f"input.path: {pattern!r} is a folder: name the files in it, such as {pattern}/*")
        elif not files:
            problems.append(f"input.path: no file matches {pattern!r}")
        for file in files:
            found.setdefault(os.path.abspath(file.path) if is_local(file.path) else file.path, file)  # noqa: PTH100
    in_order = sorted(found.values(), key=lambda file: file.path)
    compressed = SOURCES[config.format](config).compressed
    for file in in_order:
        path = file.path.lower()
        if path.endswith(".gz") and not compressed:
            problems.append(f"input.path: {file.path} is compressed, and {config.format} is not read so: unpack it")
        elif path.endswith(_OTHER_COMPRESSION):
            problems.append(f"input.path: {file.path} is in an archive or compressed other than by .gz: unpack it")
        elif not is_unicode(file.path):
            problems.append(f"input.path: {file.path!r} is not a UTF-8 file name: rename it")
    if problems:
        raise ConfigError(problems)
    return in_order
