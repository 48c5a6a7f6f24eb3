import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.confidence import TOKEN_SCORES, token_scores

NAMES = ("mt_logprob", "mt_min_logprob", "mt_worst_logprob", "mt_pmi", "mt_min_pmi", "mt_worst_pmi")


def scored(tokens, logprobs):
    """Return the scores of each translation, in the order of `NAMES`, rounded to three decimals."""
    found = token_scores(tokens, logprobs)
    assert tuple(found) == NAMES
    assert {str(column.type) for column in found.values()} == {"float"}
    rows = zip(*(column.to_pylist() for column in found.values()), strict=True)
    return [tuple(value if value is None else round(value, 3) for value in row) for row in rows]


def test_the_names_are_those_of_the_columns():
    """They are told in one place."""
    assert TOKEN_SCORES == NAMES


def test_scores_of_two_translations():
    """Means, minima and the worst of two short lists, of log-probabilities and of what the source adds to them."""
    # "a" three times, "b" twice, "c" once, and two to each of them: ln(5/12) = -0.875, ln(4/12) = -1.099,
    # ln(3/12) = -1.386. So the information is 0.375, 0.599, -0.125, -0.614 in the first and 0.599, 0.775 in the second.
    assert scored([["a", "b", "a", "c"], ["b", "a"]], [[-0.5, -0.5, -1.0, -2.0], [-0.5, -0.1]]) == [
        (-1.0, -2.0, -2.0, 0.059, -0.614, -0.369),
        (-0.3, -0.5, -0.5, 0.687, 0.599, 0.687),
    ]


@pytest.mark.parametrize(("count", "worst"), [(1, -1.0), (4, -4.0), (7, -7.0), (8, -7.5), (11, -10.5), (12, -11.0)])
def test_the_worst_are_a_quarter_of_the_tokens_but_at_least_one(count, worst):
    """Of tokens with -1, -2, -3 and so on, in whatever order, the mean of the last quarter, rounded down."""
    logprobs = [-float(place) for place in range(1, count + 1)]
    for order in (logprobs, logprobs[::-1], logprobs[1::2] + logprobs[::2]):
        assert scored([["a"] * count], [order])[0][2] == worst


def test_the_information_of_one_token_is_that_of_all_three():
    """The two least of one token are that one."""
    # It is all there is: its frequency is 1, and its logarithm 0.
    assert scored([["a"]], [[-0.25]]) == [(-0.25, -0.25, -0.25, -0.25, -0.25, -0.25)]


def test_a_rare_token_owes_more_to_the_source_than_a_common_one_as_likely():
    """Of two tokens at -1 the rare one has much information, and the common one less than none."""
    tokens = [["a"] * 98, ["a"] * 98, ["b"], ["a"]]
    [*_, rare, common] = scored(tokens, [[-0.02] * 98, [-0.02] * 98, [-1.0], [-1.0]])
    # 1 and 197 of 198, and two to each: ln(3 / 202) = -4.210 and ln(199 / 202) = -0.015
    assert rare == (-1.0, -1.0, -1.0, 3.21, 3.21, 3.21)
    assert common == (-1.0, -1.0, -1.0, -0.985, -0.985, -0.985)


def test_translations_without_tokens_have_nulls():
    """None and an empty list are null, and shift no other row's scores."""
    alone = scored([["a", "b"], ["b"]], [[-1.0, -2.0], [-3.0]])
    assert scored([None, ["a", "b"], [], None, ["b"], None], [None, [-1.0, -2.0], [], None, [-3.0], None]) == [
        (None,) * 6,
        alone[0],
        (None,) * 6,
        (None,) * 6,
        alone[1],
        (None,) * 6,
    ]


@pytest.mark.parametrize("rows", [[], [None], [[]], [None, [], None]])
def test_no_tokens_at_all_are_nulls(rows):
    """As many nulls as there are rows, none for none."""
    assert scored(rows, rows) == [(None,) * 6] * len(rows)


def by_hand(rows):
    """Return the scores of ``rows`` of (token, log-probability), by a plain loop."""
    counts = {}
    for row in rows:
        for token, _ in row or ():
            counts[token] = counts.get(token, 2) + 1
    total = sum(counts.values())
    found = []
    for row in rows:
        if not row:
            found.append((None,) * 6)
            continue
        scores = ()
        least = [(max(1, len(row) // 4), [logprob for _, logprob in row])]
        least.append((2, [logprob - math.log(counts[token] / total) for token, logprob in row]))
        for lowest, values in least:
            worst = sorted(values)[:lowest]
            scores += (sum(values) / len(values), min(values), sum(worst) / len(worst))
        found.append(scores)
    return found


tables = st.lists(
    st.none() | st.lists(st.tuples(st.sampled_from(["a", "b", "▁c", ""]), st.floats(-50, 0)), max_size=10), max_size=8
)


@given(tables)
def test_scores_are_those_of_a_plain_loop(rows):
    """Whatever the tokens, the scores are those counted one by one, and each least one is no more than its mean."""
    tokens = [row if row is None else [token for token, _ in row] for row in rows]
    logprobs = [row if row is None else [logprob for _, logprob in row] for row in rows]
    columns = [column.to_pylist() for column in token_scores(tokens, logprobs).values()]
    for scores, wanted in zip(zip(*columns, strict=True), by_hand(rows), strict=True):
        assert [score is None for score in scores] == [want is None for want in wanted]
        if wanted[0] is not None:
            assert scores == pytest.approx(wanted, rel=1e-5, abs=1e-5)
            for mean, least, worst in (scores[:3], scores[3:]):
                assert least <= worst + 1e-5
                assert worst <= mean + 1e-5
