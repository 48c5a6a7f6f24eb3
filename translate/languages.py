"""Language codes: whatever people write becomes one BCP-47 tag, and every family's own name for it."""

import functools
from dataclasses import dataclass
from typing import Final

import langcodes
from langcodes.tag_parser import LanguageTagError

_UNSPACED_SCRIPTS: Final = frozenset({"Hans", "Hant", "Hani", "Jpan", "Thai", "Khmr", "Laoo", "Mymr", "Tibt"})

_NO_LANGUAGE: Final = frozenset({"und", "mul", "mis", "zxx"})
"""ISO 639's codes for an unknown language, several, one without a code, and none."""

_OPUS_NAMES: Final = {
    ("zh", "Hans"): ("cmn_Hans", "cmn", "zho"),
    ("zh", "Hant"): ("cmn_Hant",),
    ("no", "Latn"): ("nob", "nor"),
    ("fil", "Latn"): ("tgl_Latn", "tgl"),
}
"""OPUS-MT names these (language, script) otherwise than by their ISO 639-3 code."""

_LID_LABELS: Final = {"nb": "no", "fil": "tl"}
"""fastText names these otherwise than by their shortest code."""


class LanguageError(ValueError):
    """A code or name that names no language, or none that is meant clearly."""


@dataclass(frozen=True)
class Language:
    """One language: its BCP-47 tag and what the tools around us call it."""

    code: str
    """BCP-47, in its shortest form: ``de``, ``pt-BR``, ``zh-Hant``."""
    name: str
    """In English."""
    iso639_3: str
    script: str
    """ISO 15924, of the tag or by likelihood."""

    @property
    def spaced(self) -> bool:
        """Whether words are written with spaces between them."""
        return self.script not in _UNSPACED_SCRIPTS

    @property
    def lid_label(self) -> str:
        """The label of fastText's lid.176 for this language, where it has one."""
        primary = self.code.split("-")[0]
        return _LID_LABELS.get(primary, primary)

    @property
    def opus_tokens(self) -> tuple[str, ...]:
        """Target tokens by which OPUS-MT's multilingual models may know this language, the best first."""
        own = _OPUS_NAMES.get((self.code.split("-")[0], self.script), ())
        names = (*own, self.iso639_3, f"{self.iso639_3}_{self.script}")
        return tuple(dict.fromkeys(f">>{name}<<" for name in (*names, self.code)))


@functools.cache
def parse_language(code: str) -> Language:
    """Return the language that ``code`` (BCP-47, ISO 639-1 or -3, FLORES-200) means.

    Raises `LanguageError`, with the nearest code where a name of a language was given.
    """
    try:
        tag = langcodes.Language.get(langcodes.standardize_tag(code, macro=True))
        if tag.is_valid() and tag.language not in (None, *_NO_LANGUAGE):
            return Language(
                code=tag.to_tag(),
                name=tag.display_name(),
                iso639_3=tag.to_alpha3(),
                script=tag.maximize().script or "Zyyy",
            )
    except (LanguageTagError, LookupError):
        pass
    raise LanguageError(f"unknown language {code!r}{_suggestion(code)}; codes are BCP-47 such as de or pt-BR")


def _suggestion(name: str) -> str:
    if not name.isprintable():
        return ""  # control characters, NUL above all, break the search for names
    try:
        found = langcodes.find(name)
    except LookupError:
        return ""
    return f" (did you mean {found.to_tag()!r}, {found.display_name()}?)"
