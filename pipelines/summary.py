"""What pairs and rejects say in figures: counts, histograms and samples that merge in any order."""

import functools
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shards.keys import key_hash

K = TypeVar("K")
V = TypeVar("V")
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

KEPT: Final = ""
"""The group of samples that were kept; the other groups are named by a reason."""
KEPT_SAMPLES: Final = 6
DROPPED_SAMPLES: Final = 3
"""For each language and reason."""
REJECT_EXAMPLES: Final = 5
"""For each reason."""

_NOT_SCORES: Final = frozenset(
    {
        "key",
        "n",
        "split",
        "text_id",
        "language",
        "source",
        "target",
        "back",
        "lid_label",
        "keep",
        "reasons",
        "weight",
    }
)
_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Bins:
    """``count`` bins of one width from ``low`` to ``high``: closed below and open above, but for the last."""

    low: float
    high: float
    count: int

    @property
    def edges(self) -> Floats:
        """The bins' bounds: float64 [count + 1]."""
        return np.linspace(self.low, self.high, self.count + 1)


SCORES: Final[Mapping[str, Bins]] = {
    "mt_logprob": Bins(-5, 0, 50),
    "mt_tokens": Bins(0, 200, 50),
    "mt_unfinished": Bins(0, 1, 2),
    "back_logprob": Bins(-5, 0, 50),
    "lid_prob": Bins(0, 1, 50),
    "similarity": Bins(-1, 1, 100),
    "back_chrf": Bins(0, 100, 50),
    "length_ratio": Bins(0, 4, 80),
    "numbers_differ": Bins(0, 1, 2),
}
"""Fixed, so that the histograms of any two parts of a run add up; other scores are counted in `SHARE`."""
SHARE: Final = Bins(0, 1, 50)
WEIGHT: Final = Bins(0, 1, 20)
LENGTHS: Final[Mapping[str, Bins]] = {
    # One bin for each length, which makes the percentiles exact up to the last bin.
    "source_characters": Bins(0, 1000, 1000),
    "target_characters": Bins(0, 1000, 1000),
    "source_words": Bins(0, 250, 250),
    "target_words": Bins(0, 250, 250),
}


def bins_of(score: str) -> Bins:
    """Return the bins in which the score of that name is counted."""
    return SCORES.get(score, SHARE)


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often a number took which value: int64 [bins + 2], the first below and the last above the bins.

    ``millionths`` is the sum of the values, each rounded to 1e-6: whole numbers, unlike floats, add up to
    the same in every order. Values beyond ±1e6 count as that in the sum.
    """

    counts: Ints
    missing: int
    millionths: int

    @classmethod
    def of(cls, values: Floats, bins: Bins) -> Self:
        """Count float64 ``values`` of any shape, NaN as missing."""
        present = values[~np.isnan(values)]
        places = np.searchsorted(bins.edges, present, side="right")
        places[present == bins.high] = bins.count
        whole = np.rint(np.clip(present, -_MILLION, _MILLION) * _MILLION).astype(np.int64)
        return cls(
            np.bincount(places, minlength=bins.count + 2).astype(np.int64),
            values.size - present.size,
            int(whole.sum()),
        )

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.counts + other.counts, self.missing + other.missing, self.millionths + other.millionths)

    @property
    def total(self) -> int:
        """How many values there were."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float | None:
        """The mean of the values; None where there were none."""
        return self.millionths / _MILLION / self.total if self.total else None

    def quantile(self, share: float, bins: Bins) -> float | None:
        """Return the lower edge of the bin with the value at ``share`` of the way up; None without values."""
        if not self.total:
            return None
        rank = max(1, int(np.ceil(share * self.total)))
        place = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(bins.edges[max(place - 1, 0)])


Row = dict[str, object]
"""One sample or reject example, as JSON has it."""
Ranked = tuple[int, Row]
"""A row and the hash it is drawn by: the smallest are the sample, whatever the order they came in."""


