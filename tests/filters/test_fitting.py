import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from filters import fitting
from filters.calibration import model_from_json
from filters.features import FEATURES, HIGH_IS_NOISE, OF_MEANING, TWO_SIDED
from filters.fitting import _Loss, fit_boosted, fit_logistic
from filters.labelled import Labelled

NAN = float("nan")
NAMES = ("similarity", "margin", "mt_logprob", "back_chrf", "back_similarity")


def labelled(features, kinds):
    """Return pairs each of which is its own text."""
    return Labelled(features, np.array(kinds, dtype=object), np.arange(len(kinds)))


def drawn(kinds, rows=300, columns=2, seed=0):
    """Return as many clean pairs as of each of the ``kinds``, and features of theirs: one kind is low in each."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(["", *kinds], rows)
    features = draw.normal(size=(len(labels), columns))
    for i, kind in enumerate(kinds):
        features[labels == kind, i % columns] -= 1.5
    return labelled(features, labels)


def test_regression_of_one_kind_is_that_of_sklearn():
    """On the same ramps, with the same penalty, where no bound is: on rows that were not seen too."""
    data = drawn(["noise"])
    ours = fit_logistic(data, NAMES[:2], 0)
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000)
    theirs.fit(ours.basis(data.features), data.clean, sample_weight=data.weights)
    rows = np.random.default_rng(1).normal(size=(200, 2))
    assert abs(ours.log_odds(rows) - theirs.decision_function(ours.basis(rows))).max() < 0.01


def test_each_kind_is_told_by_what_it_has():
    """A pair that is low in one feature is found, however high it is in another; one that is high in both is clean."""
    model = fit_logistic(drawn(["one", "other"]), NAMES[:2], 0)
    assert model.kinds == ("one", "other")
    low, other, high = model.log_odds(np.array([[-3.0, 1.0], [1.0, -3.0], [1.0, 1.0]]))
    assert max(low, other) < -1 < 1 < high


def test_the_gradient_is_that_of_the_loss():
    """To what differences of the loss itself tell."""
    data = drawn(["one", "other"], rows=20)
    loss = _Loss(data.features, data)
    start = np.random.default_rng(2).normal(size=6)
    assert check_grad(lambda flat: loss(flat)[0], lambda flat: loss(flat)[1], start) < 1e-3


@given(st.sampled_from(sorted(set(FEATURES) - TWO_SIDED - OF_MEANING)), st.integers(0, 5))
def test_what_tells_of_noise_never_speaks_for_a_pair(name, seed):
    """Not even where the planted noise has less of it than the corpus."""
    data = drawn(["noise"], rows=60, columns=1, seed=seed)
    sign = 1 if name in HIGH_IS_NOISE else -1
    for features in (data.features * sign, -data.features * sign):
        model = fit_logistic(labelled(features, data.kinds), (name,), 0)
        odds = model.log_odds(np.linspace(-30, 30, 50)[:, None] * sign)
        assert (np.diff(odds) <= 1e-12).all()


@pytest.mark.parametrize("name", sorted(TWO_SIDED | OF_MEANING))
def test_meaning_and_length_may_speak_either_way(name):
    """A translation may be too long or too short, and one score of meaning corrects another."""
    data = drawn(["noise"], columns=1)
    for features in (data.features, -data.features):
        low, high = fit_logistic(labelled(features, data.kinds), (name,), 0).log_odds(np.array([[-3.0], [3.0]]))
        assert (low < high) == (features is data.features)


def test_every_feature_is_of_one_sort():
    """What speaks against a pair where it is high is no score of meaning, nor is what speaks so on either side."""
    assert set(FEATURES) >= TWO_SIDED | HIGH_IS_NOISE | OF_MEANING
    assert len(TWO_SIDED | HIGH_IS_NOISE | OF_MEANING) == len(TWO_SIDED) + len(HIGH_IS_NOISE) + len(OF_MEANING)


def test_a_missing_value_is_neither_high_nor_low():
    """Where half of the clean pairs and none of the noise lack a score, to lack it speaks for a pair; else nothing."""
    data = drawn(["noise"], columns=1)
    features = data.features.copy()
    features[np.flatnonzero(data.clean)[::2]] = NAN
    there = fit_logistic(labelled(features, data.kinds), ("oddity",), 0).log_odds(np.array([[NAN], [0.0]]))
    assert there[0] > there[1] + 1
    never = fit_logistic(labelled(np.full((600, 1), NAN), data.kinds), ("oddity",), 0)
    assert abs(never.log_odds(np.array([[NAN]]))[0]) < 0.01


def fitted(monkeypatch, features, clean):
    """Return sklearn's boosted trees, and ours made of them."""
    made = []

    class Kept(HistGradientBoostingClassifier):
        def fit(self, *args, **kwargs):
            made.append(self)
            return super().fit(*args, **kwargs)

    monkeypatch.setattr(fitting, "HistGradientBoostingClassifier", Kept)
    kinds = np.where(clean, "", "noise").astype(object)
    with threadpool_limits(limits=1):
        ours = fit_boosted(Labelled(features, kinds, np.arange(len(clean))), NAMES[: features.shape[1]], 0)
    return made[0], ours


def test_boosted_trees_are_those_of_sklearn(monkeypatch):
    """On rows that were not seen, with missing values, whole numbers and a constant, the log-odds are the same."""
    draw = np.random.default_rng(0)
    features = draw.normal(size=(3000, 5))
    features[:, 1] = np.round(features[:, 1])
    features[:, 2] = np.where(draw.random(3000) < 0.3, NAN, features[:, 2])
    features[:, 3] = 7.0
    clean = features[:, 0] + features[:, 1] * np.nan_to_num(features[:, 2], nan=1.0) + draw.normal(size=3000) > 0
    theirs, ours = fitted(monkeypatch, features[:1000], clean[:1000])
    features[1000:][draw.random((2000, 5)) < 0.1] = NAN
    with threadpool_limits(limits=1):
        assert abs(ours.log_odds(features) - theirs.decision_function(features)).max() < 1e-9


def test_boosted_trees_do_not_ask_for_what_is_always_missing(monkeypatch):
    """A score that no pair had when they were fitted makes no difference to one that has it."""
    features = np.random.default_rng(0).normal(size=(400, 2))
    clean = features[:, 0] > 0
    features[:, 1] = NAN
    _, ours = fitted(monkeypatch, features, clean)
    rows = np.array([[1.0, NAN], [1.0, -5.0], [-1.0, NAN], [-1.0, 5.0]])
    one, other, third, fourth = ours.log_odds(rows)
    assert one == other > 0 > third == fourth


def test_a_tree_that_asks_only_whether_a_value_is_there_survives_the_file(monkeypatch):
    """What is missing tells noise, and nothing else does; JSON has no infinite threshold."""
    features = np.where(np.arange(400) % 2 == 0, NAN, np.arange(400) % 7)[:, None]
    theirs, ours = fitted(monkeypatch, features, np.arange(400) % 2 == 1)
    read = model_from_json(json.loads(json.dumps(ours.to_json(), allow_nan=False)))
    rows = np.array([[NAN], [0.0], [6.0], [1e300], [-1e300]])
    assert read.log_odds(rows).tolist() == ours.log_odds(rows).tolist()
    assert abs(read.log_odds(rows) - theirs.decision_function(rows)).max() < 1e-9
