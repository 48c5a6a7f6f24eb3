import numpy as np
import pyarrow as pa
import pytest

from filters.features import FEATURES, matrix, measured


def test_the_features_are_the_documented_ones():
    """Their names are columns of a judged pair, in an order that a calibration's numbers stand in."""
    assert FEATURES == (
        "lid_prob",
        "lid_other_prob",
        "similarity",
        "margin",
        "length_z",
        "mt_logprob",
        "mt_min_logprob",
        "mt_worst_logprob",
        "mt_pmi",
        "mt_min_pmi",
        "mt_worst_pmi",
        "back_chrf",
        "back_similarity",
        "length_ratio",
        "copy_ratio",
        "repetition",
        "loops",
        "numbers_differ",
        "number_words_differ",
        "script_share",
        "punctuation_difference",
        "ending_differs",
        "unbalanced",
        "oddity",
    )


def test_measured_features_are_those_with_a_value():
    """A column of nulls, one that is absent and one that is no feature are not; one value is enough."""
    pairs = pa.table(
        {
            "oddity": pa.array([None, 0.0, None], pa.float32()),
            "margin": pa.nulls(3, pa.float32()),
            "target": ["a", "b", "c"],
            "similarity": pa.array([0.5, 0.6, 0.7], pa.float32()),
        }
    )
    assert measured(pairs) == ("similarity", "oddity")  # in the order of the features, not of the columns


def test_of_no_pairs_the_columns_are_measured():
    """A table without rows has no value that is missing."""
    assert measured(pa.table({"similarity": pa.array([], pa.float32())})) == ("similarity",)


def test_the_matrix_has_a_column_for_each_name():
    """Shares, counts and truths are numbers; a null, and the whole of an absent column, is NaN."""
    pairs = pa.table(
        {
            "similarity": pa.array([0.5, None], pa.float32()),
            "loops": pa.array([3, 0], pa.int32()),
            "numbers_differ": pa.array([True, None]),
            "ending_differs": pa.array([False, True]),
        }
    )
    found = matrix(pairs, ("loops", "similarity", "margin", "numbers_differ", "ending_differs"))
    assert found.dtype == np.float64
    nan = float("nan")
    np.testing.assert_array_equal(found, [[3, 0.5, nan, 1, 0], [0, nan, nan, nan, 1]])


def test_chunks_are_one_matrix():
    """A table of several chunks, some of them empty, is read as a whole."""
    chunked = pa.chunked_array([[0.25], [], [None, 0.5]], pa.float32())
    np.testing.assert_array_equal(matrix(pa.table({"margin": chunked}), ["margin"]), [[0.25], [np.nan], [0.5]])


@pytest.mark.parametrize(("names", "rows"), [((), 2), (("loops",), 0), ((), 0)])
def test_a_matrix_may_be_empty(names, rows):
    """With no names, or no pairs, it has as many rows and columns as there are."""
    assert matrix(pa.table({"loops": pa.array([1] * rows, pa.int32())}), names).shape == (rows, len(names))
