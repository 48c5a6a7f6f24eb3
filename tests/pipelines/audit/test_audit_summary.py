"""Tests of the summary of pairs and rejects."""

import itertools
from collections.abc import Callable

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.captions import REJECTS
from pipelines.config import Config
from pipelines.report.tally import tally
from pipelines.summary import Bins, Histogram, Summary, merge, summarise, summarise_rejects

PairsOf = Callable[..., pa.Table]
ConfigOf = Callable[..., Config]

_score = st.none() | st.floats(-6, 2, width=32)
_reasons = st.lists(st.sampled_from(["low_similarity", "empty", "repetition"]), unique=True, max_size=3)
_row = st.fixed_dictionaries(
    {
        "language": st.sampled_from(["de", "fr", "zh"]),
        "target": st.none() | st.text(max_size=8),
        "lid_label": st.sampled_from(["de", "en", None]),
        "similarity": _score,
        "mt_logprob": _score,
        "reasons": _reasons,
        "weight": st.floats(0, 1, width=32),
    }
)


@given(st.lists(_row, max_size=40), st.data())
def test_any_split_and_order_gives_the_same_figures(
    pairs_of: PairsOf, config_of: ConfigOf, rows: list[dict[str, object]], data: st.DataObject
) -> None:
    """Parts cut anywhere and added up in any order say what the whole says, samples included."""
    whole = pairs_of(*({**row, "key": f"k{place}"} for place, row in enumerate(rows)))
    order = data.draw(st.permutations(range(len(rows))))
    shuffled = whole.take(pa.array(order, pa.int64()))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    bounds = [0, *cuts, len(rows)]
    parts = [shuffled[start:end] for start, end in itertools.pairwise(bounds)]
    config = config_of("de", "fr", "zh")
    apart = tally(merge(summarise(part) for part in data.draw(st.permutations(parts))), config=config)
    together = tally(summarise(whole), config=config)
    assert orjson.dumps(apart, option=orjson.OPT_SORT_KEYS) == orjson.dumps(together, option=orjson.OPT_SORT_KEYS)


@given(st.lists(st.floats(-20, 20) | st.just(float("nan")), max_size=50))
def test_histogram_counts_every_value_once(values: list[float]) -> None:
    """Every value is in a bin, below, above or missing."""
    histogram = Histogram.of(np.array(values, dtype=np.float64), Bins(-1, 1, 4))
    assert histogram.total + histogram.missing == len(values)


def test_histogram_places_values_at_the_edges() -> None:
    """A bin holds its lower edge; the last one holds its upper edge too; infinity is above."""
    histogram = Histogram.of(np.array([-0.1, 0.0, 0.5, 1.0, 1.1, np.inf, np.nan]), Bins(0, 1, 2))
    assert histogram.counts.tolist() == [1, 1, 2, 2]
    assert histogram.missing == 1


def test_histogram_of_nothing_has_no_mean_and_no_quantile() -> None:
    """Without values there is no mean to give."""
    histogram = Histogram.of(np.zeros(0), Bins(0, 1, 2))
    assert histogram.mean is None
    assert histogram.quantile(0.5, Bins(0, 1, 2)) is None


@pytest.mark.parametrize(("share", "expected"), [(0.05, 1), (0.5, 5), (0.9, 9), (0.95, 40), (1.0, 40)])
def test_quantile_is_exact_in_bins_of_one(share: float, expected: float) -> None:
    """With one bin for each whole number a quantile is a value that occurs."""
    histogram = Histogram.of(np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 40.0]), Bins(0, 100, 100))
    assert histogram.quantile(share, Bins(0, 100, 100)) == expected


def test_samples_are_bounded(pairs_of: PairsOf) -> None:
    """However many pairs there are, six kept ones are drawn, and three of each reason."""
    kept = [{"key": f"kept{i}"} for i in range(50)]
    dropped = [{"key": f"dropped{i}", "reasons": ["empty"]} for i in range(50)]
    german = summarise(pairs_of(*kept, *dropped)).languages["de"]
    assert {group: len(rows) for group, rows in german.samples.items()} == {"": 6, "empty": 3}


def test_sample_is_drawn_by_hash(pairs_of: PairsOf) -> None:
    """The pairs with the smallest BLAKE2b of key, index and language are drawn, on every machine the same."""
    german = summarise(pairs_of(*({"key": f"k{i}"} for i in range(20)))).languages["de"]
    assert [row["key"] for _, row in german.samples[""]] == ["k17", "k11", "k2", "k9", "k14", "k12"]


