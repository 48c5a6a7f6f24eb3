"""Whether the numbers that a pair writes out in words disagree."""

import functools
import re
from collections.abc import Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.words import NUMBER_LANGUAGES, written_numbers

_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Cues:
    """What in a lower-case text of a language tells of numbers."""

    number: str
    """Regular expression of how the words with a number above 1 begin, or end, and few others."""
    two: str
    """Regular expression of the words that may be said for a two, or stand for one."""
    beside: str
    """Regular expression of the words that beside a number make it another one, or none at all."""


_CUES: Final = MappingProxyType(
    {
        "en": _Cues(
            "two|three|trio|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|thirt|fift|twenty|forty|hundred",
            "couples?|pairs?|both|twins?|double|duo|either|each|another|other|second|half",
            r"one|high|by|way|tone|wheel\S*|something\S*",
        ),
        "de": _Cues(
            r"zwei|beiden|drei|dritt|trio|vier|fünf|sechs|sech?z|sieb|acht|neun|zehn|elf|zwölf|dutzend|zwanzig|hundert"
            r"|\S+undzwanzig|\S+und\S+[zßs]ig",
            r"beide[snmr]?|paar(?:e[ns]?|s)?|pärchen|doppel\S*|zwillinge?n?|gegenseitig|einander|duo|duett|andere[nmrs]?",
            "eine?|die|diese|allen|geben|in|außer",
        ),
        "fr": _Cues(
            "deux|trois|trio|quat|quar|cinq|six|sept|huit|neuf|dix|onze|douz|treize|quinz|seize|vingt|trente|soix|cent",
            "couples?|paires?|doubles?|duo|jum(?:eaux|elles?)|deuxième|autre",
            "une?|tou(?:te)?s|les|des|aux|ses|leurs|à|côtés|extrémités|mains|bouts|bords|pattes|pour|numéro|roues|en",
        ),
        "cs": _Cues(
            r"dv[aěo]|tř[ieoí]|troj|trio|čty|pět|šest|sedm|osm|devět|devít|deset|deseti|tucet|sto\b|\S+náct|\S+cet|\S+desát",
            r"ob[aě]|obou|oběma|páry?|páru|párem|dvoj\S*|navzájem|vzájemně|druh\S+|spolu",
            "jed(?:en|na|no)|po|na|všech|dává|dát|si",
        ),
        "zh": _Cues("[二三四五六七八九两兩俩十百千万萬]", "[两兩俩倆双雙对對二另互彼]", r"[第几幾数數秋鞦一\d]"),
        "ja": _Cues("[二三四五六七八九十百千万]", "[二両双対組]|ペア|カップル|互い", r"[第数一\d]"),
    }
)  # fmt: skip
"""Language → what tells of its numbers; those of two were chosen by human translations of captions."""

_UNSPACED: Final = frozenset({"ja", "zh"})


def written_numbers_differ(source: pa.Array, target: pa.Array, language: str) -> pa.Array:
    """Return bool: whether English ``source`` and ``target`` write out different numbers above 1, in words.

    ``language`` is the target's, in BCP-47. What is a number is for `filters.words.written_numbers` to say. How
    often it is said makes no difference, nor whether one side has it in digits, nor a 2 for which the other side
    has a pair, *both*, *each other* or the like. Null where a text is null, and for a language that is not in
    `filters.words.NUMBER_LANGUAGES`.
    """
    primary = language.split("-")[0].lower()
    if primary not in NUMBER_LANGUAGES:
        return pa.nulls(len(source), pa.bool_())
    known = _flags(pc.and_(pc.is_valid(source), pc.is_valid(target)))
    ours, theirs = pc.utf8_lower(pc.fill_null(source, "")), pc.utf8_lower(pc.fill_null(target, ""))
    has = [_flags(pc.match_substring_regex(texts, _beginning(of))) for texts, of in ((ours, "en"), (theirs, primary))]
    rows = np.flatnonzero((has[0] | has[1]) & known)
    differs = np.zeros(len(source), dtype=bool)
    if rows.size:
        ours, theirs = _reduced(ours.take(pa.array(rows)), "en"), _reduced(theirs.take(pa.array(rows)), primary)
        differs[rows] = _differ(ours.dictionary_encode(), theirs.dictionary_encode(), primary)
    return pa.array(differs, mask=~known)


