"""The signs of a pair beside its words: punctuation that has no counterpart, and characters that are broken."""

import functools
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_Ints = npt.NDArray[np.int64]
_Codes = npt.NDArray[np.uint32]
_Flags = npt.NDArray[np.bool_]

# ---------------------------------------------------------------------------------------------------------------------
# Punctuation

_CLASSES: Final = MappingProxyType(
    {
        "stop": ".。．｡…।॥۔።",
        "exclamation": "!！",
        "question": "?？؟",
        "colon": ":：;；",
        "bracket": "()[]{}（）［］｛｝【】〔〕",
        "quote": '"“”„‟«»‹›「」『』《》〈〉＂〝〞',
    }
)
"""Class of signs → its members. Commas are in none: German has many more of them than English, Chinese others."""


def punctuation_difference(source: pa.Array, target: pa.Array) -> pa.Array:
    """Return float32 >= 0: the signs that have no counterpart on the other side, per word of the English ``source``.

    Signs are counted by class: ends of sentences, exclamation and question marks, colons with semicolons,
    brackets, quotation marks. Those within a word or number (*3.5*, *10:30*) do not count, nor do repeated ones
    (*...*). The words are one more than there are spaces, and one more. Null where a text is null.
    """
    known = pc.and_(pc.is_valid(source), pc.is_valid(target))
    texts = pc.fill_null(pa.concat_arrays([source, target]), "")
    counts = _sign_counts(texts).reshape(2, len(source), len(_CLASSES) + 1)
    missing = np.abs(counts[0] - counts[1])[:, 1:].sum(axis=1)
    words = _words(texts[: len(source)]).to_numpy()
    return pa.array(missing / words, pa.float32(), mask=~_flags(known))


def _words(source: pa.Array) -> pa.Array:
    """Return what the signs of each text are divided by: two more than it has spaces."""
    return pc.add(pc.count_substring(source, " "), 2)


def _sign_counts(texts: pa.Array) -> _Ints:
    """Return int64 [texts, 1 + classes]: the signs of each class; those of class 0 are none."""
    codes, ends = _characters(pc.binary_join_element_wise(texts, "", "\n"))
    found = _sign_classes()[codes]
    places = np.flatnonzero(found != 0)
    classes = found[places].astype(np.int64)
    within = _alphanumeric()[codes[places + 1]] & _may_be_within()[codes[places]]
    repeated = (classes == found[places - 1]) & (classes <= _NOT_PAIRED)
    rows = np.searchsorted(ends, places, side="right")
    return np.bincount(
        rows * (len(_CLASSES) + 1) + np.where(within | repeated, 0, classes),
        minlength=len(texts) * (len(_CLASSES) + 1),
    )


_NOT_PAIRED: Final = list(_CLASSES).index("bracket")
"""The last of the classes, from 1, whose signs are not in pairs."""


@functools.cache
def _sign_classes() -> npt.NDArray[np.uint8]:
    return _numbered(_CLASSES.values())


def _numbered(classes: Iterable[str]) -> npt.NDArray[np.uint8]:
    """Return for each character in which of the ``classes`` it is, from 1; 0 for the others."""
    table = np.zeros(_BEYOND + 1, dtype=np.uint8)
    for i, signs in enumerate(classes, 1):
        table[[ord(sign) for sign in signs]] = i
    return table


@functools.cache
def _may_be_within() -> _Flags:
    return _numbered([".:!?"]) > 0


@functools.cache
def _alphanumeric() -> _Flags:
    return np.array([chr(code).isalnum() for code in range(_BEYOND)] + [False])


_FINAL: Final = r"[.!?。．｡！？…।॥۔؟።][\s\"'“”„‟‘’«»‹›」』》〉＂)\]}）］｝】]*\z"
_WITHOUT_STOPS: Final = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"


def ending_differs(source: pa.Array, target: pa.Array) -> pa.Array:
    """Return bool: whether one text ends in a sentence-final sign, and the other does not.

    Quotation marks, brackets and white space may follow the sign. Null where a text is null, or where the target
    is in a script that has no full stop in use: Thai, Lao, Khmer or Burmese.
    """
    differs = pc.xor(pc.match_substring_regex(source, _FINAL), pc.match_substring_regex(target, _FINAL))
    return pc.if_else(pc.match_substring_regex(target, _WITHOUT_STOPS), None, differs)


_PAIRED: Final = ("(（", ")）", "[［", "]］", "{｛", "}｝", *"【】〔〕「」『』《》〈〉")
"""What opens, and what closes it, and so on."""
_BY_PARITY: Final = ('"“”„‟＂', "«»", "‹›")
"""Quotation marks that open in one language and close in another: „so“, “so”, »so«, «so», »so»."""


