"""The flat files that NRCCR's public code reads: one caption a line, ``KEY#enc2de#N`` and the caption behind a space.

CL2CM's data have the same layout. The reader (github.com/LiJiaBei-7/nrccr, ``util/tag_data_provider_*.py``) strips a
line, splits it at the first space, takes the key before the first ``#`` of the id and cuts a final ``.jpg`` or ``.mp4``
off it. `key_problems` and `caption_problems` say what that would misread.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shards.sample import DECIMALS

_PYTHON_SPACE: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What `str.strip` takes for white space."""

_KEY_PROBLEMS: Final = (
    ("", "is empty"),
    (f"[{_PYTHON_SPACE}]", "holds white space"),
    ("#", "holds #"),
    (r"\.(jpg|mp4)$", "ends in .jpg or .mp4"),
)
"""Pattern → why a key that it finds is misread; the empty pattern stands for the empty key."""

_LINE_BREAK: Final = "[\r\n]"
"""What Python's text files end a line at."""


@dataclass(frozen=True)
class Names:
    """The names of the files of one collection and target language, from the collection's folder on."""

    collection: str
    language: str
    """As in the markers: ``de``."""
    prefix: str = "google"
    """Names who translated; part of what the reader calls its data type, ``google_enc2de``."""

    @property
    def there(self) -> str:
        """The marker of a translation."""
        return f"enc2{self.language}"

    @property
    def back(self) -> str:
        """The marker of a translation's translation back."""
        return f"enc2{self.language}2enc"

    @property
    def english(self) -> str:
        """The marker of a human caption's translation into English."""
        return f"{self.language}2enc"

    @property
    def train(self) -> tuple[str, str, str]:
        """The source captions, their translations and the translations back."""
        return self._text("train_enc"), self._translated("train", self.there), self._translated("train", self.back)

    @property
    def weights(self) -> str:
        """The weight of each training caption."""
        return f"TextData/{self.collection}train_{self.prefix}_{self.there}.weights.txt"

    def evaluation(self, split: str) -> tuple[str, str]:
        """Return the names of the human captions of ``split`` (``val``, ``test``) and of their translations."""
        return self._text(f"{split}_{self.language}"), self._translated(split, self.english)

    @property
    def all(self) -> list[str]:
        """Every file that there may be."""
        evaluation = [name for split in ("val", "test") for name in self.evaluation(split)]
        return [*self.train, self.weights, *evaluation, *(self.ids(split) for split in ("train", "val", "test"))]

    @staticmethod
    def ids(split: str) -> str:
        """Return the name of the list of the keys of ``split``."""
        return f"FeatureData/{split}_id.txt"

    def _text(self, name: str) -> str:
        return f"TextData/{self.collection}{name}.caption.txt"

    def _translated(self, split: str, marker: str) -> str:
        return self._text(f"{split}_{self.prefix}_{marker}")


def key_problems(keys: pa.Array) -> pa.Array:
    """Return for each of ``keys`` why the reader would misread it, null where it would not."""
    found = pa.nulls(len(keys), pa.string())
    for pattern, why in reversed(_KEY_PROBLEMS):
        wrong = pc.match_substring_regex(keys, pattern) if pattern else pc.equal(keys, "")
        found = pc.if_else(wrong, why, found)
    return found


def caption_problems(captions: pa.Array) -> pa.Array:
    """Return for each of ``captions`` (null: there is none) why it makes no line, null where it does."""
    trimmed = pc.utf8_trim(captions, _PYTHON_SPACE)
    broken = pc.match_substring_regex(trimmed, _LINE_BREAK)
    found = pc.if_else(broken, "holds a line break", pa.scalar(None, pa.string()))
    found = pc.if_else(pc.equal(trimmed, ""), "is empty", found)
    return pc.if_else(pc.is_null(captions), "is missing", found)


def caption_lines(keys: pa.Array, numbers: pa.Array, captions: pa.Array, *, marker: str) -> pa.Buffer:
    """Return the lines ``KEY#marker#N caption`` in UTF-8; white space around a caption is left out, as the reader does.

    Rows with `key_problems` or `caption_problems` make no such line.
    """
    return _joined(_ids(keys, numbers, marker), pc.utf8_trim(captions, _PYTHON_SPACE))


def weight_lines(keys: pa.Array, numbers: pa.Array, weights: pa.Array, *, marker: str) -> pa.Buffer:
    """Return the lines ``KEY#marker#N 0.9312``: the weight in [0, 1] of each caption, to four decimals."""
    written = np.char.mod(f"%.{DECIMALS}f", weights.to_numpy(zero_copy_only=False).astype(np.float64))
    return _joined(_ids(keys, numbers, marker), pa.array(written.tolist(), pa.string()))


def id_lines(keys: pa.Array) -> pa.Buffer:
    """Return the lines of a list of keys."""
    return _text(pc.binary_join_element_wise(keys, "", "\n"))


def _ids(keys: pa.Array, numbers: pa.Array, marker: str) -> pa.Array:
    return pc.binary_join_element_wise(keys, pc.cast(numbers, pa.string()), f"#{marker}#")


def _joined(ids: pa.Array, texts: pa.Array) -> pa.Buffer:
    return _text(pc.binary_join_element_wise(pc.binary_join_element_wise(ids, texts, " "), "", "\n"))


def _text(lines: pa.Array) -> pa.Buffer:
    """Return the lines one behind the other."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return pc.binary_join(whole, "")[0].as_buffer()
