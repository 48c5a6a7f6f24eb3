"""The cheap scores: what can be told of a pair by looking at its characters."""

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.lengths import EXPECTED_RATIO, expected_ratio
from filters.numerals import numbers_differ
from filters.signs import ending_differs, oddity, punctuation_difference, unbalanced
from filters.written import written_numbers_differ

__all__ = ["EXPECTED_RATIO", "expected_ratio", "measure"]

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]

_SMOOTHING: Final = 15.0
"""English characters added to both lengths, so that short captions spread no further than long ones: 99 % of
human translations of the shortest tenth of Multi30k are between 0.70 and 1.45."""

_MIN_WORDS: Final = 3
_NGRAM: Final = 2
_NGRAM_UNSPACED: Final = 4
"""Four characters of Chinese or Japanese are about two words."""

_LOOP: Final = 4
_LOOP_UNSPACED: Final = 6
"""Words, or characters, of the longest phrase that is looked for in loops."""

_SCRIPTS: Final = MappingProxyType(
    {
        "Arab": ("Arabic",),
        "Armn": ("Armenian",),
        "Beng": ("Bengali",),
        "Cyrl": ("Cyrillic",),
        "Deva": ("Devanagari",),
        "Ethi": ("Ethiopic",),
        "Geor": ("Georgian",),
        "Grek": ("Greek",),
        "Gujr": ("Gujarati",),
        "Guru": ("Gurmukhi",),
        "Hang": ("Hangul",),
        "Hani": ("Han",),
        "Hans": ("Han",),
        "Hant": ("Han",),
        "Hebr": ("Hebrew",),
        "Jpan": ("Han", "Hiragana", "Katakana"),
        "Khmr": ("Khmer",),
        "Knda": ("Kannada",),
        "Kore": ("Hangul", "Han"),
        "Laoo": ("Lao",),
        "Latn": ("Latin",),
        "Mlym": ("Malayalam",),
        "Mong": ("Mongolian",),
        "Mtei": ("Meetei_Mayek",),
        "Mymr": ("Myanmar",),
        "Olck": ("Ol_Chiki",),
        "Orya": ("Oriya",),
        "Sinh": ("Sinhala",),
        "Taml": ("Tamil",),
        "Telu": ("Telugu",),
        "Tfng": ("Tifinagh",),
        "Thaa": ("Thaana",),
        "Thai": ("Thai",),
        "Tibt": ("Tibetan",),
    }
)
"""ISO 15924 → values of the Unicode Script property (UAX 24): whose letters a text in that script has."""

_UNSPACED: Final = r"([\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}])"


def measure(
    source: pa.Array,
    target: pa.Array,
    *,
    language: str,
    script: str,
    spaced: bool,
    expected_ratio: float,
    only: Collection[str] | None = None,
) -> dict[str, pa.Array]:
    """Return the scores of English ``source`` and ``target`` (string arrays of one length), by column name.

    ``language`` is the target's, in BCP-47; ``script`` its script, in ISO 15924; ``spaced``: its words have spaces
    between them; ``expected_ratio``: its characters per English character; ``only``: the names of the scores to
    measure, by default all; raises KeyError for any other. All are null where source or target is null:

    - ``length_ratio`` float32 > 0: the target's length over that expected for the source, smoothed for short
      ones.
    - ``copy_ratio`` float32 0 to 1: share of the target's words (characters, unless ``spaced``) that stand in
      the source, in whatever case; numbers do not count. Null below three words, where a name or cognate is
      too much of the text, unless there are two and they are the source's two.
    - ``repetition`` float32 0 to 1: share of the target's word bigrams (character 4-grams, unless ``spaced``)
      that came before in it, less the same share of the source.
    - ``loops`` int32 >= 0: how often the target says a phrase of up to four words (six characters) again at once,
      less the same of the source.
    - ``numbers_differ`` bool: see `filters.numerals.numbers_differ`.
    - ``number_words_differ`` bool: see `filters.written.written_numbers_differ`; null for a language without lists.
    - ``script_share`` float32 0 to 1: share of the target's letters that belong to the script; 1 where there
      are no letters, null for a script that is not in our table.
    - ``punctuation_difference``, ``ending_differs``, ``unbalanced``, ``oddity``: see `filters.signs`.
    """
    missing = pc.or_(pc.is_null(source), pc.is_null(target)).to_numpy(zero_copy_only=False)
    source, target = pc.fill_null(source, ""), pc.fill_null(target, "")

    @functools.cache
    def words() -> tuple[_Tokens, _Tokens]:
        return _tokenised(source, target, spaced=spaced)

    shares: dict[str, Callable[[], _Floats]] = {
        "length_ratio": lambda: _length_ratio(source, target, expected_ratio),
        "copy_ratio": lambda: _copy_ratio(*words(), len(target)),
        "repetition": lambda: _repetition(*words(), len(target), n=_NGRAM if spaced else _NGRAM_UNSPACED),
        "script_share": lambda: _script_share(target, script),
    }
    told: dict[str, Callable[[], pa.Array]] = {
        "loops": lambda: pa.array(
            _loops(*words(), len(target), longest=_LOOP if spaced else _LOOP_UNSPACED), pa.int32()
        ),
        "numbers_differ": lambda: numbers_differ(source, target),
        "number_words_differ": lambda: written_numbers_differ(source, target, language),
        "punctuation_difference": lambda: punctuation_difference(source, target),
        "ending_differs": lambda: ending_differs(source, target),
        "unbalanced": lambda: unbalanced(source, target),
        "oddity": lambda: oddity(target),
    }
    known = pa.array(~missing)
    columns = {}
    for name in (*shares, *told) if only is None else only:
        if name in shares:
            values = shares[name]()
            columns[name] = pa.array(values, pa.float32(), mask=missing | np.isnan(values))
        else:
            columns[name] = pc.if_else(known, told[name](), None)
    return columns


