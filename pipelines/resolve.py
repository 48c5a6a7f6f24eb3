"""The captions of one shard made unambiguous: one media item and one split a key, one text a caption index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.captions import REJECTS
from pipelines.media import Media


class CaptionRow(NamedTuple):
    """One caption, as ingest left it; ``n`` is None where the source numbers nothing."""

    key: str
    n: int | None
    text_id: bytes
    text: str
    media: Media | None
    split: str
    origin: str


@dataclass(frozen=True)
class Reject:
    """One caption that cannot be used, and why."""

    row: CaptionRow
    reason: str
    detail: str


def in_order(captions: pa.Table) -> pa.Table:
    """Return a caption table by key and then by what does not depend on the input's order, unnumbered ones last."""
    return captions.sort_by([(name, "ascending") for name in ("key", "n", "text", "origin")]).combine_chunks()


def caption_rows(captions: pa.Table) -> list[CaptionRow]:
    """Return the rows of a caption table that is `in_order`; captions of one media item share one `Media`."""
    parts = [pc.struct_field(captions["media"], name).to_pylist() for name in Media._fields]
    known: dict[tuple[Any, ...], Media | None] = {}
    media = [
        known[one] if one in known else known.setdefault(one, None if one[0] is None else Media(*one))
        for one in zip(*parts, strict=True)
    ]
    columns = [captions[name].to_pylist() for name in ("key", "n", "text_id", "text", "split", "origin")]
    return [
        CaptionRow(key, n, text_id, text, of_it, split, origin)
        for key, n, text_id, text, split, origin, of_it in zip(*columns, media, strict=True)
    ]


def resolve(rows: Sequence[CaptionRow], *, split: str) -> tuple[list[CaptionRow], list[Reject]]:
    """Return (usable captions, each with its number; rejects) of ``rows`` in the order of `in_order`.

    What is kept does not depend on the order of the input: of several media items the first by address, of several
    texts with one number the first by text. Captions without a number get those after the highest given one, in the
    order of their texts.
    """
    usable: list[CaptionRow] = []
    rejects: list[Reject] = []
    for _, group in groupby(rows, key=lambda row: row.key):
        for found in _resolve_key(list(group), split):
            (usable if isinstance(found, CaptionRow) else rejects).append(found)  # type: ignore[arg-type]
    return usable, rejects


def _resolve_key(rows: list[CaptionRow], split: str) -> Iterator[CaptionRow | Reject]:
    here = [row for row in rows if row.split == split]
    media = min((row.media for row in here if row.media), key=_address, default=None)
    next_n = 1 + max((row.n for row in here if row.n is not None), default=-1)
    numbers: set[int] = set()
    unnumbered: set[str] = set()
    for row in rows:
        if row.split != split:
            yield Reject(row, "conflicting_split", f"split {row.split!r}, but the key is in {split!r} too")
        elif row.media != media:
            yield Reject(row, "conflicting_media", f"{_uri(row.media)}, not {_uri(media)}")
        elif row.n is not None:
            if row.n in numbers:
                yield Reject(row, "duplicate_caption", f"caption {row.n} of this key is there already")
            else:
                numbers.add(row.n)
                yield row
        elif row.text in unnumbered:
            yield Reject(row, "duplicate_caption", "this key has the same caption already")
        else:
            unnumbered.add(row.text)
            yield row._replace(n=next_n + len(unnumbered) - 1)


def _address(media: Media) -> tuple[str, int, int, str]:
    offset, size = (-1 if number is None else number for number in (media.offset, media.size))
    return media.uri, offset, size, media.ext


def _uri(media: Media | None) -> str:
    return media.uri if media else "no media"


def reject_table(rejects: Sequence[Reject]) -> pa.Table:
    """Return ``rejects`` as a table of `REJECTS`."""
    columns = [
        [reject.row.origin for reject in rejects],
        [reject.reason for reject in rejects],
        [reject.detail for reject in rejects],
        [reject.row.key for reject in rejects],
        [reject.row.n for reject in rejects],
        [None] * len(rejects),
        [None] * len(rejects),
    ]
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, REJECTS, strict=True)], schema=REJECTS
    )
