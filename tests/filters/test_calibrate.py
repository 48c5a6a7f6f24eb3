import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.calibrate import CalibrateError, _chosen, _folds, calibrate
from filters.calibration import Calibration
from filters.calibration_report import expected_calibration_error
from filters.labelled import Labelled
from filters.noise_rate import evidence, in_all, noise_rate
from filters.thresholds import Thresholds

KINDS = ("meaning", "broken")


def corpus(seed=0, clean=600, each=200, hidden=0.0, kinds=KINDS, hidden_kinds=None):
    """Return pairs of which ``each`` have noise of each kind planted, and a share of the clean has it unknown to all.

    The latter of all ``kinds`` evenly, unless ``hidden_kinds`` says of which.

    ``meaning`` lowers similarity and log-probability, ``weak`` and what begins so the similarity by half as much,
    ``broken`` is seen by its oddity alone, and another by nothing.
    The margin was never measured, and the similarity not everywhere.
    """
    draw = np.random.default_rng(seed)
    planted = np.array([""] * clean + [kind for kind in kinds for _ in range(each)], dtype=object)
    group = np.array([*range(clean), *draw.integers(clean, size=each * len(kinds))])
    really = planted.copy()
    unknown = hidden_kinds or kinds
    really[: round(clean * hidden)] = [unknown[i % len(unknown)] for i in range(round(clean * hidden))]
    rows = len(planted)
    similarity, logprob, oddity = draw.normal(0.8, 0.08, rows), draw.normal(-0.5, 0.2, rows), np.zeros(rows)
    similarity[really == "meaning"] -= 0.3
    logprob[really == "meaning"] -= 0.3
    similarity[[kind.startswith("weak") for kind in really]] -= 0.15
    oddity[really == "broken"] = draw.uniform(0.05, 0.5, (really == "broken").sum())
    similarity[draw.random(rows) < 0.05] = np.nan
    return pa.table(
        {
            "source": [f"source {i}" for i in group],
            "target": [f"target {i}" for i in range(rows)],
            "noise_kind": pa.array([kind or None for kind in planted], pa.string()),
            "group": pa.array(group, pa.int64()),
            "oddity": pa.array(oddity, pa.float32()),
            "similarity": pa.array(similarity, pa.float32(), from_pandas=True),
            "mt_logprob": pa.array(logprob, pa.float32()),
            "margin": pa.nulls(rows, pa.float32()),
        }
    )


@pytest.fixture(scope="module")
def learnt():
    """Return what is learnt of a clean corpus with two kinds that are seen, and one that nothing tells."""
    return calibrate(corpus(kinds=(*KINDS, "invisible")), language="de")


@pytest.fixture(scope="module", params=[0.0, 0.1, 0.2])
def spoilt(request):
    """Return a share of hidden noise, and what is learnt of a corpus with that."""
    return request.param, calibrate(corpus(clean=2500, each=300, hidden=request.param), language="de")


@pytest.fixture(scope="module")
def one_kind():
    """Return what is learnt of one kind of noise, in few pairs."""
    return calibrate(corpus(clean=250, each=50, kinds=("meaning",)), language="de")


def test_the_hidden_noise_of_a_corpus_is_found(spoilt):
    """Within three points of the share of its pairs that are like the planted ones."""
    share, calibration = spoilt
    assert abs(calibration.noise_rate - share) <= 0.03


def test_the_estimate_is_in_its_interval(spoilt):
    """The report has what the calibration goes by, and the bootstrap's interval around it, or nearly."""
    _, calibration = spoilt
    rate = calibration.report["noise_rate"]
    assert rate["estimate"] == calibration.noise_rate
    assert rate["level"] == 0.95
    assert 0 <= rate["low"] <= rate["estimate"] + 0.01
    assert rate["estimate"] - 0.01 <= rate["high"] <= 1


def test_probabilities_of_new_pairs_are_true(spoilt):
    """Of new pairs with as much noise the share that is clean is as predicted, to five points on average."""
    share, calibration = spoilt
    pairs = corpus(seed=99, clean=4000, hidden=share).slice(0, 4000)
    probability = calibration.clean_probability(pairs)
    assert probability.type == pa.float32()
    clean = np.arange(4000) >= 4000 * share
    assert expected_calibration_error(probability.to_numpy().astype(np.float64), clean) <= 0.05


