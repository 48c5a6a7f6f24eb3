"""The kinds of noise, each with what makes it."""

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from filters.corpus import Corpus, Row, folded, is_sign, join_pieces, split_pieces, split_tail, word_spans
from filters.words import listed_words

_Make = Callable[[Corpus, Row, random.Random], str | None]
_MakeAll = Callable[[Corpus, Sequence[Row], Sequence[random.Random]], list[str | None]]


@dataclass(frozen=True)
class Kind:
    """One kind of noise: its name, what it is in a sentence, and how it is made.

    ``make`` takes a corpus, rows of it and a source of chance for each, and returns their noisy targets: None
    where there can be none of this kind.
    """

    name: str
    explanation: str
    make: _MakeAll


def _each(make: _Make) -> _MakeAll:
    """Return what makes the noise of many rows from what makes that of one."""
    return lambda corpus, rows, draws: [make(corpus, *row) for row in zip(rows, draws, strict=True)]


def _misaligned(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    donor = corpus.donor(row, draw)
    return donor.target if donor else None


def _near_miss(corpus: Corpus, rows: Sequence[Row], _draws: Sequence[random.Random]) -> list[str | None]:
    return corpus.nearest(rows)


_FEWEST: Final = 4
"""Words, or characters where they have no spaces, that a target needs to be cut, turned round or mixed."""


def _truncated(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    body, tail = split_tail(row.target)
    pieces = split_pieces(body, spaced=corpus.spaced)
    if len(pieces) < _FEWEST:
        return None
    kept = join_pieces(pieces[: round(len(pieces) * draw.uniform(0.3, 0.7))], spaced=corpus.spaced)
    return split_tail(kept)[0] + (tail if draw.random() < 0.5 else "")


def _extended(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    donor = corpus.donor(row, draw)
    body, tail = split_tail(row.target)
    if donor is None or not body:
        return None
    pieces = split_pieces(donor.target, spaced=corpus.spaced)
    starts = range(len(pieces) // 2, len(pieces) * 2 // 3 + 1)
    # A clause begins behind a comma; without one, anywhere.
    parted = [i for i in starts if 0 < i < len(pieces) and is_sign(pieces[i - 1].rstrip()[-1])]
    clause = pieces[draw.choice(parted or starts) :]
    glue = draw.choice({"zh": ("，", ""), "ja": ("、", "")}.get(corpus.primary, (", ", " ")))
    return body + glue + join_pieces(clause, spaced=corpus.spaced) + ("" if split_tail(donor.target)[1] else tail)


def _untranslated(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    """Return the whole source in half the cases, else the beginning of one and the end of the other."""
    if not folded(row.source):
        return None
    body, tail = split_tail(row.target)
    ours, theirs = row.source.split(), split_pieces(body, spaced=corpus.spaced)
    whole, source_first, share = draw.random() < 0.5, draw.random() < 0.5, draw.uniform(0.35, 0.65)
    if whole or len(ours) < _FEWEST or len(theirs) < _FEWEST:
        return row.source
    cut, cut_theirs = round(len(ours) * share), round(len(theirs) * share)
    if source_first:
        return f"{' '.join(ours[:cut])} {join_pieces(theirs[cut_theirs:], spaced=corpus.spaced)}{tail}"
    return f"{join_pieces(theirs[:cut_theirs], spaced=corpus.spaced)} {' '.join(ours[cut:])}"


def _wrong_language(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    return corpus.foreign(row, draw)


def _repetition(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    """Return the target with a phrase of one to four words, or two to six characters, said three to six times."""
    body, tail = split_tail(row.target)
    pieces = split_pieces(body, spaced=corpus.spaced)
    starts = [i for i, piece in enumerate(pieces) if folded(piece)]
    if not starts:
        return None
    length = draw.randint(1, 4) if corpus.spaced else draw.randint(2, 6)
    start = draw.choice(starts)
    phrase = pieces[start : start + length]
    looped = [*pieces[:start], *phrase * draw.randint(3, 6), *pieces[start + length :]]
    return join_pieces(looped, spaced=corpus.spaced) + tail


def _number_changed(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    """Return the target with another number word, or another digit in a number."""
    words = [word for word in listed_words(row.target, corpus.language) if word.kind == "number"]
    spans = [(word.start, word.end, word.others) for word in words]
    spans += [(*found.span(), ()) for found in _DIGITS.finditer(row.target)]
    if not spans:
        return None
    start, end, others = draw.choice(spans)
    if others:
        return row.target[:start] + draw.choice(others) + row.target[end:]
    position = draw.randrange(start, end)
    digit = row.target[position]
    zero = ord(digit) - unicodedata.decimal(digit)
    # No number gets a zero in front: 10 and 010 are one.
    values = [chr(zero + value) for value in range(1 if position == start else 0, 10)]
    changed = draw.choice([value for value in values if value != digit])
    return row.target[:position] + changed + row.target[position + 1 :]


_DIGITS: Final = re.compile(r"\d+")


def _word_swap(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    """Return the target with another number, colour or animal where there is one, else another content word."""
    text = row.target
    here = {text[start:end].casefold() for start, end in word_spans(text)}
    swaps = [
        (
            word,
            [other for other in word.others if (other.casefold() not in here if corpus.spaced else other not in text)],
        )
        for word in listed_words(text, corpus.language)
    ]
    swaps = [(word, others) for word, others in swaps if others]
    if swaps:
        listed, others = draw.choice(swaps)
        return text[: listed.start] + draw.choice(others) + text[listed.end :]
    words = corpus.content_words(text)
    if not words:
        return None
    word = draw.choice(words)
    other = corpus.instead_of(word, text, draw)
    return other and text[: word.start] + other + text[word.end :]


def _shuffled(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    body, tail = split_tail(row.target)
    pieces = split_pieces(body, spaced=corpus.spaced)
    if not corpus.spaced:
        pieces = list(_paired(pieces, draw))
    if len(pieces) < _FEWEST:
        return None
    for _ in range(_SHUFFLES):
        shuffled = draw.sample(pieces, len(pieces))
        if sum(old != new for old, new in zip(pieces, shuffled, strict=True)) * 2 >= len(pieces):
            return join_pieces(shuffled, spaced=corpus.spaced) + tail
    return None


_SHUFFLES: Final = 10
"""The times that half of the words may stay where they are; then the words are too much the same."""


def _paired(pieces: Sequence[str], draw: random.Random) -> Iterator[str]:
    """Return ``pieces`` in ones and twos, most in twos: about the words of Chinese or Japanese."""
    i = 0
    while i < len(pieces):
        size = 1 if draw.random() < 0.25 else 2
        yield "".join(pieces[i : i + size])
        i += size


def _entity_dropped(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    text = row.target
    if len(split_pieces(text, spaced=corpus.spaced)) < _FEWEST:
        return None
    named = [word for word in corpus.words(text)[1:] if word.text[0].isupper() and len(word.text) > 1]
    among = named or corpus.content_words(text)
    if not among:
        return None
    word = draw.choice(among)
    before, after = text[: word.start].rstrip(), text[word.end :].lstrip()
    parted = corpus.spaced and after and not is_sign(after[0])
    return before + (" " if parted else "") + after


def _mojibake(corpus: Corpus, row: Row, draw: random.Random) -> str | None:
    """Return the target's UTF-8 read as another encoding; with characters lost where that would change nothing."""
    text = row.target
    if text.isascii():
        places = [i for i, character in enumerate(text) if character.isalpha()]
        lost = set(draw.sample(places, min(len(places), draw.randint(1, 3))))
        return "".join(_LOST if i in lost else character for i, character in enumerate(text))
    way = draw.choice(("misread", "misread", "twice", "own", "lost"))
    if way == "lost" and corpus.spaced:  # the bytes of an older encoding, read as UTF-8
        return "".join(character if character.isascii() else _LOST for character in text)
    if way == "own" and corpus.primary in _OWN_ENCODINGS:
        return text.encode().decode(_OWN_ENCODINGS[corpus.primary], "replace")
    misread = text.encode().decode("cp1252", "replace")
    return misread.encode().decode("cp1252", "replace") if way == "twice" else misread


_LOST: Final = "\ufffd"

_OWN_ENCODINGS: Final = MappingProxyType(
    dict.fromkeys(("cs", "hu", "pl", "sk", "sl", "hr", "ro"), "cp1250")
    | dict.fromkeys(("ru", "uk", "bg", "be", "sr", "mk"), "cp1251")
    | {"zh": "gbk", "ja": "cp932", "ko": "cp949", "el": "cp1253", "tr": "cp1254", "he": "cp1255", "ar": "cp1256"}
)
"""Primary subtag → what its texts were written in before UTF-8, and are still read as."""


def _empty(_corpus: Corpus, _row: Row, draw: random.Random) -> str:
    return draw.choice(("", "", " ", "   ", ".", "...", "-", "?", "。"))


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("misaligned", "The translation of another caption, drawn from all.", _each(_misaligned)),
            Kind(
                "near_miss", "The translation of that other caption which the teacher finds most similar.", _near_miss
            ),
            Kind("truncated", "The first 30 to 70 % of the words, with or without the final sign.", _each(_truncated)),
            Kind("extended", "The last third to half of another translation is joined on.", _each(_extended)),
            Kind("untranslated", "The source, or half of it with half of the translation.", _each(_untranslated)),
            Kind("wrong_language", "The caption, or another, in another language.", _each(_wrong_language)),
            Kind("repetition", "A phrase of one to four words is said three to six times.", _each(_repetition)),
            Kind("number_changed", "A number, in words or digits, is another one.", _each(_number_changed)),
            Kind("word_swap", "A number, colour, animal or other content word is another one.", _each(_word_swap)),
            Kind("shuffled", "The words are in another order.", _each(_shuffled)),
            Kind("entity_dropped", "A name, or else a rare word, is missing.", _each(_entity_dropped)),
            Kind("mojibake", "The letters were read in a wrong encoding, or lost.", _each(_mojibake)),
            Kind("empty", "There is nothing, white space or a punctuation mark.", _each(_empty)),
        )
    }
)
"""Name → kind, in the order of the documentation."""
