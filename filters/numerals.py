"""Whether a translation has a number that its English source has not."""

import re
import unicodedata
from collections import Counter
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_UNITS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELLED: Final = MappingProxyType(
    {word: i for i, word in enumerate(_UNITS, 1)}
    | {word: 10 * i for i, word in enumerate(_TENS, 2)}
    | {f"{ten} {unit}": 10 * i + j for i, ten in enumerate(_TENS, 2) for j, unit in enumerate(_UNITS, 1)}
    | {
        "zero": 0, "no": 0, "a": 1, "an": 1, "single": 1, "first": 1, "once": 1, "half": 2, "second": 2,
        "twice": 2, "both": 2, "pair": 2, "couple": 2, "double": 2, "twin": 2, "twins": 2, "third": 3,
        "triple": 3, "triplets": 3, "fourth": 4, "quarter": 4, "fours": 4, "fifth": 5, "sixth": 6,
        "seventh": 7, "eighth": 8, "ninth": 9, "ten": 10, "tenth": 10, "eleven": 11, "twelve": 12,
        "dozen": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
        "eighteen": 18, "nineteen": 19, "hundred": 100, "hundreds": 100, "thousand": 1000, "thousands": 1000,
        "million": 1_000_000,
    }
)  # fmt: skip

_MYRIADS: Final = MappingProxyType({"十": 10, "百": 100, "千": 1000, "万": 10_000, "萬": 10_000, "만": 10_000})

_GROUPED: Final = re.compile(r"(?<!\d)(\d{1,3})((?:[., '’\u00a0\u2009\u202f]\d{3})+)(?!\d)")
_MYRIAD: Final = re.compile(r"(?<!\d)(\d{1,9})(?:\.(\d{1,4}))?\s?([十百千万萬만])")
_NUMBER: Final = re.compile(r"\d+")
_TWELVE_HOURS: Final = re.compile(r"\d\s?[ap]\.?m\b", re.IGNORECASE)
_WORDS: Final = re.compile(r"[a-z]+")


def numbers_differ(source: pa.Array, target: pa.Array) -> pa.Array:
    """Return bool: whether ``target`` has a number that the English ``source`` has not, in digits or words.

    Thousands separators, decimal marks, the script of the digits, 万 and the usual names of decades and
    centuries make no difference. Nor does a number of the source that the target has not in digits: any
    language may write it out. Beside a twelve-hour time, which most languages convert, nothing is told. Null
    where a text is null.
    """
    known = pc.and_(pc.is_valid(source), pc.is_valid(target))
    has = pc.fill_null(pc.and_(known, pc.match_substring_regex(target, r"\p{Nd}")), False)
    # One caption in a hundred has a digit, so the look at each of these costs nothing.
    rows = np.flatnonzero(has.to_numpy(zero_copy_only=False))
    differs = np.zeros(len(target), dtype=bool)
    texts = zip(source.take(rows).to_pylist(), target.take(rows).to_pylist(), strict=True)
    differs[rows] = [_differ(*pair) for pair in texts]
    return pa.array(differs, mask=~known.to_numpy(zero_copy_only=False))


def _differ(source: str, target: str) -> bool:
    if _TWELVE_HOURS.search(source):
        return False
    digits = _numbers(source)
    unaccounted = Counter(_numbers(target)) - Counter(digits)
    return bool(unaccounted) and not unaccounted.keys() <= _spelled(source) | _eras(digits)


def _numbers(text: str) -> list[str]:
    """Return the runs of digits in ``text``, in ASCII, without thousands separators and leading zeros."""
    ascii_digits = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    joined = _GROUPED.sub(lambda found: found[1] + re.sub(r"\D", "", found[2]), ascii_digits)
    plain = _MYRIAD.sub(_multiplied, joined)
    return [run.lstrip("0") or "0" for run in _NUMBER.findall(plain)]


def _multiplied(found: re.Match[str]) -> str:
    whole, fraction, unit = found[1], found[2] or "", found[3]
    return str(int(whole + fraction) * _MYRIADS[unit] // 10 ** len(fraction))


def _eras(numbers: list[str]) -> set[str]:
    """Return the other names of years: the 1950s are *années 50*, and in the 20th century."""
    years = [int(number) for number in numbers if len(number) == 4]
    return {str(year % 100) for year in years} | {str(year // 100 + 1) for year in years}


def _spelled(text: str) -> set[str]:
    """Return, as digits, the numbers that English words of ``text`` stand for."""
    words = _WORDS.findall(text.lower())
    pairs = (f"{first} {second}" for first, second in pairwise(words))
    return {str(_SPELLED[word]) for word in (*words, *pairs) if word in _SPELLED}