def test_a_corpus_that_is_shifted_in_part_is_not_learnt_as_clean():
    """Where 40 % of the corpus have the kind that looks worst, which the rules drop, they are found; else not."""
    kinds = ("meaning", *(f"weak {i}" for i in range(8)))
    pairs = corpus(clean=2500, each=100, kinds=kinds, hidden=0.4, hidden_kinds=("meaning",))
    thresholds = Thresholds.for_language("de", "muse").replaced({"min_similarity": 0.65, "min_logprob": None})
    found, fooled = (calibrate(pairs, language="de", thresholds=which) for which in (thresholds, None))
    shifted, clean = pairs.slice(0, 1000), pairs.slice(1000, 1500)
    assert np.mean(found.clean_probability(shifted).to_numpy()) < 0.1
    assert np.mean(found.clean_probability(clean).to_numpy()) > 0.5
    assert 0.4 <= found.noise_rate <= 0.55  # the weak kinds look much like what is clean: there may be some too
    assert np.mean(fooled.clean_probability(shifted).to_numpy()) > 0.8
    assert fooled.noise_rate < 0.2


def test_too_few_that_the_rules_keep_are_refused():
    """Nothing is learnt of a corpus that the rules drop."""
    thresholds = Thresholds.for_language("de", "muse").replaced({"min_similarity": 0.99, "full_similarity": 1.0})
    with pytest.raises(CalibrateError, match=r"clean pairs and 400 with noise: at least 200 and 20 are needed"):
        calibrate(corpus(), language="de", thresholds=thresholds)


def test_held_out_probabilities_are_true(learnt):
    """What the report has of pairs that the curve did not see is as good as on new ones."""
    assert learnt.report["ece"] <= 0.08  # of 1,200 pairs, ten bins of which chance alone moves by some hundredths


def test_kinds_are_found_as_well_as_they_can_be(learnt):
    """One that a score tells alone nearly always, and one that none tells as often as by chance."""
    auc = learnt.report["auc"]
    assert list(auc) == ["broken", "invisible", "meaning"]
    assert auc["broken"] > 0.98
    assert auc["meaning"] > 0.95
    assert 0.45 < auc["invisible"] < 0.55


def test_each_score_is_tried_alone(learnt):
    """Oddity finds what is broken and similarity what means something else; a high one is noise, a low one."""
    detectors = learnt.report["detectors"]
    assert list(detectors) == ["similarity", "mt_logprob", "oddity"]
    assert detectors["oddity"]["broken"] == 1.0
    assert detectors["oddity"]["meaning"] == 0.5
    assert detectors["similarity"]["meaning"] > 0.9
    assert 0.4 < detectors["similarity"]["broken"] < 0.6


def test_every_kind_is_left_out_once_for_each_model(learnt):
    """How well each model finds a kind that it never saw is told, as an AUC, and the model taken is one of them."""
    left_out = learnt.report["left_out"]
    assert sorted(left_out) == ["boosted", "logistic"]
    for aucs in left_out.values():
        assert list(aucs) == ["broken", "invisible", "meaning"]
        assert all(0 <= auc <= 1 for auc in aucs.values())
    assert learnt.report["model"] in left_out


@pytest.mark.parametrize(
    ("left_out", "model"),
    [
        ({"logistic": (0.90, 0.90), "boosted": (0.90, 0.90)}, "logistic"),
        ({"logistic": (0.90, 0.91), "boosted": (0.85, 0.86)}, "logistic"),
        ({"logistic": (0.80, 0.81), "boosted": (0.90, 0.92)}, "boosted"),
        # Better by 0.05 at the mean, but by as much as it is worse elsewhere: 0.05 is less than its error of 0.15.
        ({"logistic": (0.90, 0.80), "boosted": (0.80, 1.00)}, "logistic"),
        ({"logistic": (0.80,), "boosted": (0.85,)}, "logistic"),
        ({"logistic": (), "boosted": ()}, "logistic"),
    ],
)
def test_the_first_model_is_taken_that_is_as_good_to_one_standard_error(left_out, model):
    """A mean over few kinds moves by chance: only what is better beyond that is better."""
    aucs = {name: {f"kind {i}": auc for i, auc in enumerate(values)} for name, values in left_out.items()}
    assert _chosen(aucs) == model


def test_a_feature_that_the_corpus_never_has_is_left_out(learnt):
    """A column of nulls is no feature, nor is what has no score's name."""
    assert learnt.features == ("similarity", "mt_logprob", "oddity")
    assert learnt.language == "de"


def test_a_feature_of_the_planted_noise_alone_is_left_out():
    """What only noise has a value of would tell nothing but where it came from."""
    pairs = corpus(clean=250, each=30)
    told = pa.array([0.5 if kind else None for kind in pairs["noise_kind"].to_pylist()], pa.float32())
    pairs = pairs.set_column(pairs.column_names.index("margin"), "margin", told)
    assert "margin" not in calibrate(pairs, language="de").features