def unbalanced(source: pa.Array, target: pa.Array) -> pa.Array:
    """Return int32 >= 0: the brackets and quotation marks of the target without a partner, less the source's.

    Only their number counts, not their order; apostrophes and single quotation marks, which look the same, do
    not. Null where a text is null.
    """
    known = pc.and_(pc.is_valid(source), pc.is_valid(target))
    texts = pc.fill_null(pa.concat_arrays([source, target]), "")
    rows = np.flatnonzero(_flags(pc.match_substring_regex(texts, _ANY_PAIRED)))
    single = np.zeros(len(texts), dtype=np.int32)
    single[rows] = _single(texts.take(pa.array(rows)))
    excess = np.maximum(single[len(source) :] - single[: len(source)], 0)
    return pa.array(excess, pa.int32(), mask=~_flags(known))


_ANY_PAIRED: Final = "[" + "".join(f"\\x{{{ord(sign):X}}}" for sign in "".join((*_PAIRED, *_BY_PARITY))) + "]"


def _single(texts: pa.Array) -> _Ints:
    """Return int64 [texts]: the brackets and quotation marks without a partner."""
    codes, ends = _characters(texts)
    table = _partners()
    places = np.flatnonzero(table[codes])
    kinds = len(_PAIRED) + len(_BY_PARITY) + 1
    rows = np.searchsorted(ends, places, side="right")
    counts = np.bincount(rows * kinds + table[codes[places]], minlength=len(texts) * kinds).reshape(-1, kinds)[:, 1:]
    paired, by_parity = counts[:, : len(_PAIRED)], counts[:, len(_PAIRED) :]
    return np.abs(paired[:, ::2] - paired[:, 1::2]).sum(axis=1) + (by_parity % 2).sum(axis=1)


@functools.cache
def _partners() -> npt.NDArray[np.uint8]:
    return _numbered((*_PAIRED, *_BY_PARITY))


# ---------------------------------------------------------------------------------------------------------------------
# Broken characters

_SUSPECT: Final = r"[^\t-\r -%'-~]|\?[A-Za-z]"
"""What a text of plain ASCII without anything broken has not."""


def oddity(target: pa.Array) -> pa.Array:
    """Return float32 0 to 1: the share of the characters that belong to something broken.

    That is to say U+FFFD, control characters other than white space, unassigned, private and non-characters,
    HTML entities, question marks within a word, and UTF-8 that was read as an older encoding: as Windows-1250
    to 1256, Latin-1, GBK, Shift JIS or Korean Wansung, once or twice. With a broken character its whole word is
    broken, except in a script without spaces, and counts as four characters at least. Null where the text is null.
    """
    share = np.zeros(len(target))
    rows = np.flatnonzero(_flags(pc.match_substring_regex(pc.fill_null(target, ""), _SUSPECT)))
    suspects = target.take(pa.array(rows))
    # Of what is left nearly all is plain, which two looks at each character tell; the rest is looked at in earnest.
    hot = _hot_rows(suspects)
    share[rows[hot]] = _broken_share(suspects.take(pa.array(hot)))
    return pa.array(share, pa.float32(), mask=~_flags(pc.is_valid(target)))


def _hot_rows(texts: pa.Array) -> _Ints:
    """Return the indices of the ``texts`` that may have something broken in them, in order."""
    codes, ends = _characters(texts)
    marks = _glance()[codes]
    hot = marks & _ALONE
    hot[:-1] |= marks[:-1] & (marks[1:] << 1) & (_BEFORE_WIDE | _BEFORE)
    return np.unique(np.searchsorted(ends, np.flatnonzero(hot), side="right"))


def _broken_share(texts: pa.Array) -> npt.NDArray[np.float64]:
    """Return float64 [texts]: the share of the characters that belong to something broken."""
    marked = pc.replace_substring_regex(texts, f"{_ENTITY}|{_NO_CHARACTER}", _LOST)
    codes, ends = _characters(pc.binary_join_element_wise(marked, "", "\n"))
    broken = _broken(codes)
    wordlike = broken | _tables()["word"][codes]
    word = np.cumsum(~wordlike)
    of_broken = np.zeros(len(codes) + 1, dtype=bool)
    of_broken[word[broken]] = True
    words, sizes = np.unique(word[wordlike & of_broken[word]], return_counts=True)
    rows = np.searchsorted(word[ends - 1], words, side="right")
    characters = np.bincount(rows, np.maximum(sizes, _A_WORD), minlength=len(texts))
    return np.minimum(characters / np.maximum(np.diff(ends, prepend=0) - 1, 1), 1.0)


