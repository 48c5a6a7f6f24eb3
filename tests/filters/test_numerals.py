import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.numerals import numbers_differ


def differ(source, target):
    """Return the answer for one pair."""
    return numbers_differ(pa.array([source], pa.string()), pa.array([target], pa.string())).to_pylist()[0]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("A dog", "Ein Hund"),
        ("5 dogs", "5 Hunde"),
        ("5 dogs", "fünf Hunde"),
        ("two dogs", "2 Hunde"),
        ("A dog and a cat", "1只狗和1只猫"),
        ("a dozen eggs", "12 Eier"),
        ("twenty-five people", "25 personnes"),
        ("twenty five people", "25 personnes"),
        ("1,000 people", "1.000 Leute"),
        ("1,000 people", "1 000 personnes"),
        ("1,000 people", "1\u202f000 personnes"),
        ("1,000,000 stars", "1000000 Sterne"),
        ("10,000 people", "1万人"),
        ("15,000 people", "1.5万人"),
        ("3.5 meters", "3,5 Meter"),
        ("room 12", "部屋１２"),
        ("room 12", "غرفة ١٢"),
        ("bus 07", "Bus 7"),
        ("a car of the 1950s", "une voiture des années 50"),
        ("a car of the 1950s", "20世纪50年代的车"),
        ("at 3 pm", "um 15 Uhr"),
        ("the 2nd floor", "2. Stock"),
        ("10:30 on a clock", "10h30 sur une horloge"),
    ],
)
def test_the_same_numbers_however_written(source, target):
    """Separators, scripts of digits, words, decades and times of day make no difference."""
    assert differ(source, target) is False


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("5 dogs", "6 Hunde"),
        ("5 dogs", "5 5 Hunde"),
        ("two dogs", "3 Hunde"),
        ("A dog", "Ein Hund 2008"),
        ("a red tent", "红10吨"),
        ("100 people", "1.000 Leute"),
        ("10,000 people", "10万人"),
        ("player 23", "選手３２"),
    ],
)
def test_other_numbers(source, target):
    """A number of the target's own making is a difference."""
    assert differ(source, target) is True


@pytest.mark.parametrize(("source", "target"), [(None, "5"), ("5", None), (None, None)])
def test_null_texts_have_no_answer(source, target):
    """Where a text is null nothing is told."""
    assert differ(source, target) is None


@given(
    st.text(alphabet="0123456789.,  万千 apm１２٣", max_size=40),
    st.text(alphabet="0123456789.,' 万千１２٣", max_size=40),
)
def test_any_digits_have_an_answer(source, target):
    """No arrangement of digits and separators crashes it."""
    assert differ(source, target) in (True, False)


@given(st.text())
def test_a_text_agrees_with_itself(text):
    """No text differs from itself."""
    assert differ(text, text) is False


def test_very_long_numbers_are_read():
    """A number of ten thousand digits, which Python would not turn into an integer, is a number."""
    assert differ("1" * 10_000, "1" * 10_000 + "万") is False
    assert differ("1", "2" * 10_000) is True
