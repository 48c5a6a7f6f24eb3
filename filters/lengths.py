"""How many characters a translation takes for one English character."""

from types import MappingProxyType
from typing import Final

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
