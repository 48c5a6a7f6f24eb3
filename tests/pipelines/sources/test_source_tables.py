"""What makes a record a caption, and why else it is rejected."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.captions import CAPTIONS, REJECT_REASONS, REJECTS, normalise, normalise_one
from pipelines.sources.record import shown, without_extension
from pipelines.sources.tables import TOKEN


def _write(path: Path, *items: Any) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def test_a_caption_is_normalised_and_addressed(tmp_path: Path, read: Any) -> None:
    """NFC, white space collapsed and stripped, and the id of exactly that text."""
    path = _write(tmp_path / "c.jsonl", {"key": "a", "caption": "\t A  cafe\u0301\u00a0\r\nhere "})
    found = read(path, format="jsonl").captions
    assert found.schema == CAPTIONS
    assert found["text"].to_pylist() == ["A café here"]
    assert found["text_id"].to_pylist() == [hashlib.blake2b("A café here".encode(), digest_size=16).digest()]


@pytest.mark.parametrize(
    ("item", "reason", "key", "detail"),
    [
        ({"key": "", "caption": "x"}, "bad_key", None, "0 bytes, not 1 to 1,024: ''"),
        ({"key": "é" * 513, "caption": "x"}, "bad_key", None, "1,026 bytes, not 1 to 1,024: 'é"),
        ({"key": "a\tb", "caption": "x"}, "control_characters", None, "in the key 'a\\tb'"),
        ({"key": "a\0", "caption": "x"}, "control_characters", None, "in the key 'a\\x00'"),
        ({"key": "a\x9f", "caption": "x"}, "control_characters", None, "in the key 'a\\x9f'"),
        ({"key": "a", "caption": "A \0 dog"}, "control_characters", "a", "'A \\x00 dog'"),
        ({"key": "a", "caption": "A \x1b[2J dog"}, "control_characters", "a", "'A \\x1b[2J dog'"),
        ({"key": "a", "caption": "A \x7f dog"}, "control_characters", "a", "'A \\x7f dog'"),
        ({"key": "a", "caption": "A \x85 dog"}, "control_characters", "a", "'A \\x85 dog'"),
        ({"key": "a", "caption": "A \x1c dog"}, "control_characters", "a", "'A \\x1c dog'"),
        ({"key": "a", "caption": ""}, "empty_caption", "a", "''"),
        (
            {"key": "a", "caption": " \t\n\r\x0b\x0c\u3000"},
            "empty_caption",
            "a",
            "' \\t\\n\\r\\x0b\\x0c\\u3000'",
        ),
        ({"key": "a", "caption": "w " * 6}, "too_long", "a", "6 tokens, at most 5: 'w w w w w w '"),
        ({"key": "a", "caption": "w" * 81}, "too_long", "a", "6 tokens, at most 5: 'ww"),
        (
            {"key": "a", "caption": "x", "split": "a/b"},
            "missing_field",
            "a",
            "split is 'a/b', not a plain file name",
        ),
        (
            {"key": "a", "caption": "x", "split": ".."},
            "missing_field",
            "a",
            "split is '..', not a plain file name",
        ),
        ({"key": "a", "caption": "x", "split": "s" * 65}, "missing_field", "a", "split is 'sss"),
    ],
)
def test_every_check_has_its_reason(
    tmp_path: Path, read: Any, item: dict[str, str], reason: str, key: str | None, detail: str
) -> None:
    """A key is repeated in the reject only where it is a proper one; n always is."""
    path = _write(tmp_path / "c.jsonl", item | {"n": 3}, {"key": "b", "caption": "good"})
    found = read(path, format="jsonl", max_tokens=5)
    assert found.texts == ["good"]
    assert found.refused == [("c.jsonl@0", reason, key, 3)]
    assert found.details[0].startswith(detail)
    assert found.details[0].isprintable()
    assert found.rejects.schema == REJECTS
    assert reason in REJECT_REASONS


def test_limits_themselves_are_allowed(tmp_path: Path, read: Any) -> None:
    """1,024 bytes of key, as many tokens as the setting says, 64 letters of split."""
    path = _write(
        tmp_path / "c.jsonl",
        {"key": "é" * 512, "caption": "a b, 1!"},
        {"key": "b", "caption": "w" * 80, "split": "s" * 64},
        {"key": "c", "caption": "una-b c"},
    )
    found = read(path, format="jsonl", max_tokens=5)
    assert found.refused == []
    assert len(found.texts) == 3


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A dog runs .", 4),
        ("don't", 3),
        ("x" * 16, 1),
        ("x" * 17, 2),
        ("e\u0301t\u00e9", 1),
        ("\u0e01\u0e47\u0e14\u0e35", 1),
        ("12,5 km", 4),
        ("\U0001f436\U0001f436", 2),
        ("", 0),
    ],
)
def test_tokens_are_runs_and_signs(text: str, tokens: int) -> None:
    """Letters, digits and their marks in runs of 16 at most; every other sign by itself."""
    assert pc.count_substring_regex(pa.array([text]), TOKEN).to_pylist() == [tokens]


def test_a_long_text_of_few_tokens_is_counted(tmp_path: Path, read: Any) -> None:
    """More characters than the limit in tokens is no reason to reject."""
    path = _write(tmp_path / "c.jsonl", {"key": "a", "caption": "characters " * 5})
    assert read(path, format="jsonl", max_tokens=5).refused == []


@given(st.lists(st.text(st.sampled_from("aé\u0301\u1100\u1161\u212b \t\u00a0\u2028\u3000\u200b")) | st.none()))
def test_a_column_is_normalised_as_single_texts_are(texts: list[str | None]) -> None:
    """The vectorised normalisation and Python's own agree."""
    expected = [None if text is None else normalise_one(text) for text in texts]
    assert normalise(pa.array(texts, pa.string())).to_pylist() == expected


