"""Packing: judged texts meet their captions, and what is kept is written."""

import pyarrow as pa

from pipelines.judging import JUDGED
from pipelines.pack import kept_translations, spread
from pipelines.resolve import CaptionRow

DOG, CAT = b"d" * 16, b"c" * 16
CAPTIONS = [
    CaptionRow("a", 0, DOG, "A dog.", None, "train", "f@1"),
    CaptionRow("a", 1, CAT, "A cat.", None, "train", "f@1"),
    CaptionRow("b", 0, DOG, "A dog.", None, "train", "f@2"),
]


def judged(*rows: dict[str, object]) -> pa.Table:
    """Return judged pairs; what a row does not name is null."""
    return pa.Table.from_pylist([{"keep": True, "reasons": [], "weight": 1.0, **row} for row in rows], schema=JUDGED)


ROWS = judged(
    {"text_id": CAT, "language": "de", "target": "Eine Katze.", "mt_logprob": -0.123456, "weight": 0.87654},
    {"text_id": DOG, "language": "de", "target": "Ein Hund.", "mt_logprob": -0.00004, "similarity": 0.1},
    {"text_id": CAT, "language": "cs", "target": "Kočka.", "keep": False, "reasons": ["empty"], "weight": 0.0},
    {"text_id": DOG, "language": "cs", "target": "Pes.", "back": "A dog.", "lid_label": "cs"},
)


def test_every_caption_meets_every_language() -> None:
    """A row for each caption and language, by caption and then in the configured order of the languages."""
    pairs = spread(CAPTIONS, ROWS, languages=["de", "cs"])
    columns = (pairs[name].to_pylist() for name in ("key", "n", "language", "source", "target"))
    assert list(zip(*columns, strict=True)) == [
        ("a", 0, "de", "A dog.", "Ein Hund."),
        ("a", 0, "cs", "A dog.", "Pes."),
        ("a", 1, "de", "A cat.", "Eine Katze."),
        ("a", 1, "cs", "A cat.", "Kočka."),
        ("b", 0, "de", "A dog.", "Ein Hund."),
        ("b", 0, "cs", "A dog.", "Pes."),
    ]


def test_kept_translations_are_rounded_and_the_dropped_left_out() -> None:
    """Four decimals, as the number they print as; no score that the language has nowhere; None where one lacks it."""
    pairs = spread(CAPTIONS, ROWS, languages=["de", "cs"])
    first, second, third = kept_translations(pairs, captions=3, languages=["de", "cs"])
    assert first["de"] == ("Ein Hund.", 1.0, None, {"mt_logprob": 0.0, "similarity": 0.1})
    assert first["cs"] == ("Pes.", 1.0, "A dog.", {"lid_label": "cs"})
    assert second == {"de": ("Eine Katze.", 0.8765, None, {"mt_logprob": -0.1235, "similarity": None})}
    assert third == first


def test_nothing_to_pack() -> None:
    """No caption, no pair."""
    pairs = spread([], ROWS.slice(0, 0), languages=["de"])
    assert pairs.num_rows == 0
    assert kept_translations(pairs, captions=0, languages=["de"]) == []
