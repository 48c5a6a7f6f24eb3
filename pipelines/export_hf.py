"""What ``captionloom export hf`` does: a finished run in, a dataset folder for Hugging Face's `datasets` out."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import files
from pipelines.config import Config, ConfigError
from pipelines.export import EXPORTED, ROW_GROUP, Finished, Selection, Wanted, select
from pipelines.folders import appearing, check_out
from pipelines.models import list_models
from pipelines.report.words import percent
from pipelines.run import Run
from pipelines.teachers import find_teacher
from shards.dataset_card import SPLITS, Card, CardLanguage, CardModel, ordered
from translate.languages import parse_language
from translate.models import Model, ModelError

FILE_ROWS: Final = 500_000
"""Rows of one Parquet file: some 100 MB."""


@dataclass
class Counts:
    """What is to be exported, counted before anything is written."""

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(language, split of the run) → pairs."""
    items: int = 0
    """Media items with a pair."""


def export_hf(run: Run, out: str, wanted: Wanted, *, overwrite: bool, file_rows: int = FILE_ROWS) -> Card:
    """Write the kept pairs to the folder ``out``: ``data/LANGUAGE/SPLIT-00000-of-00001.parquet`` and README.md.

    `datasets.load_dataset` gives one configuration a language, and one of all. ``file_rows``, a multiple of
    `ROW_GROUP`, are the rows of a file at most. Raises `ConfigError` with all that is wrong, before anything is
    written.
    """
    problems: list[str] = []
    selection = select(run, wanted, problems)
    problems += check_out(out, overwrite=overwrite)
    splits = _split_names(selection.splits, problems) if selection else {}
    if selection is None or problems:
        raise ConfigError(problems)
    counts = count(selection)
    if not counts.rows:
        raise ConfigError([f"{run.root}: no kept pair is chosen: there is nothing to export"])
    paths = {(code, split): _paths(code, splits[split], rows, file_rows) for (code, split), rows in counts.rows.items()}
    card = _card(selection, counts, splits, paths)
    with appearing(out, overwrite=overwrite) as folder:
        for split, shards in groupby(selection.shards, key=lambda shard: shard.split):
            with ExitStack() as stack:
                writers = {
                    code: stack.enter_context(_Writer(folder, paths[code, split], file_rows))
                    for code in selection.languages
                    if (code, split) in paths
                }
                for table in (table for shard in shards for table in selection.pairs(shard)):
                    for code, writer in writers.items():
                        writer.add(table.filter(pc.equal(table["language"], code)))
        (folder / "README.md").write_text(card.to_markdown(), "utf-8")
    return card


def hf_lines(card: Card, out: str) -> Iterator[str]:
    """Say what was written, line by line."""
    yield f"{out}: {card.rows:,} pairs of {card.items:,} items"
    for language in card.languages:
        said = ", ".join(f"{split} {rows:,}" for split, rows in language.rows.items())
        yield f"  {language.code:<10}{said or 'no pair'}"
    yield f"load_dataset({out!r}) loads all languages, load_dataset({out!r}, {card.languages[0].code!r}) one"


def count(selection: Selection) -> Counts:
    """Count what ``selection`` holds; every key is in one shard."""
    counts = Counts()
    for shard in selection.shards:
        keys: set[str] = set()
        for table in selection.pairs(shard, ["key", "language"]):
            keys.update(table["key"].unique().to_pylist())
            for counted in table["language"].value_counts().to_pylist():
                counts.rows[counted["values"], shard.split] += counted["counts"]
        counts.items += len(keys)
    return counts


class _Writer:
    """Writes the pairs of one language and split to Parquet files, in row groups of one size."""

    def __init__(self, folder: Path, paths: tuple[str, ...], file_rows: int) -> None:
        self._paths = iter([folder / path for path in paths])
        self._file_rows = file_rows
        self._held: list[pa.Table] = []
        self._waiting = 0
        self._left = 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._waiting:
            self._write(self._waiting)
        if self._writer:
            self._writer.close()

    def add(self, pairs: pa.Table) -> None:
        """Append ``pairs``; what does not fill a row group waits."""
        self._held.append(pairs)
        self._waiting += pairs.num_rows
        while self._waiting >= ROW_GROUP:
            self._write(ROW_GROUP)

    def _write(self, rows: int) -> None:
        held = pa.concat_tables(self._held)
        if not self._left:
            if self._writer:
                self._writer.close()
            path = next(self._paths)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer, self._left = pq.ParquetWriter(path, EXPORTED, compression="zstd"), self._file_rows
        if self._writer:
            self._writer.write_table(held.slice(0, rows).combine_chunks())
        self._held, self._waiting = [held.slice(rows)], self._waiting - rows
        self._left -= rows


def _split_names(splits: tuple[str, ...], problems: list[str]) -> dict[str, str]:
    """Return what Hugging Face calls each split; it takes letters, digits, ``_`` and ``.`` between them."""
    names = {split: SPLITS.get(split, split) for split in splits}
    for split, name in names.items():
        if not re.fullmatch(r"\w+(\.\w+)*", name):
            problems.append(f"split {split!r} is no name of a split for datasets: leave it out, with --split")
        twins = [other for other in splits if names[other] == name]
        if len(twins) > 1 and split == twins[0]:
            problems.append(f"splits {', '.join(twins)} would all be {name!r}: leave out all but one, with --split")
    return names


