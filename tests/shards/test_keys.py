"""Keys in file names: reversible, and safe for WebDataset."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.keys import escape_key, key_hash, shard_name, unescape_key

KEYS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.b/c d.é", "a%2Eb%2Fc%20d%2E%C3%A9"),
        ("../../etc/passwd", "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd"),
        ("COCO_val2014-000000000042", "COCO_val2014-000000000042"),
        ("%41", "%2541"),
        ("犬", "%E7%8A%AC"),
        ("a\x00b", "a%00b"),
        ("", ""),
    ],
)
def test_escaped(key: str, name: str) -> None:
    """Every byte outside A-Z, a-z, 0-9, _ and - is written as %XX, and can be read back."""
    assert escape_key(key) == name
    assert unescape_key(name) == key


@given(KEYS)
def test_reversible(key: str) -> None:
    """Any key survives the trip through a file name."""
    assert unescape_key(escape_key(key)) == key


@given(KEYS)
def test_only_safe_characters(key: str) -> None:
    """A name holds no dot, slash or space, whatever the key."""
    assert re.fullmatch(r"(?:[A-Za-z0-9_-]|%[0-9A-F]{2})*", escape_key(key))


@given(st.lists(KEYS, unique=True))
def test_distinct(keys: list[str]) -> None:
    """Different keys have different names."""
    assert len({escape_key(key) for key in keys}) == len(keys)


@given(st.text("ab%.2E5", max_size=8), st.text("ab%.2E5", max_size=8))
def test_look_alikes_are_distinct(first: str, second: str) -> None:
    """A key that looks like the escape of another does not share its name."""
    assert (escape_key(first) == escape_key(second)) == (first == second)


@pytest.mark.parametrize(
    ("key", "value"),
    [("", 0xE4A6A0577479B2B4), ("a.b/c d.é", 0x4B2DFCD4E02C03C3), ("1000268201_693b08cb0e", 0xE4F88CF671BD04ED)],
)
def test_hash(key: str, value: int) -> None:
    """The hash is the first eight bytes of nothing but the key: the same on every machine, for ever."""
    assert key_hash(key) == value


@pytest.mark.parametrize(
    ("split", "index", "name"),
    [
        ("train", 0, "train-000000"),
        ("val", 123456, "val-123456"),
        ("train", 1234567, "train-1234567"),
        ("dev.1", 7, "dev%2E1-000007"),
    ],
)
def test_shard_name(split: str, index: int, name: str) -> None:
    """Names sort by number, and a split with a dot is escaped like a key."""
    assert shard_name(split, index) == name
