import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verdict import CERTAIN, RULES, Thresholds, UnknownRuleError, judge

ALL = tuple(RULES)

FLOATS = (
    "mt_logprob",
    "lid_prob",
    "similarity",
    "back_chrf",
    "length_ratio",
    "copy_ratio",
    "repetition",
    "script_share",
    "oddity",
    "clean_probability",
)


def judged(rules=ALL, thresholds=None, **columns):
    """Return the verdicts (keep, reasons, weight) on rows of ``columns``."""
    arrays = {name: pa.array(values, pa.float32() if name in FLOATS else None) for name, values in columns.items()}
    table = judge(pa.table(arrays), rules=rules, thresholds=thresholds or Thresholds())
    return table.select(["keep", "reasons", "weight"]).to_pylist()


def reasons(**columns):
    """Return only the reasons."""
    return [row["reasons"] for row in judged(**columns)]


def test_rules_have_the_documented_names_and_order():
    """Reasons are stable strings, in judging order."""
    assert ALL == (
        "too_long",
        "empty",
        "unfinished",
        "wrong_language",
        "wrong_script",
        "untranslated",
        "repetition",
        "length_ratio",
        "mojibake",
        "numbers_differ",
        "number_words_differ",
        "low_similarity",
        "low_margin",
        "low_confidence",
        "low_round_trip",
        "low_clean_probability",
    )


def test_the_certain_rules_are_those_without_a_whole_translation():
    """No calibration replaces them."""
    assert CERTAIN == ("too_long", "empty", "unfinished")


def test_every_rule_explains_itself_in_a_sentence():
    """The audit shows the explanation beside the reason."""
    assert all(rule.explanation.endswith(".") and rule.name == name for name, rule in RULES.items())


def test_too_long_fires_where_there_is_no_target():
    """A null target means that the model could not take the text; no other rule fires on it."""
    assert reasons(target=["ein Hund", None]) == [[], ["too_long"]]


def test_empty_fires_without_letters_and_digits():
    """White space and punctuation are no translation; a digit, an ideograph or a Thai word is."""
    targets = pa.array(["", " \u3000", "...!", "。", "4", "狗", "ก", "é"])
    assert reasons(target=targets) == [["empty"]] * 4 + [[]] * 4


@pytest.mark.parametrize(
    ("reason", "column", "drops", "keeps"),
    [
        ("wrong_language", "lid_prob", 0.1, 0.2),
        ("wrong_script", "script_share", 0.49, 0.5),
        ("untranslated", "copy_ratio", 0.61, 0.59),
        ("repetition", "repetition", 0.21, 0.19),
        ("length_ratio", "length_ratio", 0.49, 0.5),
        ("length_ratio", "length_ratio", 2.01, 2.0),
        ("mojibake", "oddity", 0.021, 0.02),
        ("low_similarity", "similarity", 0.44, 0.46),
        ("low_confidence", "mt_logprob", -1.21, -1.19),
        ("low_round_trip", "back_chrf", 17.9, 18.1),
    ],
)
def test_a_score_beyond_its_threshold_drops(reason, column, drops, keeps):
    """Each rule fires beyond its default threshold, not short of it and not on null."""
    assert reasons(**{column: [drops, keeps, None]}) == [[reason], [], []]


@pytest.mark.parametrize("reason", ["numbers_differ", "number_words_differ"])
def test_that_numbers_differ_is_its_own_answer(reason):
    """The rule fires on true, not on false or null."""
    assert reasons(**{reason: [True, False, None]}) == [[reason], [], []]


def test_the_clean_probability_has_no_bound_of_its_own():
    """Nothing is dropped for it until one is set, on which a pair is kept."""
    probabilities = [0.0, 0.89, 0.9, None]
    assert reasons(clean_probability=probabilities) == [[], [], [], []]
    bound = Thresholds().replaced({"min_clean_probability": 0.9})
    rows = judged(clean_probability=probabilities, thresholds=bound)
    assert [row["reasons"] for row in rows] == [["low_clean_probability"], ["low_clean_probability"], [], []]
    assert [row["weight"] for row in rows] == [0.0, 0.0, 1.0, 1.0]


