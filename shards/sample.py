"""One training sample as the files of a tar: a media item with all its captions, or with one in one language."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from shards.keys import escape_key, pair_name

DECIMALS: Final = 4
"""Places behind the point of every weight and score in a sample; in ``pairs/`` they are float32."""


class Translation(NamedTuple):
    """One kept translation of a caption. Numbers are written as they are: `DECIMALS` say to how many places."""

    text: str
    weight: float
    back: str | None
    scores: dict[str, float | str | bool | None]

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a sample."""
        if self.back is None:
            return {"text": self.text, "weight": self.weight, "scores": self.scores}
        return {"text": self.text, "weight": self.weight, "back": self.back, "scores": self.scores}


class Caption(NamedTuple):
    """One source caption with its kept translations by BCP-47 code."""

    n: int
    text: str
    translations: Mapping[str, Translation] = {}


@dataclass(frozen=True)
class Sample:
    """A media item. ``media`` are its bytes as they came; None, with ``ext`` empty, in a text-only run."""

    key: str
    split: str
    captions: tuple[Caption, ...]
    source_language: str = "en"
    media: bytes | None = None
    ext: str = ""
    embeddings: npt.NDArray[np.float16] | None = None
    """[captions, dim]: the teacher's embedding of each source caption, in their order."""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the sample's files in their order in the tar: media, ``.json``, ``.txt``, ``.npy``."""
        name = escape_key(self.key)
        if self.media is not None:
            yield f"{name}.{media_suffix(self.ext)}", self.media
        yield f"{name}.json", self.to_json()
        yield f"{name}.txt", self.captions[0].text.encode()
        if self.embeddings is not None:
            yield f"{name}.npy", npy_bytes(self.embeddings)

    def to_json(self) -> bytes:
        """Return the sample's JSON; the same sample gives the same bytes."""
        return orjson.dumps(
            {
                "key": self.key,
                "split": self.split,
                "captions": [
                    {
                        "n": caption.n,
                        self.source_language: caption.text,
                        "translations": {
                            language: translation.to_json() for language, translation in caption.translations.items()
                        },
                    }
                    for caption in self.captions
                ],
            }
        )


@dataclass(frozen=True)
class PairSample:
    """One caption in one language with its media item, for trainers that know no more than an image and a text.

    A caption in the source language is its own translation: of weight 1, without scores.
    """

    key: str
    split: str
    n: int
    language: str
    """Of the text, BCP-47."""
    source: str
    translation: Translation
    media: bytes | None = None
    ext: str = ""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the sample's files in their order in the tar: media, ``.json``, ``.txt`` with the translation."""
        name = pair_name(self.key, self.n, self.language)
        if self.media is not None:
            yield f"{name}.{media_suffix(self.ext)}", self.media
        yield f"{name}.json", self.to_json()
        yield f"{name}.txt", self.translation.text.encode()

    def to_json(self) -> bytes:
        """Return the sample's JSON; the same sample gives the same bytes."""
        return orjson.dumps(
            {
                "key": self.key,
                "split": self.split,
                "n": self.n,
                "language": self.language,
                "source": self.source,
                **self.translation.to_json(),
            }
        )


def pair_samples(sample: Sample, *, source_pairs: bool) -> Iterator[PairSample]:
    """Yield ``sample`` as pairs: by caption, the source first if ``source_pairs``, then its kept translations."""
    for caption in sample.captions:
        translations = dict(caption.translations)
        if source_pairs:
            translations = {sample.source_language: Translation(caption.text, 1.0, None, {}), **translations}
        for language, translation in translations.items():
            yield PairSample(
                key=sample.key,
                split=sample.split,
                n=caption.n,
                language=language,
                source=caption.text,
                translation=translation,
                media=sample.media,
                ext=sample.ext,
            )


def media_suffix(ext: str) -> str:
    """Return the suffix of a media file: ``ext``, but ``features.npy`` for ``npy``, which is that of the embeddings."""
    return "features.npy" if ext == "npy" else ext


def npy_bytes(array: npt.NDArray[np.float16]) -> bytes:
    """Return ``array`` as the bytes of an ``.npy`` file (NumPy's format 1.0); equal arrays give equal bytes."""
    sink = io.BytesIO()
    np.lib.format.write_array(sink, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return sink.getvalue()
