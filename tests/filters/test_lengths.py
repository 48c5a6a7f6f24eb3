import gzip

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.lengths import expected_ratio, length_z


def z(sources, targets, ratio=1.0):
    """Return the scores of texts of those lengths, rounded to two decimals; None is a null text."""
    made = ([None if length is None else "x" * length for length in side] for side in (sources, targets))
    scores = length_z(*(pa.array(side, pa.string()) for side in made), ratio)
    assert scores.type == pa.float32()
    return [score and round(score, 2) for score in scores.to_pylist()]


def test_a_few_pairs_are_told_by_human_captions():
    """One pair has nearly the spread of human captions, 0.126; twice the length is far out."""
    assert z([60], [60]) == [0.0]
    assert z([60], [120]) == [4.66]  # ln(135 / 75) = 0.588; 50/51 of it over 50/51 of 0.126
    assert z([60], [30]) == [-4.05]
    assert z([60], [60], ratio=2.0) == [-4.05]


def test_many_pairs_are_told_by_their_own_middle_and_spread():
    """Where all translations are half as long again, that is not unusual, and the others are."""
    # ln(75 / 75) = 0, ln(105 / 75) = 0.336, ln(135 / 75) = 0.588: the median distance from the middle one is 0.251.
    scores = z([60] * 1201, [60, 90, 120] * 400 + [240])
    assert [*scores[:3], scores[-1]] == [-0.89, 0.04, 0.73, 2.48]


def test_a_table_without_any_spread_has_a_least_one():
    """Of a thousand translations of one length and another, the other is not infinitely far out."""
    assert z([60] * 1001, [90] * 1000 + [60])[-1] == -6.41


def test_null_texts_have_nulls_and_count_for_nothing():
    """Where a text is null the score is, and the middle is that of the other pairs."""
    assert z([60, None, 60], [60, 500, None]) == [0.0, None, None]
    assert z([], []) == []


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=20), st.floats(0.05, 5))
def test_scores_are_finite_and_in_the_order_of_the_lengths(lengths, ratio):
    """Of two translations of one text the longer has the higher score."""
    scores = z([50] * len(lengths), [length for _, length in lengths], ratio)
    assert np.isfinite(scores).all()
    order = np.argsort([length for _, length in lengths], kind="stable")
    assert (np.diff(np.array(scores)[order]) >= 0).all()


@pytest.mark.real
@pytest.mark.parametrize("language", ["de", "fr", "cs"])
def test_human_captions_are_within_four_standard_deviations(shared_data, language):
    """99 % are within 3.1 and 99.8 % within 4.1."""
    source, target = (
        gzip.decompress((shared_data / f"multi30k/train.{side}.gz").read_bytes()).decode().splitlines()
        for side in ("en", language)
    )
    scores = np.abs(length_z(pa.array(source), pa.array(target), expected_ratio(language, "Latn")).to_numpy())
    assert np.mean(scores < 3.1) > 0.99
    assert np.mean(scores < 4.1) > 0.998