def test_a_feature_of_one_pair_alone_is_no_trouble():
    """Most folds have no value of it at all."""
    pairs = corpus(clean=250, each=30)
    told = pa.array([0.5] + [None] * (pairs.num_rows - 1), pa.float32())
    pairs = pairs.set_column(pairs.column_names.index("margin"), "margin", told)
    found = calibrate(pairs, language="de")
    assert "margin" in found.features
    assert found.clean_probability(pairs).null_count == 0


def test_the_report_says_what_was_measured(learnt):
    """Its parts have these names, and count what there was."""
    assert sorted(learnt.report) == [
        "auc",
        "boundary",
        "clean",
        "curve",
        "detectors",
        "ece",
        "histograms",
        "left_out",
        "model",
        "noise_rate",
        "noisy",
        "reliability",
        "suggested",
    ]
    assert learnt.report["clean"] == 600
    assert learnt.report["noisy"] == {"broken": 200, "invisible": 200, "meaning": 200}


def test_reliability_is_told_by_tenths(learnt):
    """The shares of the tenths are one in all, and each has a probability of its own tenth."""
    reliability = learnt.report["reliability"]
    assert sum(tenth["share"] for tenth in reliability) == pytest.approx(1)
    assert [sorted(tenth) for tenth in reliability] == [["observed", "predicted", "share"]] * len(reliability)
    predicted = [tenth["predicted"] for tenth in reliability]
    assert predicted == sorted(predicted)


def test_a_higher_bound_keeps_less(learnt):
    """Every bound of the curve keeps no more of the corpus and of the noise than the one before; 0 keeps all."""
    curve = learnt.report["curve"]
    bounds = [point["min_clean_probability"] for point in curve]
    assert bounds == sorted(bounds)
    assert (bounds[0], curve[0]["kept"], curve[0]["planted_kept"], curve[0]["noise_found"]) == (0, 1, 1, 0)
    for name in ("kept", "planted_kept"):
        values = [point[name] for point in curve]
        assert values == sorted(values, reverse=True)
    assert all(0 <= point[name] <= 1 for point in curve for name in ("noise_kept", "noise_found", "f1"))
    assert learnt.report["suggested"] in curve
    assert learnt.report["suggested"]["f1"] == max(point["f1"] for point in curve)


def test_histograms_share_out_the_corpus_and_the_planted(learnt):
    """One of the probability and one of each feature, forty bars each, which are shares of the pairs."""
    histograms = learnt.report["histograms"]
    assert list(histograms) == ["clean_probability", "similarity", "mt_logprob", "oddity"]
    for histogram in histograms.values():
        assert histogram["low"] < histogram["high"]
        for side in ("corpus", "planted"):
            assert len(histogram[side]) == 40
            assert sum(histogram[side]) == pytest.approx(1, abs=0.001)
    assert (histograms["clean_probability"]["low"], histograms["clean_probability"]["high"]) == (0, 1)


def test_the_boundary_shows_pairs_of_the_corpus(learnt):
    """Those next to the bound that is suggested, each source once, and none of the planted."""
    boundary = learnt.report["boundary"]
    assert len(boundary) == 12
    assert len({pair["source"] for pair in boundary}) == 12
    corpus_targets = {f"target {i}" for i in range(600)}
    assert {pair["target"] for pair in boundary} <= corpus_targets
    bound = learnt.report["suggested"]["min_clean_probability"]
    distances = [abs(pair["clean_probability"] - bound) for pair in boundary]
    assert distances == pytest.approx(sorted(distances), abs=1e-4)


def test_what_is_learnt_survives_the_file(learnt):
    """The probabilities of new pairs are the same to the bit."""
    pairs = corpus(seed=5)
    read = Calibration.from_json(learnt.to_json())
    assert read.clean_probability(pairs) == learnt.clean_probability(pairs)
    assert read.to_json() == learnt.to_json()


def test_probability_rises_with_similarity_and_falls_with_oddity(learnt):
    """A pair like the corpus's is likely clean, one that means something else or is broken likely not."""
    pairs = pa.table(
        {
            "source": ["One.", "Two.", "Three."],
            "similarity": pa.array([0.8, 0.4, 0.8], pa.float32()),
            "mt_logprob": pa.array([-0.5, -0.9, -0.5], pa.float32()),
            "oddity": pa.array([0.0, 0.0, 0.3], pa.float32()),
        }
    )
    good, other, broken = learnt.clean_probability(pairs).to_pylist()
    assert good > 0.95
    assert max(other, broken) < 0.5