_A_WORD: Final = 4
"""Characters that a broken word counts for at least: a lost French *à* is as bad as any other word."""

_LOST: Final = "\ufffd"
_ENTITY: Final = (
    r"&(?:#[0-9]{2,6}|#[xX][0-9a-fA-F]{2,5}|amp|lt|gt|quot|apos|nbsp|[lr][sda]quo|bdquo|sbquo|[nm]dash|hellip|copy|reg"
    r"|deg|euro|szlig|eth|thorn|(?:ae|oe|AE|OE)lig|[A-Za-z](?:uml|acute|grave|circ|tilde|cedil|ring|slash|caron));"
)


_NO_CHARACTER: Final = r"[\x{40000}-\x{DFFFF}\x{E0200}-\x{10FFFF}]"
"""Of the planes beyond the first: unassigned and private."""


def _broken(codes: _Codes) -> _Flags:
    """Return bool [codes]: whether each character is broken, alone or with its neighbours."""

    def has(name: str, place: int = 0) -> _Flags:
        """Return whether the character so many places on is in the table; beyond the ends none is."""
        found = _tables()[name][codes]
        beyond = np.zeros(min(abs(place), len(found)), dtype=bool)
        return np.concatenate([found[place:], beyond] if place >= 0 else [beyond, found[:place]])

    def spread(first: _Flags, size: int) -> _Flags:
        """Return the characters from each ``first`` one on, ``size`` of them."""
        for _ in range(size - 1):
            first = first | np.concatenate([[False], first[:-1]])
        return first

    beside_lower = has("lower", -1) | (has("lower", 2) & ~has("upper", -1) & ~has("apostrophe", 1))
    two = has("lead") & has("clear", 1)
    two |= has("common lead") & has("closing", 1) & beside_lower
    two |= has("letter lead") & has("letter", 1) & beside_lower & (has("lower", -1) | ~has("romanian"))
    two |= has("lead of space") & has("no-break", 1) & ~has("upper", -1)
    three = has("lead of three") & has("continuation", 1) & has("continuation", 2) & ~has("no-break", 1)
    three &= has("clear of three", 1) | has("clear of three", 2)
    three |= has("lead of signs") & has("second of signs", 1)
    run = has("lead of run") & has("run", 1) & has("lead of run", 2) & has("run", 3)
    wide = np.zeros(len(codes), dtype=bool)
    for encoding in _WIDE_ENCODINGS:
        first, second = f"{encoding} first", f"{encoding} second"
        wide |= has(first) & has(second, 1) & has(first, 3)  # three bytes each make three characters of two
    asked = has("question") & has("word", -1) & has("lower", 1)
    return (has("odd") & (codes != _BEYOND)) | asked | spread(two, 2) | spread(three, 3) | spread(run | wide, 4)


_BEYOND: Final = 0x10000
"""What all characters beyond the Basic Multilingual Plane are taken for."""
_ALONE, _AFTER, _BEFORE, _AFTER_WIDE, _BEFORE_WIDE = 1, 2, 4, 8, 16
"""What is hot alone, and what is so before what: each is twice that which it stands before."""


@functools.cache
def _glance() -> npt.NDArray[np.uint8]:
    """Return the marks of each character by which a text is taken for suspect."""
    tables = _tables()
    marks = (tables["odd"] | tables["question"]).astype(np.uint8) * _ALONE
    marks[ord("&")] = _ALONE
    for mark, names in (
        (_BEFORE, ("lead", "common lead", "letter lead", "lead of three", "lead of signs", "lead of run")),
        (_AFTER, ("continuation", "run")),
        (_BEFORE_WIDE, tuple(f"{encoding} first" for encoding in _WIDE_ENCODINGS)),
        (_AFTER_WIDE, tuple(f"{encoding} second" for encoding in _WIDE_ENCODINGS)),
    ):
        marks[np.any([tables[name] for name in names], axis=0)] |= mark
    return marks


_WIDE_ENCODINGS: Final = MappingProxyType(
    {"gbk": bytes(range(0xE4, 0xEA)), "cp932": bytes(range(0xE3, 0xEA)), "cp949": bytes(range(0xEA, 0xEE))}
)
"""Encoding of two bytes a character → the lead bytes of UTF-8 in its own language."""
_RUN_ENCODINGS: Final = (
    ("cp1251", b"\xd0\xd1"), ("cp1252", b"\xd7"), ("cp1253", b"\xce\xcf"), ("cp1255", b"\xd7"), ("cp1256", b"\xd8\xd9")
)  # fmt: skip
"""Encoding, and the lead bytes of UTF-8 in an alphabet that a single one, read in it, does not give away."""

