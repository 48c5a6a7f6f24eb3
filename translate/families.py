"""The families of translation models: how each is asked for a language, and what it calls the languages."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from translate.languages import Language, by_code, parse_language

END_OF_SENTENCE: Final = "</s>"

_SENTENCEPIECE: Final = ("sentencepiece.bpe.model", "spiece.model", "sentencepiece.model")
"""What NLLB and M2M-100, and T5, call their one SentencePiece model."""

TOKENIZER_FILES: Final = ("source.spm", "target.spm", *_SENTENCEPIECE, "tokenizer.json", "tokenizer_config.json")
"""What the tokenizers of all families are loaded from."""


class Family(StrEnum):
    """A family by the name of its architecture at Hugging Face; NLLB-200 has M2M-100's, with names of its own."""

    MARIAN = "marian"
    """OPUS-MT: ``[>>deu<<] pieces </s>``, the token only where a model has several targets."""
    M2M_100 = "m2m_100"
    """``__en__ pieces </s>``; the translation starts with ``__de__``."""
    NLLB = "nllb"
    """``eng_Latn pieces </s>``; the translation starts with ``deu_Latn``."""
    T5 = "t5"
    """MADLAD-400: ``<2de> pieces </s>``."""

    @property
    def names_source(self) -> bool:
        """Whether a text comes behind the token of its own language, and the translation behind the target's."""
        return self in (Family.M2M_100, Family.NLLB)

    @property
    def token_in_text(self) -> bool:
        """Whether the token is part of the text that is cut into pieces, as MADLAD-400's model card has it."""
        return self is Family.T5


_TOKENS: Final[Mapping[Family, re.Pattern[str]]] = {
    Family.MARIAN: re.compile(r">>([A-Za-z0-9_-]+)<<"),
    Family.M2M_100: re.compile(r"__([a-z]{2,3})__"),
    Family.NLLB: re.compile(r"([a-z]{3}_[A-Z][a-z]{3})"),
    # MADLAD-400 has such tokens for scripts and regions too, <2Latn> and <2CA>: these are no Catalan.
    Family.T5: re.compile(r"<2([a-z]{2,3}(?:_[A-Z][a-z]{3})?(?:_[A-Z]{2})?)>"),
}

_IRREGULAR: Final[Mapping[tuple[Family, str], str]] = {
    (Family.MARIAN, "pob"): "pt-BR",
    (Family.M2M_100, "ns"): "nso",
    # NLLB-200's own list says so, but its Santali is written in Ol Chiki, as FLORES-200 says.
    (Family.NLLB, "sat_Beng"): "sat",
    # Google's name for Tamazight in Tifinagh; it has ber_Latn too.
    (Family.T5, "ber"): "ber-Tfng",
}
"""Names that mean another language, or none, in every standard."""

_VAGUE: Final = frozenset({"zho"})
"""A name that OPUS-MT gives to a language where it does not know which: its Mandarin is ``cmn``."""

_MARKS: Final[Mapping[Family, tuple[re.Pattern[str], str]]] = {
    Family.MARIAN: (re.compile(">>"), "> >"),
    # SentencePiece takes full-width and small signs for these too.
    Family.T5: (re.compile("[<＜﹤](?=[2２]|(?:[/／]s|pad|unk)[>＞﹥]|extra_id_)"), "< "),
}
"""What in a text would be read as a token, and how it is written instead."""


@dataclass(frozen=True)
class LanguageTokens:
    """The languages a model has tokens for."""

    languages: Mapping[str, str] = field(hash=False)
    """Token → BCP-47."""

    def token(self, language: Language) -> str | None:
        """Return the token of ``language``, None where there is none.

        Several tokens may mean one language: the one of its own name is taken before that of a part of it or an old
        one (``>>ron<<``, not ``>>mol<<``), then the one that says most (``>>cmn_Hans<<``, not ``>>cmn<<``).
        """
        own = {language.code.split("-")[0], language.iso639_3} - _VAGUE
        found = [
            (parsed.code != language.code, _name(token) not in own, "_" not in token, token)
            for token, parsed in self._parsed()
            if parsed.identity == language.identity
        ]
        return min(found)[-1] if found else None

    def known(self) -> list[Language]:
        """Return the languages in the order of their codes, each once."""
        return [parse_language(code) for code in sorted(set(self.languages.values()))]

    def _parsed(self) -> Iterable[tuple[str, Language]]:
        return ((token, parse_language(code)) for token, code in self.languages.items())


def language_tokens(family: Family, vocabulary: Iterable[str]) -> LanguageTokens:
    """Return the tokens of languages among ``vocabulary``; those of no language (``>>roa<<``) are left out."""
    pattern = _TOKENS[family]
    found = {}
    for token in vocabulary:
        if (match := pattern.fullmatch(token)) and (language := by_code(_IRREGULAR.get((family, match[1]), match[1]))):
            found[token] = language.code
    return LanguageTokens(found)


def _name(token: str) -> str:
    """Return what ``token`` calls its language, without script and region."""
    return next(iter(re.findall("[a-z]+", token)), "")


def family_of(vocabulary: Sequence[str]) -> Family | None:
    """Return the family whose tokens ``vocabulary`` has; None where it has none of any."""
    counts = {family: sum(1 for token in vocabulary if pattern.fullmatch(token)) for family, pattern in _TOKENS.items()}
    best = max(counts, key=lambda family: counts[family])
    return best if counts[best] else None


def plain(family: Family, texts: Sequence[str]) -> list[str]:
    """Return ``texts`` without what the family's tokenizer would read as a token: it would ask for a language."""
    if family not in _MARKS:
        return list(texts)
    mark, spelt = _MARKS[family]
    return [mark.sub(spelt, text) for text in texts]


def tokenizer_file(path: Path, family: Family) -> Path | None:
    """Return the file that the tokenizer of a model directory is loaded from, None where there is none."""
    names = ("source.spm",) if family is Family.MARIAN else (*_SENTENCEPIECE, "tokenizer.json")
    return next((path / name for name in names if (path / name).is_file()), None)
