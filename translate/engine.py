"""The engine: thousands of texts in, their translations with scores out."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Final, TypeVar

import ctranslate2

from translate.decoding import Decoding, Device
from translate.families import END_OF_SENTENCE, plain
from translate.hub import place
from translate.languages import Language
from translate.models import Model, ModelError
from translate.tokenizers import load_tokenizer

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

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
    others: list[list[tuple[str, float]]] = field(default_factory=list)
    """The next best texts with their log-probabilities, where ``num_hypotheses`` asks for them; none comes twice."""


class Engine:
    """One loaded model. Calls from several threads at once are safe and share its workers."""

    def __init__(self, model: Model, *, decoding: Decoding, device: Device) -> None:
        """Load ``model``; raises `ModelError` where the files do not load or the device is not there."""
        self.model = model
        self._decoding = decoding
        self._batch = BatchLimit(device.max_batch_tokens)
        self._special = frozenset(model.tokens.languages) | {"<s>", "<pad>", "<unk>", END_OF_SENTENCE}
        where, indexes = _placed(device)
        try:
            path = place(model)
            self._tokenizer = load_tokenizer(path, model.family)
            self._translator = ctranslate2.Translator(
                str(path),
                device=where,
                device_index=indexes,
                compute_type=device.compute_type,
                inter_threads=_inter_threads(device, where),
                intra_threads=device.intra_threads or 1,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(f"model {model.name!r} does not load from {model.path}: {error}") from error

    def translate(self, texts: Sequence[str], source: Language, target: Language) -> Translations:
        """Translate ``texts`` (any number, best thousands of similar length) from ``source`` into ``target``.

        The same list gives the same result whatever else runs beside it, unless sampling is on. Raises
        `ModelError` where the engine fails.
        """
        sources, prefix = self._sources(texts, source, target)
        readable = [i for i, pieces in enumerate(sources) if len(pieces) <= self.model.max_length]
        found = Translations([None] * len(texts), [None] * len(texts), [0] * len(texts), [[] for _ in texts])
        if not readable:
            return found
        options = self._options(max(len(sources[i]) for i in readable), prefix)
        results = self._batch.run(
            lambda limit: self._translator.translate_batch(
                [sources[i] for i in readable],
                [prefix] * len(readable) if prefix else None,
                max_batch_size=limit,
                batch_type="tokens",
                return_scores=True,
                **options,
            ),
            name=self.model.name,
        )
        hypotheses = [[pieces[len(prefix) :] for pieces in result.hypotheses] for result in results]
        decoded = iter(self._tokenizer.decode([self._plain(pieces) for pieces in chain.from_iterable(hypotheses)]))
        for i, pieces, result in zip(readable, hypotheses, results, strict=True):
            # CTranslate2 leaves the end of sentence out of a hypothesis but counts it, and the prefix, in the score.
            counted = [min(len(one) + len(prefix) + 1, options["max_decoding_length"]) for one in pieces]
            lengths = [count - len(prefix) for count in counted]
            scored: dict[str, float] = {}
            for score, count, length in zip(result.scores, counted, lengths, strict=True):
                # Pieces cut otherwise are another hypothesis, but the same text: the best of them counts.
                scored.setdefault(next(decoded), score * count**self._decoding.length_penalty / length)
            (found.targets[i], found.logprobs[i]), *found.others[i] = scored.items()
            found.tokens[i] = lengths[0]
        return found

    def score(
        self, pairs: Sequence[tuple[str, str]], source: Language, target: Language
    ) -> list[tuple[float, float] | None]:
        """Return the log-probability (natural) of each given translation: the mean over its tokens and the least.

        ``pairs`` are (text, translation); this is forced decoding, as if the model had translated so, and the mean
        is that of `Translations.logprobs`. None where either side has more pieces than the model has positions.
        Raises `ModelError` where the engine fails.
        """
        sources, prefix = self._sources([text for text, _ in pairs], source, target)
        targets = [
            [*prefix, *pieces] for pieces in self._tokenizer.encode_targets([translation for _, translation in pairs])
        ]
        longest = self.model.max_length
        readable = [i for i in range(len(pairs)) if max(len(sources[i]), len(targets[i]) + 1) <= longest]
        if not readable:
            return [None] * len(pairs)
        results = self._batch.run(
            lambda limit: self._translator.score_batch(
                [sources[i] for i in readable],
                [targets[i] for i in readable],
                max_batch_size=limit,
                batch_type="tokens",
                max_input_length=0,
            ),
            name=self.model.name,
        )
        found: list[tuple[float, float] | None] = [None] * len(pairs)
        for i, result in zip(readable, results, strict=True):
            logprobs = result.log_probs[len(prefix) :]
            found[i] = (sum(logprobs) / len(logprobs), min(logprobs))
        return found

    def _sources(self, texts: Sequence[str], source: Language, target: Language) -> tuple[list[list[str]], list[str]]:
        """Return the pieces of each text with the tokens around them, and what its translation starts with."""
        before, first = self.model.asked(source, target)
        head = [before] if before else []
        texts = plain(self.model.family, texts)
        if before and self.model.family.token_in_text:
            texts, head = [f"{before} {text}" for text in texts], []
        encoded = self._tokenizer.encode(texts)
        return [[*head, *pieces, END_OF_SENTENCE] for pieces in encoded], [first] if first else []

    def _plain(self, pieces: list[str]) -> list[str]:
        """Return ``pieces`` without what is no text: a model that is lost may say such a token."""
        if self._special.isdisjoint(pieces):
            return pieces
        return [piece for piece in pieces if piece not in self._special]

    def _options(self, longest: int, prefix: list[str]) -> dict[str, Any]:
        options = asdict(self._decoding)
        limit = max(_SHORTEST_LIMIT, _TARGET_PER_SOURCE * longest)
        limit = min(options["max_decoding_length"], limit, self.model.max_length - 1) + len(prefix)
        options["max_decoding_length"] = limit
        return options


class BatchLimit:
    """How many padded tokens a batch may have: halved when the device has no memory for one, and kept so."""

    def __init__(self, tokens: int) -> None:
        """Begin with ``tokens``."""
        self._tokens = tokens
        self._lock = threading.Lock()

    def run(self, call: Callable[[int], _Result], name: str) -> _Result:
        """Return ``call(limit)``; raises `ModelError` where it fails, or there is no memory for a single text."""
        while True:
            limit = self._tokens
            try:
                return call(limit)
            except (RuntimeError, ValueError) as error:
                # A vocabulary that is not the model's own, or a device that has no memory left.
                if "out of memory" not in str(error).lower() or limit <= 1:
                    raise ModelError(f"model {name!r} fails to translate: {error}") from error
                with self._lock:
                    if self._tokens == limit:
                        self._tokens = limit // 2
                        _log.warning("no memory for batches of %d tokens: from here on %d", limit, limit // 2)


def _placed(device: Device) -> tuple[str, list[int]]:
    """Return CTranslate2's device and the indexes of its replicas."""
    gpus = ctranslate2.get_cuda_device_count() if device.device != "cpu" else 0
    if device.device == "cpu" or (device.device == "auto" and not gpus):
        return "cpu", [0]
    return "cuda", list(device.device_index or range(gpus)) or [0]


def _inter_threads(device: Device, where: str) -> int:
    """Return the batches at once: on the CPU one for each core, on GPUs one for each of them."""
    if where == "cuda":
        return device.inter_threads or 1
    return device.inter_threads or len(os.sched_getaffinity(0))