@dataclass(frozen=True)
class _Tokens:
    """The words of an array of texts, in order, as numbers from a vocabulary shared by source and target."""

    rows: _Ints
    """Index of the text of each word."""
    ids: _Ints
    is_word: npt.NDArray[np.bool_]
    """Whether it has a letter, and is not a number."""


def _tokenised(source: pa.Array, target: pa.Array, *, spaced: bool) -> tuple[_Tokens, _Tokens]:
    """Return the words of both arrays; unless ``spaced``, the letters of scripts that part no words."""
    texts = pc.utf8_lower(pa.concat_arrays([source, target]))
    if not spaced:
        texts = pc.replace_substring_regex(texts, _UNSPACED, r" \1 ")
    lists = pc.ascii_split_whitespace(_without_signs(texts))
    encoded = lists.flatten().dictionary_encode()
    words = encoded.dictionary
    rows = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    ids = encoded.indices.to_numpy().astype(np.int64)
    is_word = pc.match_substring_regex(words, r"\p{L}").to_numpy(zero_copy_only=False)[ids]
    solid = pc.not_equal(words, "").to_numpy(zero_copy_only=False)[ids]
    first, second = solid & (rows < len(source)), solid & (rows >= len(source))
    return (
        _Tokens(rows[first], ids[first], is_word[first]),
        _Tokens(rows[second] - len(source), ids[second], is_word[second]),
    )


def _without_signs(texts: pa.StringArray) -> pa.StringArray:
    """Return ``texts`` with a space for everything that is no letter, mark or digit.

    Those of ASCII, nearly all there are, go by a table over the bytes: a regular expression takes four times as long.
    """
    strange = pc.match_substring_regex(texts, _STRANGE)
    if pc.any(strange).as_py():
        spaced = pc.replace_substring_regex(texts.filter(strange), f"{_STRANGE}+", " ")
        texts = pc.replace_with_mask(texts, strange, spaced)
    validity, offsets, content = texts.buffers()
    if content is None:
        return texts
    plain = pa.py_buffer(_WITHOUT_SIGNS[np.frombuffer(content, dtype=np.uint8)])
    return pa.StringArray.from_buffers(len(texts), offsets, plain, validity, texts.null_count, texts.offset)


_STRANGE: Final = r"[^\x00-\x7F\p{L}\p{M}\p{N}]"
_WITHOUT_SIGNS: Final = np.array(
    [byte if byte >= 0x80 or chr(byte).isalnum() else ord(" ") for byte in range(256)], dtype=np.uint8
)


def _length_ratio(source: pa.Array, target: pa.Array, expected: float) -> _Floats:
    of_source = pc.utf8_length(source).to_numpy().astype(np.float64)
    of_target = pc.utf8_length(target).to_numpy().astype(np.float64)
    return (of_target / expected + _SMOOTHING) / (of_source + _SMOOTHING)


_BEYOND_LATIN: Final = r"[^\x00-\x{24F}\x{2000}-\x{206F}]"
"""Anything but Latin letters, and signs that belong to no script."""