def test_a_chunk_of_rejects_only_gives_no_captions(tmp_path: Path, read: Any) -> None:
    """Both tables keep their schema."""
    found = read(_write(tmp_path / "c.jsonl", {}, {"key": "a", "caption": ""}), format="jsonl")
    assert found.captions.num_rows == 0
    assert [refused[1] for refused in found.refused] == ["missing_field", "empty_caption"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(
    items=st.lists(
        st.fixed_dictionaries(
            {"key": st.text(max_size=5), "caption": st.text(max_size=12)},
            optional={"split": st.text(max_size=3)},
        ),
        max_size=6,
    ),
    rows=st.integers(1, 4),
)
def test_every_record_is_in_exactly_one_table(
    tmp_path: Path, read: Any, items: list[dict[str, str]], rows: int
) -> None:
    """Nothing is lost and nothing is doubled, and what is accepted keeps its key."""
    found = read(_write(tmp_path / "c.jsonl", *items), format="jsonl", rows=rows)
    assert found.captions.num_rows + found.rejects.num_rows == len(items)
    assert set(found.captions["key"].to_pylist()) <= {item["key"] for item in items}
    assert all(text and text == " ".join(text.split()) for text in found.texts)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a.jpg", "a"),
        ("a.b.jpg", "a.b"),
        ("a", "a"),
        (".jpg", ".jpg"),
        ("x.y/a", "x.y/a"),
        ("x.y/a.png", "x.y/a"),
    ],
)
def test_an_extension_is_cut_off(name: str, key: str) -> None:
    """Only the last one, and only of the file."""
    assert without_extension(name) == key


@given(st.text() | st.binary() | st.lists(st.text()))
def test_whatever_is_shown_is_one_short_printable_line(value: object) -> None:
    """Nothing in a detail can break a line or a terminal."""
    assert shown(value).isprintable()
    assert len(shown(value)) < 1000