def test_sample_carries_scores_and_shard(pairs_of: PairsOf) -> None:
    """A sample has its texts, every score to four decimals, null where null, and its shard."""
    table = pairs_of({"similarity": 0.12345678, "back_chrf": None})
    [(_, row)] = summarise(table, shard="train-000003").languages["de"].samples[""]
    scores = row.pop("scores")
    assert row == {
        "key": "photo",
        "n": 0,
        "split": "train",
        "source": "A dog runs .",
        "target": "Ein Hund läuft .",
        "back": None,
        "lid_label": "de",
        "reasons": [],
        "weight": 1.0,
        "shard": "train-000003",
    }
    assert scores == {
        "mt_logprob": -0.5,
        "mt_tokens": 5,
        "mt_unfinished": False,
        "back_logprob": None,
        "lid_prob": 0.75,
        "similarity": 0.1235,
        "back_chrf": None,
        "length_ratio": 1.25,
        "copy_ratio": 0.0,
        "repetition": 0.0,
        "numbers_differ": False,
        "script_share": 1.0,
    }


def test_rejects_are_counted_with_examples() -> None:
    """Each reason has its count and at most five examples."""
    rows = [{"origin": f"a:{i}", "reason": "missing_media", "detail": "x.jpg"} for i in range(9)]
    rows.append({"origin": "b:1", "reason": "empty_caption", "detail": ""})
    summary = summarise_rejects(pa.Table.from_pylist(rows, schema=REJECTS))
    assert dict(summary.rejects) == {"missing_media": 9, "empty_caption": 1}
    assert {reason: len(examples) for reason, examples in summary.examples.items()} == {
        "missing_media": 5,
        "empty_caption": 1,
    }
    assert summary.examples["empty_caption"][0][1] == {"origin": "b:1", "detail": "", "key": None, "n": None}


def test_merging_nothing_gives_the_empty_summary() -> None:
    """No parts at all are a summary too."""
    assert merge([]).languages == {}
    assert (Summary() + Summary()).rejects.total() == 0


def test_items_of_evaluation_sets_count_once_in_any_split(config_of: ConfigOf) -> None:
    """Captions add up; an item whose captions lie in several parts is one; a set without any is there too."""
    rows = [
        {
            "key": key,
            "evaluation_set": name,
            "overlap": way,
            "reason": "evaluation_overlap",
            "origin": "a",
            "detail": "",
        }
        for key, name, way in (
            ("a", "xtd", "key"),
            ("a", "xtd", "key"),
            ("b", "xtd", "near_duplicate"),
            ("c", "own", "caption"),
        )
    ]
    rows.append({"origin": "a:1", "reason": "empty_caption", "detail": ""})
    exclude = [{"path": "empty.txt"}, {"path": "xtd.txt"}]
    config = config_of("de", input={"format": "jsonl", "path": "c.jsonl", "exclude": exclude})
    nothing = {"items": 0, "captions": 0}
    expected = {
        "empty": {**nothing, "ways": {"key": nothing, "caption": nothing, "near_duplicate": nothing}},
        "xtd": {
            "items": 2,
            "captions": 3,
            "ways": {
                "key": {"items": 1, "captions": 2},
                "caption": nothing,
                "near_duplicate": {"items": 1, "captions": 1},
            },
        },
        "own": {
            "items": 1,
            "captions": 1,
            "ways": {"key": nothing, "caption": {"items": 1, "captions": 1}, "near_duplicate": nothing},
        },
    }
    for parts in ([rows], [rows[:1], rows[1:]], [[row] for row in reversed(rows)]):
        tables = [pa.Table.from_pylist(part, schema=REJECTS) for part in parts]
        audit = tally(merge(summarise_rejects(table) for table in tables), config=config)
        assert audit["evaluation_sets"] == expected
        assert list(audit["evaluation_sets"]) == ["empty", "xtd", "own"]


def test_rejects_of_a_run_before_there_were_evaluation_sets() -> None:
    """Their parts lack the columns, and are summed up as ever."""
    table = pa.Table.from_pylist([{"origin": "a", "reason": "bad_key", "detail": ""}], schema=REJECTS)
    older = summarise_rejects(table.drop_columns(["evaluation_set", "overlap"]))
    assert (dict(older.rejects), older.leaks) == ({"bad_key": 1}, {})
