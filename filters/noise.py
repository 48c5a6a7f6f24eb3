"""Noise with ground truth: clean pairs of which an exact share is spoilt, each in a known way."""

import functools
import hashlib
import random
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from filters.corpus import Corpus, Embed, NoiseError, Row, folded
from filters.noise_kinds import KINDS, Kind

__all__ = ["KINDS", "Embed", "Kind", "NoiseError", "plant"]

_BLOCK: Final = 256
"""Rows that are tried at once; near_miss holds this many rows of similarities to every source."""


def plant(
    pairs: pa.Table,
    *,
    language: str,
    ratio: float,
    kinds: Sequence[str],
    seed: int,
    embed: Embed | None = None,
    others: Sequence[str | None] = (),
) -> pa.Table:
    """Return ``pairs`` with noise in exactly round(``ratio`` × rows) of them, shared evenly among the ``kinds``.

    ``pairs`` has string columns ``source`` and ``target``, which is in ``language`` (BCP-47), and any others,
    which stay; with a string column ``item``, no other caption of a row's own item is taken for noise. The rows
    keep their order and get ``noise`` bool, ``noise_kind`` string (a name in `KINDS`; null where clean) and
    ``clean_target`` string. A kind that cannot be planted in enough rows leaves its share to the rest. Every noisy
    target differs from the clean one in letters or digits.

    ``embed`` is what ``near_miss`` finds similar sources by; ``others``, the rows in another language of
    similar script (None where a row is in none), is what ``wrong_language`` takes.

    The same rows and seed give the same noise on any machine, in whatever order the rows come; of rows equal
    in source and target the first are taken. Raises `NoiseError` where so many rows cannot be made noisy.
    """
    wanted = _wanted(pairs, ratio=ratio, kinds=kinds, embed=embed, others=others)
    sources, targets = pairs["source"].to_pylist(), pairs["target"].to_pylist()
    aligned = others or [None] * pairs.num_rows
    items = pairs["item"].to_pylist() if "item" in pairs.column_names else [None] * pairs.num_rows
    rows = [Row(*row) for row in zip(sources, targets, aligned, items, strict=True)]
    corpus = Corpus(rows, language, embed)
    noisy = _share(wanted, [_Supply(KINDS[name], corpus, rows, seed) for name in dict.fromkeys(kinds)])
    if len(noisy) < wanted:
        suited = ", ".join(dict.fromkeys(kinds)) or "no kind at all"
        raise NoiseError(f"{wanted} of {len(rows)} rows are to be noisy, but only {len(noisy)} suit {suited}")
    planted = [noisy[i][1] if i in noisy else target for i, target in enumerate(targets)]
    labels = [noisy[i][0] if i in noisy else None for i in range(len(rows))]
    string = pairs.schema.field("target").type
    return (
        pairs.set_column(pairs.schema.get_field_index("target"), "target", pa.array(planted, string))
        .append_column("noise", pa.array([i in noisy for i in range(len(rows))], pa.bool_()))
        .append_column("noise_kind", pa.array(labels, pa.string()))
        .append_column("clean_target", pa.array(targets, string))
    )


def _wanted(
    pairs: pa.Table, *, ratio: float, kinds: Sequence[str], embed: Embed | None, others: Sequence[str | None]
) -> int:
    """Return how many rows are to be noisy; raises `NoiseError` for arguments that make no sense."""
    for name in kinds:
        if name not in KINDS:
            raise NoiseError(f"unknown kind of noise {name!r}; known: {', '.join(KINDS)}")
    if not 0 <= ratio <= 1:
        raise NoiseError(f"ratio: {ratio!r} is not between 0 and 1")
    for column in ("source", "target"):
        if column not in pairs.column_names:
            raise NoiseError(f"no column {column!r}; there are {', '.join(pairs.column_names)}")
        if pairs[column].null_count:
            raise NoiseError(f"column {column!r} has {pairs[column].null_count} nulls; a clean pair has none")
    for column in ("noise", "noise_kind", "clean_target"):
        if column in pairs.column_names:
            raise NoiseError(f"column {column!r} is there already: is there noise in these pairs?")
    if others and len(others) != pairs.num_rows:
        raise NoiseError(f"others: {len(others)} texts for {pairs.num_rows} rows")
    if "near_miss" in kinds and embed is None:
        raise NoiseError("near_miss needs embed, to find the most similar caption")
    if "wrong_language" in kinds and not any(others):
        raise NoiseError("wrong_language needs others, texts in another language")
    return round(ratio * pairs.num_rows)


def _share(wanted: int, supplies: Sequence["_Supply"]) -> dict[int, tuple[str, str]]:
    """Return row → name of its kind and noisy target, for ``wanted`` rows or as many as there can be.

    The kinds that suit the fewest rows come first: what they leave of their share is still the others'.
    """
    noisy: dict[int, tuple[str, str]] = {}
    supplies = sorted(supplies, key=lambda supply: supply.plenty)
    while supplies and len(noisy) < wanted:
        left = []
        for i, supply in enumerate(supplies):
            for _ in range((wanted - len(noisy)) // (len(supplies) - i)):
                found = supply.take(noisy)
                if found is None:
                    break
                noisy[found[0]] = (supply.name, found[1])
            else:
                left.append(supply)
        supplies = left
    return noisy


class _Supply:
    """The rows that suit one kind, in an order drawn from their contents, found when they are asked for."""

    def __init__(self, kind: Kind, corpus: Corpus, rows: Sequence[Row], seed: int) -> None:
        self.name: Final = kind.name
        self._kind: Final = kind
        self._corpus: Final = corpus
        self._rows: Final = rows
        self._drawn: Final = [_digest(str(seed), kind.name, row.source, row.target) for row in rows]
        # Rows of the same texts come in the order of their third, which wrong_language takes.
        self._order: Final = sorted(range(len(rows)), key=lambda i: (self._drawn[i], rows[i].other or "", i))
        self._tried = 0
        self._ready: Final[deque[tuple[int, str]]] = deque()

    @functools.cached_property
    def plenty(self) -> int:
        """How many of the first rows suit the kind."""
        self._try({})
        return len(self._ready)

    def take(self, taken: Mapping[int, object]) -> tuple[int, str] | None:
        """Return the next row that is not ``taken``, with its noisy target; None when there is none left."""
        while self._ready or self._tried < len(self._order):
            while self._ready:
                row, target = self._ready.popleft()
                if row not in taken:
                    return row, target
            self._try(taken)
        return None

    def _try(self, taken: Mapping[int, object]) -> None:
        block = [i for i in self._order[self._tried : self._tried + _BLOCK] if i not in taken]
        self._tried += _BLOCK
        draws = [random.Random(self._drawn[i]) for i in block]  # noqa: S311 (noise is no secret)
        made = self._kind.make(self._corpus, [self._rows[i] for i in block], draws)
        for i, target in zip(block, made, strict=True):
            if target is not None and folded(target) != folded(self._rows[i].target):
                self._ready.append((i, target))


def _digest(*parts: str) -> int:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return int.from_bytes(digest.digest(), "big")
