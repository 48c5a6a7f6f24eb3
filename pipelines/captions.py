"""The two tables that come out of every source: captions that can be used, and rejects that cannot."""

import hashlib
import unicodedata
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

NORMALISER_VERSION: Final = "nfc-1"
"""Part of every fingerprint: texts normalised otherwise are other texts."""

MEDIA: Final = pa.struct(
    [
        pa.field("uri", pa.string()),  # file, or the tar that holds the member
        pa.field("offset", pa.int64()),  # first byte of the member in the tar; null for a file of its own
        pa.field("size", pa.int64()),  # bytes of the member; null for a file of its own
        pa.field("ext", pa.string()),  # lower case, without the dot
    ]
)

CAPTIONS: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("n", pa.int32()),  # null where the source numbers nothing: cut numbers them by text
        pa.field("text_id", pa.binary(16), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("media", MEDIA),  # null in text-only runs
        pa.field("split", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),  # file:line, file#item or tar:member
    ]
)

REJECTS: Final = pa.schema(
    [
        pa.field("origin", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("key", pa.string()),
        pa.field("n", pa.int32()),
        pa.field("evaluation_set", pa.string()),  # of an evaluation_overlap alone: which set, and how it was found
        pa.field("overlap", pa.string()),  # key, caption or near_duplicate
    ]
)

REJECT_REASONS: Final = {
    "malformed_record": "the line or item cannot be parsed",
    "missing_field": "a field that the record must have is absent or not text",
    "bad_encoding": "the bytes are not UTF-8",
    "bad_key": "the key is empty or longer than 1,024 bytes",
    "empty_caption": "nothing is left of the caption after normalisation",
    "too_long": "the caption has more tokens than input.max_tokens",
    "control_characters": "the caption or key holds NUL or another control character",
    "unsafe_path": "the media path leaves the media root",
    "missing_media": "there is no such media file",
    "unreadable_media": "the media file is empty, is not a file or cannot be read",
    "truncated_tar": "the tar ends before the member does",
    "duplicate_caption": "the same key and caption index (or, without an index, the same text) came before",
    "conflicting_media": "another caption of this key names another media file",
    "conflicting_split": "another caption of this key is in another split",
    "evaluation_overlap": "the item is in an evaluation set of input.exclude",
}
"""Every reason an input record can be rejected for, with the sentence that explains it."""


def normalise(texts: pa.Array) -> pa.Array:
    """Return string ``texts`` in Unicode NFC, white space collapsed to one space and stripped.

    This is the normalisation behind ``text_id``; null stays null.
    """
    # Not `pc.utf8_normalize`: it decomposes, whatever it is asked for (apache/arrow issue 51225, pyarrow 25).
    mask = pc.invert(pc.string_is_ascii(texts))
    foreign = [unicodedata.normalize("NFC", text) for text in texts.filter(mask).to_pylist()]
    composed = pc.replace_with_mask(texts, mask, pa.array(foreign, texts.type))
    return pc.utf8_trim(pc.replace_substring_regex(composed, r"[\s\v\x{1C}-\x{1F}\x{85}\p{Z}]+", " "), " ")


def normalise_one(text: str) -> str:
    """Return one text as `normalise` would: for look-ups by hand."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def text_ids(texts: pa.Array) -> pa.Array:
    """Return the 16-byte BLAKE2b of each normalised text as fixed_size_binary[16]."""
    blake2b = hashlib.blake2b
    digests = [blake2b(text.encode(), digest_size=16).digest() for text in texts.to_pylist()]
    return pa.array(digests, pa.binary(16))
