"""Normalisation and the id that is made of it."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.captions import REJECT_REASONS, normalise, normalise_one, text_ids

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("raw", "normalised"),
    [
        ("A dog.", "A dog."),
        ("  A\t dog \n\r\v\f runs.  ", "A dog runs."),
        ("A\u00a0dog\u3000runs\u2028here\u2029.", "A dog runs here ."),
        ("A\x85dog\x1cruns", "A dog runs"),
        ("cafe\u0301", "caf\u00e9"),
        ("caf\u00e9", "caf\u00e9"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("\u212b", "\u00c5"),
        ("ﬁne ２", "ﬁne ２"),
        ("zero\u200bwidth\ufeff", "zero\u200bwidth\ufeff"),
        (" \t\u3000", ""),
        ("", ""),
    ],
)
def test_normalised(raw: str, normalised: str) -> None:
    """Texts become NFC (never NFKC), any run of white space one space, and none at the ends."""
    assert normalise(pa.array([raw])).to_pylist() == [normalised]
    assert normalise_one(raw) == normalised


def test_null_stays_null() -> None:
    """What is no text is passed through, between texts of both kinds."""
    assert normalise(pa.array([None, " a ", None, "e\u0301"], pa.string())).to_pylist() == [None, "a", None, "\u00e9"]
    assert normalise(pa.array([None], pa.string())).to_pylist() == [None]


def test_no_texts() -> None:
    """An empty column is normalised to an empty column."""
    assert normalise(pa.array([], pa.string())) == pa.array([], pa.string())


def test_a_slice() -> None:
    """A part of a column is normalised as it would be alone."""
    assert normalise(pa.array(["x", " e\u0301 ", "y ", "z"]).slice(1, 2)).to_pylist() == ["\u00e9", "y"]


@given(st.lists(TEXT))
@example(["\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u200a\u2028\u2029\u202f\u205f\u3000"])
def test_a_column_and_one_text_agree(texts: list[str]) -> None:
    """Looking up a text by hand finds the id that the pipeline gave it."""
    assert normalise(pa.array(texts, pa.string())).to_pylist() == [normalise_one(text) for text in texts]


@given(TEXT)
def test_normalising_again_changes_nothing(text: str) -> None:
    """A normalised text is its own normal form, or a text and its id would drift apart."""
    once = normalise_one(text)
    assert normalise_one(once) == once
    assert unicodedata.is_normalized("NFC", once)


def test_text_ids() -> None:
    """The id is the 16-byte BLAKE2b of the UTF-8 bytes, as ``b2sum -l 128`` gives it."""
    ids = text_ids(pa.array(["A dog runs on the beach.", "é"]))
    assert ids.type == pa.binary(16)
    assert [value.hex() for value in ids.to_pylist()] == [
        "c43e75a6f9ceba45f8c430baebf546be",
        "d4b1b0202b21bb84e60a3d272ecab0db",
    ]


def test_no_text_ids() -> None:
    """No texts have no ids, of the same type."""
    assert text_ids(pa.array([], pa.string())) == pa.array([], pa.binary(16))


def test_reasons_are_snake_case_with_a_sentence() -> None:
    """Every reason is a stable name with an explanation."""
    assert all(reason.replace("_", "").isalpha() and reason.islower() for reason in REJECT_REASONS)
    assert all(REJECT_REASONS.values())
