"""The whole course: vocabulary, training, self-training, export, evaluation."""

import logging
import os
from itertools import accumulate
from pathlib import Path

from training.batches import Pieces
from training.corpus import Corpus, read_corpus, read_text
from training.evaluate import broken_share, scores, speed, table
from training.export import export
from training.recipe import Recipe
from training.trainer import Trainer
from training.translating import read_own, translate_texts
from training.vocabulary import train_pieces

_log = logging.getLogger(__name__)


def train(data: Path, out: Path, recipe: Recipe, device: str) -> None:
    """Train, export and evaluate; each part is skipped where ``out`` holds its result."""
    out.mkdir(parents=True, exist_ok=True)
    corpus = read_corpus(data, recipe)
    for pairs in corpus.training:
        _log.info("%d pairs %s-%s to train on", len(pairs.sources), pairs.source, pairs.target)
    model = out / "pieces.model"
    if not model.exists():
        train_pieces(data, recipe, corpus, model)
    pieces = Pieces(model, recipe.languages)
    trainer = Trainer(recipe, pieces, out, device)
    texts = corpus.training
    rounds = recipe.training.rounds
    for number, end in enumerate(accumulate(rounds), 1):
        trainer.run(texts, corpus.validation, until=end)
        if number < len(rounds):
            made = out / f"round-{number}" / "own.json.gz"
            if not made.exists():
                teacher = export(trainer.averaged(), recipe, pieces, model, made.parent)
                translate_texts(teacher, data, recipe, corpus, made)
            texts = [*corpus.training, *read_own(made, recipe)]
    exported = export(trainer.averaged(), recipe, pieces, model, out / "model")
    report = evaluation(exported, data, recipe, corpus, pieces)
    (out / "scores.md").write_text(report, "utf-8")
    print(report, end="")


def evaluation(model: Path, data: Path, recipe: Recipe, corpus: Corpus, pieces: Pieces) -> str:
    """Return the table of scores, the speed and the share of broken captions, as Markdown."""
    lines = [table(scores(model, corpus)), ""]
    first = next(iter(corpus.test.values()))
    for beam in (4, 1):
        lines.append(f"{speed(model, first, beam):.0f} captions/s, beam {beam}, {os.cpu_count()} cores")
    for part in recipe.monolingual:
        texts = read_text(data, part.text)
        share, words = broken_share(pieces, texts)
        lines.append(f"{share:.2%} of {len(texts)} texts of {part.text.file} have a broken word, {len(words)} words")
    return "\n".join(lines) + "\n"
