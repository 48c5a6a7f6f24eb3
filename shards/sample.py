"""One training sample: a media item with its captions and their translations, as the files of a tar."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from shards.keys import escape_key


@dataclass(frozen=True)
class Translation:
    """One kept translation of a caption."""

    text: str
    weight: float
    back: str | None
    scores: dict[str, float | str | bool]

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a sample; numbers are rounded to four decimals."""
        found: dict[str, Any] = {"text": self.text, "weight": round(self.weight, 4)}
        if self.back is not None:
            found["back"] = self.back
        found["scores"] = {
            name: round(value, 4) if isinstance(value, float) else value for name, value in self.scores.items()
        }
        return found


@dataclass(frozen=True)
class Caption:
    """One source caption with its kept translations by BCP-47 code."""

    n: int
    text: str
    translations: dict[str, Translation] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A media item. ``media`` are its bytes as they came; None, with ``ext`` empty, in a text-only run."""

    key: str
    split: str
    captions: tuple[Caption, ...]
    source_language: str = "en"
    media: bytes | None = None
    ext: str = ""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the sample's files in their order in the tar: media, ``.json``, ``.txt``."""
        name = escape_key(self.key)
        if self.media is not None:
            yield f"{name}.{self.ext}", self.media
        yield f"{name}.json", self.to_json()
        yield f"{name}.txt", self.captions[0].text.encode()

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
