"""The card of a dataset folder at Hugging Face: README.md, whose YAML head says what `datasets` loads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

SPLITS: Final = {"val": "validation", "valid": "validation", "dev": "validation"}
"""A run's split → what Hugging Face calls it; any other has its own name."""

_SIZES: Final = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
"""Hugging Face's bounds of its size categories, from a thousand on, each ten times the one before."""


@dataclass(frozen=True)
class CardModel:
    """One model that had a part in the data."""

    name: str
    role: str
    licence: str | None
    """As its card states it."""
    details: str = ""
    """Revision, digest."""


@dataclass(frozen=True)
class CardLanguage:
    """One target language."""

    code: str
    name: str
    made: int
    kept: int | None
    """By the run's judgement, of which ``rows`` may be a part; None where no audit says it."""
    rows: Mapping[str, int]
    """Hugging Face split → exported pairs."""
    files: Mapping[str, tuple[str, ...]]
    """Hugging Face split → its Parquet files."""
    noise: str | None = None
    """How much of it looks like noise, as a clause; None where nobody measured it."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Reason → pairs, the commonest first."""


@dataclass(frozen=True)
class Card:
    """What a card says."""

    source_code: str
    source_name: str
    items: int
    """Media items with a pair."""
    languages: tuple[CardLanguage, ...]
    models: tuple[CardModel, ...]
    teacher: str
    columns: Mapping[str, tuple[str, str]]
    """Name → (type, meaning)."""
    judged_by: str
    """How pairs were kept, as a sentence."""
    selection: str = ""
    """What was left out of the kept pairs, as a sentence; empty for all of them."""
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """All pairs."""
        return sum(sum(language.rows.values()) for language in self.languages)

    def to_markdown(self) -> str:
        """Return the whole of README.md."""
        head = yaml.safe_dump(self._head(), sort_keys=False, allow_unicode=True, width=1000)
        return f"---\n{head}---\n\n" + "\n".join(self._body()) + "\n"

    def _head(self) -> dict[str, Any]:
        codes = [self.source_code, *(language.code for language in self.languages)]
        splits = list(dict.fromkeys(split for language in self.languages for split in language.rows))
        everything = {
            split: [path for language in self.languages for path in language.files.get(split, ())]
            for split in ordered(splits)
        }
        return {
            "language": codes,
            "license": "unknown",
            "task_categories": ["translation", "image-to-text"],
            "multilinguality": ["translation"],
            "annotations_creators": ["machine-generated"],
            "size_categories": [_size(self.rows)],
            "tags": ["captions", "pseudo-parallel", "machine-translated", "captionloom"],
            "configs": [
                _config("default", everything),
                *(
                    _config(one.code, {split: one.files[split] for split in ordered(one.files)})
                    for one in self.languages
                ),
            ],
        }

    def _body(self) -> Iterator[str]:
        names = ", ".join(language.name for language in self.languages)
        yield f"# {self.source_name} captions machine-translated into {names}"
        yield ""
        yield (
            f"{self.rows:,} pairs of a caption in {self.source_name} and its machine translation, of {self.items:,} "
            "images or videos, with every score that was measured and a weight for training. The media are not part of "
            "it: `key` names them. Made by captionloom."
        )
        yield from ("", "## Counts", "")
        splits = ordered(dict.fromkeys(split for language in self.languages for split in language.rows))
        yield from _table(
            ["configuration", "language", *splits, "kept of made", "looks like noise"],
            [
                [
                    f"`{one.code}`",
                    one.name,
                    *(f"{one.rows.get(split, 0):,}" for split in splits),
                    f"{'?' if one.kept is None else format(one.kept, ',')} of {one.made:,}",
                    one.noise or "not measured",
                ]
                for one in self.languages
            ],
        )
        yield from (
            "",
            "The configuration `default` has all languages; the column `language` tells them apart. *Kept of made* "
            "counts all splits of the run; *looks like noise* is an estimate over what was made, before anything was "
            "dropped, learnt without labels from planted noise.",
        )
        yield from (["", self.selection] if self.selection else [])
        yield from ("", "## How it was made", "")
        yield from _table(
            ["model", "what it did", "licence", ""],
            [[f"`{one.name}`", one.role, one.licence or "not stated", one.details] for one in self.models],
        )
        yield from ("", f"Teacher of the similarity: `{self.teacher}`. {self.judged_by}", "")
        for one in self.languages:
            if one.dropped:
                said = ", ".join(f"`{reason}` {count:,}" for reason, count in one.dropped.items())
                yield f"- {one.name}, dropped (a pair may have several reasons): {said}"
            else:
                yield f"- {one.name}: nothing was dropped, or no audit says why"
        yield from ("", "## Columns", "")
        yield from _table(
            ["column", "type", "what it is"], [[f"`{name}`", *said] for name, said in self.columns.items()]
        )
        yield from ("", "## Limits", "")
        yield from (f"- {limit}" for limit in (*self.notes, *_LIMITS))


_LIMITS: Final = (
    "The translations are a machine's, and nobody read them: filtering leaves some noise and drops some good pairs.",
    "The weight is a score's or a calibration's opinion, not a human judgement.",
    "No licence is stated for the whole: it depends on that of the captions, which captionloom does not know, and on "
    "the terms of the models above.",
    "Do not evaluate on its validation and test splits: their target side is machine-translated too.",
)


def _size(rows: int) -> str:
    place = max(0, len(str(rows)) - 3)
    return f"{_SIZES[place - 1]}<n<{_SIZES[place]}" if place else f"n<{_SIZES[0]}"


def _config(name: str, paths: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "config_name": name,
        "data_files": [{"split": split, "path": list(found)} for split, found in paths.items()],
    }


def ordered(splits: Any) -> list[str]:
    """Return ``splits`` as people expect them: train, validation, test, then any others by name."""
    known = ("train", "validation", "test")
    return sorted(splits, key=lambda split: (known.index(split) if split in known else len(known), split))


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
