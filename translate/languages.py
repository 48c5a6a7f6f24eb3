"""Language codes: whatever people write becomes one BCP-47 tag, and every tool's own name is read back to it."""

import difflib
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import langcodes
from langcodes.registry_parser import parse_registry
from langcodes.tag_parser import LanguageTagError

_UNSPACED_SCRIPTS: Final = frozenset({"Hans", "Hant", "Hani", "Jpan", "Hira", "Thai", "Khmr", "Laoo", "Mymr", "Tibt"})

_NO_LANGUAGE: Final = frozenset({"und", "mul", "mis", "zxx"})
"""ISO 639's codes for an unknown language, several, one without a code, and none."""

_TAKEN_FOR_ONE: Final = frozenset({"ber"})
"""Groups whose code is used for one language: Google, and so MADLAD-400, call Tamazight Berber."""

_STANDS_FOR: Final = {"no": "nb", "pbt": "ps", "fuv": "ff", "quy": "qu"}
"""Code → the one that means the same text in practice, where CLDR does not say so.

``no`` is written in Bokmål; FLORES-200 has one Pashto, one Fulah and one Quechua.
"""

_OF_ITS_OWN: Final = frozenset({"tw", "fuc"})
"""CLDR takes Twi for Akan and Pulaar for all of Fulah; FLORES-200 has both of those, OPUS-MT a second Fulah."""

_SCRIPTS: Final = (
    dict.fromkeys(("acm", "acq", "afb", "ajp", "azb", "bgp", "tks"), "Arab")
    | dict.fromkeys(("jdt", "kjh", "nog", "orv", "tab", "xal"), "Cyrl")
    | dict.fromkeys(("ksw", "rki"), "Mymr")
    | {"suz": "Deva"}
)
"""Code → script, of languages that CLDR does not know and so takes for written in Latin letters."""

_PARTS_OF_SCRIPT: Final = {("ko", "Hang"): "Kore"}
"""FLORES-200 says Hangul where BCP-47's likely script is Hangul with Hanja."""

_LID_LABELS: Final = {"nb": "no", "fil": "tl"}
"""fastText names these otherwise than by their shortest code."""


class LanguageError(ValueError):
    """A code or name that names no language, or none that is meant clearly."""


@dataclass(frozen=True)
class Language:
    """One language: its BCP-47 tag and what the tools around us call it."""

    code: str
    """BCP-47, without a script that goes without saying: ``de``, ``pt-BR``, ``zh``, ``zh-Hant``."""
    name: str
    """In English."""
    iso639_3: str
    script: str
    """ISO 15924, of the tag or by likelihood (CLDR)."""
    region: str = ""
    """ISO 3166, where the tag says one that is not the likely one for language and script (CLDR)."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """(language, script, region): ``pt`` and ``pt-BR`` have the same one, ``pt-PT`` has another."""
        return self.code.split("-")[0], self.script, self.region

    @property
    def spaced(self) -> bool:
        """Whether words are written with spaces between them."""
        return self.script not in _UNSPACED_SCRIPTS

    @property
    def lid_label(self) -> str:
        """The label of fastText's lid.176 for this language, where it has one."""
        primary = self.code.split("-")[0]
        return _LID_LABELS.get(primary, primary)


@functools.cache
def parse_language(code: str) -> Language:
    """Return the language that ``code`` (BCP-47, ISO 639-1 or -3, FLORES-200, a common name) means.

    Raises `LanguageError`, with what may have been meant.
    """
    found = by_code(code) or _by_name(code)
    if found is None:
        raise LanguageError(f"unknown language {code!r}{_suggestion(code)}; codes are BCP-47 such as de or pt-BR")
    return found


def by_code(code: str) -> Language | None:
    """Return the language that ``code`` means; None where it means none, though it may be a name."""
    try:
        tag = langcodes.Language.get(langcodes.standardize_tag(code))
        if tag.language not in _OF_ITS_OWN:
            tag = langcodes.Language.get(langcodes.standardize_tag(tag, macro=True))
    except LanguageTagError:
        return None
    if not tag.is_valid() or tag.language is None or tag.language in _NO_LANGUAGE or _is_group(tag.language):
        return None
    tag = tag.update_dict({"language": _STANDS_FOR.get(tag.language, tag.language)})
    if whole := _PARTS_OF_SCRIPT.get((str(tag.language), str(tag.script))):
        tag = tag.update_dict({"script": whole})
    plain = langcodes.Language.make(language=tag.language, territory=tag.territory).maximize()
    likely_script = _SCRIPTS.get(str(tag.language), plain.script)
    if tag.script == likely_script:
        tag = tag.update_dict({"script": None})
    script = tag.script or likely_script
    likely = langcodes.Language.make(language=tag.language, script=script).maximize()
    try:
        iso639_3 = tag.to_alpha3()
    except LookupError:
        return None
    return Language(
        code=tag.to_tag(),
        name=tag.display_name(),
        iso639_3=iso639_3,
        script=script or "Zyyy",
        region=tag.territory if tag.territory and tag.territory != likely.territory else "",
    )


def nearest(wanted: Language, among: Iterable[Language], count: int = 3) -> list[Language]:
    """Return the languages of ``among`` that a reader of ``wanted`` understands best, the best first.

    By the distances of CLDR's language matching; what is farther than a related language is left out.
    """
    distances = {other.code: langcodes.tag_distance(wanted.code, other.code) for other in among}
    near = sorted((distance, code) for code, distance in distances.items() if distance < _FAR)
    return [parse_language(code) for _, code in near[:count]]


_FAR: Final = 80
"""CLDR's distance between languages that have nothing to do with each other is more."""


def _is_group(language: str) -> bool:
    """Say whether a code is of several languages (``roa``, ``zls``): nothing can be translated into these."""
    return len(language) == 3 and language not in _TAKEN_FOR_ONE and language in _groups()


@functools.cache
def _groups() -> frozenset[str]:
    """Return ISO 639-5's codes of groups of languages, from IANA's registry."""
    registry: Iterable[dict[str, str]] = parse_registry()  # type: ignore[no-untyped-call]
    return frozenset(entry["Subtag"] for entry in registry if entry.get("Scope") == "collection")


def _by_name(name: str) -> Language | None:
    if not name.isprintable():
        return None  # control characters, NUL above all, break the search for names
    try:
        found = langcodes.find(name)
    except LookupError:
        return None
    if "(" in name and found.display_name().casefold() != name.casefold():
        return None  # what stands in brackets was not understood
    return by_code(found.to_tag())


def _suggestion(code: str) -> str:
    close = difflib.get_close_matches(code.casefold(), _names(), n=3, cutoff=0.75)
    if not close:
        return ""
    return " (did you mean " + " or ".join(f"{_names()[name]!r}, {name.title()}" for name in close) + "?)"


@functools.cache
def _names() -> dict[str, str]:
    """Return the English names of the languages with a code of two letters, in lower case → code."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    codes = [one + other for one in letters for other in letters]
    found = (by_code(code) for code in codes if langcodes.tag_is_valid(code))
    return {language.name.casefold(): language.code for language in found if language}
