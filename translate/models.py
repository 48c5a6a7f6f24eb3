"""A model directory becomes a checked `Model`: its digest, its family and the languages it can do."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from translate.families import TOKENIZER_FILES, Family, LanguageTokens, family_of, language_tokens, tokenizer_file
from translate.languages import Language, LanguageError, nearest, parse_language
from translate.weights import WeightsError, read_shapes

MINI: Final = Path(__file__).parent / "mini"
"""The bundled model."""

_IDENTITY: Final = (
    "config.json",
    "model.bin",
    "shared_vocabulary.json",
    "shared_vocabulary.txt",
    "source_vocabulary.json",
    "source_vocabulary.txt",
    "target_vocabulary.json",
    "target_vocabulary.txt",
    *TOKENIZER_FILES,
)
"""The files that decide what a model says: they are what its digest is made of."""

_DEFAULT_POSITIONS: Final = 512
"""What OPUS-MT's Marian models are built with (``max_position_embeddings``)."""


class ModelError(ValueError):
    """A model that is not there, not whole, or cannot do what is asked of it."""


@dataclass(frozen=True)
class Model:
    """A CTranslate2 directory of a known family, found whole."""

    name: str
    """As the configuration says it."""
    path: Path
    digest: str
    """BLAKE2b (16 bytes, hexadecimal) of the files that decide what the model says."""
    size: int
    """Bytes."""
    max_length: int
    """Positions: source tokens, language token and end of sentence included, at most."""
    family: Family
    tokens: LanguageTokens
    """The tokens that ask for a language; none for a model with one target language."""
    source_language: str | None
    """BCP-47, or None where the model does not say, or has several."""
    target_language: str | None
    directions: frozenset[tuple[str, str]]
    """(source, target), BCP-47; empty where the model does not say."""

    def asked(self, source: Language, target: Language) -> tuple[str | None, str | None]:
        """Return the tokens before a text in ``source`` and before its translation into ``target``; None: no token.

        Raises `ModelError` where the model has language tokens, but none for one of the two.
        """
        if not self.tokens.languages:
            return None, None
        if self.family.names_source:
            return self._token(source), self._token(target)
        return self._token(target), None

    def check(self, source: Language, target: Language) -> None:
        """Raise `ModelError` unless the model translates ``source`` to ``target``; its files may not say."""
        if self.directions and not any(
            parse_language(one).identity == source.identity and parse_language(other).identity == target.identity
            for one, other in self.directions
        ):
            raise ModelError(
                f"model {self.name!r} does not translate {source.name} ({source.code}) to {target.name} "
                f"({target.code}); {self.knows()}"
            )
        if self.source_language and parse_language(self.source_language).identity != source.identity:
            raise ModelError(
                f"model {self.name!r} translates from {self.source_language!r}, not from {source.name} ({source.code})"
            )
        self.asked(source, target)
        if (
            not self.tokens.languages
            and self.target_language
            and parse_language(self.target_language).identity != target.identity
        ):
            raise ModelError(
                f"model {self.name!r} translates to {self.target_language!r}, not to {target.name} ({target.code})"
            )

    def knows(self) -> str:
        """Say what the model translates, for messages."""
        if self.directions:
            return f"it translates {listed(sorted(self.directions))}"
        if self.tokens.languages:
            codes = [language.code for language in self.tokens.known()]
            return "it knows " + (", ".join(codes) if len(codes) <= _LISTED else f"{len(codes)} languages")
        return f"it translates to {self.target_language or 'one language that its files do not name'}"

    def _token(self, language: Language) -> str:
        token = self.tokens.token(language)
        if token is None:
            near = " or ".join(f"{other.code} ({other.name})" for other in nearest(language, self.tokens.known()))
            raise ModelError(
                f"model {self.name!r} has no token for {language.name} ({language.code}); {self.knows()}"
                + (f"; the nearest is {near}" if near else "")
            )
        return token


_LISTED: Final = 30
"""So many languages are named one by one in a message."""


def listed(directions: Iterable[tuple[str, str]]) -> str:
    """Return ``directions`` (source, target) as a text: ``en to de, fr; de to en``."""
    targets: dict[str, list[str]] = {}
    for one, other in directions:
        targets.setdefault(one, []).append(other)
    return "; ".join(f"{one} to {', '.join(others)}" for one, others in targets.items())


def read_model(path: Path, name: str) -> Model:
    """Return the model in the CTranslate2 directory ``path``, called ``name`` in messages.

    Raises `ModelError` naming the missing or broken file.
    """
    for needed in ("model.bin", "config.json"):
        if not (path / needed).is_file():
            raise ModelError(f"model {name!r}: {path} lacks {needed}")
    vocabulary, target_vocabulary = _vocabularies(path)
    _check_weights(path, name, {"encoder/embeddings_0": vocabulary, "decoder/embeddings": target_vocabulary})
    family = _family(path, name, vocabulary)
    _settings(path / "config.json")
    settings = _settings(path / "tokenizer_config.json") if (path / "tokenizer_config.json").is_file() else {}
    files = [path / part for part in _IDENTITY if (path / part).is_file()]
    return Model(
        name=name,
        path=path,
        digest=content_digest(path, files),
        size=sum(file.stat().st_size for file in files),
        max_length=_positions(settings),
        family=family,
        tokens=language_tokens(family, vocabulary),
        source_language=_language_code(settings.get("source_lang")) if family is Family.MARIAN else None,
        target_language=_language_code(settings.get("target_lang")) if family is Family.MARIAN else None,
        directions=_directions(settings, path),
    )


