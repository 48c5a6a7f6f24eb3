"""Texts to batches of ids: a fresh epoch each time, the same for the same seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sentencepiece

from training.corpus import Pairs, joined, roughen
from training.recipe import Training

END = 0
"""The id of ``</s>``, in the SentencePiece model and in the vocabulary."""

_LONG = 0.04
"""Share of pairs that are two to four captions in one."""


class Pieces:
    """The SentencePiece model and, behind its pieces, the language tokens and the padding."""

    def __init__(self, model: Path, tokens: dict[str, str]) -> None:
        """Load ``model``; ``tokens`` are the target tokens by language."""
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
        self.count = self.processor.get_piece_size()
        self.token = {language: self.count + i for i, language in enumerate(tokens)}
        self.names = [
            *(self.processor.id_to_piece(i) for i in range(self.count)),
            *tokens.values(),
            "<pad>",
        ]
        self.pad = len(self.names) - 1

    def encode(self, texts: Sequence[str], **options: Any) -> list[list[int]]:
        """Return the ids of each text, without the end."""
        ids: list[list[int]] = self.processor.encode(list(texts), out_type=int, num_threads=1, **options)
        return ids


@dataclass(frozen=True)
class Batch:
    """Ids (batch, time), padded at the end; ``inputs`` is ``labels`` behind the padding that starts the decoder."""

    sources: npt.NDArray[np.int64]
    inputs: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


def epoch(pairs: Sequence[Pairs], pieces: Pieces, training: Training, seed: str, longest: int) -> list[Batch]:
    """Return the batches of one epoch over ``pairs``, both directions, in random order.

    A pair with a side of more than ``longest`` ids is left out: the network has no positions for it.
    """
    draw = random.Random(seed)
    drawn: list[tuple[str, str, str]] = []
    for part in pairs:
        for weight, back in ((part.weight, False), (part.back_weight, True)):
            language = part.source if back else part.target
            texts = []
            for i in _rows(len(part.sources), weight, draw):
                sides = part.sources[i], draw.choice(part.targets[i])
                texts.append(roughen(*(reversed(sides) if back else sides), draw))
            for i in range(int(len(texts) * _LONG)):
                for _ in range(draw.randint(1, 3)):
                    texts[i] = joined(texts[i], draw.choice(texts))
            drawn.extend((source, target, language) for source, target in texts)
    draw.shuffle(drawn)
    sentencepiece.set_random_generator_seed(draw.randrange(1 << 31))
    at = int(len(drawn) * training.sampled)
    sampling = {"enable_sampling": True, "alpha": training.alpha, "nbest_size": -1}
    sources, targets = (
        pieces.encode([text[side] for text in drawn[:at]], **sampling)
        + pieces.encode([text[side] for text in drawn[at:]])
        for side in (0, 1)
    )
    rows = [
        ([pieces.token[language], *source, END], [*target, END])
        for source, target, (_, _, language) in zip(sources, targets, drawn, strict=True)
    ]
    rows = [row for row in rows if max(map(len, row)) <= longest]
    return list(batched(rows, pieces.pad, training.batch_tokens, draw))


def _rows(count: int, weight: float, draw: random.Random) -> list[int]:
    whole, part = divmod(weight, 1)
    return [*range(count)] * int(whole) + draw.sample(range(count), int(count * part))


def batched(rows: Sequence[tuple[list[int], list[int]]], pad: int, tokens: int, draw: random.Random) -> Iterator[Batch]:
    """Cut ``rows`` into batches of like lengths, at most ``tokens`` padded ids on each side, in random order."""
    order = sorted(
        range(len(rows)), key=lambda i: (max(map(len, rows[i])) + draw.random() * 1.5, len(rows[i][0]), draw.random())
    )
    cuts: list[list[int]] = [[]]
    longest = 0
    for i in order:
        longest = max(longest, *map(len, rows[i]))
        if cuts[-1] and longest * (len(cuts[-1]) + 1) > tokens:
            cuts.append([])
            longest = max(map(len, rows[i]))
        cuts[-1].append(i)
    draw.shuffle(cuts)
    for cut in cuts:
        labels = [rows[i][1] for i in cut]
        yield Batch(
            _padded([rows[i][0] for i in cut], pad),
            _padded([[pad, *ids[:-1]] for ids in labels], pad),
            _padded(labels, pad),
        )


def _padded(rows: Sequence[Sequence[int]], pad: int) -> npt.NDArray[np.int64]:
    block = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        block[i, : len(row)] = row
    return block
