"""Text to the pieces a model reads and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import sentencepiece
import tokenizers

from translate.families import Family, tokenizer_file


class Tokenizer(Protocol):
    """Pieces without any token of a language or of an end."""

    def encode(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the source pieces of each text."""

    def encode_targets(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the target pieces of each text."""

    def decode(self, pieces: Sequence[Sequence[str]]) -> list[str]:
        """Return the text of each list of target pieces."""


class SentencePieceTokenizer:
    """One SentencePiece model for both sides, or one for each."""

    def __init__(self, source: Path, target: Path) -> None:
        """Load both; raises `OSError` or `RuntimeError` where one is not there or no such model."""
        self._source = _sentencepiece(source)
        self._target = self._source if target == source else _sentencepiece(target)

    def encode(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the source pieces of each text."""
        encoded: list[list[str]] = self._source.encode(list(texts), out_type=str, num_threads=1)
        return encoded

    def encode_targets(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the target pieces of each text."""
        encoded: list[list[str]] = self._target.encode(list(texts), out_type=str, num_threads=1)
        return encoded

    def decode(self, pieces: Sequence[Sequence[str]]) -> list[str]:
        """Return the text of each list of target pieces."""
        if not pieces:
            return []  # SentencePiece would take it for the pieces of one text
        decoded: list[str] = self._target.decode([list(hypothesis) for hypothesis in pieces], num_threads=1)
        return decoded


def _sentencepiece(file: Path) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(file))
    except RuntimeError as error:  # it does not always say of which file
        raise RuntimeError(f"{file}: {error}") from error


class HuggingFaceTokenizer:
    """``tokenizer.json``, for directories that have no SentencePiece model: transformers 5 writes none."""

    def __init__(self, file: Path, *, tokens_in_text: bool) -> None:
        """Load ``file``; raises `RuntimeError` where it is none. ``tokens_in_text``: a text may hold tokens."""
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises plain Exceptions
            raise RuntimeError(f"{file}: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # Else a caption that says "</s>" or "deu_Latn" would be read as the token.
        self._tokenizer.encode_special_tokens = not tokens_in_text

    def encode(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the source pieces of each text."""
        return [encoding.tokens for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def encode_targets(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the target pieces of each text: both sides share one vocabulary."""
        return self.encode(texts)

    def decode(self, pieces: Sequence[Sequence[str]]) -> list[str]:
        """Return the text of each list of target pieces."""
        decoder = self._tokenizer.decoder
        return [decoder.decode(list(hypothesis)) for hypothesis in pieces]


def load_tokenizer(path: Path, family: Family) -> Tokenizer:
    """Return the tokenizer of the model directory ``path``; raises `OSError` or `RuntimeError`."""
    file = tokenizer_file(path, family)
    if file is None:
        raise FileNotFoundError(f"{path} has no tokenizer")
    if file.name == "tokenizer.json":
        return HuggingFaceTokenizer(file, tokens_in_text=family.token_in_text)
    return SentencePieceTokenizer(file, path / "target.spm" if family is Family.MARIAN else file)
