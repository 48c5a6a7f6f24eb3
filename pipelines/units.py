"""Units: which texts are translated together, and which of them the ledger lacks.

The distinct texts are planned a group at a time, chosen by hash. A group scans the caption parts and the ledger's ids
for what is its own, so that memory holds one group, however many captions, duplicates or ledger rows there are, and
nothing but paths goes through a shuffle.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import files, tables
from pipelines.embeddings import part_ids
from pipelines.ledger import Ledger
from pipelines.plan import Plan
from pipelines.run import Run
from pipelines.runner import Collect, Launcher, collected

GROUP_TEXTS: Final = 200_000
"""Texts that are sorted by length together: some 30 MB, and a hundred units of nearly equal length."""

EMBEDDING: Final = "embedding"
"""Stands in the place of a language for the embedding of the source text; it is no language's code."""

_KNOWN: Final = pa.schema([pa.field("text_id", pa.binary(16)), pa.field("part", pa.int32())])


@dataclass(frozen=True)
class Index:
    """Where the ids lie that a ledger has translated into one language, or embedded, and in which parts."""

    language: str
    """BCP-47, or `EMBEDDING`."""
    path: str
    """Arrow file of text_id and part, an index into ``parts``."""
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Planned:
    """What score has to do."""

    units: list[str]
    """Paths of Arrow tables of text_id, text and one bool column for each language, true where the text is lacking.

    Where embeddings are asked for `EMBEDDING` is a column too.
    """
    stale: list[tuple[str, str]]
    """(language, part name): translated before, but not measured or translated back as asked.

    (`EMBEDDING`, part name) where the sources of such a part are not embedded either: measuring embeds them anyway.
    """
    leftovers: list[str]
    """Folders that nobody needs once it is done."""

    def clear(self) -> None:
        """Delete the files of the plan."""
        files.remove(self.leftovers)


def plan_units(run: Run, plan: Plan, ledger: Ledger, launcher: Launcher, *, texts: int) -> Planned:
    """Plan what ``ledger`` lacks of the ``texts`` distinct texts among the captions that ingest left in ``run``."""
    planned = Planned([], [], [files.join(run.work, name) for name in ("planned", "units", "known")])
    planned.clear()
    groups = groups_of(texts)
    units, stale = files.join(run.work, "units.json"), files.join(run.work, "stale.json")

    def build(pipeline: beam.Pipeline) -> None:
        found = (
            pipeline
            | "Languages" >> beam.Create([*plan.codes, *([EMBEDDING] if plan.embeddings else [])])
            | "Index the ledger" >> beam.Map(index_ledger, plan=plan, ledger=ledger, run=run)  # Index
            | "All indexes" >> beam.combiners.ToList()
            | "Groups" >> beam.FlatMap(_each_group, groups=groups)  # (group, groups, indexes)
            | "Spread the groups" >> beam.Reshuffle()
            | "Plan units" >> beam.ParDo(PlanGroup(run, plan, ledger)).with_outputs("stale", main="units")
        )
        _ = found.units | "Collect units" >> Collect(units)
        _ = found.stale | "Distinct parts" >> beam.Distinct() | "Collect parts" >> Collect(stale)

    launcher.run(build)
    parts = sorted((language, name) for language, name in collected(stale))
    return replace(planned, units=sorted(collected(units)), stale=parts)