_CONTINUATIONS: Final = bytes(range(0x80, 0xC0))
_CLOSING: Final = "\xa0«»‘’“”–—…‹›•·"
"""Continuation bytes that may well stand behind a letter as what they look like."""
_MARKS_OF_TRADE: Final = "™®©°¹²³ªº"


@functools.cache
def _tables() -> Mapping[str, _Flags]:
    """Return name → bool [BMP and one for all others]: which characters are such."""
    categories = [unicodedata.category(chr(code)) for code in range(_BEYOND)] + ["So"]
    cased = {chr(code) for code, category in enumerate(categories[:-1]) if category in ("Lu", "Ll")} - set("µƒ")
    continuation = set(_CONTINUATIONS.decode("cp1252", "replace") + _CONTINUATIONS.decode("cp1250", "replace"))
    continuation |= set(_CONTINUATIONS.decode("latin-1"))
    clear = continuation - cased - set(_CLOSING)
    run = {c for encoding, _ in _RUN_ENCODINGS for c in _CONTINUATIONS.decode(encoding, "replace")}
    members = {
        "lead": set("ÂÃÄÅÆÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝĂĹ"),
        "common lead": set("ÂÃÄÅĂĹÐÑÎÏØÙ"),
        "letter lead": set("ÃÄÅĂĹ"),
        "romanian": set("Ă"),
        "lead of space": set("ÂÃ"),
        "lead of three": set("àáâãäåæçèéêëìíîï"),
        "lead of signs": set("âв"),
        "second of signs": set("€Ђ"),
        "continuation": continuation,
        "clear": clear,
        "clear of three": clear - set(_MARKS_OF_TRADE),
        "closing": set(_CLOSING),
        "letter": continuation & cased,
        "no-break": {"\xa0"},
        "apostrophe": {"’"},
        "question": {"?"},
        "lead of run": {c for encoding, leads in _RUN_ENCODINGS for c in leads.decode(encoding)},
        "run": {c for c in run if unicodedata.category(c) not in ("Lu", "Lo")},
    }
    for encoding, leads in _WIDE_ENCODINGS.items():
        for name, codes in (
            ("first", _wide(encoding, leads, _CONTINUATIONS)),
            ("second", _wide(encoding, _CONTINUATIONS, leads)),
        ):
            members[f"{encoding} {name}"] = set(codes)
    tables = {name: np.zeros(_BEYOND + 1, dtype=bool) for name in members}
    for name, characters in members.items():
        tables[name][[ord(character) for character in characters]] = True
    white = {ord(c) for c in "\t\n\v\f\r"}
    tables["odd"] = np.array(
        [c in ("Cc", "Co", "Cn", "Cs") and i not in white for i, c in enumerate(categories)], dtype=bool
    )
    tables["odd"][[ord(_LOST), _BEYOND]] = True
    tables["lower"] = np.array([c == "Ll" for c in categories])
    tables["upper"] = np.array([c == "Lu" for c in categories])
    tables["word"] = np.array([c[0] in "LM" for c in categories])
    tables["word"][_UNSPACED_FROM:_UNSPACED_TO] = False
    return MappingProxyType(tables)


_UNSPACED_FROM, _UNSPACED_TO = 0x2E80, 0xAC00


def _wide(encoding: str, first: bytes, second: bytes) -> Iterator[str]:
    """Return the characters that two bytes of UTF-8 make in an ``encoding`` of two bytes."""
    for pair in itertools.product(first, second):
        try:
            text = bytes(pair).decode(encoding)
        except UnicodeDecodeError:
            continue
        if len(text) == 1:
            yield text


def _characters(texts: pa.Array) -> tuple[_Codes, _Ints]:
    """Return the code points of all ``texts``, those beyond the BMP as one, and where each text ends among them."""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1] if offsets else [0]
    encoded = str(memoryview(content)[ends[0] : ends[-1]], "utf-8").encode("utf-32-le") if content else b""
    codes = np.minimum(np.frombuffer(encoded, dtype="<u4"), _BEYOND)
    return codes, np.cumsum(pc.utf8_length(texts).to_numpy(), dtype=np.int64)


def _flags(column: pa.Array) -> _Flags:
    return column.to_numpy(zero_copy_only=False)
