"""The engine: thousands of texts in, their translations with scores out."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import ctranslate2

from translate.decoding import Decoding, Device
from translate.languages import Language
from translate.models import Model, ModelError
from translate.tokenizers import MarianTokenizer

_SHORTEST_LIMIT: Final = 16
_TARGET_PER_SOURCE: Final = 3
"""A translation has at most three pieces for each of its unit's longest source: more is a loop."""


@dataclass(frozen=True)
class Translations:
    """What `Engine.translate` returns: one entry for each text, in the order of the texts."""

    targets: list[str | None] = field(default_factory=list)
    """The translation; None where the text has more pieces than the model has positions."""
    logprobs: list[float | None] = field(default_factory=list)
    """Mean log-probability (natural) of a target token, the end of sentence counted; at most 0."""
    tokens: list[int] = field(default_factory=list)
    """Target tokens, the end of sentence counted; 0 where there is no translation."""


class Engine:
    """One loaded model. Calls from several threads at once are safe and share its workers."""

    def __init__(self, model: Model, *, decoding: Decoding, device: Device) -> None:
        """Load ``model``; raises `ModelError` where the files do not load or the device is not there."""
        self.model = model
        self._decoding = decoding
        self._max_batch_tokens = device.max_batch_tokens
        try:
            self._tokenizer = MarianTokenizer(model.path)
            self._translator = ctranslate2.Translator(
                str(model.path),
                device=device.device,
                compute_type=device.compute_type,
                inter_threads=device.inter_threads or len(os.sched_getaffinity(0)),
                intra_threads=device.intra_threads or 1,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(f"model {model.name!r} does not load from {model.path}: {error}") from error

    def translate(self, texts: Sequence[str], target: Language) -> Translations:
        """Translate ``texts`` (any number, best thousands of similar length) into ``target``.

        The same list gives the same result whatever else runs beside it. Raises `ModelError` where the
        engine fails.
        """
        sources = self._tokenizer.encode(texts, token=self.model.target_token(target))
        readable = [i for i, source in enumerate(sources) if len(source) <= self.model.max_length]
        found = Translations([None] * len(texts), [None] * len(texts), [0] * len(texts))
        if not readable:
            return found
        options = self._options(max(len(sources[i]) for i in readable))
        try:
            results = self._translator.translate_batch(
                [sources[i] for i in readable],
                max_batch_size=self._max_batch_tokens,
                batch_type="tokens",
                return_scores=True,
                **options,
            )
        except (RuntimeError, ValueError) as error:
            # A vocabulary that is not the model's own, or a device that has no memory left.
            raise ModelError(f"model {self.model.name!r} fails to translate: {error}") from error
        hypotheses = [result.hypotheses[0] for result in results]
        decoded = self._tokenizer.decode(hypotheses)
        for i, text, hypothesis, result in zip(readable, decoded, hypotheses, results, strict=True):
            # CTranslate2 leaves the end of sentence out of a hypothesis but counts it in the score.
            length = min(len(hypothesis) + 1, options["max_decoding_length"])
            found.targets[i] = text
            found.logprobs[i] = result.scores[0] * length ** (self._decoding.length_penalty - 1)
            found.tokens[i] = length
        return found

    def _options(self, longest: int) -> dict[str, Any]:
        options = asdict(self._decoding)
        limit = max(_SHORTEST_LIMIT, _TARGET_PER_SOURCE * longest)
        options["max_decoding_length"] = min(options["max_decoding_length"], limit, self.model.max_length - 1)
        return options
