"""Text to the pieces a model reads and back: one small class for each model family."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import sentencepiece

END_OF_SENTENCE: Final = "</s>"


class MarianTokenizer:
    """SentencePiece as OPUS-MT's Marian models use it: ``[>>lang<<] pieces </s>``."""

    def __init__(self, path: Path) -> None:
        """Load ``source.spm`` and ``target.spm`` of the model directory ``path``."""
        self._source = sentencepiece.SentencePieceProcessor(model_file=str(path / "source.spm"))
        self._target = sentencepiece.SentencePieceProcessor(model_file=str(path / "target.spm"))

    def encode(self, texts: Sequence[str], *, token: str | None) -> list[list[str]]:
        """Return the source pieces of each text, behind the target language's ``token`` if there is one."""
        prefix = [] if token is None else [token]
        # A language token is one piece to SentencePiece too: in a text it would ask for that language.
        plain = [text.replace(">>", "> >") if ">>" in text else text for text in texts]
        encoded: list[list[str]] = self._source.encode(plain, out_type=str, num_threads=1)
        return [[*prefix, *pieces, END_OF_SENTENCE] for pieces in encoded]

    def decode(self, pieces: Sequence[Sequence[str]]) -> list[str]:
        """Return the text of each list of target pieces."""
        if not pieces:
            return []  # SentencePiece would take it for the pieces of one text
        decoded: list[str] = self._target.decode([list(hypothesis) for hypothesis in pieces], num_threads=1)
        return decoded
