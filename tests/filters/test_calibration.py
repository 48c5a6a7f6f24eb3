import json
import math
import re
import zlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.calibration import (
    Boosted,
    Calibration,
    CalibrationError,
    Curve,
    Logistic,
    at_rate,
    fold_of,
    share_above,
)

NAN = float("nan")

LOGISTIC = Logistic(
    kinds=("noise",),
    centre=np.array([0.5, 10.0]),
    scale=np.array([0.25, 2.0]),
    knots=np.array([[0.75], [12.0]]),
    weights=np.array([[[-1.0, -3.0, 3.0], [-0.5, 0.0, -0.125]]]),
    intercepts=np.array([-0.25]),
)
# The first feature above 0.6: the second is asked whether it is above 11, if it is there. Then one leaf alone.
BOOSTED = Boosted(
    roots=np.array([0, 5], np.int32),
    feature=np.array([0, -1, 1, -1, -1, -1], np.int32),
    threshold=np.array([0.6, 0, 11.0, 0, 0, 0]),
    missing_left=np.array([True, False, False, False, False, False]),
    left=np.array([1, 0, 3, 0, 0, 0], np.int32),
    right=np.array([2, 0, 4, 0, 0, 0], np.int32),
    value=np.array([0, -1.0, 0, 0.5, 2.0, 0.25]),
    baseline=0.125,
)
MODELS = [LOGISTIC, BOOSTED]
CURVE = Curve(np.array([-1.0, 1.0, 3.0]), np.array([0.25, 0.5, 0.75]))


def calibration(model=LOGISTIC, curve=CURVE, rate=0.1, features=("similarity", "back_chrf")):
    """Return a calibration of German."""
    return Calibration("de", features, (model,), curve, rate, {"auc": {"numbers": 0.9}, "ece": 0.01})


def pairs(similarity, back_chrf):
    """Return a table of sources and scores."""
    return pa.table(
        {
            "source": pa.array([f"source {i}" for i in range(len(similarity))], pa.string()),
            "similarity": pa.array(similarity, pa.float32()),
            "back_chrf": pa.array(back_chrf, pa.float32()),
        }
    )


def test_a_sources_fold():
    """It is told by the text alone: CRC-32 of its UTF-8, modulo the number of folds."""
    assert fold_of(pa.array(["A dog.", "A dog.", "Ein Bär", ""]), 5).tolist() == [
        zlib.crc32(b"A dog.") % 5,
        zlib.crc32(b"A dog.") % 5,
        zlib.crc32("Ein Bär".encode()) % 5,
        0,
    ]


def test_each_source_has_the_model_of_its_fold():
    """The model that never saw a source judges it."""
    low, high = replace(LOGISTIC, intercepts=np.array([-1.0])), replace(LOGISTIC, intercepts=np.array([3.0]))
    both = replace(calibration(), models=(low, high))
    table = pairs([0.5] * 20, [10.0] * 20)
    folds = fold_of(table["source"], 2)
    assert set(folds.tolist()) == {0, 1}
    assert both.log_odds(table).tolist() == [
        float((low, high)[fold].log_odds(np.array([[0.5, 10.0]]))[0]) for fold in folds
    ]


def test_logistic_regression_bends_at_its_knots():
    """Each feature counts from its centre, in its own unit, and otherwise beyond its knot; a missing one by itself."""
    rows = np.array([[0.5, 10.0], [1.0, 10.0], [0.0, 10.0], [0.5, 14.0], [NAN, 10.0], [NAN, NAN], [1e9, 10.0]])
    # 1.0 is two units above the centre and one above the knot: 1 + 3; what is far off counts for 20 units.
    assert LOGISTIC.log_odds(rows).tolist() == [0.25, 4.25, -1.75, 0.75, -2.75, -2.625, 58.25]


def test_boosted_trees_are_walked_to_a_leaf():
    """A value on the threshold goes left, a missing one where the node says."""
    rows = np.array([[0.6, 99.0], [NAN, 99.0], [0.7, 11.0], [0.7, 11.5], [0.7, NAN]])
    assert BOOSTED.log_odds(rows).tolist() == [-0.625, -0.625, 0.875, 2.375, 2.375]


def test_a_pair_need_look_like_one_kind_of_noise_only():
    """The odds of the kinds against clean are added: 3 to 1 and 5 to 1 are 8 to 1."""
    weights = np.concatenate([LOGISTIC.weights, np.zeros((1, 2, 3))])
    two = replace(LOGISTIC, kinds=("one", "other"), weights=weights, intercepts=np.log([3.0, 5.0]))
    assert two.log_odds(np.array([[0.5, 10.0]])).tolist() == [pytest.approx(-math.log(8))]
    # The first kind is as unlikely as can be; the second one is as likely as before.
    assert two.log_odds(np.array([[1e9, 10.0]])).tolist() == [pytest.approx(-math.log(5))]


