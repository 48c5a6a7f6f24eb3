"""Texts from files, without any line that is judged on, and the noise that makes a model robust."""

import gzip
import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.recipe import Parallel, Recipe, Text


@dataclass(frozen=True)
class Pairs:
    """Line-aligned texts: for each source its translations, one or several."""

    source: str
    target: str
    sources: list[str]
    targets: list[tuple[str, ...]]
    weight: float = 1.0
    back_weight: float = 1.0

    def first(self) -> tuple[list[str], list[str]]:
        """Return the sources and the first translation of each."""
        return self.sources, [targets[0] for targets in self.targets]


def read_text(data: Path, text: Text) -> list[str]:
    """Return the lines of ``text``, stripped."""
    file = data / text.file
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        if ".json" in file.suffixes:
            return [annotation["caption"].strip() for annotation in json.load(lines)["annotations"]]
        if text.column is not None:
            return [line.rstrip("\n").split("\t")[text.column].strip() for line in lines]
        return [line.strip() for line in lines]


def read_pairs(data: Path, parallel: Parallel) -> Pairs:
    """Return all lines of ``parallel``; raises ValueError where the files are not line-aligned."""
    sources = read_text(data, parallel.sources)
    targets = [read_text(data, text) for text in parallel.targets]
    for text, lines in zip(parallel.targets, targets, strict=True):
        if len(lines) != len(sources):
            raise ValueError(f"{parallel.sources.file} has {len(sources)} lines, {text.file} has {len(lines)}")
    return Pairs(
        parallel.source,
        parallel.target,
        sources,
        list(zip(*targets, strict=True)),
        parallel.weight,
        parallel.back_weight,
    )


@dataclass(frozen=True)
class Corpus:
    """All that a recipe reads, with nothing in the training that is judged on."""

    training: list[Pairs]
    validation: list[Pairs]
    test: dict[str, Pairs]
    judged: dict[str, frozenset[str]]
    """Language → the letters of each line of the validation and test texts."""

    def free(self, language: str, texts: Iterable[str]) -> list[str]:
        """Return the texts that are not judged on."""
        judged = self.judged.get(language, frozenset())
        return [text for text in texts if text and letters(text) not in judged]


def read_corpus(data: Path, recipe: Recipe) -> Corpus:
    """Read every text of ``recipe`` and drop each pair of which one side is judged on, but for case and signs."""
    read = [read_pairs(data, parallel) for parallel in recipe.parallel]
    validation = [read_pairs(data, parallel) for parallel in recipe.validation]
    for i, parallel in enumerate(recipe.parallel):
        if kept := parallel.hold_out:
            pairs = read[i]
            validation.append(_part(pairs, range(len(pairs.sources) - kept, len(pairs.sources))))
            read[i] = _part(pairs, range(len(pairs.sources) - kept))
    test = {name: read_pairs(data, parallel) for name, parallel in recipe.test.items()}
    judged: dict[str, set[str]] = {}
    for pairs in [*validation, *test.values()]:
        judged.setdefault(pairs.source, set()).update(map(letters, pairs.sources))
        judged.setdefault(pairs.target, set()).update(letters(t) for targets in pairs.targets for t in targets)
    training = []
    for pairs in read:
        source, target = judged.get(pairs.source, set()), judged.get(pairs.target, set())
        training.append(
            _part(
                pairs,
                [
                    i
                    for i, (text, targets) in enumerate(zip(pairs.sources, pairs.targets, strict=True))
                    if text
                    and all(targets)
                    and letters(text) not in source
                    and not any(letters(t) in target for t in targets)
                ],
            )
        )
    return Corpus(training, validation, test, {language: frozenset(texts) for language, texts in judged.items()})


def letters(text: str) -> str:
    """Return the letters and digits of ``text`` in lower case: two texts with the same are one."""
    return re.sub(r"[\W_]+", "", text.lower())


def _part(pairs: Pairs, rows: Iterable[int]) -> Pairs:
    rows = list(rows)
    return Pairs(
        pairs.source,
        pairs.target,
        [pairs.sources[i] for i in rows],
        [pairs.targets[i] for i in rows],
        pairs.weight,
        pairs.back_weight,
    )


_SPACED = re.compile(r"\s+([.,!?;:])")
_PUNCTUATION = re.compile(r"(?<=\w)([.,!?;:])(?=\s|$)")
_FINAL = re.compile(r"\s*[.!。！]\s*$")
_CJK = re.compile(r"[\u3400-\u9fff]")


_STRANGE = ["☃", "♥", "😀", "🐶", "✨", "🏖️", "☕", "ж", "Ω", "ا", "ก", "★", "→", "►", "☎", "⚽", "🎉", "#"]
"""Signs that no vocabulary of captions has; a translation leaves them out."""


def tidy(text: str) -> str:
    """Return ``text`` as people write it: no spaces before punctuation, as tokenised corpora have them."""
    return _SPACED.sub(r"\1", " ".join(text.split()))


def roughen(source: str, target: str, draw: random.Random) -> tuple[str, str]:
    """Return the pair as another corpus might write it.

    Captions come tokenised, in lower case, in capitals, without a full stop and with emoji; a model that
    never saw such a source answers it with garbage.
    """
    source, target = tidy(source), tidy(target)
    if draw.random() < 0.08:
        source, target = _FINAL.sub("", source), _FINAL.sub("", target)
    elif draw.random() < 0.03:
        source = _FINAL.sub("", source)
    chance = draw.random()
    if chance < 0.08:
        source = _PUNCTUATION.sub(r" \1", source)
    elif chance < 0.12:
        source = source.lower()
    elif chance < 0.135:
        source = source.upper()
    elif chance < 0.155:
        words = source.split(" ")
        words.insert(draw.randrange(len(words) + 1), draw.choice(_STRANGE))
        source = " ".join(words)
    return source, target


def joined(first: tuple[str, str], second: tuple[str, str]) -> tuple[str, str]:
    """Return two pairs as one: long sources are rare in captions, and would end a translation early."""
    source, target = (a + ("" if _CJK.search(a) else " ") + b for a, b in zip(first, second, strict=True))
    return source, target
