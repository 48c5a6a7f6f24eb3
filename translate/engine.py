"""The engine: thousands of texts in, their translations with scores out."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

import ctranslate2

from translate.decoding import Decoding, Device
from translate.devices import batch_tokens, cpu_workers, placed, use_wide_vectors
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
    unfinished: list[bool] = field(default_factory=list)
    """The length limit cut the translation off before the model had ended it; False where there is none."""
    others: list[list[tuple[str, float]]] = field(default_factory=list)
    """The next best texts with their log-probabilities, where ``num_hypotheses`` asks for them; none comes twice."""
    source_tokens: int = 0
    """Tokens that the encoder read, those around a text counted."""
    padded_tokens: int = 0
    """The same with the padding of the batches they were in."""


class Forced(NamedTuple):
    """A given translation as the model sees it."""

    tokens: list[str]
    """Its pieces, the end of sentence last."""
    logprobs: list[float]
    """Log-probability (natural) of each, after the source and those before it; at most 0."""

    @property
    def mean(self) -> float:
        """The mean over the tokens: what `Translations.logprobs` has of the model's own translation."""
        return sum(self.logprobs) / len(self.logprobs)


class Engine:
    """One loaded model. Calls from several threads at once are safe and share its workers."""

    def __init__(self, model: Model, *, decoding: Decoding, device: Device) -> None:
        """Load ``model``; raises `ModelError` where the files do not load or the device is not there."""
        self.model = model
        self._decoding = decoding
        self._special = frozenset(model.tokens.languages) | {"<s>", "<pad>", "<unk>", END_OF_SENTENCE}
        where, indexes = placed(device)
        self._batch = BatchLimit(batch_tokens(device, where))
        use_wide_vectors()
        try:
            path = place(model)
            self._tokenizer = load_tokenizer(path, model.family)
            self._translator = ctranslate2.Translator(
                str(path),
                device=where,
                device_index=indexes,
                compute_type=device.compute_type,
                inter_threads=cpu_workers(device) if where == "cpu" else device.inter_threads or 1,
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
        rows, lengths = len(texts), [len(sources[i]) for i in readable]
        found = Translations(
            [None] * rows,
            [None] * rows,
            [0] * rows,
            [False] * rows,
            [[] for _ in texts],
            sum(lengths),
            padded_tokens(lengths, self._batch.tokens),
        )
        if not readable:
            return found
        options = self._options(max(lengths), prefix)
        most = options["max_decoding_length"]
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
            counted = [min(len(one) + len(prefix) + 1, most) for one in pieces]
            lengths = [count - len(prefix) for count in counted]
            scored: dict[str, float] = {}
            for score, count, length in zip(result.scores, counted, lengths, strict=True):
                # Pieces cut otherwise are another hypothesis, but the same text: the best of them counts.
                scored.setdefault(next(decoded), score * count**self._decoding.length_penalty / length)
            (found.targets[i], found.logprobs[i]), *found.others[i] = scored.items()
            found.tokens[i] = lengths[0]
            # With one piece fewer, the end of sentence is what the limit still had room for.
            found.unfinished[i] = len(pieces[0]) + len(prefix) == most
        return found

    def score(self, pairs: Sequence[tuple[str, str]], source: Language, target: Language) -> list[Forced | None]:
        """Return the log-probability (natural) of each token of each given translation.

        ``pairs`` are (text, translation); this is forced decoding, as if the model had translated so. None where either
        side has more pieces than the model has positions. Raises `ModelError` where the engine fails.
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
        found: list[Forced | None] = [None] * len(pairs)
        for i, result in zip(readable, results, strict=True):
            found[i] = Forced(result.tokens[len(prefix) :], result.log_probs[len(prefix) :])
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


def padded_tokens(lengths: Iterable[int], limit: int) -> int:
    """Return the tokens, padding counted, of the batches that CTranslate2 makes of texts of ``lengths``.

    It takes the longest first and as many as fit ``limit`` tokens when all are as long (``rebatch_input`` in
    ``src/batch_reader.cc``).
    """
    ordered = sorted(lengths, reverse=True)
    total = start = 0
    while start < len(ordered):
        batch = ordered[start : start + max(1, limit // ordered[start])]
        total += batch[0] * len(batch)
        start += len(batch)
    return total


class BatchLimit:
    """How many padded tokens a batch may have: halved when the device has no memory for one, and kept so."""

    def __init__(self, tokens: int) -> None:
        """Begin with ``tokens``."""
        self._tokens = tokens
        self._lock = threading.Lock()

    @property
    def tokens(self) -> int:
        """The limit as it is now."""
        return self._tokens

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
