"""Score: distinct texts to the ledger: translated, translated back where asked, and measured, a unit at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.utils.shared import Shared

from pipelines import files, tables
from pipelines.ledger import Ledger, part_name
from pipelines.measure import Models, Worker
from pipelines.plan import Plan
from pipelines.run import Run
from pipelines.runner import Collect, Launcher, collected

_BUCKET_TEXTS: Final = 100_000
"""Texts that are sorted by length together: some 10 MB, and dozens of units of nearly equal length."""


@dataclass(frozen=True)
class Scored:
    """What a score run did, by language."""

    texts: int
    translated: dict[str, int]
    """Texts that were not in the ledger."""
    rescored: dict[str, int]
    """Texts that were there, but measured now, or translated back now."""


def score(run: Run, plan: Plan, ledger: Ledger, launcher: Launcher, *, texts: int) -> Scored:
    """Bring everything that ``plan`` asks for into ``ledger``, for the captions that ingest left in ``run``.

    ``texts`` is the number of distinct texts. What the ledger holds is not made again.
    """
    done = files.join(run.work, "scored.json")
    files.remove([files.join(run.work, "planned")])
    buckets = max(1, -(-texts // _BUCKET_TEXTS))

    def build(pipeline: beam.Pipeline) -> None:
        captions = (
            pipeline
            | "Caption parts" >> beam.Create([part.path for part in files.listing(run.captions)])
            | "Spread caption parts" >> beam.Reshuffle()
            | "Read texts" >> beam.FlatMap(read_texts, buckets=buckets)  # (bucket, IPC of text_id, text)
        )
        known = (
            pipeline
            | "Ledger parts" >> beam.Create(list(_ledger_parts(plan, ledger)))
            | "Spread ledger parts" >> beam.Reshuffle()
            | "Read ids" >> beam.FlatMap(read_ids, buckets=buckets)  # (bucket, (language, part, IPC of text_id))
        )
        planned = (
            {"texts": captions, "known": known}
            | "Texts and ledger" >> beam.CoGroupByKey()
            | "Plan units" >> beam.ParDo(PlanUnits(run, plan, ledger)).with_outputs("stale", main="units")
        )
        shared = Shared()
        new = (
            planned.units  # IPC of text_id, text and one bool column for each language that lacks the text
            | "Spread units" >> beam.Reshuffle()
            | "Translate and measure" >> beam.ParDo(TranslateUnit(plan, ledger, shared))
        )
        again = (
            planned.stale  # (language, part): translated before, but not measured as asked
            | "Distinct parts" >> beam.Distinct()
            | "Spread parts" >> beam.Reshuffle()
            | "Measure again" >> beam.ParDo(CompletePart(plan, ledger, shared))
        )
        _ = (new, again) | "Both" >> beam.Flatten() | "Collect" >> Collect(done)

    launcher.run(build, threads=True)
    counts = collected(done)

    def total(what: str) -> dict[str, int]:
        codes = [language.language.code for language in plan.languages]
        return {code: sum(n for kind, lang, n in counts if (kind, lang) == (what, code)) for code in codes}

    return Scored(texts=texts, translated=total("translated"), rescored=total("rescored"))


def _ledger_parts(plan: Plan, ledger: Ledger) -> Iterator[tuple[str, str]]:
    for language in plan.languages:
        for part in ledger.parts("translations", language.fingerprints.translations):
            yield language.language.code, part.path


def read_texts(path: str, *, buckets: int) -> Iterator[tuple[int, bytes]]:
    """Yield (bucket, table of the distinct text_id and text of one caption part)."""
    texts = tables.unique_rows(files.read_parquet(path, ["text_id", "text"]), "text_id")
    for bucket, rows in tables.partition(texts, tables.id_hashes(texts["text_id"]) % buckets):
        yield bucket, files.ipc_bytes(rows)


def read_ids(element: tuple[str, str], *, buckets: int) -> Iterator[tuple[int, tuple[str, str, bytes]]]:
    """Yield (bucket, (language, part name, table of text_id)) of one translations part."""
    language, path = element
    ids = files.read_parquet(path, ["text_id"])
    for bucket, rows in tables.partition(ids, tables.id_hashes(ids["text_id"]) % buckets):
        yield bucket, (language, PurePosixPath(path).name, files.ipc_bytes(rows))


class PlanUnits(beam.DoFn):
    """(bucket, its texts and what the ledger knows) → units with something to do; parts to be measured again.

    Units are cut from all of the bucket's texts, known or not: a restarted run must batch the same sentences
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

    def process(self, element: tuple[int, dict[str, Iterable[Any]]]) -> Iterator[Any]:
        """Plan one bucket."""
        bucket, grouped = element
        contents = [files.ipc_table(content) for content in grouped["texts"]]
        if not contents:
            return
        texts = tables.unique_rows(pa.concat_tables(contents), "text_id")
        lengths = pc.utf8_length(texts["text"])
        texts = texts.append_column("length", lengths)
        texts = texts.sort_by([("length", "ascending"), ("text_id", "ascending")]).drop_columns("length")
        wanted = np.sort(tables.id_strings(texts["text_id"]))
        known: dict[str, list[np.ndarray[Any, Any]]] = {}
        for language, part, content in grouped["known"]:
            ids = tables.id_strings(files.ipc_table(content)["text_id"])
            known.setdefault(language, []).append(ids)
            if part not in self._complete[language] and np.isin(ids, wanted, assume_unique=True).any():
                yield beam.pvalue.TaggedOutput("stale", (language, part))
        ids = tables.id_strings(texts["text_id"])
        lacking = {}
        for plan in self.plan.languages:
            code = plan.language.code
            lacking[code] = ~np.isin(ids, np.concatenate(known[code])) if code in known else np.ones(len(ids), bool)
        missing = sum(int(lacks.sum()) for lacks in lacking.values())
        # The name says it all: this is for whoever watches, on whatever runner.
        files.write_bytes(files.join(self.run.work, "planned", f"{bucket:05d}-{missing}"), b"")
        for start in range(0, len(ids), self.plan.unit_size):
            rows = slice(start, start + self.plan.unit_size)
            if any(lacks[rows].any() for lacks in lacking.values()):
                unit = texts.slice(start, self.plan.unit_size)
                for code, lacks in lacking.items():
                    unit = unit.append_column(code, pa.array(lacks[rows]))
                yield files.ipc_bytes(unit)


