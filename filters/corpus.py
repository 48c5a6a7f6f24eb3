"""The pairs that noise is planted in, taken together: other pairs to take text from, and which words are alike."""

import functools
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts → float32 [texts, dimension], each row of length 1."""

_UNSPACED_LANGUAGES: Final = frozenset({"bo", "cmn", "dz", "ja", "km", "lo", "lzh", "my", "th", "wuu", "yue", "zh"})
"""Languages whose words have no spaces between them, by primary subtag."""

_COMMON: Final = 0.05
"""A word of more rows than this share is taken for a function word: nearly all such are, in captions."""

_SHORTEST: Final = 3
"""Letters of a content word, where there are spaces between words."""

_COHESION: Final = 0.1
"""Two ideographs are taken for a word where df(both)² / (df(first) · df(second)) is no less."""


class NoiseError(ValueError):
    """What is asked for cannot be planted."""


@dataclass(frozen=True)
class Row:
    """A pair that noise may be planted in."""

    source: str
    target: str
    other: str | None
    """The same row in another language."""
    item: str | None = None
    """What the source is a caption of; what another caption of it says is no noise."""


def folded(text: str) -> str:
    """Return the letters and digits of ``text`` without their case: what two texts have to differ in."""
    return _NO_WORD.sub("", text.casefold())


_NO_WORD: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class _Donor:
    """A pair of the corpus to take text from, both its sides folded, and the items that have it."""

    source: str
    target: str
    source_key: str
    target_key: str
    items: frozenset[str]


@dataclass(frozen=True)
class _Embedded:
    """The distinct sources as a sentence encoder sees them, and which pairs have them."""

    numbers: Mapping[str, int]
    """Source → its row in ``embeddings``."""
    embeddings: npt.NDArray[np.float32]
    of_donors: npt.NDArray[np.int64]
    """The row of each donor's source."""
    by_source: Mapping[str, list[int]]
    """Folded source → the donors that have it."""
    by_target: Mapping[str, list[int]]
    by_item: Mapping[str, list[int]]
    """Item → the donors that it has."""


@dataclass(frozen=True)
class _Word:
    start: int
    end: int
    text: str
    left: str
    """The word before it, folded; empty at the beginning."""


