"""What ``captionloom export nrccr`` does: a finished run in, the flat files of NRCCR and CL2CM out."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import files
from pipelines.config import ConfigError
from pipelines.export import Selection, Wanted, select
from pipelines.folders import appearing, check_out
from pipelines.references import (
    EVALUATION,
    SPLITS,
    Reference,
    References,
    ReferenceTranslator,
    parse_columns,
    read_references,
)
from pipelines.run import Run
from shards.export_nrccr import Names, caption_lines, caption_problems, id_lines, key_problems, weight_lines
from translate.languages import LanguageError, parse_language

_REFERENCES: Final = pa.schema([("key", pa.string()), ("n", pa.int32()), ("caption", pa.string())])

_NAMED: Final = 10
"""Keys and captions that are named where the reader would misread them; the rest are counted."""


@dataclass(frozen=True)
class NrccrSettings:
    """What the command says."""

    language: str
    collection: str
    prefix: str = "google"
    splits: tuple[str, ...] = ("train",)
    """Of the run, that make up the training files."""
    min_weight: float = 0.0
    references: tuple[str, ...] = ()
    """Files of human captions (see `read_references`)."""
    columns: str | None = None
    reference_model: str | None = None
    """Translates the references into the source language; by default the run's own model for the way back."""
    skip_unfit: bool = False
    """Leave out what the reader would misread, instead of refusing all."""


@dataclass
class Exported:
    """What was written."""

    folder: str
    lines: dict[str, int] = field(default_factory=dict)
    """By the file's name in the folder."""
    notes: list[str] = field(default_factory=list)


def export_nrccr(run: Run, out: str, settings: NrccrSettings, *, overwrite: bool) -> Exported:
    """Write the files of ``settings.collection`` to the folder of that name in ``out``, which may hold others.

    Only the kept pairs are training captions. Validation and test files hold human captions and exist only with
    references. Raises `ConfigError` with all that is wrong, before a model loads; nothing is left then.
    """
    problems: list[str] = []
    wanted = Wanted((settings.language,), settings.splits, settings.min_weight)
    selection = select(run, wanted, problems)
    names = _names(settings, problems)
    folder = files.join(out, settings.collection)
    problems += check_out(folder, overwrite=overwrite, shared_by=names.all) if names else []
    if selection and any(not selection.of.manifest.languages[code].get("backs") for code in selection.languages):
        problems.append(
            f"{run.root} has no back-translations, which are one of the files: set translate.back_translation: true "
            "and build it again with --overwrite; only they are made then"
        )
    references = _references(settings, names, problems)
    if selection is None or names is None or problems:
        raise ConfigError(problems)
    return _Export(selection, names, settings, Exported(folder)).write(references, overwrite=overwrite)


def nrccr_lines(exported: Exported) -> Iterator[str]:
    """Say what was written, line by line."""
    yield f"{exported.folder}: {len(exported.lines):,} files"
    for name, count in exported.lines.items():
        yield f"  {name:<56}{count:>10,} lines"
    yield from (f"note: {note}" for note in exported.notes)


def _references(settings: NrccrSettings, names: Names | None, problems: list[str]) -> References | None:
    """Return the human captions of all files; None without any."""
    if names is None:
        return None
    if not settings.references and (settings.columns or settings.reference_model):
        problems.append("--columns and --reference-model are about --references, which is not given")
    try:
        columns = parse_columns(settings.columns)
    except ConfigError as error:
        problems += error.problems
        return None
    found = None
    for path in settings.references:
        try:
            read = read_references(path, language=names.language, columns=columns)
            found = found + read if found else read
        except ConfigError as error:
            problems += error.problems
    return found


_PLAIN: Final = re.compile(r"[\w.-]+")


def _names(settings: NrccrSettings, problems: list[str]) -> Names | None:
    """Return the names of the files; the reader takes names apart at ``_``, and the shell at spaces."""
    before = len(problems)
    if not _PLAIN.fullmatch(settings.collection) or settings.collection.startswith("."):
        problems.append(f"--collection {settings.collection!r}: letters, digits, _, - and . only; it names a folder")
    if not _PLAIN.fullmatch(settings.prefix) or "_" in settings.prefix:
        problems.append(
            f"--prefix {settings.prefix!r}: letters, digits, - and . only; the reader cuts it at the first _"
        )
    try:
        language = parse_language(settings.language).code
    except LanguageError:
        return None  # said already
    return Names(settings.collection, language, settings.prefix) if len(problems) == before else None


