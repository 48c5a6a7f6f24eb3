"""Text to pieces and back, and what in a text is not to be read as a token."""

import pytest

from translate.families import Family, plain
from translate.models import MINI
from translate.tokenizers import SentencePieceTokenizer, Tokenizer, load_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Return the tokenizer of the bundled model."""
    return load_tokenizer(MINI, Family.MARIAN)


def test_pieces_are_the_text(tokenizer: Tokenizer) -> None:
    """The pieces of a text, put together, are the text; no token of any kind is among them."""
    for encode in (tokenizer.encode, tokenizer.encode_targets):
        (pieces,) = encode(["A dog."])
        assert "".join(pieces).replace("▁", " ").strip() == "A dog."


def test_an_empty_text(tokenizer: Tokenizer) -> None:
    """An empty text has no pieces."""
    assert tokenizer.encode([""]) == [[]]


def test_a_marker_in_a_text_is_text(tokenizer: Tokenizer) -> None:
    """A caption that spells the end of sentence does not end there."""
    assert "</s>" not in tokenizer.encode(["A dog </s> runs."])[0]


@pytest.mark.parametrize(
    ("family", "text", "harmless"),
    [
        (Family.MARIAN, "a sign >>fra<< here", "a sign > >fra<< here"),
        (Family.T5, "a sign <2fr> here </s>", "a sign < 2fr> here < /s>"),
        (Family.T5, "a sign ＜2fr＞ here ﹤／s﹥ <", "a sign < 2fr＞ here < ／s﹥ <"),
        (Family.T5, "I <3 dogs", "I <3 dogs"),
        (Family.NLLB, "fra_Latn", "fra_Latn"),
        (Family.M2M_100, "__fr__", "__fr__"),
    ],
)
def test_no_token_comes_from_a_text(family: Family, text: str, harmless: str) -> None:
    """What a family's tokenizer would read as a token is written otherwise, and nothing else is."""
    assert plain(family, [text]) == [harmless]


def test_decode_one_without_pieces(tokenizer: Tokenizer) -> None:
    """One empty hypothesis is one empty text."""
    assert tokenizer.decode([[]]) == [""]


def test_decode(tokenizer: Tokenizer) -> None:
    """Pieces become text again; no pieces become an empty one."""
    (pieces,) = tokenizer.encode(["Two dogs play."])
    assert tokenizer.decode([pieces, []]) == ["Two dogs play.", ""]


def test_no_texts(tokenizer: Tokenizer) -> None:
    """Nothing in, nothing out."""
    assert tokenizer.encode([]) == []
    assert tokenizer.decode([]) == []


def test_the_bundled_models_tokenizer(tokenizer: Tokenizer) -> None:
    """Marian models are cut by SentencePiece."""
    assert isinstance(tokenizer, SentencePieceTokenizer)