@dataclass(frozen=True, eq=False)
class LanguageSummary:
    """The pairs of one language. ``LanguageSummary()`` is the summary of no pairs."""

    kept: int = 0
    combinations: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """All reasons of a dropped pair together → how many pairs."""
    labels: Counter[str] = field(default_factory=Counter)
    """The label that language identification ranks first → how many pairs."""
    scores: Mapping[tuple[str, bool], Histogram] = field(default_factory=dict)
    """Name of the score and whether the pairs were kept → histogram."""
    lengths: Mapping[str, Histogram] = field(
        default_factory=lambda: {name: Histogram.of(np.zeros(0), bins) for name, bins in LENGTHS.items()}
    )
    weights: Histogram = field(default_factory=lambda: Histogram.of(np.zeros(0), WEIGHT))
    """Of the kept pairs."""
    samples: Mapping[str, list[Ranked]] = field(default_factory=dict)
    """`KEPT` or a reason → the sample of its pairs."""

    @property
    def dropped(self) -> int:
        """How many pairs were dropped."""
        return self.combinations.total()

    @property
    def made(self) -> int:
        """How many pairs there were, kept and dropped."""
        return self.kept + self.dropped

    def __add__(self, other: "LanguageSummary") -> "LanguageSummary":
        return LanguageSummary(
            self.kept + other.kept,
            self.combinations + other.combinations,
            self.labels + other.labels,
            _merged(self.scores, other.scores, operator.add),
            _merged(self.lengths, other.lengths, operator.add),
            self.weights + other.weights,
            {
                group: _smallest(
                    [*self.samples.get(group, ()), *other.samples.get(group, ())],
                    KEPT_SAMPLES if group == KEPT else DROPPED_SAMPLES,
                )
                for group in {**self.samples, **other.samples}
            },
        )


@dataclass(frozen=True)
class Leak:
    """What was rejected because it is in an evaluation set. ``Leak()`` is nothing."""

    captions: int = 0
    items: frozenset[int] = frozenset()
    """The hashes of their keys, so that an item whose captions lie in several parts counts once."""

    def __add__(self, other: "Leak") -> "Leak":
        return Leak(self.captions + other.captions, self.items | other.items)


@dataclass(frozen=True, eq=False)
class Summary:
    """All pairs by language, and the rejects by reason. ``Summary()`` is the summary of nothing."""

    languages: Mapping[str, LanguageSummary] = field(default_factory=dict)
    rejects: Counter[str] = field(default_factory=Counter)
    examples: Mapping[str, list[Ranked]] = field(default_factory=dict)
    """Reason → some of its rejects."""
    leaks: Mapping[tuple[str, str], Leak] = field(default_factory=dict)
    """Name of an evaluation set and how it was found → what of it was rejected."""

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            _merged(self.languages, other.languages, operator.add),
            self.rejects + other.rejects,
            _merged(self.examples, other.examples, lambda a, b: _smallest([*a, *b], REJECT_EXAMPLES)),
            _merged(self.leaks, other.leaks, operator.add),
        )


def summarise(pairs: pa.Table, *, shard: str = "") -> Summary:
    """Return the summary of a table of ``pairs`` in the layout of ``pairs/``.

    ``shard`` names the tar that holds their media, without its extension; samples carry it.
    """
    pairs = pairs.sort_by("language").combine_chunks()
    runs = pc.run_end_encode(pairs["language"].combine_chunks())
    languages: dict[str, LanguageSummary] = {}
    start = 0
    for language, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        languages[language] = _summarise_language(pairs[start:end], language, shard)
        start = end
    return Summary(languages)


def summarise_rejects(rejects: pa.Table) -> Summary:
    """Return the summary of a table of ``rejects`` (`pipelines.captions.REJECTS`)."""
    examples: dict[str, list[Ranked]] = {}
    reasons = rejects["reason"].to_numpy()
    identities = [rejects[name].to_pylist() for name in ("origin", "detail")]
    ranks = _ranks(zip(reasons.tolist(), *identities, strict=True), rejects.num_rows)
    shown = rejects.select(["origin", "detail", "key", "n"])
    for reason in np.unique(reasons).tolist():
        examples[reason] = _ranked(shown, np.flatnonzero(reasons == reason), ranks, REJECT_EXAMPLES)
    return Summary(rejects=_counts(rejects["reason"]), examples=examples, leaks=_leaks(rejects))


def _leaks(rejects: pa.Table) -> dict[tuple[str, str], Leak]:
    if "overlap" not in rejects.column_names:  # a run made before there was such a reason
        return {}
    found = rejects.filter(rejects["overlap"].is_valid()).group_by(["evaluation_set", "overlap"], use_threads=False)
    return {
        (row["evaluation_set"], row["overlap"]): Leak(row["key_count"], frozenset(map(key_hash, row["key_distinct"])))
        for row in found.aggregate([("key", "count"), ("key", "distinct")]).to_pylist()
    }


