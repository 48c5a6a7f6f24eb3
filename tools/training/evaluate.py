"""How good a model is: BLEU and chrF on the recipe's test texts, speed, and words the vocabulary breaks."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sacrebleu import corpus_bleu, corpus_chrf

from training.batches import Pieces
from training.corpus import Corpus, Pairs
from training.translating import translate
from training.vocabulary import broken


@dataclass(frozen=True)
class Score:
    """One line of the table."""

    test: str
    direction: str
    lines: int
    bleu: float
    chrf: float


def scores(model: Path, corpus: Corpus, beam: int = 4) -> list[Score]:
    """Translate every test text both ways and score it by sacreBLEU (13a; zh for Chinese) and chrF."""
    found = []
    for name, pairs in corpus.test.items():
        sources, targets = pairs.first()
        for source, target, texts, references in (
            (pairs.source, pairs.target, sources, targets),
            (pairs.target, pairs.source, targets, sources),
        ):
            translations, _ = translate(model, texts, source, target, beam)
            bleu = corpus_bleu(translations, [references], tokenize="zh" if target == "zh" else "13a")
            chrf = corpus_chrf(translations, [references])
            found.append(Score(name, f"{source}-{target}", len(texts), bleu.score, chrf.score))
    return found


def speed(model: Path, pairs: Pairs, beam: int) -> float:
    """Return captions a second, loading not counted: sources of ``pairs`` repeated to 5,000."""
    texts = (pairs.sources * (5000 // len(pairs.sources) + 1))[:5000]
    translate(model, texts[:50], pairs.source, pairs.target, beam)
    start = time.perf_counter()
    translate(model, texts, pairs.source, pairs.target, beam)
    return len(texts) / (time.perf_counter() - start)


def broken_share(pieces: Pieces, texts: Sequence[str]) -> tuple[float, list[str]]:
    """Return the share of ``texts`` with a word that falls into single characters, and those words."""
    words: dict[str, bool] = {}
    count = 0
    for text in texts:
        found = re.findall(r"[^\W\d_]+", text)
        for word in found:
            if word not in words:
                words[word] = broken(pieces.processor.encode(word, out_type=str))
        count += any(words[word] for word in found)
    return count / max(1, len(texts)), sorted(word for word, falls in words.items() if falls)


def table(found: Sequence[Score]) -> str:
    """Return ``found`` as Markdown."""
    rows = [f"| {s.test} | {s.direction} | {s.lines} | {s.bleu:.1f} | {s.chrf:.1f} |" for s in found]
    return "\n".join(["| test | direction | lines | BLEU | chrF |", "|---|---|---|---|---|", *rows])