def _family(path: Path, name: str, vocabulary: list[str]) -> Family:
    """Return the family of a directory; raises `ModelError` where it is none, or its tokenizer is not there."""
    if (path / "source.spm").is_file() or (path / "target.spm").is_file():
        family = Family.MARIAN
        missing = [file for file in ("source.spm", "target.spm") if not (path / file).is_file()]
    else:
        found = family_of(vocabulary)
        if found is None:
            raise ModelError(
                f"model {name!r}: {path} is of no family that is known: it has neither source.spm and target.spm "
                "(Marian, OPUS-MT) nor the language tokens of M2M-100, NLLB or MADLAD-400 in its vocabulary"
            )
        family = found
        missing = [] if tokenizer_file(path, family) else _TOKENIZERS[family]
    if missing:
        raise ModelError(f"model {name!r}: {path} lacks {' or '.join(missing)}")
    return family


_TOKENIZERS: Final = {
    Family.MARIAN: ["source.spm", "target.spm"],
    Family.M2M_100: ["sentencepiece.bpe.model"],
    Family.NLLB: ["sentencepiece.bpe.model", "tokenizer.json"],
    Family.T5: ["spiece.model", "tokenizer.json"],
}
"""What a converted directory needs beside the model: ``ct2-transformers-converter`` copies it by ``--copy_files``."""


def _vocabularies(path: Path) -> tuple[list[str], list[str]]:
    """Return the vocabularies of the source, where the language tokens stand, and of the target."""
    shared = _vocabulary(path / "shared_vocabulary")
    if shared is not None:
        return shared, shared
    source, target = _vocabulary(path / "source_vocabulary"), _vocabulary(path / "target_vocabulary")
    if source is None:
        raise ModelError(f"{path} lacks shared_vocabulary.json (or source_vocabulary.json)")
    if target is None:
        raise ModelError(f"{path} lacks target_vocabulary.json")
    return source, target


def _vocabulary(stem: Path) -> list[str] | None:
    """Return the tokens in ``stem`` with either of its suffixes, None where there is no such file."""
    if (file := stem.with_suffix(".json")).is_file():
        tokens = _read_json(file)
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise ModelError(f"{file} is not a list of tokens")
        return tokens
    if (file := stem.with_suffix(".txt")).is_file():
        try:
            return file.read_text("utf-8").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise ModelError(f"{file} is not UTF-8: {error}") from error
    return None


def _check_weights(path: Path, name: str, vocabularies: dict[str, list[str]]) -> None:
    """Raise `ModelError` unless ``model.bin`` is whole, and each embedding has a row for each token of its vocabulary.

    Else the engine would give each token another one's meaning, or fail in the middle of a run.
    """
    try:
        shapes = read_shapes(path / "model.bin")
    except WeightsError as error:
        raise ModelError(f"model {name!r}: {path / 'model.bin'} {error}") from error
    for embedding, tokens in vocabularies.items():
        shape = shapes.get(f"{embedding}/weight")
        if shape and shape[0] != len(tokens):
            raise ModelError(
                f"model {name!r}: {path} has {len(tokens):,} tokens in its vocabulary and {shape[0]:,} in its weights: "
                "they are not of one model"
            )


def _settings(file: Path) -> dict[str, object]:
    settings = _read_json(file)
    if not isinstance(settings, dict):
        raise ModelError(f"{file} is not a mapping of settings")
    return settings


def _read_json(file: Path) -> object:
    try:
        content: object = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from error
    return content


def _positions(settings: dict[str, object]) -> int:
    length = settings.get("model_max_length")
    # Hugging Face writes 1e30 where a tokenizer knows no limit, and JSON's true is an int in Python.
    if isinstance(length, int) and not isinstance(length, bool) and 0 < length <= 1 << 16:
        return length
    return _DEFAULT_POSITIONS


def _language_code(name: object) -> str | None:
    if not isinstance(name, str):
        return None
    try:
        code = parse_language(name).code
    except LanguageError:
        return None
    return code


def _directions(settings: dict[str, object], path: Path) -> frozenset[tuple[str, str]]:
    """Return what ``directions`` lists: our own entry, ignored by Hugging Face, for models of several languages."""
    listed = settings.get("directions", [])
    try:
        return frozenset((parse_language(one).code, parse_language(other).code) for one, other in listed)  # type: ignore[attr-defined]
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path / 'tokenizer_config.json'}: directions are not pairs of languages: {error}") from error


def content_digest(path: Path, files: Iterable[Path]) -> str:
    """Return the BLAKE2b (16 bytes, hexadecimal) of the names in ``path`` and contents of ``files``, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