def test_a_column_may_say_the_weight():
    """Instead of the soft scores, which still drop; what is dropped weighs nothing."""
    table = pa.table(
        {
            "clean_probability": pa.array([0.25, 0.75, 0.5], pa.float32()),
            "similarity": pa.array([0.5, 0.1, 0.9], pa.float32()),
        }
    )
    judged = judge(table, rules=ALL, thresholds=Thresholds(), weight_by="clean_probability")
    assert judged["keep"].to_pylist() == [True, False, True]
    assert judged["weight"].to_pylist() == [0.25, 0.0, 0.5]


def test_unfinished_is_the_engines_own_answer():
    """The rule fires on true, not on false or null, and a ledger without the column drops nothing for it."""
    assert reasons(mt_unfinished=[True, False, None]) == [["unfinished"], [], []]
    assert reasons(target=["Hund"], mt_tokens=[200]) == [[]]


def test_a_verdict_carries_all_reasons_in_order():
    """All rules that fire are listed, in the table's order, however ``rules`` is ordered."""
    rows = judged(
        rules=("low_confidence", "wrong_language", "repetition", "low_similarity"),
        mt_logprob=[-3.0],
        similarity=[0.1],
        lid_prob=[0.0],
        repetition=[0.9],
    )
    assert rows == [
        {
            "keep": False,
            "reasons": ["wrong_language", "repetition", "low_similarity", "low_confidence"],
            "weight": 0.0,
        }
    ]


def test_soft_scores_weigh_by_a_ramp_and_the_smallest_counts():
    """Weight rises linearly from 0 at the threshold to 1 at the full value."""
    rows = judged(
        similarity=[0.575, 0.8, 0.675, None, 0.451],
        mt_logprob=[-0.1, -0.1, -1.075, None, -0.1],
        thresholds=Thresholds(min_similarity=0.45, full_similarity=0.7, min_logprob=-1.2, full_logprob=-0.7),
    )
    assert [row["weight"] for row in rows] == pytest.approx([0.5, 1.0, 0.25, 1.0, 0.004], abs=1e-6)
    assert all(row["keep"] for row in rows)


def test_exactly_on_a_hard_bound_is_kept_and_on_a_soft_one_dropped():
    """Three fifths in float32 is no more than a bound of 0.6; at a soft bound the weight would be 0."""
    assert reasons(copy_ratio=[3 / 5], repetition=[1 / 5], length_ratio=[2.0]) == [[]]
    assert reasons(lid_prob=[0.15], similarity=[0.45], mt_logprob=[-1.2]) == [
        ["wrong_language", "low_similarity", "low_confidence"]
    ]


def test_a_pair_without_soft_scores_weighs_one():
    """With nothing to weigh by, a kept pair counts in full."""
    assert judged(target=["狗"]) == [{"keep": True, "reasons": [], "weight": 1.0}]


def test_a_bound_that_is_off_neither_drops_nor_weighs():
    """None switches off the rule and the weight that comes of it."""
    off = Thresholds().replaced({"min_similarity": None, "max_length_ratio": None})
    assert judged(similarity=[0.0], length_ratio=[50.0], thresholds=off) == [
        {"keep": True, "reasons": [], "weight": 1.0}
    ]


def test_half_a_hard_range_can_be_off():
    """The other bound of the length ratio still holds."""
    off = Thresholds().replaced({"max_length_ratio": None})
    assert [row["keep"] for row in judged(length_ratio=[0.1, 50.0], thresholds=off)] == [False, True]


def test_a_soft_bound_without_full_weight_only_drops():
    """With ``full_`` off a kept pair weighs 1 however near it is to the threshold."""
    hard = Thresholds().replaced({"full_similarity": None})
    assert [row["weight"] for row in judged(similarity=[0.1, 0.46], thresholds=hard)] == [0.0, 1.0]


def test_a_rule_that_does_not_judge_does_not_weigh():
    """Only the rules asked for drop pairs and weigh them."""
    assert judged(rules=("empty",), target=["Hund"], similarity=[0.5]) == [{"keep": True, "reasons": [], "weight": 1.0}]


