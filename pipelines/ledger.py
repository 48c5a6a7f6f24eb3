"""The ledger: immutable Parquet parts of pairs, addressed by what made them. The cache and the checkpoint.

Three families of folders, each named by language and fingerprint. A back or scores part has the name of the
translations part it belongs to and holds the same rows in the same order, so that what is missing can be told
from a listing, and a new teacher re-scores without translating. A fourth, ``embeddings``, is of the source texts alone,
whatever they are translated into; its parts are Arrow files (`pipelines.embeddings`).
"""

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import orjson
import pyarrow as pa

from pipelines import files
from pipelines.columns import COSTLY

ALTERNATIVES: Final = pa.list_(pa.struct([pa.field("target", pa.string()), pa.field("mt_logprob", pa.float32())]))
"""The next best translations of one text, the best first."""

TRANSLATIONS: Final = pa.schema(
    [
        pa.field("text_id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("target", pa.string()),  # null: the text has more pieces than the model has positions
        pa.field("mt_logprob", pa.float32()),
        pa.field("mt_tokens", pa.int32()),
        pa.field("mt_unfinished", pa.bool_()),  # the length limit cut it off before the model had ended it
        pa.field("alternatives", ALTERNATIVES),  # empty unless num_hypotheses asks for them
    ]
)

BACKS: Final = pa.schema(
    [
        pa.field("text_id", pa.binary(16), nullable=False),
        pa.field("back", pa.string()),
        pa.field("back_logprob", pa.float32()),
    ]
)

SCORES: Final = pa.schema(
    [
        pa.field("text_id", pa.binary(16), nullable=False),
        *(field for field in COSTLY if field.name not in TRANSLATIONS.names),
    ]
)


@dataclass(frozen=True)
class Fingerprints:
    """The three folder names of one language: what made its translations, back-translations and scores."""

    translations: str
    backs: str | None
    scores: str


@dataclass(frozen=True)
class Ledger:
    """The folders of one ledger on any Beam filesystem."""

    root: str

    def part(self, family: str, fingerprint: str, name: str) -> str:
        """Return the path of one part; ``family`` is ``translations``, ``backs``, ``scores`` or ``embeddings``."""
        return files.join(self.root, family, fingerprint, name)

    def parts(self, family: str, fingerprint: str) -> list[files.File]:
        """Return the finished parts of one folder, sorted by name; none where there is no folder."""
        suffix = ".arrow" if family == "embeddings" else ".parquet"
        return files.listing(files.join(self.root, family, fingerprint), prefix="part-", suffix=suffix)

    def names(self, family: str, fingerprint: str) -> frozenset[str]:
        """Return the names of the finished parts of one folder."""
        return frozenset(PurePosixPath(part.path).name for part in self.parts(family, fingerprint))


def fingerprint(language: str, made_by: object) -> str:
    """Return ``<language>-<16 hex digits>``: a digest of the JSON of ``made_by``."""
    canonical = orjson.dumps(made_by, option=orjson.OPT_SORT_KEYS)
    return f"{language}-{hashlib.blake2b(canonical, digest_size=8).hexdigest()}"


def part_name(text_ids: pa.ChunkedArray) -> str:
    """Return the name of the part that holds ``text_ids``, in this order."""
    digest = hashlib.blake2b(digest_size=16)
    for text_id in text_ids.to_pylist():
        digest.update(text_id)
    return f"part-{digest.hexdigest()}.parquet"
