"""Translations by the model in training, through captionloom's own engine."""

import gzip
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from training.corpus import Corpus, Pairs, read_text, tidy
from training.recipe import Recipe
from translate.decoding import Decoding, Device
from translate.engine import Engine
from translate.hub import resolve
from translate.languages import parse_language

_log = logging.getLogger(__name__)

_UNIT = 2048
_KEPT = 0.95
"""Share of the model's own translations that it learns from: the ones that it is surest of."""


def translate(model: Path, texts: Sequence[str], source: str, target: str, beam: int) -> tuple[list[str], list[float]]:
    """Return the translations of ``texts`` and their log-probabilities a token, in the order of the texts."""
    engine = Engine(resolve(str(model)), decoding=Decoding(beam_size=beam), device=Device())
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    targets, logprobs = [""] * len(texts), [float("-inf")] * len(texts)
    for start in range(0, len(order), _UNIT):
        unit = order[start : start + _UNIT]
        found = engine.translate([texts[i] for i in unit], parse_language(source), parse_language(target))
        for i, translation, logprob in zip(unit, found.targets, found.logprobs, strict=True):
            if translation is not None and logprob is not None:
                targets[i], logprobs[i] = translation, logprob
    return targets, logprobs


def translate_texts(model: Path, data: Path, recipe: Recipe, corpus: Corpus, file: Path) -> None:
    """Translate the recipe's monolingual texts by ``model`` into ``file``, which is written whole or not at all.

    One way this is sequence-level self-training (He et al. 2020), the other back-translation (Sennrich et al. 2016).
    """
    made = []
    for part in recipe.monolingual:
        texts = sorted({tidy(text) for text in corpus.free(part.language, read_text(data, part.text))})
        for language in part.targets:
            targets, logprobs = translate(model, texts, part.language, language, beam=2)
            best = sorted(range(len(texts)), key=lambda i: -logprobs[i])[: int(len(texts) * _KEPT)]
            rows = [i for i in sorted(best) if targets[i]]
            made.append(
                {
                    "source": part.language,
                    "target": language,
                    "sources": [texts[i] for i in rows],
                    "targets": [[targets[i]] for i in rows],
                }
            )
            _log.info("translated %d texts of %s to %s", len(rows), part.text.file, language)
    part_file = file.with_suffix(".part")
    with gzip.open(part_file, "wt", encoding="utf-8") as lines:
        json.dump(made, lines, ensure_ascii=False)
    part_file.replace(file)


def read_own(file: Path, recipe: Recipe) -> list[Pairs]:
    """Return what `translate_texts` has written, with the weights that ``recipe`` gives it now."""
    parts = [part for part in recipe.monolingual for _ in part.targets]
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [
            Pairs(
                made["source"],
                made["target"],
                made["sources"],
                [tuple(targets) for targets in made["targets"]],
                part.weight,
                part.back_weight,
            )
            for made, part in zip(json.load(lines), parts, strict=True)
        ]
