"""The vocabulary: one SentencePiece model for all the languages."""

import random
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from training.corpus import Corpus, read_text, tidy
from training.recipe import Recipe


def train_pieces(data: Path, recipe: Recipe, corpus: Corpus, out: Path) -> None:
    """Train a unigram model of ``recipe.network.vocabulary`` entries on every text; written whole or not at all."""
    part = out.with_suffix(".part")
    texts = _texts(data, recipe, corpus)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(part),
        # The language tokens and the padding stand behind the pieces.
        vocab_size=recipe.network.vocabulary - len(recipe.languages) - 1,
        model_type="unigram",
        character_coverage=0.9998,
        normalization_rule_name="identity",  # NFKC would write Chinese punctuation in ASCII
        hard_vocab_limit=False,  # little text has fewer pieces
        split_digits=True,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    Path(f"{part}.vocab").unlink()
    Path(f"{part}.model").rename(out)


def _texts(data: Path, recipe: Recipe, corpus: Corpus) -> list[str]:
    """Return as many texts of each language as the smallest has, else a large script takes half of the pieces.

    Twice as many of one with monolingual texts: it is the one whose words come from outside.
    """
    found: dict[str, set[str]] = {}
    for pairs in corpus.training:
        found.setdefault(pairs.source, set()).update(map(tidy, pairs.sources))
        found.setdefault(pairs.target, set()).update(tidy(text) for texts in pairs.targets for text in texts)
    for part in recipe.monolingual:
        texts = corpus.free(part.language, read_text(data, part.text))
        found.setdefault(part.language, set()).update(map(tidy, texts))
    count = min(map(len, found.values()))
    draw = random.Random(recipe.seed)
    twice = {part.language for part in recipe.monolingual}
    return [
        text
        for language, texts in found.items()
        for text in draw.sample(sorted(texts), min(len(texts), count * (2 if language in twice else 1)))
    ]


def broken(pieces: Sequence[str]) -> bool:
    """Whether a word's ``pieces`` are single characters throughout, or hold an unknown one."""
    return "<unk>" in pieces or (len(pieces) > 2 and all(len(piece.lstrip("▁")) <= 1 for piece in pieces))