def _differ(ours: pa.DictionaryArray, theirs: pa.DictionaryArray, primary: str) -> _Flags:
    """Return whether the numbers differ, of each row; every two texts are looked at but once."""
    first = [_said(text, "en") for text in ours.dictionary.to_pylist()]
    second = [_said(text, primary) for text in theirs.dictionary.to_pylist()]
    pairs = ours.indices.to_numpy().astype(np.int64) * len(second) + theirs.indices.to_numpy()
    distinct, row = np.unique(pairs, return_inverse=True)
    verdicts = [
        _exceeds(first[i], second[j]) or _exceeds(second[j], first[i])
        for i, j in (divmod(pair, len(second)) for pair in distinct.tolist())
    ]
    return np.array(verdicts, dtype=bool)[row]


@dataclass(frozen=True)
class _Said:
    """The numbers of a text: those above 1 that it writes out, and what else would do for one on the other side."""

    written: Set[int]
    besides: Set[int]


def _exceeds(one: _Said, other: _Said) -> bool:
    """Return whether ``one`` writes out a number that is not in the ``other`` at all."""
    return not one.written <= other.written | other.besides


@functools.lru_cache(maxsize=1 << 16)
def _said(text: str, primary: str) -> _Said:
    besides = {int(digits) for digits in _DIGITS.findall(text)}
    if _tells_of_two(primary).search(text):
        besides.add(2)
    return _Said(frozenset(written_numbers(text, primary)), frozenset(besides))


@functools.cache
def _tells_of_two(primary: str) -> re.Pattern[str]:
    two = _CUES[primary].two
    return re.compile(two if primary in _UNSPACED else rf"(?<!\S)(?:{two})(?!\S)")


_DIGITS: Final = re.compile(r"\d{1,9}")


def _reduced(texts: pa.Array, primary: str) -> pa.Array:
    """Return what tells of numbers in each of the lower-case ``texts``: of many texts it leaves few distinct ones."""
    return _reduced_letters(texts, primary) if primary in _UNSPACED else _reduced_words(texts, primary)


def _beginning(primary: str) -> str:
    """Return the regular expression of what every text with a number has in it."""
    number = _CUES[primary].number
    # RE2 takes only ASCII letters for those of a word.
    return number if primary in _UNSPACED else rf"(?:^|[^\pL])(?:{number})"


def _reduced_words(texts: pa.Array, primary: str) -> pa.Array:
    cues = _CUES[primary]
    lists = pc.ascii_split_whitespace(pc.replace_substring_regex(texts, r"[^\pL\pM\pN ]+", " "))
    words = lists.flatten().dictionary_encode()
    ids, rows = words.indices.to_numpy(), pc.list_parent_indices(lists).to_numpy()
    number, two, beside = (
        _flags(pc.match_substring_regex(words.dictionary, pattern))
        for pattern in (rf"^(?:{cues.number})", rf"\p{{Nd}}|^(?:{cues.two})$", rf"^(?:{cues.beside})$")
    )

    def near(*distances: int) -> _Flags:
        """Return whether there is a number so many words further on in the same text, or back if negative."""
        found = np.zeros(len(ids), dtype=bool)
        for distance in distances:
            here = np.flatnonzero(number[ids]) - distance
            here = here[(here >= 0) & (here < len(ids))]
            found[here[rows[here] == rows[np.minimum(here + distance, len(ids) - 1)]]] = True
        return found

    kept = (number | two)[ids] | near(1, -1) | (beside[ids] & near(2, -2))
    # Another word parts two numbers, and of it only whether it is a French plural makes a difference.
    plural = _flags(pc.match_substring_regex(words.dictionary, "[sx]$")) & (primary == "fr")
    others = pc.if_else(pa.array(plural), "xs", "x")
    names = pc.if_else(pa.array(number | two | beside), words.dictionary, others)
    ends = np.cumsum(np.bincount(rows[kept], minlength=len(texts)))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, names.take(pa.array(ids[kept]))), " ")


def _reduced_letters(texts: pa.Array, primary: str) -> pa.Array:
    telling = _telling(primary)
    return pa.array(["。".join(telling.findall(text)) for text in texts.to_pylist()], pa.string())


@functools.cache
def _telling(primary: str) -> re.Pattern[str]:
    """Return what finds a number with what is around it, and what stands for one."""
    cues = _CUES[primary]
    run = f"{cues.beside}*{cues.number}(?:{cues.beside}|{cues.number})*"
    return re.compile(rf"{run}[多余餘来來]?\D?|{cues.two}|\d+")


def _flags(column: pa.Array) -> _Flags:
    return column.to_numpy(zero_copy_only=False)
