"""Human captions in a target language for evaluation, which no run has: read from a file of the user's."""

import functools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipelines.captions import normalise_one
from pipelines.config import Config, ConfigError, nearest
from pipelines.parallel import Reject, lines
from pipelines.plan import decoding_of, device_of, make_plan
from pipelines.sources.record import without_extension
from translate.engine import Engine
from translate.hub import resolve
from translate.languages import parse_language
from translate.models import ModelError

FORMATS: Final = (".jsonl", ".tsv")
"""What a file's name ends in, ``.gz`` behind it or not."""

FIELDS: Final = ("key", "caption", "split")
"""What ``--columns`` gives the file's own names for."""

_VALIDATION: Final = ("val", "valid", "validation", "dev")

EVALUATION: Final = ("val", "test")
"""The splits that human captions are for."""

SPLITS: Final = {**dict.fromkeys(_VALIDATION, "val"), **dict.fromkeys(("test", "test_2016_flickr"), "test")}
"""What a split may be called → what it is. ``test_2016_flickr`` is the one of Multi30k that papers use."""

_MEDIA: Final = (".jpg", ".jpeg", ".png", ".mp4", ".webm")


@dataclass(frozen=True)
class Reference:
    """One human caption."""

    key: str
    caption: str
    split: str | None
    """As the file says it; None where it says none."""


@dataclass(frozen=True)
class References:
    """What `read_references` found."""

    captions: list[Reference]
    """In the order of the file."""
    without: int
    """Records that have no caption in the language."""
    rejects: list[Reject]

    def __add__(self, other: "References") -> "References":
        """Return those of both files."""
        return References(
            [*self.captions, *other.captions], self.without + other.without, [*self.rejects, *other.rejects]
        )

    def notes(self) -> Iterator[str]:
        """Say what of the file was not taken."""
        if self.without:
            yield f"{self.without:,} references have no caption in this language"
        if self.rejects:
            counted = Counter(reject.reason for reject in self.rejects).most_common()
            said = ", ".join(f"{rows:,} {reason}" for reason, rows in counted)
            yield f"{len(self.rejects):,} references cannot be read: {said}; the first: {self.rejects[0].origin}"


def parse_columns(text: str | None) -> dict[str, str]:
    """Return what ``key=NAME,caption=NAME,split=NAME`` says; raises `ConfigError`."""
    found: dict[str, str] = {}
    for entry in text.split(",") if text else ():
        ours, equals, theirs = (part.strip() for part in entry.partition("="))
        if not equals or not theirs or ours not in FIELDS:
            like = nearest(ours, list(FIELDS))
            raise ConfigError([f"--columns {entry!r}: write it as NAME=COLUMN{like}; names are {', '.join(FIELDS)}"])
        found[ours] = theirs
    return found


def read_references(named: str, *, language: str, columns: Mapping[str, str]) -> References:
    """Return the captions in ``language`` in the JSON lines or TSV ``named``: a path, or ``val=`` or ``test=`` and one.

    ``columns`` are the file's names for `FIELDS`, by default ``key``, the first there is of the language's code,
    ``captions`` and ``caption``, and ``split``. In JSON a name may lead into objects (``multi30k.de``), and captions
    be a list. A TSV has them in its first line; without it, columns have numbers from 1. Of a key that is a file name,
    the extension and a number behind ``#`` are cut off, as the source ``flickr`` does. Raises `ConfigError` where
    nothing can be read.
    """
    split_of_all, equals, path = named.rpartition("=")
    if not equals or split_of_all not in EVALUATION:
        split_of_all, path = "", named
    file = Path(path)
    suffix = file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix
    if suffix not in FORMATS:
        raise ConfigError([f"--references {path}: known are {', '.join(FORMATS)}, each with .gz too"])
    if not file.is_file():
        raise ConfigError([f"--references {path}: there is no such file"])
    captions = [columns["caption"]] if "caption" in columns else [language, "captions", "caption"]
    names = _Names(columns.get("key", "key"), captions, columns.get("split", "split"), bool(columns.get("split")))
    found: list[Reference] = []
    rejects: list[Reject] = []
    without = 0
    try:
        for record in _jsonl(file, names) if suffix == ".jsonl" else _tsv(file, names):
            if isinstance(record, Reject):
                rejects.append(record)
            elif not record[1]:
                without += 1
            else:
                key, texts, split = record
                found += [Reference(_item(key), normalise_one(text), split_of_all or split) for text in texts]
    except (OSError, EOFError) as error:
        raise ConfigError([f"--references {path} cannot be read: {error}"]) from error
    if not found:
        said = "; ".join(References([], without, rejects).notes()) or "it is empty"
        raise ConfigError([f"--references {path} has no caption in {language!r} ({said}): --columns names its columns"])
    return References(found, without, rejects)


