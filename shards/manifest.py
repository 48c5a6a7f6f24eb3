"""The manifest: which shards a run has, and the sums that must come out. Written last: it is the commit."""

from dataclasses import asdict, dataclass, field, fields
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

VERSION: Final = 2


class ManifestError(ValueError):
    """A manifest that cannot be read, or whose sums do not come out."""


@dataclass(frozen=True, order=True)
class Shard:
    """One tar. ``captions`` and ``pairs`` count what it was made of: every usable caption, every kept pair.

    Both are in it, but for captions in layout ``pair`` that no sample has, where source captions are left out.
    """

    name: str
    """File name, with ``.tar``."""
    split: str
    samples: int
    media: int
    """Samples that have a media file."""
    captions: int
    pairs: int
    bytes: int
    sha256: str
    languages: dict[str, int] = field(default_factory=dict)
    """``pairs`` by BCP-47 code; those of several shards are what `shards.loader.captions` draws by."""


@dataclass(frozen=True)
class Embeddings:
    """The sentence encoder whose embeddings of the source captions are in the shards."""

    teacher: str
    """As the configuration names it."""
    identity: str
    """Changes whenever the same text might be embedded otherwise."""
    dim: int
    prefix: str = ""
    """Stood before each text."""
    dtype: str = "float16"


@dataclass(frozen=True)
class Manifest:
    """What a finished run holds; equal inputs and settings give equal manifests."""

    shards: tuple[Shard, ...]
    captions_read: int
    """Captions and broken records that came out of the input."""
    captions_rejected: int
    pairs_made: int
    pairs_kept: int
    pairs_dropped: int
    languages: dict[str, dict[str, str | None]] = field(default_factory=dict)
    """By BCP-47 code: the fingerprints of what made the translations, back-translations and scores."""
    bounds: dict[str, float] = field(default_factory=dict)
    """By BCP-47 code: the probability of being clean below which pairs were dropped, where a calibration judged."""
    source_language: str = "en"
    layout: str = "item"
    """``item`` or ``pair``: whether a sample is a media item with all its captions, or one caption in one language."""
    source_pairs: bool = True
    """Whether the source captions are in the samples; only in layout ``pair`` they need not be."""
    embeddings: Embeddings | None = None
    """What made the ``.npy`` of the samples; None where they have none."""
    version: int = VERSION

    @property
    def captions_in_shards(self) -> int:
        """Captions in all shards."""
        return sum(shard.captions for shard in self.shards)

    def sizes(self) -> dict[str, int]:
        """Return the samples in each shard by its name, as open_clip reads them from ``sizes.json``."""
        return {shard.name: shard.samples for shard in self.shards}

    def problems(self) -> list[str]:
        """Return the identities that do not hold, each as a sentence; empty where all do."""
        kept = sum(shard.pairs for shard in self.shards)
        identities = [
            (
                "captions read = captions in shards + captions rejected",
                self.captions_read,
                self.captions_in_shards + self.captions_rejected,
            ),
            (
                "pairs made = pairs kept + pairs dropped",
                self.pairs_made,
                self.pairs_kept + self.pairs_dropped,
            ),
            ("pairs kept = pairs in shards", self.pairs_kept, kept),
            (
                "pairs in shards = pairs of their languages",
                kept,
                sum(sum(shard.languages.values()) for shard in self.shards),
            ),
            (
                "pairs made = captions in shards x languages",
                self.pairs_made,
                self.captions_in_shards * len(self.languages),
            ),
        ]
        return [f"{name}: {left:,} is not {right:,}" for name, left, right in identities if left != right]

    def to_json(self) -> bytes:
        """Return the manifest as indented JSON; the same manifest gives the same bytes."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_manifest(content: bytes) -> Manifest:
    """Return the manifest that `Manifest.to_json` wrote; raises `ManifestError` where ``content`` is none."""
    try:
        loaded = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"not a manifest: not JSON: {error}") from None
    if not isinstance(loaded, dict):
        raise ManifestError("not a manifest: not a JSON object")
    if loaded.get("version", VERSION) != VERSION:
        raise ManifestError(f"manifest version {loaded['version']!r}; this captionloom reads {VERSION}")
    missing = [entry.name for entry in fields(Manifest) if entry.name not in loaded]
    if missing:
        raise ManifestError(f"not a manifest: it lacks {', '.join(missing)}")
    try:
        return TypeAdapter(Manifest).validate_json(content, strict=True)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise ManifestError(f"not a manifest: {where}: {wrong['msg']}") from None
