import pyarrow as pa
import pytest

from filters.roundtrip import chrf


def test_the_same_text_has_100():
    """A perfect round trip has the highest score."""
    assert chrf(pa.array(["A man rides a horse."]), pa.array(["A man rides a horse."])).to_pylist() == [100.0]


def test_nothing_in_common_has_0():
    """No shared character n-gram, no score."""
    assert chrf(pa.array(["aaa"]), pa.array(["bbb"])).to_pylist() == [0.0]


def test_a_paraphrase_is_between():
    """The value is sacreBLEU's, of the sentence."""
    [score] = chrf(pa.array(["A man rides a horse."]), pa.array(["A man is riding a horse."])).to_pylist()
    assert score == pytest.approx(48.9175, abs=0.001)


def test_a_null_or_empty_text():
    """Null is null; a round trip that came back empty has 0."""
    scores = chrf(pa.array(["a b", None, "a b", None]), pa.array([None, "a b", "", None], pa.string()))
    assert scores.to_pylist() == [None, None, 0.0, None]
    assert scores.type == pa.float32()


def test_no_pairs():
    """Empty arrays give an empty column of the right type."""
    assert chrf(pa.array([], pa.string()), pa.array([], pa.string())).type == pa.float32()