def _paths(code: str, split: str, rows: int, file_rows: int) -> tuple[str, ...]:
    files_of = -(-rows // file_rows)
    return tuple(f"data/{code}/{split}-{i:05d}-of-{files_of:05d}.parquet" for i in range(files_of))


def _card(
    selection: Selection, counts: Counts, splits: Mapping[str, str], paths: Mapping[tuple[str, str], tuple[str, ...]]
) -> Card:
    of = selection.of
    config, audit = of.config, _audit(of)
    source = parse_language(config.source_language)
    languages = []
    for code in selection.languages:
        figures = audit.get("languages", {}).get(code, {})
        run_splits = {splits[split]: split for split in selection.splits if (code, split) in paths}
        mine = [run_splits[name] for name in ordered(run_splits)]
        reasons = {reason: figure["pairs"] for reason, figure in figures.get("reasons", {}).items()}
        if mine:
            languages.append(
                CardLanguage(
                    code=code,
                    name=parse_language(code).name,
                    made=of.manifest.captions_in_shards,
                    kept=figures.get("kept"),
                    rows={splits[split]: counts.rows[code, split] for split in mine},
                    files={splits[split]: paths[code, split] for split in mine},
                    noise=_noise(audit.get("calibration", {}).get(code)),
                    dropped=dict(sorted(reasons.items(), key=lambda counted: (-counted[1], counted[0]))),
                )
            )
    left_out = [code for code in selection.languages if code not in {language.code for language in languages}]
    return Card(
        source_code=source.code,
        source_name=source.name,
        items=counts.items,
        languages=tuple(languages),
        models=tuple(_models(config)),
        teacher=_shown(config.score.teacher),
        columns={entry.name: (str(entry.type), _COLUMNS.get(entry.name, "a score")) for entry in EXPORTED},
        judged_by=_judged_by(config, of.manifest.bounds),
        selection=_selection(selection),
        notes=(*(f"{code}: no pair is kept, so it is not in it." for code in left_out), *audit.get("notes", ())),
    )


def _audit(of: Finished) -> dict[str, Any]:
    """Return the run's audit; empty where there is none, or only that of another cut."""
    try:
        audit = orjson.loads(files.read_bytes(files.join(of.run.audit, "audit.json")))
        told = (audit["totals"]["pairs_made"], audit["totals"]["pairs_kept"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return audit if told == (of.manifest.pairs_made, of.manifest.pairs_kept) else {}


def _noise(calibration: Mapping[str, Any] | None) -> str | None:
    if calibration is None:
        return None
    rate = calibration["noise_rate"]
    return f"{percent(rate['estimate'], 1)} ({percent(rate['low'], 1)} to {percent(rate['high'], 1)})"


_COLUMNS: Final = {
    "key": "names the image or video",
    "n": "number of the caption among those of its key, from 0",
    "split": "of the run",
    "language": "of the translation, BCP-47",
    "source": "the caption",
    "target": "its translation",
    "back": "the translation, translated back; null where nothing was",
    "weight": "how much to train on the pair, 0 to 1",
}

_MINI: Final = (
    "Apache-2.0; trained on Multi30k, which is for non-commercial research, and on Flickr8k-CN, which states no licence"
)


def _models(config: Config) -> Iterator[CardModel]:
    """Yield the models of ``config``; what is no longer on this machine is only named."""
    back = config.translate.back_translation
    for use in list_models(config, fetch=False):
        there = any(one.code == config.source_language for one, _ in use.directions)
        again = any(other.code == config.source_language for _, other in use.directions)
        role = " and ".join(said for said, so in (("translated", there), ("translated back", back and again)) if so)
        licence, details = None, "not on the machine that wrote this card"
        if use.found:
            model, origin = use.found
            licence = _MINI if use.name == "mini" else origin.licence
            revision = f"revision {origin.revision}, " if origin.revision else ""
            details = f"{revision}digest {model.digest}" if isinstance(model, Model) else revision.removesuffix(", ")
        yield CardModel(_shown(use.name), role or "measured the similarity", licence, details)
    if config.score.teacher != "none":
        try:
            found = find_teacher(config.score, make=False)
        except ModelError:
            return
        if found and found[0].files is None:  # a bundled one, which `list_models` leaves out
            yield CardModel(
                config.score.teacher, "measured the similarity", found[1].licence, "bundled with captionloom"
            )


def _shown(name: str) -> str:
    """Return a model's name without the folders of this machine."""
    return PurePosixPath(name).name if name.startswith("/") else name


def _judged_by(config: Config, bounds: Mapping[str, float]) -> str:
    rules = ", ".join(f"`{rule}`" for rule in config.judge.active_rules)
    said = f"A pair was dropped by any of the rules {rules}; the weight of a kept one, in [0, 1], is "
    if not config.judge.by_probability:
        return f"{said}that of its weakest score."
    found = ", ".join(f"{code} {bound:g}" for code, bound in bounds.items())
    bounded = f" Bounds on that: {found}." if found else ""
    return f"{said}its probability of being clean, learnt from planted noise.{bounded}"


def _selection(selection: Selection) -> str:
    said = []
    if selection.min_weight > 0:
        said.append(f"Only pairs with a weight of {selection.min_weight:g} or more are in it.")
    if left := [split for split in selection.of.splits if split not in selection.splits]:
        said.append(f"The run's splits {', '.join(left)} are not in it.")
    return " ".join(said)