def groups_of(texts: int) -> int:
    """Return how many groups ``texts`` distinct texts are planned in: a function of their number alone."""
    return max(1, -(-texts // GROUP_TEXTS))


def _each_group(indexes: list[Index], *, groups: int) -> Iterator[tuple[int, int, list[Index]]]:
    for group in range(groups):
        yield group, groups, indexes


def index_ledger(language: str, *, plan: Plan, ledger: Ledger, run: Run) -> Index:
    """Write the ids of all finished translations into ``language``, or embeddings, to one file, a part at a time."""
    if language == EMBEDDING:
        parts = ledger.parts("embeddings", plan.embeddings or "")
    else:
        parts = ledger.parts("translations", plan.of(language).fingerprints.translations)
    path = files.join(run.work, "known", f"{language}.arrow")
    with files.written_whole(path) as sink, pa.ipc.new_stream(sink, _KNOWN) as writer:
        for i, part in enumerate(parts):
            embedded = language == EMBEDDING
            ids = part_ids(part.path) if embedded else files.read_parquet(part.path, ["text_id"])["text_id"]
            writer.write_table(pa.table([ids, pa.array(np.full(len(ids), i, dtype=np.int32))], schema=_KNOWN))
    return Index(language, path, tuple(PurePosixPath(part.path).name for part in parts))


class PlanGroup(beam.DoFn):
    """(group, groups, indexes) → paths of units with something to do; ``stale``: (language, part) to measure again.

    Units are cut from all of the group's texts, known or not: a restarted run must batch the same sentences
    together, or its log-probabilities would differ in their last digits.
    """

    def __init__(self, run: Run, plan: Plan, ledger: Ledger) -> None:
        self.run = run
        self.plan = plan
        self.ledger = ledger

    def setup(self) -> None:
        """List which parts are complete, once for each worker."""
        self._complete: dict[str, frozenset[str]] = {}
        for language in self.plan.languages:
            prints = language.fingerprints
            complete = self.ledger.names("scores", prints.scores)
            if prints.backs:
                complete &= self.ledger.names("backs", prints.backs)
            self._complete[language.language.code] = complete

    def process(self, element: tuple[int, int, list[Index]]) -> Iterator[Any]:
        """Plan one group."""
        group, groups, indexes = element
        texts = group_texts(self.run.captions, group, groups)
        texts = texts.append_column("length", pc.utf8_length(texts["text"]))
        texts = texts.sort_by([("length", "ascending"), ("text_id", "ascending")]).drop_columns("length")
        ids = texts["text_id"].combine_chunks()
        lacking: dict[str, np.ndarray[Any, np.dtype[np.bool_]]] = {}
        stale: dict[str, list[pa.Array]] = {}
        for index in indexes:
            known = _known(index, ids, group, groups)
            lacking[index.language] = _absent(ids, known["text_id"])
            for i in sorted(known["part"].unique().to_pylist()) if index.language != EMBEDDING else ():
                part = index.parts[i]
                if part not in self._complete[index.language]:
                    yield beam.pvalue.TaggedOutput("stale", (index.language, part))
                    stale.setdefault(part, []).append(known.filter(pc.equal(known["part"], i))["text_id"])
        if EMBEDDING in lacking:
            bare = ids.filter(pa.array(lacking[EMBEDDING]))
            for part, found in stale.items():
                here = pa.chunked_array([chunk for one in found for chunk in one.chunks], pa.binary(16))
                if pc.any(pc.is_in(here, value_set=bare)).as_py():
                    yield beam.pvalue.TaggedOutput("stale", (EMBEDDING, part))
                    lacking[EMBEDDING] &= _absent(ids, here)
        missing = sum(int(lacks.sum()) for lacks in lacking.values())
        # The name says it all: this is for whoever watches, on whatever runner.
        files.write_bytes(files.join(self.run.work, "planned", f"{group:05d}-{missing}"), b"")
        size = self.plan.unit_size
        for start in range(0, len(ids), size):
            if any(lacks[start : start + size].any() for lacks in lacking.values()):
                unit = texts.slice(start, size)
                for code, lacks in lacking.items():
                    unit = unit.append_column(code, pa.array(lacks[start : start + size]))
                path = files.join(self.run.work, "units", f"{group:05d}-{start // size:05d}.arrow")
                files.write_bytes(path, files.ipc_bytes(unit))
                yield path


def group_texts(captions: str, group: int, groups: int) -> pa.Table:
    """Return the distinct texts (text_id, text) of one group among the caption parts in the folder ``captions``."""
    found: list[pa.Table] = []
    rows = 0
    for part in files.listing(captions):
        texts = files.read_parquet(part.path, ["text_id", "text"])
        chosen = tables.id_hashes(texts["text_id"]) % groups == group
        found.append(tables.unique_rows(texts.filter(pa.array(chosen)), "text_id"))
        rows += found[-1].num_rows
        if rows > 2 * GROUP_TEXTS:
            found = [tables.unique_rows(pa.concat_tables(found), "text_id").combine_chunks()]
            rows = found[0].num_rows
    return tables.unique_rows(pa.concat_tables(found), "text_id").combine_chunks()


def _known(index: Index, wanted: pa.Array, group: int, groups: int) -> pa.Table:
    """Return the rows of ``index`` (text_id, part) whose ids are among ``wanted``, which are of one group."""
    known = [_KNOWN.empty_table()]
    for rows in _batches(index.path):
        mine = rows.filter(pa.array(tables.id_hashes(rows["text_id"]) % groups == group))
        known.append(mine.filter(pc.is_in(mine["text_id"], value_set=wanted)))
    return pa.concat_tables(known).combine_chunks()


def _absent(ids: pa.Array, known: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return whether each of ``ids`` is not among ``known``, bool [ids], to be changed at will."""
    return np.array(pc.invert(pc.is_in(ids, value_set=known)))


def _batches(path: str) -> Iterator[pa.Table]:
    """Yield the rows of an Arrow file, many of its batches at once: every look-up builds a table of what is wanted."""
    batches: list[pa.RecordBatch] = []
    with files.open_raw(path) as source:
        for batch in pa.ipc.open_stream(source):
            batches.append(batch)
            if sum(one.num_rows for one in batches) >= GROUP_TEXTS:
                yield pa.Table.from_batches(batches)
                batches = []
    yield pa.Table.from_batches(batches, _KNOWN)
