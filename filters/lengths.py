"""How many characters a translation takes for one English character."""

from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

EXPECTED_RATIO: Final = MappingProxyType(
    {
        # Measured on captions: Multi30k train (29,000 human translations each); zh: Flickr8k-CN (5,000 human
        # and 70,920 machine translations).
        "cs": 0.87,
        "de": 1.15,
        "fr": 1.15,
        "zh": 0.32,
        # Approximate, of general text; the default bounds on the ratio leave room for twice or half as much.
        "ar": 0.87,
        "bg": 1.05,
        "bn": 1.0,
        "ca": 1.12,
        "da": 1.02,
        "el": 1.15,
        "es": 1.15,
        "et": 0.97,
        "fa": 0.92,
        "fi": 1.03,
        "he": 0.78,
        "hi": 0.98,
        "hr": 0.98,
        "hu": 1.03,
        "id": 1.08,
        "it": 1.14,
        "ja": 0.43,
        "ko": 0.5,
        "lt": 0.97,
        "lv": 0.98,
        "ms": 1.1,
        "nl": 1.1,
        "no": 1.0,
        "pl": 1.02,
        "pt": 1.08,
        "ro": 1.1,
        "ru": 1.04,
        "sk": 0.92,
        "sl": 0.96,
        "sr": 0.97,
        "sv": 1.0,
        "sw": 1.05,
        "ta": 1.15,
        "te": 1.0,
        "th": 0.9,
        "tr": 1.0,
        "uk": 1.0,
        "ur": 0.98,
        "vi": 1.05,
    }
)
"""Primary language subtag → characters of the translation per character of English."""

_BY_SCRIPT: Final = MappingProxyType(
    {
        "Arab": 0.9,
        "Hang": 0.5,
        "Hani": 0.32,
        "Hans": 0.32,
        "Hant": 0.32,
        "Hebr": 0.78,
        "Jpan": 0.43,
        "Khmr": 1.05,
        "Kore": 0.5,
        "Laoo": 0.9,
        "Thai": 0.9,
    }
)


def expected_ratio(language: str, script: str) -> float:
    """Return the characters to expect for one English character in ``language`` (BCP-47).

    A language that is not in `EXPECTED_RATIO` has what is usual for its ``script`` (ISO 15924), else 1.
    """
    return EXPECTED_RATIO.get(language.split("-")[0].lower(), _BY_SCRIPT.get(script, 1.0))


def length_z(source: pa.Array, target: pa.Array, expected_ratio: float) -> pa.Array:
    """Return float32: by how many standard deviations the length of each target is unusual, below 0 if too short.

    The lengths are in characters, and what is compared is the logarithm of the target's over that expected for
    the English ``source``, both smoothed for short ones. The usual is what most of the pairs given have: their
    median, and 1.4826 times the median distance from it, which is the standard deviation of a normal
    distribution and takes no notice of what is far off. To it come the values of human captions, with the weight
    of 50 pairs, so that a few pairs can be told too; so give whole tables at once where you can. 99 % of human
    captions are between -3.1 and 2.9, 99.9 % between -4.1 and 3.8. Null where a text is null.
    """
    known = pc.and_(pc.is_valid(source), pc.is_valid(target)).to_numpy(zero_copy_only=False)
    of_source, of_target = (
        pc.fill_null(pc.utf8_length(texts), 0).to_numpy().astype(np.float64) for texts in (source, target)
    )
    logs = np.log((of_target / expected_ratio + _SMOOTHING) / (of_source + _SMOOTHING))
    middle, spread = 0.0, _USUAL_SPREAD
    if known.any():
        weight = known.sum() / (known.sum() + _USUAL_PAIRS)
        median = np.median(logs[known])
        middle = weight * median
        spread += weight * (1.4826 * np.median(np.abs(logs[known] - median)) - spread)
    return pa.array((logs - middle) / max(spread, _LEAST_SPREAD), pa.float32(), mask=~known)


_SMOOTHING: Final = 15.0
"""English characters added to both lengths, as for ``length_ratio`` in `filters.rules`."""
_USUAL_SPREAD: Final = 0.126
"""Measured as `length_z` does: 0.120 in German, 0.107 in French, 0.131 in Czech (Multi30k train, 29,000 pairs each)
and 0.144 in Chinese (the human translations of Flickr8k-CN, 5,000 pairs)."""
_USUAL_PAIRS: Final = 50
_LEAST_SPREAD: Final = 0.05
"""A table of copies of one pair has none of its own."""