class _Export:
    """Writes one export."""

    def __init__(self, selection: Selection, names: Names, settings: NrccrSettings, exported: Exported) -> None:
        self._selection = selection
        self._names = names
        self._skip = settings.skip_unfit
        self._model = settings.reference_model
        self._exported = exported
        self._unfit = _Unfit()

    def write(self, references: References | None, *, overwrite: bool) -> Exported:
        """Write everything, the training files first: what is wrong with them is said before a model loads."""
        evaluation = self._by_split(references) if references else {}
        translate = (
            ReferenceTranslator(self._selection.of.config, self._names.language, self._model) if references else None
        )
        in_evaluation = pa.array(sorted({one.key for found in evaluation.values() for one in found}), pa.string())
        with appearing(self._exported.folder, overwrite=overwrite) as folder:
            both = self._train(folder, in_evaluation)
            fit = {split: self._fit(found) for split, found in evaluation.items()}
            self._refuse(both)
            if translate:
                for split, found in fit.items():
                    self._evaluation(folder, split, found, translate)
        if not references:
            self._exported.notes.append(
                "no val and test files: they hold human captions, which no run has; --references names a file of them"
            )
        return self._exported

    def _train(self, folder: Path, in_evaluation: pa.Array) -> list[str]:
        """Write the training files; return the keys that are evaluated on too."""
        names, ids = self._names, self._names.ids("train")
        both: dict[str, None] = {}
        last = None
        with ExitStack() as stack:
            sinks = {name: stack.enter_context(_opened(folder / name)) for name in (*names.train, names.weights, ids)}
            source, there, back, weights, listed = sinks.values()
            self._exported.lines.update(dict.fromkeys(sinks, 0))
            for table in self._selection:
                rows = self._fit_rows(table)
                keys, numbers = rows["key"].combine_chunks(), rows["n"].combine_chunks()
                for sink, marker, column in (
                    (source, "enc", "source"),
                    (there, names.there, "target"),
                    (back, names.back, "back"),
                ):
                    sink.write(caption_lines(keys, numbers, rows[column].combine_chunks(), marker=marker))
                weights.write(weight_lines(keys, numbers, rows["weight"].combine_chunks(), marker=names.there))
                # The captions of a key stand together, though perhaps not in one table.
                new = pc.run_end_encode(keys).values if len(keys) else keys
                if len(new) and new[0].as_py() == last:
                    new = new.slice(1)
                last = keys[-1].as_py() if len(keys) else last
                listed.write(id_lines(new))
                both |= dict.fromkeys(new.filter(pc.is_in(new, value_set=in_evaluation)).to_pylist())
                for name in (*names.train, names.weights):
                    self._exported.lines[name] += rows.num_rows
                self._exported.lines[ids] += len(new)
        if not self._exported.lines[ids] and (self._skip or not self._unfit):
            where = ", ".join(self._selection.splits)
            why = f"; the reader would misread {self._unfit}" if self._unfit else ""
            raise ConfigError([f"no kept pair of {names.language} in {where} can be exported{why}"])
        return list(both)

    def _fit_rows(self, table: pa.Table) -> pa.Table:
        """Return the rows of which the reader reads what they say; the others are noted."""
        keys = key_problems(table["key"].combine_chunks())
        captions = {name: caption_problems(table[name].combine_chunks()) for name in ("source", "target", "back")}
        wrong = pc.coalesce(keys, *captions.values())
        for row in np.flatnonzero(pc.is_valid(wrong).to_numpy(zero_copy_only=False)).tolist():
            key = table["key"][row].as_py()
            if keys[row].is_valid:
                self._unfit.add(f"key {key!r} ({keys[row]})")
            else:
                column, why = next((name, found[row]) for name, found in captions.items() if found[row].is_valid)
                self._unfit.add(f"the {_SPOKEN[column]} of caption {table['n'][row]} of {key!r} ({why})")
        return table.filter(pc.is_null(wrong))

    def _fit(self, references: Sequence[Reference]) -> pa.Table:
        """Return the references that the reader reads as they are: key, number within the key, caption.

        Keys stay in the order of the file, as its user's features may be; the captions of one stand together.
        """
        by_key: dict[str, list[str]] = {}
        for one in references:
            by_key.setdefault(one.key, []).append(one.caption)
        keys = pa.array(by_key, pa.string())
        problems = dict(zip(by_key, key_problems(keys).to_pylist(), strict=True))
        for key, why in problems.items():
            if why:
                self._unfit.add(f"key {key!r} of the references ({why})")
        fit = [key for key, why in problems.items() if not why]
        rows = [(key, n, caption) for key in fit for n, caption in enumerate(by_key[key])]
        columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
        return pa.table(
            [pa.array(values, kind) for values, kind in zip(columns, _REFERENCES.types, strict=True)],
            schema=_REFERENCES,
        )

    def _refuse(self, both: Sequence[str]) -> None:
        problems = []
        if self._unfit and not self._skip:
            problems.append(
                "the reader of these files takes the key before the first # and cuts a final .jpg or .mp4 off it, and "
                f"the caption behind the first space; it would misread {self._unfit}. Other keys, or --skip-unfit, "
                "which leaves these out, help"
            )
        elif self._unfit:
            self._exported.notes.append(f"left out, since the reader would misread them: {self._unfit}")
        if both:
            problems.append(
                f"training items are evaluated on: {_some([repr(key) for key in both])}; leave them out of "
                "--references, or say with --split and --columns split=NAME which items are for what"
            )
        if problems:
            raise ConfigError(problems)

    def _by_split(self, references: References) -> dict[str, list[Reference]]:
        """Return the references of val and test: as their file says, else as the run does."""
        unsaid = {one.key for one in references.captions if one.split is None}
        of_run = self._splits_of(unsaid) if unsaid else {}
        found: dict[str, list[Reference]] = {split: [] for split in EVALUATION}
        others: dict[str, int] = {}
        for one in references.captions:
            said = one.split or of_run.get(one.key)
            split = SPLITS.get(said or "")
            if split:
                found[split].append(one)
            else:
                others[said or "no known split"] = others.get(said or "no known split", 0) + 1
        self._exported.notes += references.notes()
        self._exported.notes += [f"{rows:,} references of {split} are not written" for split, rows in others.items()]
        if not any(found.values()):
            said = ", ".join(f"{rows:,} of {split}" for split, rows in others.items())
            raise ConfigError(
                [
                    f"--references: no caption is of val or test ({said}): write val=FILE or test=FILE, or name the "
                    f"column that says so (--columns split=NAME: {', '.join(SPLITS)}); without, the run's split counts"
                ]
            )
        return {split: captions for split, captions in found.items() if captions}

    def _splits_of(self, keys: set[str]) -> dict[str, str]:
        """Return the run's split of those of ``keys`` that it has."""
        wanted = pa.array(sorted(keys), pa.string())
        found: dict[str, str] = {}
        for shard in self._selection.of.manifest.shards:
            held = files.read_parquet(
                files.join(self._selection.of.run.pairs, f"{shard.name.removesuffix('.tar')}.parquet"), ["key"]
            )["key"].combine_chunks()
            found |= dict.fromkeys(held.filter(pc.is_in(held, value_set=wanted)).to_pylist(), shard.split)
        return found

    def _evaluation(self, folder: Path, split: str, references: pa.Table, translate: ReferenceTranslator) -> None:
        """Write the human captions of ``split``, their translations and the list of their keys."""
        names, (human, translated) = self._names, self._names.evaluation(split)
        english = translate(references["caption"].to_pylist())
        wrong = caption_problems(english)
        if wrong.null_count < len(wrong):
            left = [repr(key) for key in references["key"].filter(pc.is_valid(wrong)).unique().to_pylist()]
            self._exported.notes.append(
                f"{split}: {len(wrong) - wrong.null_count:,} human captions have no translation: {_some(left)}"
            )
        fit = pc.is_null(wrong)
        references, english = references.filter(fit), english.filter(fit)
        keys, numbers, captions = (references[name].combine_chunks() for name in ("key", "n", "caption"))
        distinct = keys.unique()
        if not len(distinct):
            return
        for name, content, count in (
            (human, caption_lines(keys, numbers, captions, marker=names.language), len(keys)),
            (translated, caption_lines(keys, numbers, english, marker=names.english), len(keys)),
            (names.ids(split), id_lines(distinct), len(distinct)),
        ):
            with _opened(folder / name) as sink:
                sink.write(content)
            self._exported.lines[name] = count


_SPOKEN: Final = {"source": "source", "target": "translation", "back": "back-translation"}


@dataclass
class _Unfit:
    """What the reader would misread: the first few, and how many."""

    first: list[str] = field(default_factory=list)
    more: int = 0
    last: str = ""

    def add(self, what: str) -> None:
        """Note one; the same as before, as of a key with several captions, counts once."""
        if what == self.last:
            return
        self.last = what
        if len(self.first) < _NAMED:
            self.first.append(what)
        else:
            self.more += 1

    def __bool__(self) -> bool:
        return bool(self.first)

    def __str__(self) -> str:
        return ", ".join(self.first) + (f" and {self.more:,} more" if self.more else "")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _opened(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")