def _script_share(target: pa.Array, script: str) -> _Floats:
    scripts = _SCRIPTS.get(script)
    if scripts is None:
        return np.full(len(target), np.nan)
    if script == "Latn":
        # Nearly every text has nothing but these, and to count its letters takes ten times as long as to see that.
        rows = np.flatnonzero(pc.match_substring_regex(target, _BEYOND_LATIN).to_numpy(zero_copy_only=False))
        share = np.ones(len(target))
        share[rows] = _share_of(scripts, target.take(pa.array(rows)))
        return share
    return _share_of(scripts, target)


def _share_of(scripts: Sequence[str], target: pa.Array) -> _Floats:
    # RE2 has no intersection but a negated class of complements. Common letters (ー, ʼ) belong to no script.
    named = "".join(rf"\p{{{name}}}" for name in scripts)
    a_foreign = rf"[^\P{{L}}\p{{Common}}\p{{Inherited}}{named}]"
    rows = np.flatnonzero(pc.match_substring_regex(target, a_foreign).to_numpy(zero_copy_only=False))
    mixed = target.take(pa.array(rows))
    own = sum(_count(mixed, rf"[^\P{{L}}\P{{{name}}}]") for name in scripts)
    share = np.ones(len(target))
    share[rows] = own / (own + _count(mixed, a_foreign))
    return share


def _count(texts: pa.Array, pattern: str) -> _Ints:
    return pc.count_substring_regex(texts, pattern).to_numpy().astype(np.int64)


def _copy_ratio(source: _Tokens, target: _Tokens, texts: int) -> _Floats:
    size = 1 + max(source.ids.max(initial=0), target.ids.max(initial=0))
    ours, theirs = pa.array(target.rows * size + target.ids), pa.array(source.rows * size + source.ids)
    copied = pc.is_in(ours, value_set=theirs).to_numpy(zero_copy_only=False) & target.is_word
    words = np.bincount(target.rows[target.is_word], minlength=texts)
    share = np.bincount(target.rows[copied], minlength=texts) / np.maximum(words, 1)
    of_source = np.bincount(source.rows[source.is_word], minlength=texts)
    tells = (words >= _MIN_WORDS) | ((words == 2) & (of_source == 2) & (share == 1))
    return np.where(tells, share, np.nan)


def _repetition(source: _Tokens, target: _Tokens, texts: int, *, n: int) -> _Floats:
    return np.maximum(_repeated(target, texts, n) - _repeated(source, texts, _NGRAM), 0.0)


def _repeated(tokens: _Tokens, texts: int, n: int) -> _Floats:
    """Return the share of each text's n-grams that came before in it; 0 where it has none."""
    if len(tokens.ids) < n:
        return np.zeros(texts)
    grams, size = tokens.ids, 1 + int(tokens.ids.max())
    for i in range(1, n):
        grams = grams[:-1] * size + tokens.ids[i:]
        if i == n - 1 or size ** (i + 2) >= _MOST:  # the next would overflow, so they are numbered anew
            grams = pa.array(grams).dictionary_encode().indices.to_numpy().astype(np.int64)
    rows = tokens.rows[: len(grams)]
    whole = rows == tokens.rows[n - 1 :]
    rows, grams = rows[whole], grams[whole]
    total = np.bincount(rows, minlength=texts)
    size = 1 + grams.max(initial=0)
    distinct = np.bincount(pc.unique(pa.array(rows * size + grams)).to_numpy() // size, minlength=texts)
    return (total - distinct) / np.maximum(total, 1)


_MOST: Final = 1 << 62
"""What is less, an int64 holds."""


def _loops(source: _Tokens, target: _Tokens, texts: int, *, longest: int) -> _Ints:
    return np.maximum(_at_once(target, texts, longest) - _at_once(source, texts, _LOOP), 0)


def _at_once(tokens: _Tokens, texts: int, longest: int) -> _Ints:
    """Return how often each text says one phrase of up to ``longest`` tokens again, right after it."""
    most = np.zeros(texts, dtype=np.int64)
    for n in range(1, longest + 1):
        same = (tokens.ids[:-n] == tokens.ids[n:]) & (tokens.rows[:-n] == tokens.rows[n:])
        if not same.any():
            continue
        places = np.arange(len(same))
        run = places - np.maximum.accumulate(np.where(same, -1, places))
        ends = np.flatnonzero(run >= n)
        np.maximum.at(most, tokens.rows[ends], run[ends] // n)
    return most
