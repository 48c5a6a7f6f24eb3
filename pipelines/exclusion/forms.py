"""The forms in which keys and captions are compared: one for all that name or say the same."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.captions import normalise
from pipelines.sources.webdataset import MEDIA_EXTENSIONS

_EXTENSION: Final = rf"(?i)\.(?:{'|'.join(sorted(MEDIA_EXTENSIONS))}|npy)$"

_COCO: Final = r"^(?:(?:.*/)?COCO_(?:train|val|test)\d{4}_|(?:.*/)?(?:train|val|test|unlabeled)20\d\d/)?0*(\d{1,12})$"
"""A bare number, or one behind what COCO's releases and folders put before it."""


def canonical_keys(keys: pa.Array) -> pa.Array:
    """Return string ``keys`` without a media file's extension; COCO file names as the image's number.

    ``COCO_val2014_000000391895.jpg``, ``val2014/000000391895``, ``000000391895.jpg`` and ``391895`` are the same item;
    a number in any other folder is not. Every number of up to twelve digits is taken for an image's id, for nothing
    tells COCO's from others'. Null stays null.
    """
    return pc.replace_substring_regex(pc.replace_substring_regex(keys, _EXTENSION, ""), _COCO, r"\1")


def folded(captions: pa.Array) -> pa.Array:
    """Return string ``captions`` normalised, in lower case, and with one space for what is no letter, mark or digit.

    A caption without any of these becomes empty. Null stays null.
    """
    words = pc.replace_substring_regex(normalise(captions), r"[^\p{L}\p{M}\p{N}]+", " ")
    return pc.utf8_trim(pc.utf8_lower(words), " ")
