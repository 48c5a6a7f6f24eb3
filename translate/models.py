"""A model's name becomes a checked CTranslate2 directory with a digest and the languages it can do."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from translate.languages import Language, LanguageError, parse_language

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
    "source.spm",
    "target.spm",
    "tokenizer_config.json",
)
"""The files that decide what a model says: they are what its digest is made of."""

_DEFAULT_POSITIONS: Final = 512
"""What OPUS-MT's Marian models are built with (``max_position_embeddings``)."""


class ModelError(ValueError):
    """A model that is not there, not whole, or cannot do what is asked of it."""


@dataclass(frozen=True)
class Model:
    """A CTranslate2 directory of the Marian family (OPUS-MT's layout), found whole."""

    name: str
    """As the configuration says it."""
    path: Path
    digest: str
    """BLAKE2b (16 bytes, hexadecimal) of the files that decide what the model says."""
    size: int
    """Bytes."""
    max_length: int
    """Positions: source tokens, language token and end of sentence included, at most."""
    target_tokens: frozenset[str]
    """``>>deu<<`` and the like; empty for a model with one target language."""
    source_language: str | None
    """BCP-47, or None where the model does not say, or has several."""
    target_language: str | None
    directions: frozenset[tuple[str, str]]
    """(source, target) by OPUS-MT's names, ``eng``; empty where the model does not say."""

    def target_token(self, target: Language) -> str | None:
        """Return the token that asks for ``target``; None where the model needs none.

        Raises `ModelError` where the model has language tokens, but none for ``target``.
        """
        if not self.target_tokens:
            return None
        for token in target.opus_tokens:
            if token in self.target_tokens:
                return token
        raise ModelError(f"model {self.name!r} has no token for {target.name} ({target.code}); {self.knows()}")

    def check(self, source: Language, target: Language) -> None:
        """Raise `ModelError` unless the model translates ``source`` to ``target``; its files may not say."""
        if self.directions and not any(
            (f">>{one}<<" in source.opus_tokens and f">>{other}<<" in target.opus_tokens)
            for one, other in self.directions
        ):
            raise ModelError(
                f"model {self.name!r} does not translate {source.name} ({source.code}) to {target.name} "
                f"({target.code}); {self.knows()}"
            )
        if self.source_language not in (None, source.code):
            raise ModelError(
                f"model {self.name!r} translates from {self.source_language!r}, not from {source.name} ({source.code})"
            )
        self.target_token(target)
        if not self.target_tokens and self.target_language not in (None, target.code):
            raise ModelError(
                f"model {self.name!r} translates to {self.target_language!r}, not to {target.name} ({target.code})"
            )

    def knows(self) -> str:
        """Say what the model translates, for messages."""
        if self.directions:
            targets: dict[str, list[str]] = {}
            for one, other in sorted(tuple(parse_language(name).code for name in pair) for pair in self.directions):
                targets.setdefault(one, []).append(other)
            return "it translates " + "; ".join(f"{one} to {', '.join(others)}" for one, others in targets.items())
        if self.target_tokens:
            return "it knows " + ", ".join(sorted(self.target_tokens))
        return f"it translates to {self.target_language or 'one language that its files do not name'}"


def resolve(name: str) -> Model:
    """Return the model that ``name`` means: ``mini``, or the path of a CTranslate2 directory.

    Raises `ModelError` naming the missing or broken file, and how to convert a Hugging Face directory.
    """
    path = MINI if name == "mini" else Path(name)
    if not path.is_dir():
        raise ModelError(
            f"model {name!r}: no such directory; accepted are 'mini' and the path of a CTranslate2 "
            "directory (make one with ct2-transformers-converter --model ID --output_dir DIR "
            "--copy_files source.spm target.spm tokenizer_config.json)"
        )
    if not (path / "model.bin").is_file():
        raise ModelError(
            f"model {name!r}: {path} holds no model.bin, so it is not a CTranslate2 directory; convert "
            f"it: ct2-transformers-converter --model {path} --output_dir DIR "
            "--copy_files source.spm target.spm tokenizer_config.json"
        )
    for needed in ("config.json", "source.spm", "target.spm"):
        if not (path / needed).is_file():
            raise ModelError(f"model {name!r}: {path} lacks {needed}")
    settings = _tokenizer_settings(path)
    files = [path / part for part in _IDENTITY if (path / part).is_file()]
    return Model(
        name=name,
        path=path,
        digest=_digest(files),
        size=sum(file.stat().st_size for file in files),
        max_length=_positions(settings),
        target_tokens=frozenset(token for token in _vocabulary(path) if _is_language_token(token)),
        source_language=_language_code(settings.get("source_lang")),
        target_language=_language_code(settings.get("target_lang")),
        directions=_directions(settings, path),
    )


def _is_language_token(token: str) -> bool:
    return token.startswith(">>") and token.endswith("<<")


def _vocabulary(path: Path) -> list[str]:
    """Return the source vocabulary: the language tokens stand there."""
    for stem in ("shared_vocabulary", "source_vocabulary"):
        if (path / f"{stem}.json").is_file():
            tokens = _read_json(path / f"{stem}.json")
            if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
                raise ModelError(f"{path / stem}.json is not a list of tokens")
            return tokens
        if (path / f"{stem}.txt").is_file():
            try:
                return (path / f"{stem}.txt").read_text("utf-8").split("\n")
            except UnicodeDecodeError as error:
                raise ModelError(f"{path / stem}.txt is not UTF-8: {error}") from error
    raise ModelError(f"{path} lacks shared_vocabulary.json (or source_vocabulary.json)")


def _tokenizer_settings(path: Path) -> dict[str, object]:
    file = path / "tokenizer_config.json"
    if not file.is_file():
        return {}
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
    return None if code in ("mul", "und") else code


def _directions(settings: dict[str, object], path: Path) -> frozenset[tuple[str, str]]:
    """Return what ``directions`` lists: our own entry, ignored by Hugging Face, for models of several languages."""
    listed = settings.get("directions", [])
    try:
        pairs = [(str(one), str(other)) for one, other in listed]  # type: ignore[attr-defined]
        for name in {name for pair in pairs for name in pair}:
            parse_language(name)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path / 'tokenizer_config.json'}: directions are not pairs of languages: {error}") from error
    return frozenset(pairs)


def _digest(files: list[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