class Corpus:
    """What is to be known of all the rows together; nothing of it depends on their order."""

    def __init__(self, rows: Sequence[Row], language: str, embed: Embed | None) -> None:
        self.language: Final = language
        self.primary: Final = language.split("-")[0].lower()
        self.spaced: Final = self.primary not in _UNSPACED_LANGUAGES
        self._pairs: Final = sorted({(row.source, row.target) for row in rows})
        self._items: Final = defaultdict(set)
        for row in rows:
            if row.item is not None:
                self._items[row.source, row.target].add(row.item)
        self._others: Final = sorted({row.other for row in rows if row.other and folded(row.other)})
        self._embed: Final = embed

    @functools.cached_property
    def _donors(self) -> list[_Donor]:
        donors = (
            _Donor(source, target, folded(source), folded(target), frozenset(self._items.get((source, target), ())))
            for source, target in self._pairs
        )
        return [donor for donor in donors if donor.target_key]

    def donor(self, row: Row, draw: random.Random) -> _Donor | None:
        """Return a pair of another item that has neither the row's source nor its target; None where there is none."""
        if not self._donors:
            return None
        source, target = folded(row.source), folded(row.target)
        start = draw.randrange(len(self._donors))
        for i in range(len(self._donors)):
            donor = self._donors[(start + i) % len(self._donors)]
            if donor.source_key != source and donor.target_key != target and row.item not in donor.items:
                return donor
        return None

    def nearest(self, rows: Sequence[Row]) -> list[str | None]:
        """Return the target of the pair whose source is most like the row's, of those that `donor` may return."""
        if not rows or not self._donors:
            return [None] * len(rows)
        sources = self._embedded
        ours = sources.embeddings[[sources.numbers[row.source] for row in rows]]
        # Rounded, for matrix products of two machines differ in the last bits: then the first of equals is taken.
        similarities = np.round(ours @ sources.embeddings.T, 5)
        nearest: list[str | None] = []
        for row, of_source in zip(rows, similarities, strict=True):
            of_donor = of_source[sources.of_donors]
            of_donor[sources.by_source.get(folded(row.source), [])] = -np.inf
            of_donor[sources.by_target.get(folded(row.target), [])] = -np.inf
            if row.item is not None:
                of_donor[sources.by_item.get(row.item, [])] = -np.inf
            best = int(of_donor.argmax())
            nearest.append(None if np.isneginf(of_donor[best]) else self._donors[best].target)
        return nearest

    @functools.cached_property
    def _embedded(self) -> _Embedded:
        if self._embed is None:
            raise NoiseError("near_miss needs embed, to find the most similar caption")
        texts = sorted({source for source, _ in self._pairs})
        numbers = {text: i for i, text in enumerate(texts)}
        by_source, by_target, by_item = defaultdict(list), defaultdict(list), defaultdict(list)
        for i, donor in enumerate(self._donors):
            by_source[donor.source_key].append(i)
            by_target[donor.target_key].append(i)
            for item in donor.items:
                by_item[item].append(i)
        of_donors = np.array([numbers[donor.source] for donor in self._donors])
        return _Embedded(numbers, self._embed(texts), of_donors, by_source, by_target, by_item)

    def foreign(self, row: Row, draw: random.Random) -> str | None:
        """Return the row in another language, else any text in it; None where none differs from the target."""
        if row.other and folded(row.other) not in ("", folded(row.target)):
            return row.other
        start = draw.randrange(len(self._others)) if self._others else 0
        texts = (self._others[(start + i) % len(self._others)] for i in range(len(self._others)))
        return next((text for text in texts if folded(text) != folded(row.target)), None)

    def words(self, text: str) -> list[_Word]:
        """Return the words of ``text``: in a language without spaces, runs of letters and pairs of ideographs."""
        words: list[_Word] = []
        left = ""
        for start, end in word_spans(text) if self.spaced else _unspaced_spans(text):
            word = text[start:end]
            words.append(_Word(start, end, word, left))
            left = word.casefold() if self.spaced else word[0]
        return words

    def content_words(self, text: str) -> list[_Word]:
        """Return the words of ``text`` that say what it is about: those that few rows have, else the rarest.

        Empty where even that is in more than half of the rows.
        """
        likely = self._lexical(self.words(text))
        words = [(self._frequency[word.text.casefold()], word) for word in likely]
        most = max(1, int(_COMMON * len(self._pairs)))
        if all(frequency > most for frequency, _ in words):
            most = min((frequency for frequency, _ in words if frequency * 2 <= len(self._pairs)), default=0)
        return [word for frequency, word in words if frequency <= most]

    def _lexical(self, words: Sequence[_Word]) -> list[_Word]:
        """Return those of all the ``words`` of a text that are long enough, or of ideographs that belong together.

        Of two pairs that share an ideograph it belongs to the one that holds together more.
        """
        if self.spaced:
            return [word for word in words if len(word.text) >= _SHORTEST and word.text[0].isalpha()]
        cohesion = [self._cohesion(word.text) for word in words]
        return [
            word
            for i, word in enumerate(words)
            if len(word.text) > 1 and word.text[0].isalpha() and cohesion[i] >= _COHESION
            if (i == 0 or words[i - 1].end <= word.start or cohesion[i - 1] <= cohesion[i])
            if (i + 1 == len(words) or word.end <= words[i + 1].start or cohesion[i + 1] <= cohesion[i])
        ]

    def _cohesion(self, word: str) -> float:
        """Return how far the two ideographs of ``word`` are found together only; 1 for a run of letters."""
        if not _is_ideograph(word[0]):
            return 1.0
        of = self._frequency
        return of[word] ** 2 / max(1, of[word[0]] * of[word[1]])

    @functools.cached_property
    def _frequency(self) -> Counter[str]:
        """Folded word, and character of a language without spaces → the number of pairs whose target has it."""
        frequency: Counter[str] = Counter()
        for _, target in self._pairs:
            frequency.update({word.text.casefold() for word in self.words(target)})
            if not self.spaced:
                frequency.update(set(target))
        return frequency

    def instead_of(self, word: _Word, text: str, draw: random.Random) -> str | None:
        """Return another content word of the corpus, of a place and an ending like ``word``'s, that ``text`` has not.

        The likeness that is asked for gives way till there is such a word; None where there is none at all.
        """
        here = {other.text.casefold() for other in self.words(text)}
        for key in _likenesses(word, self.spaced):
            likely = self._alike.get(key, ())
            likely = [other for other in likely if other.casefold() not in here and (self.spaced or other not in text)]
            if likely:
                return draw.choice(likely)
        return None

    @functools.cached_property
    def _alike(self) -> dict[tuple[str, ...], list[str]]:
        alike: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for _, target in self._pairs:
            for word in self.content_words(target):
                for key in _likenesses(word, self.spaced):
                    alike[key].add(word.text)
        return {key: sorted(words) for key, words in alike.items()}


