"""Which items are in an evaluation set: by key, by the same caption, or by one nearly the same."""

from enum import IntEnum
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.captions import REJECTS
from pipelines.exclusion.forms import canonical_keys, folded
from pipelines.exclusion.near import NearDuplicates
from pipelines.sources.record import shown


class Way(IntEnum):
    """How an item was found to be in an evaluation set; the lower says more."""

    KEY = 0
    CAPTION = 1
    NEAR_DUPLICATE = 2

    @property
    def label(self) -> str:
        """As rejects and audit have it."""
        return self.name.lower()


OVERLAPS: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("way", pa.int8(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),  # Jaccard; 1 for what is equal
        pa.field("row", pa.int32(), nullable=False),  # of the evaluation table
        pa.field("text", pa.string(), nullable=False),  # the item's caption that matched, empty for its key
    ]
)


class EvaluationIndex:
    """All keys and captions of the evaluation sets, looked up for a table at a time, by several threads at once."""

    def __init__(self, evaluation: pa.Table) -> None:
        is_key = evaluation["is_key"].to_numpy()
        self._keys, self._key_rows = _first_rows(evaluation["compared"], np.flatnonzero(is_key))
        self._captions, self._caption_rows = _first_rows(evaluation["compared"], np.flatnonzero(~is_key))
        self._near = NearDuplicates(self._captions.to_pylist()) if len(self._captions) else None

    def find(self, captions: pa.Table) -> pa.Table:
        """Return one row of `OVERLAPS` for each key of a caption table that is in an evaluation set: what says most."""
        return firsts(pa.concat_tables([self._by_key(captions), *self._by_caption(captions)]))

    def _by_key(self, captions: pa.Table) -> pa.Table:
        keys = captions["key"].unique()
        found = pc.index_in(canonical_keys(keys), value_set=self._keys)
        return _overlaps(keys, Way.KEY, found, self._key_rows)

    def _by_caption(self, captions: pa.Table) -> list[pa.Table]:
        if self._near is None:
            return []
        texts = captions["text"].unique()
        compared = folded(texts)
        same = pc.index_in(compared, value_set=self._captions)
        unlike = np.flatnonzero(pc.and_(pc.is_null(same), pc.not_equal(compared, "")).to_numpy(zero_copy_only=False))
        near = list(self._near.find(compared.take(pa.array(unlike)).to_pylist()))
        numbers = pa.array([None if one is None else one[0] for one in near], pa.int32())
        similarities = pa.array([None if one is None else one[1] for one in near], pa.float64())
        tables = []
        for way, of, found, similarity in (
            (Way.CAPTION, texts, same, None),
            (Way.NEAR_DUPLICATE, texts.take(pa.array(unlike)), numbers, similarities),
        ):
            known = found.is_valid()
            at = pc.index_in(captions["text"], value_set=of.filter(known)).combine_chunks()
            rows, at = captions.filter(at.is_valid()), at.drop_null()
            tables.append(
                _overlaps(
                    rows["key"].combine_chunks(),
                    way,
                    found.filter(known).take(at),
                    self._caption_rows,
                    rows["text"].combine_chunks(),
                    None if similarity is None else similarity.filter(known).take(at),
                )
            )
        return tables


def firsts(overlaps: pa.Table) -> pa.Table:
    """Return for each key the row of `OVERLAPS` that says most, by key: the order of the input changes nothing."""
    order = [("key", "ascending"), ("way", "ascending"), ("similarity", "descending")]
    table = overlaps.sort_by([*order, ("row", "ascending"), ("text", "ascending")]).combine_chunks()
    keys = table["key"].combine_chunks()
    if not len(keys):
        return table
    starts = pc.not_equal(keys[1:], keys[:-1])
    return table.filter(pa.concat_arrays([pa.array([True]), starts]))


def without_overlaps(captions: pa.Table, overlaps: pa.Table, evaluation: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return (the captions of other items, the rejects for those whose key is among ``overlaps``).

    An item is kept or rejected whole: what leaks is its picture.
    """
    at = pc.index_in(captions["key"], value_set=overlaps["key"].combine_chunks()).combine_chunks()
    leaking = captions.filter(at.is_valid())
    if not leaking.num_rows:
        return captions, REJECTS.empty_table()
    found, numbers = pc.unique(at.drop_null()), at.drop_null()
    matched = overlaps.take(found)
    theirs = evaluation.take(matched["row"].combine_chunks())
    details = pa.array(
        [
            _detail(*values)
            for values in zip(
                *(matched[name].to_pylist() for name in ("way", "similarity", "text")),
                matched["key"].to_pylist(),
                theirs["evaluation_set"].to_pylist(),
                theirs["given"].to_pylist(),
                strict=True,
            )
        ],
        pa.string(),
    )
    ways = pa.array([Way(way).label for way in matched["way"].to_pylist()], pa.string())
    place = pc.index_in(numbers, value_set=found)
    rejects = {
        "origin": leaking["origin"],
        "reason": pa.repeat(pa.scalar("evaluation_overlap"), leaking.num_rows),
        "detail": details.take(place),
        "key": leaking["key"],
        "n": leaking["n"],
        "evaluation_set": theirs["evaluation_set"].take(place),
        "overlap": ways.take(place),
    }
    return captions.filter(pc.invert(at.is_valid())), pa.table(rejects, schema=REJECTS)


def _detail(way: int, similarity: float, text: str, key: str, evaluation_set: str, given: str) -> str:
    if way == Way.KEY:
        return f"in {evaluation_set}, by key: {shown(key)} is its {shown(given)}"
    if way == Way.CAPTION:
        return f"in {evaluation_set}, by caption: {shown(text)} is its {shown(given)}"
    return f"in {evaluation_set}, by near-duplicate caption: {shown(text)} is {similarity:.2f} like its {shown(given)}"


def _first_rows(values: pa.ChunkedArray, rows: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """Return the distinct ``values`` in ``rows``, and the row in which each stands first."""
    chosen = values.take(pa.array(rows)).combine_chunks()
    distinct = chosen.unique()
    first = np.full(len(distinct), len(chosen), dtype=np.int64)
    np.minimum.at(first, pc.index_in(chosen, value_set=distinct).to_numpy(), np.arange(len(chosen)))
    return distinct, pa.array(rows[first], pa.int32())


def _overlaps(
    keys: pa.Array,
    way: Way,
    found: pa.Array,
    rows: pa.Array,
    texts: pa.Array | None = None,
    similarities: pa.Array | None = None,
) -> pa.Table:
    """Return `OVERLAPS` of the ``keys`` that have a number in ``found``, null where nothing was."""
    known = found.is_valid()
    count = pc.sum(known).as_py() or 0
    columns = [
        keys.filter(known),
        pa.repeat(pa.scalar(int(way), pa.int8()), count),
        pa.repeat(pa.scalar(1.0), count) if similarities is None else similarities.filter(known),
        rows.take(found.drop_null()),
        pa.repeat(pa.scalar(""), count) if texts is None else texts.filter(known),
    ]
    return pa.table(columns, schema=OVERLAPS)