class ReferenceTranslator:
    """Translates human captions into the run's source language, decoding as the run does."""

    def __init__(self, config: Config, language: str, model: str | None) -> None:
        """Resolve ``model``, by default the run's own for the way back; raises `ConfigError`."""
        self._config = config
        self._language, self._source = parse_language(language), parse_language(config.source_language)
        try:
            # The plan resolves every model of the run, which one that is named need not find on this machine.
            found = resolve(model) if model else make_plan(config).of(language).back_model
            if found is None:
                raise ModelError(f"the run has none for {self._language.name} -> {self._source.name}")
            found.check(self._language, self._source)
        except ModelError as error:
            raise ConfigError([f"--reference-model: {error}"]) from error
        except ConfigError as error:
            raise ConfigError([*error.problems, "--reference-model names another one for the references"]) from error
        self._model = found

    @functools.cached_property
    def _engine(self) -> Engine:
        return Engine(self._model, decoding=decoding_of(self._config), device=device_of(self._config))

    def __call__(self, captions: Sequence[str]) -> pa.Array:
        """Return the translations; null for a caption that is too long for the model."""
        size = self._config.translate.unit_size
        targets: list[str | None] = []
        for start in range(0, len(captions), size):
            targets += self._engine.translate(captions[start : start + size], self._language, self._source).targets
        return pa.array(targets, pa.string())


@dataclass(frozen=True)
class _Names:
    key: str
    captions: list[str]
    split: str
    split_is_named: bool


_Record = tuple[str, list[str], str | None] | Reject
"""(key, captions, split), or what is wrong."""


def _jsonl(file: Path, names: _Names) -> Iterator[_Record]:
    for origin, line in lines(file):
        if line is None:
            yield Reject(origin, "bad_encoding")
            continue
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        yield _record(record, names, origin) if isinstance(record, dict) else Reject(origin, "malformed_record")


def _record(record: Mapping[str, object], names: _Names, origin: str) -> _Record:
    key, split = _inside(record, names.key), _inside(record, names.split)
    captions = next((value for name in names.captions if (value := _inside(record, name)) is not None), [])
    texts = [captions] if isinstance(captions, str) else captions
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str) or not isinstance(split, str | None) or not isinstance(texts, list):
        return Reject(origin, "missing_field")
    if not all(isinstance(text, str) for text in texts):
        return Reject(origin, "missing_field")
    return key, [text for text in texts if text.strip()], split or None


def _inside(record: Mapping[str, object], name: str) -> object:
    """Return the value that ``name`` leads to: of that very field, or through objects at its dots; None for none."""
    if name in record:
        return record[name]
    first, _, rest = name.partition(".")
    inner = record.get(first)
    return _inside(inner, rest) if rest and isinstance(inner, dict) else None


def _tsv(file: Path, names: _Names) -> Iterator[_Record]:
    places: tuple[int, int, int | None] | None = None
    for origin, line in lines(file):
        if line is None:
            yield Reject(origin, "bad_encoding")
            continue
        cells = line.split("\t")
        if places is None:
            places, is_header = _places(file, cells, names)
            if is_header:
                continue
        if len(cells) <= max(place for place in places if place is not None):
            yield Reject(origin, "malformed_record")
            continue
        key, caption, split = places
        texts = [cells[caption]] if cells[caption].strip() else []
        yield cells[key], texts, (cells[split] or None) if split is not None else None


def _places(file: Path, cells: Sequence[str], names: _Names) -> tuple[tuple[int, int, int | None], bool]:
    """Return the places of key, caption and split, and whether ``cells``, the first line, names them."""
    caption = next((name for name in names.captions if name in cells), None)
    if names.key in cells and caption is not None:
        if names.split_is_named and names.split not in cells:
            raise ConfigError([f"--references {file} has no column {names.split!r}; there are {', '.join(cells)}"])
        split = cells.index(names.split) if names.split in cells else None
        return (cells.index(names.key), cells.index(caption), split), True
    # Without names there are numbers; two columns can only be the key and the caption.
    named = len(names.captions) == 1
    given = ["1" if names.key == "key" else names.key, names.captions[0] if named else "2" if len(cells) == 2 else ""]
    given += [names.split] if names.split_is_named else []
    numbers = [int(name) - 1 if name.isdecimal() else -1 for name in given]
    if not all(0 <= number < len(cells) for number in numbers):
        wanted = ", ".join([names.key, " or ".join(names.captions)])
        raise ConfigError(
            [
                f"--references {file}: its first line has no columns {wanted}, but {', '.join(cells)[:200]}; --columns "
                "key=1,caption=3 takes columns by their number"
            ]
        )
    return (numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else None), False


def _item(key: str) -> str:
    """Return the key of the media item that ``key``, perhaps a file name with a caption's number, is about."""
    name, _, number = key.strip().rpartition("#")
    stem = name if name and number.isdecimal() else key.strip()
    return without_extension(stem) if stem.lower().endswith(_MEDIA) else stem