def _summarise_language(pairs: pa.Table, language: str, shard: str) -> LanguageSummary:
    keep = pairs["keep"].to_numpy()
    names = [name for name in pairs.column_names if name not in _NOT_SCORES]
    scores: dict[tuple[str, bool], Histogram] = {}
    for name in names:
        values = _floats(pairs[name])
        for kept in (True, False):
            scores[name, kept] = Histogram.of(values[keep == kept], bins_of(name))
    together = pc.binary_join(pairs["reasons"].combine_chunks(), " ").filter(pa.array(~keep))
    return LanguageSummary(
        kept=int(keep.sum()),
        combinations=Counter({tuple(text.split()): count for text, count in _counts(together).items()}),
        labels=_counts(pairs["lid_label"].drop_null()),
        scores=scores,
        lengths=_lengths(pairs),
        weights=Histogram.of(_floats(pairs["weight"])[keep], WEIGHT),
        samples=_samples(pairs, names, language, shard),
    )


def _lengths(pairs: pa.Table) -> dict[str, Histogram]:
    lengths: dict[str, Histogram] = {}
    for side in ("source", "target"):
        measured = {
            "characters": pc.utf8_length(pairs[side]),
            "words": pc.count_substring_regex(pairs[side], r"\S+"),
        }
        for unit, values in measured.items():
            lengths[f"{side}_{unit}"] = Histogram.of(_floats(values), LENGTHS[f"{side}_{unit}"])
    return lengths


def _samples(pairs: pa.Table, scores: list[str], language: str, shard: str) -> dict[str, list[Ranked]]:
    identities = zip(pairs["key"].to_pylist(), pairs["n"].to_pylist(), strict=True)
    ranks = _ranks(((key, n, language) for key, n in identities), pairs.num_rows)
    reasons = pairs["reasons"].combine_chunks()
    owners = pc.list_parent_indices(reasons).to_numpy()
    flat = pc.list_flatten(reasons)
    groups = {KEPT: np.flatnonzero(pairs["keep"].to_numpy())}
    for reason in pc.unique(flat).to_pylist():
        groups[reason] = owners[pc.equal(flat, reason).to_numpy(zero_copy_only=False)]
    samples: dict[str, list[Ranked]] = {}
    for group, rows in groups.items():
        ranked = _ranked(pairs, rows, ranks, KEPT_SAMPLES if group == KEPT else DROPPED_SAMPLES)
        if ranked:
            samples[group] = [(rank, _sample(row, scores, shard)) for rank, row in ranked]
    return samples


def _sample(pair: Row, scores: list[str], shard: str) -> Row:
    plain = ("key", "n", "split", "source", "target", "back", "lid_label", "reasons", "weight")
    return {name: pair[name] for name in plain} | {
        "scores": {name: pair[name] for name in scores},
        "shard": shard,
    }


def _ranked(table: pa.Table, rows: Ints, ranks: npt.NDArray[np.uint64], limit: int) -> list[Ranked]:
    """Return the ``limit`` of ``rows`` that have the smallest ``ranks``, floats rounded to four decimals."""
    if rows.size > limit:
        rows = rows[np.argpartition(ranks[rows], limit)[:limit]]
    taken = table.take(pa.array(rows)).to_pylist()
    plain = [{name: _plain(value) for name, value in row.items()} for row in taken]
    return _smallest(list(zip(ranks[rows].tolist(), plain, strict=True)), limit)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value


def _smallest(ranked: list[Ranked], limit: int) -> list[Ranked]:
    return sorted(ranked, key=lambda pair: (pair[0], str(pair[1])))[:limit]


def _ranks(identities: Iterable[tuple[object, ...]], count: int) -> npt.NDArray[np.uint64]:
    """Return the 8-byte BLAKE2b of each identity, uint64 [count]: a draw that any machine repeats."""
    texts = ("\0".join(map(str, identity)).encode() for identity in identities)
    digests = b"".join(blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype=">u8", count=count).astype(np.uint64)


def _counts(values: pa.ChunkedArray | pa.Array) -> Counter[str]:
    return Counter({entry["values"]: entry["counts"] for entry in pc.value_counts(values).to_pylist()})


def _floats(values: pa.ChunkedArray | pa.Array) -> Floats:
    """Return numbers or booleans as float64, null as NaN."""
    return np.asarray(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _merged(ours: Mapping[K, V], theirs: Mapping[K, V], combine: Callable[[V, V], V]) -> dict[K, V]:
    both = {**ours, **theirs}
    return {key: combine(ours[key], theirs[key]) if key in ours and key in theirs else both[key] for key in both}


def merge(summaries: Iterable[Summary]) -> Summary:
    """Return the summary of everything that ``summaries`` summarise."""
    return functools.reduce(operator.add, summaries, Summary())