def test_one_kind_of_noise_is_enough(one_kind):
    """There is none to leave out; below a thousand pairs the curve is a sigmoid."""
    assert one_kind.report["left_out"] == {"logistic": {}, "boosted": {}}
    assert one_kind.report["model"] == "logistic"
    assert one_kind.report["auc"]["meaning"] > 0.95
    assert one_kind.report["ece"] <= 0.06  # of 300 pairs
    assert (np.diff(one_kind.curve.probability) >= 0).all()


def test_the_same_pairs_and_seed_are_the_same_file(one_kind):
    """Byte for byte; another seed draws other folds."""
    pairs = corpus(clean=250, each=50, kinds=("meaning",))
    assert calibrate(pairs, language="de").to_json() == one_kind.to_json()
    assert calibrate(pairs, language="de", seed=1).to_json() != one_kind.to_json()


def test_noise_that_nothing_tells_gives_no_falling_curve():
    """Few pairs whose scores happen to be lower for clean ones make a flat curve."""
    pairs = corpus(clean=250, each=100, kinds=("invisible",))
    calibration = calibrate(pairs, language="de")
    assert calibration.report["auc"]["invisible"] < 0.5
    assert (np.diff(calibration.curve.probability) >= 0).all()


def test_a_kind_with_a_single_pair_is_learnt_beside_another():
    """Where it alone is left to learn from, and lies among what is tried, nothing is tried."""
    pairs = corpus(clean=250, each=50)
    kinds = pairs["noise_kind"].to_pylist()
    rows = [i for i, kind in enumerate(kinds) if kind != "meaning" or i == kinds.index("meaning")]
    report = calibrate(pairs.take(pa.array(rows)), language="de").report
    assert report["noisy"] == {"broken": 50, "meaning": 1}
    assert all(set(aucs) <= {"broken", "meaning"} for aucs in report["left_out"].values())


@pytest.mark.parametrize(
    ("clean", "each", "message"),
    [
        (199, 50, "199 clean pairs and 100 with noise: at least 200 and 20 are needed"),
        (200, 9, "200 clean pairs and 18 with noise: at least 200 and 20 are needed"),
        (1200, 0, "1,200 clean pairs and 0 with noise: at least 200 and 20 are needed"),
    ],
)
def test_too_few_pairs_are_refused(clean, each, message):
    """The message says how many there are and how many are needed."""
    with pytest.raises(CalibrateError, match=f"^{message}$"):
        calibrate(corpus(clean=clean, each=each), language="de")


def test_pairs_without_scores_are_refused():
    """Where no clean pair has any score there is nothing to learn from."""
    pairs = corpus().select(["source", "target", "noise_kind", "group", "margin"])
    with pytest.raises(CalibrateError, match=r"^no clean pair has any of the scores that noise is told by$"):
        calibrate(pairs, language="de")


def test_what_only_tells_the_source_tells_no_noise():
    """Pairs of one source stay in one fold: a score by which it can be known again is of no use for others."""
    draw = np.random.default_rng(0)
    group = np.repeat(np.arange(240), 4)
    known_again = draw.random(240)[group] + draw.normal(scale=1e-4, size=960)
    pairs = pa.table(
        {
            "source": [f"source {i}" for i in group],
            "target": [f"target {i}" for i in range(960)],
            "noise_kind": pa.array(["noise" if i % 2 else None for i in group], pa.string()),
            "group": pa.array(group),
            "similarity": pa.array(known_again, pa.float32()),
        }
    )
    assert 0.35 < calibrate(pairs, language="de").report["auc"]["noise"] < 0.65


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=60), st.integers(0, 1000))
def test_groups_stay_in_one_fold(groups, seed):
    """Rows of one group have one fold, and the folds' numbers of groups differ by one at most."""
    folds = _folds(np.array(groups), seed)
    of_group = {}
    for group, fold in zip(groups, folds.tolist(), strict=True):
        assert of_group.setdefault(group, fold) == fold
    counts = np.bincount(list(of_group.values()), minlength=5)
    assert len(counts) == 5
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize(
    ("corpus_scores", "planted", "rate"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0),
        ([5, 6, 7, 8], [1, 2, 3, 4], 0.0),
        ([1, 2, 5, 6, 7, 8, 9, 10], [1, 2, 3, 4], 0.25),  # 2 of 8 are below all of the planted
        ([0, 0, 0, 0], [1, 2, 3, 4], 1.0),
        ([], [1.0], 0.0),
        ([1.0], [], 0.0),
    ],
)
def test_noise_rate(corpus_scores, planted, rate):
    """The largest share of the corpus that may be like the planted, by the bound that allows the least."""
    assert noise_rate(np.array(corpus_scores, float), np.array(planted, float)) == rate


