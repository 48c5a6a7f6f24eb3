"""What is found in a table of captions, and what is made of it."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.captions import CAPTIONS, REJECTS, text_ids
from pipelines.config import InputConfig
from pipelines.exclusion import read_evaluation
from pipelines.exclusion.overlaps import OVERLAPS, EvaluationIndex, Way, firsts, without_overlaps

Found = dict[str, tuple[str, float, str, str, str]]


@pytest.fixture
def evaluation(tmp_path: Path) -> pa.Table:
    """Return the table of two evaluation sets: XTD10's names and captions, and some JSON lines."""
    (tmp_path / "names.txt").write_text("COCO_val2014_000000000009.jpg\nCOCO_val2014_000000000025.jpg\n")
    (tmp_path / "captions.txt").write_text("A giraffe eats leaves from a tall tree.\nTwo dogs play.\n")
    lines = [{"key": "9", "caption": "Two dogs play!"}, {"key": "own", "caption": "A red bus stops in the rain."}]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    entries = [{"path": str(tmp_path / name), "name": "XTD10"} for name in ("names.txt", "captions.txt")]
    return read_evaluation(
        InputConfig(format="jsonl", path="none", exclude=[*entries, {"path": str(tmp_path / "own.jsonl")}])
    )


def captions(*rows: tuple[str, str]) -> pa.Table:
    """Return a table of `CAPTIONS` of (key, text)."""
    keys, texts = zip(*rows, strict=True)
    columns = {
        "key": keys,
        "n": range(len(rows)),
        "text_id": text_ids(pa.array(texts)),
        "text": texts,
        "media": [None] * len(rows),
        "split": ["train"] * len(rows),
        "origin": [f"c.jsonl@{i}" for i in range(len(rows))],
    }
    return pa.table(columns, schema=CAPTIONS)


def found(evaluation: pa.Table, table: pa.Table) -> Found:
    """Return key → (way, similarity, the item's text, the evaluation set and what it has)."""
    overlaps = EvaluationIndex(evaluation).find(table)
    assert overlaps.schema == OVERLAPS
    rows = {row["key"]: row for row in overlaps.to_pylist()}
    assert len(rows) == overlaps.num_rows
    sets, given = (evaluation[name].to_pylist() for name in ("evaluation_set", "given"))
    return {
        key: (Way(row["way"]).label, round(row["similarity"], 2), row["text"], sets[row["row"]], given[row["row"]])
        for key, row in rows.items()
    }


def test_by_key_by_caption_and_by_near_duplicate(evaluation: pa.Table) -> None:
    """Each way finds its own, and names what matched; items that are in no set are not there."""
    table = captions(
        ("000000000009", "Something else."),
        ("clean", "A cat sleeps on a sofa."),
        ("same", "A cat."),
        ("same", "TWO dogs play"),
        ("near", "A giraffe eats leaves from a tall tree top."),
        ("far", "A giraffe eats leaves from its keeper's hand."),
        ("own", "."),
    )
    assert found(evaluation, table) == {
        "000000000009": ("key", 1.0, "", "XTD10", "COCO_val2014_000000000009.jpg"),
        "same": ("caption", 1.0, "TWO dogs play", "XTD10", "Two dogs play."),
        "near": (
            "near_duplicate",
            0.89,
            "A giraffe eats leaves from a tall tree top.",
            "XTD10",
            "A giraffe eats leaves from a tall tree.",
        ),
        "own": ("key", 1.0, "", "own", "own"),
    }


def test_an_item_is_found_by_what_says_most(evaluation: pa.Table) -> None:
    """Key before caption before near-duplicate, then the more similar: whatever the order of the captions."""
    rows = [
        ("item", "A red bus stops in the rain now."),
        ("item", "A red bus stops in the rains."),
        ("25", "Two dogs play."),
        ("other", "A red bus stops in the rain now."),
        ("other", "Two dogs play."),
    ]
    expected = {
        "item": ("near_duplicate", 0.96, "A red bus stops in the rains.", "own", "A red bus stops in the rain."),
        "25": ("key", 1.0, "", "XTD10", "COCO_val2014_000000000025.jpg"),
        "other": ("caption", 1.0, "Two dogs play.", "XTD10", "Two dogs play."),
    }
    assert found(evaluation, captions(*rows)) == expected
    assert found(evaluation, captions(*reversed(rows))) == expected
    index = EvaluationIndex(evaluation)
    apart = firsts(pa.concat_tables([index.find(captions(row)) for row in rows]))
    assert apart.equals(index.find(captions(*rows)))


def test_keys_alone_compare_no_captions(evaluation: pa.Table) -> None:
    """A set without captions finds items by key only."""
    keys = evaluation.filter(evaluation["is_key"])
    assert list(found(keys, captions(("9", "Two dogs play."), ("k", "Two dogs play.")))) == ["9"]


def test_an_item_is_rejected_whole(evaluation: pa.Table) -> None:
    """Every caption of it, with its own origin, and what matched in the detail; other items stay as they were."""
    table = captions(
        ("same", "A cat."),
        ("clean", "A cat sleeps on a sofa."),
        ("same", "TWO dogs play"),
        ("0025", "Something else."),
        ("near", "A giraffe eats leaves from a tall tree top."),
    )
    kept, rejects = without_overlaps(table, EvaluationIndex(evaluation).find(table), evaluation)
    assert kept.equals(table.slice(1, 1))
    assert rejects.schema == REJECTS
    assert [tuple(row.values()) for row in rejects.to_pylist()] == [
        (
            "c.jsonl@0",
            "evaluation_overlap",
            "in XTD10, by caption: 'TWO dogs play' is its 'Two dogs play.'",
            "same",
            0,
            "XTD10",
            "caption",
        ),
        (
            "c.jsonl@2",
            "evaluation_overlap",
            "in XTD10, by caption: 'TWO dogs play' is its 'Two dogs play.'",
            "same",
            2,
            "XTD10",
            "caption",
        ),
        (
            "c.jsonl@3",
            "evaluation_overlap",
            "in XTD10, by key: '0025' is its 'COCO_val2014_000000000025.jpg'",
            "0025",
            3,
            "XTD10",
            "key",
        ),
        (
            "c.jsonl@4",
            "evaluation_overlap",
            "in XTD10, by near-duplicate caption: 'A giraffe eats leaves from a tall tree top.' is 0.89 like its "
            "'A giraffe eats leaves from a tall tree.'",
            "near",
            4,
            "XTD10",
            "near_duplicate",
        ),
    ]


def test_a_table_without_overlaps_is_returned_as_it_is(evaluation: pa.Table) -> None:
    """Nothing is rejected, also where other parts of the input have overlaps."""
    table, other = captions(("clean", "A cat.")), captions(("9", "A cat."))
    kept, rejects = without_overlaps(table, EvaluationIndex(evaluation).find(other), evaluation)
    assert kept.equals(table)
    assert (rejects.num_rows, rejects.schema) == (0, REJECTS)