@pytest.mark.parametrize("model", MODELS)
def test_no_rows_have_no_log_odds(model):
    """An empty matrix gives an empty array."""
    assert model.log_odds(np.empty((0, 2))).shape == (0,)


def test_the_curve_is_a_line_between_its_points():
    """Beyond them it is the last of them."""
    assert CURVE(np.array([-9.0, -1.0, 0.0, 1.0, 2.0, 3.0, 9.0])).tolist() == [
        0.25,
        0.25,
        0.375,
        0.5,
        0.625,
        0.75,
        0.75,
    ]


def test_the_curve_is_never_certain():
    """A probability of 0 or 1 could not be weighed against a rate of noise."""
    certain = Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert certain(np.array([0.0, 1.0])).tolist() == [0.0001, 0.9999]


def test_a_curve_of_one_point_is_flat():
    """Where a model tells nothing all pairs have one probability."""
    assert Curve(np.array([0.0]), np.array([0.5]))(np.array([-1.0, 0.0, 1.0])).tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("even", "rate", "probability"),
    [
        (0.5, 0.1, 0.9),
        (0.8, 0.2, 16 / 17),  # 0.8 * 0.8 of 0.8 * 0.8 + 0.2 * 0.2
        (0.2, 0.2, 0.5),
        (0.1, 0.01, 0.99 / 1.08),
        (0.3, 0.0, 1.0),
        (0.3, 1.0, 0.0),
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 0.0),
    ],
)
def test_at_rate(even, rate, probability):
    """What was said of as many noisy pairs as clean ones is weighed by how many there are."""
    assert at_rate(np.array([even]), rate).tolist() == pytest.approx([probability], abs=1e-12)


probabilities = st.floats(0, 1)


@given(st.lists(probabilities, max_size=5))
def test_at_half_the_probabilities_stay(even):
    """Where half of the pairs are noisy nothing changes."""
    assert at_rate(np.array(even), 0.5).tolist() == pytest.approx(even, abs=1e-12)


@given(probabilities, probabilities, probabilities, probabilities)
def test_more_noise_is_less_clean(low, high, rare, common):
    """The probability rises with what the model says, falls with the rate, and stays in [0, 1]."""
    low, high = sorted([low, high])
    rare, common = sorted([rare, common])
    by_rate = [at_rate(np.array([low, high]), rate) for rate in (rare, common)]
    assert all(((found >= 0) & (found <= 1)).all() for found in by_rate)
    assert all(found[0] <= found[1] + 1e-12 for found in by_rate)
    assert (by_rate[0] >= by_rate[1] - 1e-12).all()


def test_clean_probability():
    """The log-odds through the curve, at the corpus's rate of noise; float32."""
    found = calibration(rate=0.2).clean_probability(pairs([0.5, 0.0, None], [18.0, 10.0, 10.0]))
    assert found.type == pa.float32()
    # Log-odds 0.25 + 2 - 1.5, -1.75 and -2.75: 0.46875, 0.25 and 0.25 where half are noisy.
    assert found.to_pylist() == pytest.approx([0.375 / (0.375 + 0.10625), 0.2 / 0.35, 0.2 / 0.35], abs=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.01])
def test_no_less_noise_than_one_in_a_hundred_is_supposed(rate):
    """A corpus in which none was found has the probabilities of one with a little."""
    found = calibration(rate=rate).clean_probability(pairs([0.0], [10.0]))
    assert found.to_pylist() == pytest.approx([0.99 * 0.25 / (0.99 * 0.25 + 0.01 * 0.75)], abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_an_absent_column_is_missing_values(model):
    """Pairs that one score was not measured of are judged by the others."""
    absent = pairs([0.5, 0.9], [1.0, 2.0]).drop_columns(["similarity"])
    null = pairs([None, None], [1.0, 2.0])
    assert calibration(model).clean_probability(absent) == calibration(model).clean_probability(null)


@pytest.mark.parametrize("model", MODELS)
def test_no_pairs_have_no_probabilities(model):
    """An empty table gives an empty column."""
    assert calibration(model).clean_probability(pairs([], [])) == pa.array([], pa.float32())


@pytest.mark.parametrize("model", MODELS)
def test_a_file_holds_the_calibration_to_the_bit(model):
    """What is read judges as what was written, of scores of any size; and writes the same bytes."""
    draw = np.random.default_rng(0)
    scores = np.where(draw.random((2, 500)) < 0.1, NAN, draw.normal(scale=10.0, size=(2, 500)))
    table = pairs(*(pa.array(side, from_pandas=True) for side in scores))
    curve = Curve(np.sort(draw.normal(size=50)), np.sort(draw.random(50)))
    written = calibration(model, curve, rate=1 / 3)
    read = Calibration.from_json(written.to_json())
    assert read.clean_probability(table) == written.clean_probability(table)
    assert read.to_json() == written.to_json()
    assert (read.language, read.features, read.noise_rate) == ("de", ("similarity", "back_chrf"), 1 / 3)
    assert read.report == {"auc": {"numbers": 0.9}, "ece": 0.01}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=8), st.lists(probabilities))
