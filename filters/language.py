"""Which language a translation is in, by fastText, fitted to sentences of a few words."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import fasttext
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

BUNDLED: Final = Path(__file__).parent / "data" / "lid.176.ftz"
"""fastText's compressed model of 176 languages; see ``data/README.md``."""

_CONFUSED: Final = (
    ("af", "als", "bar", "da", "de", "fy", "lb", "li", "nds", "nl", "no", "sv"),
    ("da", "is", "nn", "no", "sv"),
    ("ast", "ca", "es", "fr", "gl", "it", "oc", "pt", "ro"),
    ("cs", "hr", "pl", "sk", "sl"),
    ("bs", "hr", "sh", "sl", "sr"),
    ("be", "bg", "mk", "ru", "sr", "uk"),
    ("ja", "wuu", "yue", "zh"),
    ("ceb", "ilo", "tl", "war"),
    ("id", "jv", "min", "ms", "su"),
    ("az", "tk", "tr"),
    ("ba", "kk", "ky", "tt"),
    ("bh", "hi", "mai", "mr", "ne", "sa"),
    ("as", "bn", "bpy"),
    ("pnb", "ps", "sd", "ur"),
    ("ar", "arz"),
    ("ckb", "fa", "mzn"),
    ("lt", "lv"),
    ("et", "fi"),
    ("ga", "gd"),
    ("br", "cy"),
    ("he", "yi"),
)
"""Labels that short sentences of one another are taken for."""

