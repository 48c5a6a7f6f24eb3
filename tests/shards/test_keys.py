"""Keys in file names: reversible, and safe for WebDataset."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.keys import escape_key, key_hash, pair_name, shard_name, split_pair_name, unescape_key

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


CODES = st.from_regex(
    r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-[a-z0-9]{5,8}|-[0-9][a-z0-9]{3})?(-x(-[a-z0-9]{1,8}){1,3})?",
    fullmatch=True,
)
"""BCP-47: language, script, region, variant, private use. Of `de-x-1-fr` one could not tell `fr`, if hyphens stayed."""

NUMBERS = st.integers(0, 2**31 - 1)


@pytest.mark.parametrize(
    ("key", "n", "language", "name"),
    [
        ("COCO_val2014_000000000042", 0, "de", "COCO_val2014_000000000042-0-de"),
        ("a-1-de", 12, "zh-Hant", "a-1-de-12-zh_Hant"),
        ("a.b", 3, "es-419", "a%2Eb-3-es_419"),
        ("", 0, "en", "-0-en"),
    ],
)
def test_a_pair_written_out(key: str, n: int, language: str, name: str) -> None:
    """The escaped key, the caption's number and the language, whose hyphens are underscores."""
    assert pair_name(key, n, language) == name
    assert split_pair_name(name) == (key, n, language)


@given(KEYS, NUMBERS, CODES)
def test_a_pair_name_is_taken_apart(key: str, n: int, language: str) -> None:
    """Whatever the key, the three parts come back, so different ones never have one name; and it holds no dot."""
    name = pair_name(key, n, language)
    assert split_pair_name(name) == (key, n, language)
    assert re.fullmatch(r"[A-Za-z0-9_%-]+", name)


@given(st.lists(st.tuples(st.text("a-_10%", max_size=6), st.integers(0, 12), CODES), unique=True, max_size=30))
def test_pair_names_never_collide(pairs: list[tuple[str, int, str]]) -> None:
    """Keys made of what names are made of, numbers and languages: as many names as there are pairs."""
    assert len({pair_name(*pair) for pair in pairs}) == len(pairs)
