"""Train a small translation model of captions, as the bundled `mini` was, from line-aligned text.

    python tools/train_mini.py --data DATA --out OUT [--recipe tools/mini.yaml]

Needs the extra ``torch``. The files that the recipe names are relative to DATA. Run it again after an
interrupt: it goes on where it stopped. At the end OUT/model holds the model in Hugging Face's and in
CTranslate2's layout, and OUT/scores.md what it scores on the recipe's test texts.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

import torch

from training.batches import Pieces
from training.corpus import Corpus, read_corpus, read_text
from training.evaluate import broken_share, scores, speed, table
from training.export import export
from training.recipe import Recipe, read_recipe
from training.trainer import Trainer, keep_freed_memory
from training.translating import self_translated
from training.vocabulary import train_pieces

_log = logging.getLogger("train_mini")


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
    for round_, step in enumerate([*recipe.training.self_training_at, recipe.training.steps]):
        trainer.run(texts, corpus.validation, until=step)
        if step < recipe.training.steps:
            own = out / f"self-{round_ + 1}.json.gz"
            if not own.exists():
                exported = export(trainer.averaged(), recipe, pieces, model, out / f"round-{round_ + 1}")
                made = self_translated(exported, data, recipe, corpus, own)
            else:
                made = self_translated(Path(), data, recipe, corpus, own)
            texts = [*corpus.training, *made]
    exported = export(trainer.averaged(), recipe, pieces, model, out / "model")
    report = evaluation(exported, data, recipe, corpus, pieces)
    (out / "scores.md").write_text(report, "utf-8")
    print(report, end="")


def evaluation(model: Path, data: Path, recipe: Recipe, corpus: Corpus, pieces: Pieces) -> str:
    """Return the table of scores, the speed and the share of broken captions, as Markdown."""
    lines = [table(scores(model, corpus)), ""]
    first = next(iter(corpus.test.values()))
    for beam in (4, 1):
        lines.append(f"{speed(model, first, first.target, beam):.0f} captions/s, beam {beam}, {os.cpu_count()} cores")
    for part in recipe.monolingual:
        texts = read_text(data, part.text)
        share, words = broken_share(pieces, texts)
        lines.append(f"{share:.2%} of {len(texts)} texts of {part.text.file} have a broken word, {len(words)} words")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that the recipe's files are relative to")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint, the model and the scores")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("mini.yaml"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if missing := keep_freed_memory():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **missing})  # noqa: S606
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    try:
        train(arguments.data, arguments.out, read_recipe(arguments.recipe), arguments.device)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
