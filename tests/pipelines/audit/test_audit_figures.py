"""Tests of the figures of the audit, on a table small enough to count by hand."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from pipelines.config import Config
from pipelines.report.figures import Audit
from pipelines.report.tally import tally
from pipelines.report.words import percent
from pipelines.summary import Summary, summarise

PairsOf = Callable[..., pa.Table]
ConfigOf = Callable[..., Config]


@pytest.fixture(scope="module")
def audit(pairs_of: PairsOf, config_of: ConfigOf) -> Audit:
    """Five German pairs, two of them kept, and two Czech ones that the teacher does not know."""
    czech = {"language": "cs", "similarity": None, "lid_label": "cs"}
    table = pairs_of(
        {"key": "a", "source": "Two dogs", "target": "Zwei Hunde", "weight": 0.5},
        {"key": "b", "source": "One cat", "target": "Eine Katze"},
        {"key": "c", "reasons": ["low_similarity"], "similarity": 0.125, "target": "Nein"},
        {"key": "d", "reasons": ["wrong_language", "low_similarity"], "lid_label": "en", "similarity": 0.25},
        {
            "key": "e",
            "reasons": ["too_long"],
            "target": None,
            "lid_label": None,
            "lid_prob": None,
            "similarity": None,
        },
        {"key": "a", **czech},
        {"key": "b", **czech, "reasons": ["numbers_differ"]},
    )
    return tally(summarise(table), config=config_of("de", "cs"))


def test_totals(audit: Audit) -> None:
    """Captions are those that some language saw; pairs are those of all languages."""
    assert audit["totals"] == {
        "captions_read": 5,
        "captions_rejected": 0,
        "captions_used": 5,
        "pairs_made": 7,
        "pairs_kept": 3,
        "pairs_dropped": 4,
    }


def test_reasons(audit: Audit) -> None:
    """A pair counts under each of its reasons, and under only where it has one."""
    german = audit["languages"]["de"]
    assert (german["made"], german["kept"], german["dropped"]) == (5, 2, 3)
    assert german["reasons"] == {
        "low_similarity": {"pairs": 2, "only": 1},
        "too_long": {"pairs": 1, "only": 1},
        "wrong_language": {"pairs": 1, "only": 0},
    }
    assert german["dropped_for_several_reasons"] == 1


def test_overlap(audit: Audit) -> None:
    """The matrix is symmetric; its diagonal has all pairs of one reason."""
    assert audit["languages"]["de"]["overlap"] == {
        "reasons": ["low_similarity", "too_long", "wrong_language"],
        "counts": [[2, 0, 1], [0, 1, 0], [1, 0, 1]],
    }


def test_score_histograms(audit: Audit) -> None:
    """Kept and dropped pairs are counted apart, null apart from both."""
    similarity = audit["languages"]["de"]["scores"]["similarity"]
    edges = audit["edges"]["similarity"]
    kept = {edges[i]: count for i, count in enumerate(similarity["kept"]["counts"]) if count}
    dropped = {edges[i]: count for i, count in enumerate(similarity["dropped"]["counts"]) if count}
    assert kept == {0.86: 2}
    assert dropped == {0.12: 1, 0.24: 1}
    assert similarity["kept"]["mean"] == 0.875
    assert similarity["dropped"]["missing"] == 1


def test_language_confusion(audit: Audit) -> None:
    """The labels are counted over all pairs; one that was not told is in none."""
    assert audit["languages"]["de"]["lid"] == {"expected": "de", "labels": {"de": 3, "en": 1}}


def test_lengths(audit: Audit) -> None:
    """Lengths are of all pairs that have the text, by characters and by words."""
    lengths = audit["languages"]["de"]["lengths"]
    assert lengths["target_words"] == {
        "counts": [0, 1, 2, 0, 1],
        "above": 0,
        "missing": 1,
        "mean": 2.25,
        "p5": 1.0,
        "p50": 2.0,
        "p95": 4.0,
    }
    assert lengths["source_characters"]["mean"] == 10.2
    assert lengths["target_characters"]["p95"] == 16.0


def test_weight(audit: Audit) -> None:
    """The weight is that of the kept pairs only."""
    weight = audit["languages"]["de"]["weight"]
    assert weight["mean"] == 0.75
    assert sum(weight["counts"]) == 2
    assert weight["counts"][10] == 1


def test_unmeasured_language_is_said_in_words(audit: Audit) -> None:
    """Where the teacher does not know a language the audit says so, and says nothing of the others."""
    assert audit["languages"]["cs"]["not_measured"] == ["back_logprob", "similarity", "back_chrf"]
    said = [note for note in audit["notes"] if "teacher" in note]
    assert said == [
        "Czech: similarity was not measured, since the teacher (muse) does not know this language. "
        "No pair was dropped or weighted for it."
    ]


def test_without_teacher_one_note_is_enough(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """No teacher is one fact, not one for each language."""
    table = pairs_of({"similarity": None}, {"language": "fr", "similarity": None})
    config = config_of("de", "fr", score={"teacher": "none"}, translate={"back_translation": True})
    notes = tally(summarise(table), config=config)["notes"]
    assert notes == [
        "No similarity was measured: no teacher is configured.",
        "German: not measured for any pair: back logprob, back chrf.",
        "French: not measured for any pair: back logprob, back chrf.",
    ]


def test_rules_that_are_off_are_named(config_of: ConfigOf) -> None:
    """A reader must not take a rule that did not judge for one that found nothing."""
    config = config_of("de", judge={"rules": ["empty", "too_long"]}, translate={"back_translation": True})
    audit = tally(Summary(), config=config)
    assert audit["notes"][0].startswith("Rules that were switched off: unfinished, wrong language, wrong script,")
    assert [name for name, rule in audit["rules"].items() if rule["active"]] == ["too_long", "empty"]


def test_sentences(audit: Audit) -> None:
    """Each language has one sentence with its two commonest reasons."""
    assert audit["languages"]["de"]["sentence"] == (
        "German: 2 of 5 pairs kept (40.0 %); most dropped for low similarity (2) and too long (1)."
    )
    assert audit["languages"]["cs"]["sentence"] == (
        "Czech: 1 of 2 pairs kept (50.0 %); dropped for numbers differ (1)."
    )


def test_thresholds_in_force_are_written_out(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """A language has its own thresholds, overrides included."""
    judge = {
        "thresholds": {"min_similarity": 0.25},
        "languages": {"fr": {"thresholds": {"min_similarity": 0.125}}},
    }
    audit = tally(summarise(pairs_of({})), config=config_of("de", "fr", judge=judge))
    assert audit["languages"]["de"]["thresholds"]["min_similarity"] == 0.25
    assert audit["languages"]["fr"]["thresholds"]["min_similarity"] == 0.125


def test_words_are_not_counted_where_nothing_separates_them(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """A Chinese translation has characters only."""
    audit = tally(summarise(pairs_of({"language": "zh", "target": "一只狗"})), config=config_of("zh"))
    assert sorted(audit["languages"]["zh"]["lengths"]) == [
        "source_characters",
        "source_words",
        "target_characters",
    ]


def test_empty_run_has_every_language(config_of: ConfigOf) -> None:
    """Nothing in gives zeros, not a division by them."""
    audit = tally(Summary(), config=config_of("de", "fr"))
    assert audit["totals"]["captions_read"] == 0
    assert [language["sentence"] for language in audit["languages"].values()] == [
        "German: no pairs were made.",
        "French: no pairs were made.",
    ]


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 0, "–"),
        (0, 9, "0.0 %"),
        (9, 9, "100.0 %"),
        (1, 3, "33.3 %"),
        (1, 100_000, "< 0.1 %"),
        (99_999, 100_000, "> 99.9 %"),
    ],
)
def test_percent(part: int, whole: int, expected: str) -> None:
    """A share has one decimal, and rounds neither to all nor to nothing."""
    assert percent(part, whole) == expected
