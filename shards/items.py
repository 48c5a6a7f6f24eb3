"""Samples of webdataset to items for training: which captions of a sample come, and what a media file becomes."""

import hashlib
import io
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from webdataset.autodecode import ImageHandler, imagespecs

from shards.urls import LoaderError

Scores = Mapping[str, tuple[float | None, float | None]] | Callable[[Mapping[str, Any]], bool]
"""Score → (lowest, highest) that passes, both ends included; or a function of a translation's scores."""

Decode = str | Callable[[bytes, str], Any]

NPY: Final = "npy"

SOURCE: Final = ""
"""Stands for the source language where languages are drawn."""


class Maker(Protocol):
    """Makes items of a sample."""

    def items(self, sample: dict[str, Any], described: dict[str, Any], epoch: int) -> Iterator[dict[str, Any]]:
        """Yield the items of ``sample``, whose JSON is ``described``, in one epoch."""
        ...


class Wanted:
    """Which translations come."""

    def __init__(self, min_weight: float, scores: Scores | None) -> None:
        if not 0 <= min_weight <= 1:
            raise LoaderError(f"min_weight is {min_weight}; weights are from 0 to 1")
        for name, bounds in scores.items() if isinstance(scores, Mapping) else ():
            low, high = bounds if isinstance(bounds, Sequence) and len(bounds) == 2 else (math.nan, math.nan)
            if not (-math.inf if low is None else low) <= (math.inf if high is None else high):
                raise LoaderError(f"scores[{name!r}] is {bounds!r}; it is (lowest, highest), each a number or None")
        self._min_weight = min_weight
        self._scores = scores

    def __call__(self, weight: float, scores: Mapping[str, Any]) -> bool:
        """Return whether a translation of this weight and these scores comes."""
        if weight < self._min_weight:
            return False
        if self._scores is None:
            return True
        if not isinstance(self._scores, Mapping):
            return bool(self._scores(scores))
        for name, (low, high) in self._scores.items():
            value = scores.get(name)
            if isinstance(value, str):
                raise TypeError(f"the score {name} is text: filter it with a function")
            if value is None or (low is not None and value < low) or (high is not None and value > high):
                return False
        return True


@dataclass(frozen=True)
class Triplets:
    """Source, translation and back-translation of every caption that has a wanted translation into one language."""

    language: str
    wanted: Wanted

    def items(self, _: dict[str, Any], described: dict[str, Any], __: int) -> Iterator[dict[str, Any]]:
        """Yield them in the order of the captions."""
        for n, source, translations in _captions(described):
            found = translations.get(self.language)
            if found is not None and self.wanted(found["weight"], found["scores"]):
                yield {
                    "key": described["key"],
                    "n": n,
                    "language": self.language,
                    "source": source,
                    "translation": found["text"],
                    "back": found.get("back"),
                    "weight": found["weight"],
                    "scores": found["scores"],
                }


@dataclass(frozen=True)
class Captions:
    """One caption, drawn over languages and then over the item's captions in the language."""

    odds: Mapping[str, float]
    """BCP-47 code, or `SOURCE`, → how likely it is drawn beside the others."""
    wanted: Wanted
    seed: int

    def items(self, _: dict[str, Any], described: dict[str, Any], epoch: int) -> Iterator[dict[str, Any]]:
        """Yield the one that is drawn; nothing where there is none to draw from."""
        choices: dict[str, list[dict[str, Any]]] = {code: [] for code in self.odds}
        for n, source, translations in _captions(described, "captions"):
            if SOURCE in choices:
                choices[SOURCE].append(_drawn(n, source, _source_language(described), {"text": source}))
            for code, found in translations.items():
                if code in choices and self.wanted(found["weight"], found["scores"]):
                    choices[code].append(_drawn(n, source, code, found))
        codes = [code for code, found in choices.items() if found]
        if codes:
            # By the key, not by what was drawn before: whoever reads the sample draws the same.
            dice = random.Random(number_of("caption", self.seed, epoch, described["key"]))  # noqa: S311
            (code,) = dice.choices(codes, [self.odds[code] for code in codes])
            yield {"key": described["key"], **dice.choice(choices[code])}


def _drawn(n: int, source: str, language: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "n": n,
        "language": language,
        "text": found["text"],
        "source": source,
        "weight": found.get("weight", 1.0),
        "scores": found.get("scores", {}),
    }


@dataclass(frozen=True)
class Embeddings:
    """The source captions and the teacher's embedding of each."""

    dtype: npt.DTypeLike

    def items(self, sample: dict[str, Any], described: dict[str, Any], _: int) -> Iterator[dict[str, Any]]:
        """Yield the one item of the sample."""
        found = list(_captions(described, "embeddings"))
        if NPY not in sample:
            raise ValueError("it has no embeddings: make the shards with shards.embeddings: true")
        array = _array(sample[NPY])
        if array.ndim != 2 or len(array) != len(found):
            raise ValueError(f"its embeddings are {list(array.shape)} for {len(found)} captions")
        yield {
            "key": described["key"],
            "n": [n for n, _, _ in found],
            "captions": [source for _, source, _ in found],
            "embeddings": array.astype(self.dtype),
        }


def _captions(described: dict[str, Any], loader: str | None = None) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield (n, source text, translations) of a sample's JSON; where ``loader`` is given, of layout ``item`` only."""
    if "captions" not in described:
        if loader:
            raise ValueError(f"{loader} needs shards of layout item; this one is of layout pair")
        yield described["n"], described["source"], {described["language"]: described}
        return
    language = _source_language(described)
    for caption in described["captions"]:
        yield caption["n"], caption[language], caption["translations"]


def _source_language(described: dict[str, Any]) -> str:
    """Return the BCP-47 code under which the captions of a sample stand."""
    names: set[str] = set(described["captions"][0]) - {"n", "translations"}
    (language,) = names
    return language


def decoder_of(decode: Decode) -> Callable[[bytes, str], Any]:
    """Return the function of (bytes, extension) that ``decode`` means; raises `LoaderError`."""
    if callable(decode):
        return decode
    if decode == NPY:
        return _array
    if decode in imagespecs:
        return _Image(decode)
    raise LoaderError(
        f"decode is {decode!r}; it is {NPY}, {', '.join(imagespecs)}, or a function of (bytes, extension)"
    )


@dataclass(frozen=True)
class _Image:
    specification: str

    def __call__(self, content: bytes, ext: str) -> Any:
        image = ImageHandler(self.specification)(ext, content)
        if image is None:
            raise ValueError(f"{ext!r} is no image that webdataset decodes")
        return image


def _array(content: bytes, ext: str = NPY) -> npt.NDArray[Any]:
    if ext != NPY:
        raise ValueError(f"{ext!r} is no array of numpy's")
    array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def number_of(*parts: object) -> int:
    """Return a 64-bit number that depends on ``parts`` alone: not on the process, as ``hash`` would."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")