def test_what_the_rules_drop_is_set_apart_on_both_sides():
    """Texts and planted noise that they keep are compared; of all planted noise, by weight, half is kept here."""
    kinds = np.array(["", "", "", "one", "one", "other", "other"], dtype=object)
    data = Labelled(np.empty((7, 0)), kinds, np.array([0, 0, 1, 0, 0, 0, 0]))
    kept = np.array([True, True, False, True, True, False, False])
    found = evidence(np.array([4.0, 6.0, -9.0, 1.0, 2.0, -7.0, -8.0]), data, kept)
    assert found.corpus.tolist() == [5.0]  # of the first text; the second one is dropped
    assert found.planted.tolist() == [1.0, 2.0]
    assert found.kept == 0.5


@pytest.mark.parametrize(
    ("of_kept", "even", "rate"),
    [
        (0.1, [], 0.1),
        (0.0, [1e-9] * 25, 0.25),  # 25 of 100 are dropped, and all of them noise
        (0.2, [1e-9] * 25, 0.25 + 0.75 * 0.2),
        (0.0, [1 - 1e-9] * 25, 0.0),  # dropped by mistake
        (0.0, [1e-9] * 10 + [1 - 1e-9] * 15, 0.1),
    ],
)
def test_of_what_the_rules_drop_as_much_is_noise_as_its_probabilities_say(of_kept, even, rate):
    """Beside 75 texts that they keep."""
    kept = 100 - len(even)
    assert in_all(of_kept, kept, np.array(even)) == pytest.approx(rate, abs=1e-6)


def test_noise_rate_counts_planted_noise_by_its_weight():
    """Kinds weigh the same, however many there are of each: half of the noise below 3, all below 10."""
    corpus_scores, planted = np.array([1.0, 2, 6, 7, 8, 9, 11, 12, 13, 14]), np.array([3.0, 3, 3, 10])
    assert noise_rate(corpus_scores, planted, np.array([1.0, 1, 1, 3])) == pytest.approx(0.4)  # 2 of 10 over a half
    assert noise_rate(corpus_scores, planted) == pytest.approx(0.8 / 3)  # 2 of 10 over three quarters


scores = st.lists(st.integers(0, 9), min_size=1, max_size=30)


@given(scores, scores)
def test_noise_rate_is_the_least_that_a_bound_allows(corpus_scores, planted):
    """The bounds are where a tenth to nine tenths of the planted noise are below; few rows count with their error."""

    def share(scores_of, bound):
        return sum(score <= bound for score in scores_of) / len(scores_of)

    rows = len(corpus_scores)
    bounds = [min(b for b in planted if share(planted, b) >= least / 10 - 1e-12) for least in range(1, 10)]
    allowed = [share(corpus_scores, bound) / share(planted, bound) for bound in bounds]
    certain = [
        rate + 2 * math.sqrt((share(corpus_scores, bound) + 1 / rows) / rows) / share(planted, bound)
        for rate, bound in zip(allowed, bounds, strict=True)
    ]
    found = noise_rate(np.array(corpus_scores, float), np.array(planted, float))
    best = min(certain)
    assert any(
        found == pytest.approx(min(1.0, rate), abs=1e-9)
        for rate, upper in zip(allowed, certain, strict=True)
        if upper == pytest.approx(best)
    )


@pytest.mark.parametrize(
    ("probability", "clean", "weights", "error"),
    [
        ([0.0, 1.0], [False, True], None, 0.0),
        ([0.25, 0.25, 0.25, 0.25], [True, False, False, False], None, 0.0),
        ([0.95, 0.85], [True, True], None, 0.1),  # 0.05 and 0.15
        ([0.91, 0.99], [True, False], None, 0.45),  # one bin: 0.95, of which half are
        ([0.65, 0.15, 0.15, 0.15], [True, False, False, False], None, 0.2),  # 0.35 and thrice 0.15, of four
        ([0.65, 0.15], [True, False], [1.0, 3.0], 0.2),
        ([1.0, 1.0], [False, False], None, 1.0),
    ],
)
def test_expected_calibration_error(probability, clean, weights, error):
    """The distance of what is predicted from what is so, bin by bin, by what is in each."""
    found = expected_calibration_error(np.array(probability), np.array(clean), weights and np.array(weights))
    assert found == pytest.approx(error, abs=1e-12)
