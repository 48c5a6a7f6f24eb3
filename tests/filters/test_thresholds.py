import math

import pytest

from filters.thresholds import THRESHOLDS, ThresholdError, Thresholds, UnknownThresholdError


def test_defaults_are_those_of_the_table():
    """`Thresholds()` and the documented table are one thing."""
    assert {name: getattr(Thresholds(), name) for name in THRESHOLDS} == {
        "min_lid_prob": 0.15,
        "full_lid_prob": 0.6,
        "min_script_share": 0.5,
        "max_copy_ratio": 0.6,
        "max_repetition": 0.2,
        "min_length_ratio": 0.5,
        "max_length_ratio": 2.0,
        "min_similarity": 0.45,
        "min_margin": 0.7,
        "full_similarity": 0.7,
        "min_logprob": -1.2,
        "full_logprob": -0.7,
        "max_oddity": 0.02,
        "min_clean_probability": None,
        "min_back_chrf": 18.0,
        "full_back_chrf": 45.0,
    }


def test_every_threshold_is_justified_in_a_sentence():
    """Every row of the table has a range around its default and one sentence; only one is off, and says so."""
    assert [name for name, row in THRESHOLDS.items() if row.default is None] == ["min_clean_probability"]
    assert THRESHOLDS["min_clean_probability"].why.startswith("Off: ")
    for row in THRESHOLDS.values():
        assert row.default is None or row.low <= row.default <= row.high
        assert row.why.endswith(".")
        assert ". " not in row.why


@pytest.mark.parametrize("code", ["de", "fr", "cs", "zh", "zh-Hant"])
def test_lengths_are_tighter_where_measured(code):
    """Languages whose expected length was measured on captions have narrower bounds."""
    thresholds = Thresholds.for_language(code)
    assert (thresholds.min_length_ratio, thresholds.max_length_ratio) == (0.6, 1.7)


def test_other_languages_have_the_defaults():
    """A language without measurements has the table's defaults."""
    assert Thresholds.for_language("ja") == Thresholds()


def test_translations_of_others_have_no_bound_on_the_log_probability():
    """All else is as for the language and the teacher."""
    theirs = Thresholds.for_pairs("de", "multilingual-e5-small")
    assert (theirs.min_logprob, theirs.full_logprob) == (None, None)
    own = Thresholds.for_language("de", "multilingual-e5-small")
    assert theirs.replaced({"min_logprob": own.min_logprob, "full_logprob": own.full_logprob}) == own


def test_replaced_changes_only_what_is_named():
    """`replaced` takes new values and None for off, and leaves the original alone."""
    before = Thresholds.for_language("de")
    after = before.replaced({"min_similarity": 0.5, "max_repetition": None})
    assert (after.min_similarity, after.max_repetition, after.min_length_ratio) == (0.5, None, 0.6)
    assert before.min_similarity == 0.45


def test_an_unknown_threshold_is_refused_with_the_nearest():
    """The message names the nearest known threshold and all of them."""
    with pytest.raises(UnknownThresholdError, match=r"'min_similarty' \(did you mean 'min_similarity'\?\)"):
        Thresholds().replaced({"min_similarty": 0.5})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_lid_prob", 1.5),
        ("min_similarity", -1.1),
        ("min_logprob", 0.1),
        ("min_back_chrf", 101.0),
        ("max_repetition", math.nan),
    ],
)
def test_a_value_out_of_range_is_refused(name, value):
    """The message names the threshold, the value and the range."""
    with pytest.raises(ThresholdError, match=rf"{name}: .* is not between .* and"):
        Thresholds().replaced({name: value})


@pytest.mark.parametrize("value", [0.7, 0.9])
def test_a_soft_bound_needs_room_for_its_ramp(value):
    """A drop threshold at or above its full weight is refused, and says to set both."""
    with pytest.raises(ThresholdError, match=r"min_similarity .* must be below full_similarity \(0.7\): set both"):
        Thresholds().replaced({"min_similarity": value})


def test_both_ends_of_a_ramp_can_move_together():
    """A higher drop threshold goes with a higher full weight."""
    thresholds = Thresholds().replaced({"min_similarity": 0.8, "full_similarity": 0.9})
    assert (thresholds.min_similarity, thresholds.full_similarity) == (0.8, 0.9)
