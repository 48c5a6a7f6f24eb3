"""SentencePiece as Marian models use it."""

import pytest

from translate.models import MINI
from translate.tokenizers import MarianTokenizer


@pytest.fixture(scope="module")
def tokenizer() -> MarianTokenizer:
    """Return the tokenizer of the bundled model."""
    return MarianTokenizer(MINI)


def test_a_source_begins_with_the_token_and_ends_with_the_end(tokenizer: MarianTokenizer) -> None:
    """The language token stands before the pieces, the end of sentence behind them."""
    (source,) = tokenizer.encode(["A dog."], token=">>deu<<")
    assert source[0] == ">>deu<<"
    assert source[-1] == "</s>"
    assert "".join(source[1:-1]).replace("▁", " ").strip() == "A dog."


def test_without_a_token(tokenizer: MarianTokenizer) -> None:
    """A model with one target language gets the pieces alone."""
    (with_token,) = tokenizer.encode(["A dog."], token=">>deu<<")
    assert tokenizer.encode(["A dog."], token=None) == [with_token[1:]]


def test_an_empty_text(tokenizer: MarianTokenizer) -> None:
    """An empty text has no pieces."""
    assert tokenizer.encode([""], token=">>deu<<") == [[">>deu<<", "</s>"]]


def test_a_marker_in_a_text_is_text(tokenizer: MarianTokenizer) -> None:
    """A caption that spells the end of sentence does not end there."""
    (source,) = tokenizer.encode(["A dog </s> runs."], token=">>deu<<")
    assert source.count("</s>") == 1


def test_decode_one_without_pieces(tokenizer: MarianTokenizer) -> None:
    """One empty hypothesis is one empty text."""
    assert tokenizer.decode([[]]) == [""]


def test_decode(tokenizer: MarianTokenizer) -> None:
    """Pieces become text again; no pieces become an empty one."""
    (pieces,) = tokenizer.encode(["Two dogs play."], token=None)
    assert tokenizer.decode([pieces[:-1], []]) == ["Two dogs play.", ""]


def test_no_texts(tokenizer: MarianTokenizer) -> None:
    """Nothing in, nothing out."""
    assert tokenizer.encode([], token=None) == []
    assert tokenizer.decode([]) == []