def _likenesses(word: _Word, spaced: bool) -> Iterator[tuple[str, ...]]:
    """Return what ``word`` has in common with the words that could stand in its place, the most telling first."""
    case = "capitalised" if word.text[0].isupper() else ""
    long, short = word.text[-2:].casefold() if spaced else "", word.text[-1:].casefold()
    yield from (("left", word.left, case, long), ("left", word.left, case, short), ("ending", case, long))
    yield ("case", case)


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """Return where the words of ``text`` are: what spaces or apostrophes part, without signs around it."""
    for found in _PARTED.finditer(text):
        start, end = found.span()
        while start < end and is_sign(text[start]):
            start += 1
        while start < end and is_sign(text[end - 1]):
            end -= 1
        if start < end:
            yield start, end


_PARTED: Final = re.compile(r"[^\s'’]+")


def is_sign(character: str) -> bool:
    """Return whether ``character`` is punctuation, a symbol, a space or a control character."""
    return unicodedata.category(character)[0] in "PSZC"


def _unspaced_spans(text: str) -> Iterator[tuple[int, int]]:
    """Return where runs of Latin letters, of katakana or of digits are, and every two ideographs that adjoin."""
    start = len(text) - len(text.lstrip())
    before = ""
    for piece in split_pieces(text, spaced=False):
        word = piece.rstrip()
        if before and _is_ideograph(word[:1]):
            yield start - len(before), start + len(word)
        elif _runs_on(word[:1]):
            yield start, start + len(word)
        before = piece if word == piece and _is_ideograph(word[:1]) else ""
        start += len(piece)


def _is_ideograph(character: str) -> bool:
    """Return whether two such letters make a word, or a syllable or two of a script without spaces."""
    return character.isalpha() and character >= "\u0e00" and not "\u3040" <= character <= "\u30ff"


def _runs_on(character: str) -> bool:
    """Return whether a word of such characters is as long as their run: Latin letters, digits, katakana."""
    return (character.isalnum() and character < "\u0e00") or "\u30a0" < character <= "\u30ff"


def split_pieces(text: str, *, spaced: bool) -> list[str]:
    """Return the words of ``text`` with their signs; without spaces between words, its runs and characters.

    The latter keep the space behind them and the marks on them.
    """
    if spaced:
        return text.split()
    pieces: list[str] = []
    for character in text.lstrip():
        last = pieces[-1][-1] if pieces else ""
        goes_on = _runs_on(character) and _runs_on(last) and (character < "\u0e00") == (last < "\u0e00")
        if pieces and (goes_on or character.isspace() or unicodedata.category(character)[0] == "M"):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def join_pieces(pieces: Sequence[str], *, spaced: bool) -> str:
    """Return the text of what `split_pieces` gave."""
    return (" " if spaced else "").join(pieces).strip()


def split_tail(text: str) -> tuple[str, str]:
    """Return ``text`` without the signs at its end, and these."""
    end = len(text)
    while end and is_sign(text[end - 1]):
        end -= 1
    return text[:end], text[end:].strip()