class _WithWorker(beam.DoFn):
    """Loads what measures and translates once for each process; threads share it."""

    def __init__(self, plan: Plan, ledger: Ledger, shared: Shared) -> None:
        self.plan = plan
        self.ledger = ledger
        self.shared = shared

    def setup(self) -> None:
        """Take the process's models, loading them where nobody has."""
        self.worker = Worker(self.plan, self.ledger, self.shared.acquire(lambda: Models(self.plan)))


class TranslateUnit(_WithWorker):
    """IPC of a unit → its parts in the ledger; (``translated``, language, texts) for each language."""

    def process(self, element: bytes) -> Iterator[tuple[str, str, int]]:
        """Translate and measure one unit in every language that lacks some of it."""
        unit = files.ipc_table(element)
        for plan in self.plan.languages:
            texts = unit.filter(unit[plan.language.code]).select(["text_id", "text"])
            if texts.num_rows:
                name = part_name(texts["text_id"])
                self.worker.complete(plan, name, self.worker.translate(plan, name, texts))
                yield "translated", plan.language.code, texts.num_rows


class CompletePart(_WithWorker):
    """(language, part) → its missing back-translations and scores in the ledger; (``rescored``, language, texts)."""

    def process(self, element: tuple[str, str]) -> Iterator[tuple[str, str, int]]:
        """Bring one part up to what is asked."""
        code, name = element
        plan = next(plan for plan in self.plan.languages if plan.language.code == code)
        path = self.ledger.part("translations", plan.fingerprints.translations, name)
        translations = files.read_parquet(path)
        self.worker.complete(plan, name, translations)
        yield "rescored", code, translations.num_rows