def test_any_number_survives_the_file(numbers, rates):
    """Weights and points of the curve are read as they were written."""
    model = Logistic(
        ("noise",),
        np.array(numbers[:2]),
        np.array([1.0, 1.0]),
        np.empty((2, 0)),
        np.array(numbers[2:6]).reshape(1, 2, 2),
        np.array(numbers[6:7]),
    )
    curve = Curve(np.arange(len(rates), dtype=np.float64), np.array(rates))
    read = Calibration.from_json(calibration(model, curve).to_json())
    assert isinstance(read.models[0], Logistic)
    assert read.models[0].to_json() == model.to_json()
    assert read.models[0].basis(np.zeros((1, 2))).shape == (1, 4)
    assert read.curve.probability.tolist() == rates


def test_the_file_is_json_with_a_version():
    """It begins with the same keys, sorted, and ends with a line break."""
    content = calibration().to_json()
    assert content.endswith(b"}\n")
    held = json.loads(content)
    assert list(held) == ["curve", "features", "language", "models", "noise_rate", "report", "version"]
    assert held["version"] == 2
    assert [model["kind"] for model in held["models"]] == ["logistic"]


def changed(**values):
    """Return a file with other ``values``; None: without that key."""
    held = json.loads(calibration().to_json()) | values
    return json.dumps({name: value for name, value in held.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no JSON", "this is no calibration: "),
        (b"", "this is no calibration: "),
        (b"\xff\xfe", "this is no calibration: "),
        (b"[]", "this is no calibration: "),
        (b"1", "this is no calibration: "),
        (b"null", "this is no calibration: "),
        (b"{}", "this is no calibration: KeyError('version')"),
        (changed(version=1), "version 1, and this captionloom reads 2"),
        (changed(version="2"), "version '2', and this captionloom reads 2"),
        (changed(features=["similarity", "bleu", "comet"]), "unknown features bleu, comet"),
        (changed(features=7), "this is no calibration: "),
        (changed(language=None), "this is no calibration: KeyError('language')"),
        (changed(noise_rate=None), "this is no calibration: KeyError('noise_rate')"),
        (changed(noise_rate="much"), "this is no calibration: "),
        (changed(report=None), "this is no calibration: KeyError('report')"),
        (changed(curve={"log_odds": [0.0]}), "this is no calibration: KeyError('probability')"),
        (changed(curve={"log_odds": [0.0], "probability": ["high"]}), "this is no calibration: "),
        (changed(models=[{"kind": "forest"}]), "unknown kind of model 'forest'; known: logistic, boosted"),
        (changed(models=[{}]), "unknown kind of model None; known: logistic, boosted"),
        (changed(models=[[]]), "this is no calibration: "),
        (changed(models=[{"kind": "logistic", "centre": []}]), "this is no calibration: KeyError('scale')"),
    ],
)
def test_what_is_no_calibration_is_refused(content, message):
    """The message says what is wrong with the file."""
    with pytest.raises(CalibrationError, match="^" + re.escape(message)):
        Calibration.from_json(content)


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:1version', max_size=20).map(str.encode))
def test_no_content_crashes_the_reading(content):
    """Whatever is no calibration has that error and no other."""
    with pytest.raises(CalibrationError):
        Calibration.from_json(content)


@pytest.mark.parametrize(
    ("counts", "keep", "bound"),
    [
        ([0, 0, 0, 0, 10], 0.9, 1.0),
        ([1, 0, 0, 0, 9], 0.9, 1.0),
        ([1, 0, 0, 1, 8], 0.9, 0.75),
        ([2, 2, 2, 2, 2], 0.5, 0.5),
        ([2, 2, 2, 2, 2], 0.4, 0.75),
        ([2, 2, 2, 2, 2], 1.0, 0.0),
        ([0, 2, 2, 2, 2], 1.0, 0.25),
        ([10, 0, 0, 0, 0], 0.1, 0.0),
        ([45, 0, 0, 0, 55], 0.55, 1.0),  # 0.55 * 100 is more than 55
        ([0, 0, 0, 0, 0], 0.9, 0.0),
    ],
)
def test_share_above(counts, keep, bound):
    """The highest bound that as many are at or above as are to be kept."""
    assert share_above(counts, keep) == bound


@given(st.lists(st.integers(0, 50), min_size=2, max_size=12), st.floats(0.01, 1))
def test_at_least_the_share_is_above_and_less_above_the_next(counts, keep):
    """At the bound are enough, and at the next one too few."""
    bound = share_above(counts, keep)
    place = round(bound * (len(counts) - 1))
    assert math.isclose(bound, place / (len(counts) - 1))
    if sum(counts):
        assert sum(counts[place:]) / sum(counts) >= keep
        assert place == len(counts) - 1 or sum(counts[place + 1 :]) / sum(counts) < keep