def test_no_scores_and_no_rows_are_no_trouble():
    """A table without the scores' columns, or without rows, gets its three columns."""
    assert judged(language=["de"]) == [{"keep": True, "reasons": [], "weight": 1.0}]
    table = judge(pa.table({"target": pa.array([], pa.string())}), rules=ALL, thresholds=Thresholds())
    assert table.schema.field("keep").type == pa.bool_()
    assert table.schema.field("reasons").type == pa.list_(pa.string())
    assert table.schema.field("weight").type == pa.float32()


def test_no_rules_keep_everything():
    """An empty list of rules is allowed, and drops nothing."""
    assert judged(rules=(), target=[None], lid_prob=[0.0]) == [{"keep": True, "reasons": [], "weight": 1.0}]


def test_chunked_tables_are_judged_row_by_row():
    """Chunks of one table do not mix rows up."""
    first = pa.table({"lid_prob": pa.array([0.0, 1.0], pa.float32()), "target": ["a", "b"]})
    second = pa.table({"lid_prob": pa.array([0.0], pa.float32()), "target": ["."]})
    table = judge(pa.concat_tables([first, second]), rules=ALL, thresholds=Thresholds())
    assert table["reasons"].to_pylist() == [["wrong_language"], [], ["empty", "wrong_language"]]


def test_a_second_verdict_replaces_the_first():
    """Judging again with other thresholds leaves one verdict."""
    table = pa.table({"similarity": pa.array([0.6], pa.float32())})
    for minimum in (0.65, 0.5):
        table = judge(table, rules=ALL, thresholds=Thresholds().replaced({"min_similarity": minimum}))
    assert table.column_names == ["similarity", "keep", "reasons", "weight"]
    assert table["keep"].to_pylist() == [True]


def test_not_a_number_is_no_score():
    """NaN, as null, neither drops nor weighs."""
    assert judged(similarity=[float("nan")]) == [{"keep": True, "reasons": [], "weight": 1.0}]


def test_an_unknown_rule_is_refused_with_the_nearest():
    """The message names the nearest known rule."""
    with pytest.raises(UnknownRuleError, match=r"'repetitions' \(did you mean 'repetition'\?\)"):
        judged(rules=("repetitions",), target=["a"])


scores = st.sampled_from([None, -2.0, -1.2, -1.0, 0.0, 0.15, 0.2, 0.45, 0.5, 0.6, 0.65, 1.0, 2.0, 30.0])
rows = st.fixed_dictionaries(
    dict.fromkeys(FLOATS, scores)
    | {
        "target": st.one_of(st.none(), st.text(max_size=5)),
        "numbers_differ": st.one_of(st.none(), st.booleans()),
        "number_words_differ": st.one_of(st.none(), st.booleans()),
        "mt_unfinished": st.one_of(st.none(), st.booleans()),
    }
)


@given(st.lists(rows, max_size=8), st.lists(st.sampled_from(ALL), unique=True))
def test_verdicts_hang_together(pairs, rules):
    """Kept, no reasons and a positive weight are one and the same, whatever the scores."""
    types = {name: pa.float32() for name in FLOATS} | {"target": pa.string()}
    types |= dict.fromkeys(("numbers_differ", "number_words_differ", "mt_unfinished"), pa.bool_())
    table = pa.table({name: pa.array([pair[name] for pair in pairs], kind) for name, kind in types.items()})
    verdicts = judge(table, rules=rules, thresholds=Thresholds())
    for row in verdicts.to_pylist():
        assert row["keep"] == (row["reasons"] == []) == (row["weight"] > 0)
        assert 0 <= row["weight"] <= 1
        assert row["reasons"] == [rule for rule in ALL if rule in row["reasons"]]
        assert set(row["reasons"]) <= set(rules)


@given(st.floats(0, 1), st.floats(0, 1))
def test_weight_never_falls_as_a_score_rises(low, high):
    """A better similarity is never worth less."""
    low, high = sorted((np.float32(low), np.float32(high)))
    worse, better = judged(similarity=[low, high])
    assert worse["weight"] <= better["weight"]