_COMMON: Final = frozenset(["ar", "cs", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr", "zh"])
"""What a multilingual model is likeliest to write instead of the language it was asked for."""

_MIN_LETTERS: Final = 12
"""Below this the identifier abstains. Of the first words of captions (Multi30k) it finds fewer than one in
five likely to be in their language for 5 % of the German and 14 % of the Czech of 5 to 8 letters; from 13 to
16 letters for 0.4 and 2 %."""

_CJK: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"
_CJK_LETTERS: Final = 4
"""What one ideograph or syllable counts for, in letters of an alphabet."""

_MIN_TOP: Final = 0.2
"""The model finds a text in which it knows nothing English at 0.125: below this it has told us nothing."""

_MAJORITY: Final = 0.5
"""An implausible label is believed from here on: Finnish in a German slot is Finnish, not unusual German."""

_CANDIDATES: Final = 16
_NEGLIGIBLE: Final = 0.001


def plausible_labels(labels: Iterable[str]) -> frozenset[str]:
    """Return ``labels`` (fastText's, such as ``de``), what their short sentences are confused with, and the common.

    It depends on a pair's own two languages alone: what a pair is judged to be does not change, and need not be
    measured again, when a run gets another language.
    """
    wanted = set(labels)
    return _COMMON.union(wanted, *(group for group in _CONFUSED if wanted & set(group)))


class Identified(NamedTuple):
    """What `LanguageIdentifier.identify` tells of each text; all three null where it tells nothing."""

    label: pa.StringArray
    """The likeliest label."""
    prob: pa.FloatArray
    """float32, 0 to 1: the probability of the expected label."""
    other: pa.FloatArray
    """float32, 0 to 1: that of the likeliest other one."""


class LanguageIdentifier:
    """fastText language identification (Joulin et al. 2016, see ``data/README.md``).

    Holds one model of about 1 MB; `identify` may be called from several threads. It cannot be pickled: build
    one in each process. Raises ValueError, naming ``path``, where that is no fastText model.
    """

    def __init__(self, path: Path = BUNDLED) -> None:
        self._model = fasttext.load_model(str(path))
        self._labels = [label.removeprefix("__label__") for label in self._model.get_labels()]
        self._index = {f"__label__{label}": i for i, label in enumerate(self._labels)}

    def knows(self, label: str) -> bool:
        """Return whether the model has the label; of a language that it has not, `identify` says nothing."""
        return f"__label__{label}" in self._index

    def identify(self, texts: pa.Array, *, expected: str, plausible: Collection[str]) -> Identified:
        """Tell the language of each text; see `Identified`.

        Only ``expected``, the ``plausible`` labels (see `plausible_labels`) and one that has the majority
        anyway share the probability. All are null where there is nothing to tell by: a null text, one of too
        few letters, one of which the model knows no part, or an ``expected`` that the model does not know.
        """
        rows = np.flatnonzero(_enough(texts))
        if not self.knows(expected) or not len(rows):
            nothing = pa.nulls(len(texts), pa.float32())
            return Identified(pa.nulls(len(texts), pa.string()), nothing, nothing)
        told = texts.take(pa.array(rows))
        found = self._ranked(_prepared(told))
        home = self._index[f"__label__{expected}"]
        among = np.zeros(len(self._labels), dtype=bool)
        among[[i for i, label in enumerate(self._labels) if label in plausible or i == home]] = True
        silent = found.first < _MIN_TOP
        found = found.where(among[found.label] | (found.prob >= _MAJORITY))
        found = found.where(~self._ruled_out_by_script(found, told, home))
        total = np.bincount(found.row, found.prob, minlength=len(rows))
        silent |= total <= 0
        total[total <= 0] = 1.0
        best, _ = found.top()
        at_home = found.where(found.label == home)
        prob = np.bincount(at_home.row, at_home.prob, minlength=len(rows)) / total
        other = found.where(found.label != home).top()[1] / total

        def spread(values: npt.NDArray[np.float64]) -> pa.FloatArray:
            everywhere = np.full(len(texts), np.nan)
            everywhere[rows] = np.where(silent, np.nan, values)
            return pa.array(everywhere, pa.float32(), mask=np.isnan(everywhere))

        labels = np.full(len(texts), -1)
        labels[rows] = np.where(silent, -1, best)
        return Identified(pa.array(self._labels).take(pa.array(labels, mask=labels < 0)), spread(prob), spread(other))

    def _ranked(self, lines: list[str]) -> "_Ranked":
        """Return the labels of each line that are not negligible."""
        labels, probs = self._model.predict(lines, k=_CANDIDATES, threshold=_NEGLIGIBLE)
        counts = np.fromiter(map(len, labels), dtype=np.intp, count=len(lines))
        return _Ranked(
            len(lines),
            np.repeat(np.arange(len(lines)), counts),
            np.fromiter(map(self._index.__getitem__, chain.from_iterable(labels)), dtype=np.intp),
            np.fromiter(chain.from_iterable(probs), dtype=np.float32),
        )

    def _ruled_out_by_script(self, found: "_Ranked", texts: pa.Array, home: int) -> npt.NDArray[np.bool_]:
        """Return which entries are rivals of ``home`` that kana, or the want of them, exclude.

        The model takes one short Chinese sentence in twenty for Japanese, which hardly ever does without
        kana.
        """
        of_script = np.array([label in ("ja", "wuu", "yue", "zh") for label in self._labels])
        of_script[home] = False
        rivals = of_script[found.label]
        if not rivals.any():
            return rivals
        kana = pc.match_substring_regex(texts, r"[\p{Hiragana}\p{Katakana}]").to_numpy(zero_copy_only=False)
        japanese = np.array(self._labels)[found.label] == "ja"
        return rivals & (japanese != kana[found.row])


@dataclass(frozen=True)
class _Ranked:
    """Labels with probabilities, a row's one after the other and the likeliest first."""

    rows: int
    row: npt.NDArray[np.intp]
    label: npt.NDArray[np.intp]
    prob: npt.NDArray[np.float32]

    def where(self, chosen: npt.NDArray[np.bool_]) -> "_Ranked":
        return _Ranked(self.rows, self.row[chosen], self.label[chosen], self.prob[chosen])

    @property
    def first(self) -> npt.NDArray[np.float64]:
        return self.top()[1]

    def top(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """Return each row's likeliest label, -1 where it has none, and its probability, 0 there."""
        label, prob = np.full(self.rows, -1), np.zeros(self.rows)
        heads = np.flatnonzero(np.diff(self.row, prepend=-1))
        label[self.row[heads]], prob[self.row[heads]] = self.label[heads], self.prob[heads]
        return label, prob


def _enough(texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Return whether each text has the letters to tell its language by; not so a null."""
    # Nearly every text has plenty of either sort, and to count them takes ten times as long as to see that.
    plenty = pc.or_(pc.match_substring_regex(texts, _MANY_LETTERS), pc.match_substring_regex(texts, _MANY_CJK))
    enough: npt.NDArray[np.bool_] = pc.fill_null(plenty, False).to_numpy(zero_copy_only=False).copy()
    rows = np.flatnonzero(~enough)
    few = texts.take(pa.array(rows))
    letters = pc.add(
        pc.count_substring_regex(few, r"[\p{L}\p{M}]"),
        pc.multiply(pc.count_substring_regex(few, _CJK), _CJK_LETTERS - 1),
    )
    enough[rows] = pc.fill_null(pc.greater_equal(letters, _MIN_LETTERS), False).to_numpy(zero_copy_only=False)
    return enough


_LATIN: Final = r"A-Za-z\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{24F}"
"""What of them RE2 looks for so often in one go; all letters of Unicode would be too much for its automaton."""

_MANY_LETTERS: Final = rf"(?:[{_LATIN}][^{_LATIN}]*){{{_MIN_LETTERS}}}"
_MANY_CJK: Final = rf"(?:{_CJK}[^{_CJK[1:]}*){{{-(-_MIN_LETTERS // _CJK_LETTERS)}}}"


def _prepared(texts: pa.Array) -> list[str]:
    """Return ``texts`` in the form that the model knows most of.

    Its words and n-grams are cased, take in the punctuation, and are few in an unbroken line of ideographs.
    Lower case and no final punctuation bring the first words of German captions that are taken for another
    language, at 9 to 12 letters, from 8.7 to 1.1 % (Multi30k); ideographs set apart, Chinese captions of 9 to
    12 characters from 4.4 to 0.5 % (Flickr8k-CN).
    """
    lower = pc.replace_substring_regex(pc.utf8_lower(texts), r"[\s\v\x{85}\p{Z}]+", " ")
    bare = pc.utf8_trim(lower, _USUAL_ENDS)
    # What is left to look for at the ends is rare, and the regular expression takes ten times as long as to see that.
    ends = [pc.utf8_is_alnum(pc.utf8_slice_codeunits(bare, *place)) for place in ((0, 1), (-1, None))]
    strange = pc.invert(pc.and_(*ends))
    if pc.any(strange).as_py():
        trimmed = pc.replace_substring_regex(bare.filter(strange), r"^[^\p{L}\p{M}\p{N}]+|[^\p{L}\p{M}\p{N}]+$", "")
        bare = pc.replace_with_mask(bare, strange, trimmed)
    return pc.replace_substring_regex(bare, r"([\p{Han}\p{Hiragana}\p{Katakana}])", r" \1 ").to_pylist()


_USUAL_ENDS: Final = " .,;:!?'\"()[]-…。，、！？；：“”„«»"
