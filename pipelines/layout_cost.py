"""What layout ``pair`` costs: it writes a media file for each caption and language, where ``item`` writes it once."""

from collections.abc import Iterator
from typing import Final

from pipelines import files
from pipelines.config import Config
from pipelines.ingest import Ingested
from pipelines.media import Media
from pipelines.run import Run

_LOOKED_AT: Final = 1000
"""Captions whose media's sizes are looked up, evenly among all."""

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def layout_cost(run: Run, config: Config, ingested: Ingested) -> str:
    """Say what layout ``pair`` writes at most, in copies and in bytes, for the captions that ingest left in ``run``.

    At most, since dropped pairs are no samples. The bytes are an estimate from `_LOOKED_AT` captions; of files on other
    machines no size is known.
    """
    parts = [part.path for part in files.listing(run.captions)]
    rows = [_rows(path) for path in parts]
    languages = len(config.languages)
    each = languages + config.shards.source_pairs
    what = f"{_number(languages, 'language')}{', and the source' if config.shards.source_pairs else ''}"
    most = f"layout pair: up to {_number(each, 'sample')} a caption ({what})"
    sizes = list(_sizes(parts, rows))
    if not sizes:
        return f"{most}; there are no media to be repeated"
    copies = each * sum(rows) / max(1, sum(ingested.keys.values()))
    said = f"{most}, so a media file is written up to {copies:.1f} times"
    known = [size for size in sizes if size is not None]
    if not known:
        return f"{said}; how large they are is not known here"
    total = each * sum(rows) * sum(known) / len(known)
    return f"{said}: about {_shown(total)} of media at most, instead of {_shown(total / copies)} in layout item"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _rows(path: str) -> int:
    with files.open_raw(path) as source:
        return int(files.parquet_file(source).metadata.num_rows)


def _sizes(parts: list[str], rows: list[int]) -> Iterator[int | None]:
    """Yield the size of the media of every so-many-th caption that has any; None where it is not known."""
    step = max(1, sum(rows) // _LOOKED_AT)
    first = 0
    for path, count in zip(parts, rows, strict=True):
        chosen = list(range(-first % step, count, step))
        first += count
        for found in files.read_parquet(path, ["media"])["media"].take(chosen).to_pylist() if chosen else ():
            if found is not None and found["uri"] is not None:
                media = Media(**found)
                state = media.state()
                yield media.size if media.size is not None else state and state[0]


def _shown(size: float) -> str:
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}"
