"""The step of ingest that keeps evaluation sets out: overlaps are found in every part, then their items are dropped."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.utils.shared import Shared

from pipelines import files
from pipelines.exclusion.overlaps import OVERLAPS, EvaluationIndex, firsts, without_overlaps
from pipelines.run import Run


class ExcludeOverlaps(beam.PTransform):
    """(anything, once a part of ``run.read`` is written) → for each part the captions kept and the rejects by reason.

    ``run.evaluation`` must be there. The kept captions become the parts of ``run.captions``. An item's captions may
    lie in several parts, so all of them are searched before any is written.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def expand(self, read: beam.PCollection) -> beam.PCollection:
        """Search all parts, then write them."""
        return (
            read
            | "All read" >> beam.combiners.Count.Globally()
            | "Parts to search" >> beam.FlatMap(_paths, folder=self.run.read)
            | "Spread the search" >> beam.Reshuffle()
            | "Find overlaps" >> beam.ParDo(FindOverlaps(self.run, Shared()))
            | "All searched" >> beam.combiners.Count.Globally()
            | "Parts to write" >> beam.FlatMap(_paths, folder=self.run.read)
            | "Spread the writing" >> beam.Reshuffle()
            | "Drop overlaps" >> beam.ParDo(DropOverlaps(self.run, Shared()))
        )


def _paths(_: int, folder: str) -> list[str]:
    return [part.path for part in files.listing(folder)]


class FindOverlaps(beam.DoFn):
    """Path of a caption part → the same; its overlaps are in a part of ``run.overlaps``."""

    def __init__(self, run: Run, shared: Shared) -> None:
        self.run = run
        self.shared = shared

    def setup(self) -> None:
        """Index the evaluation sets, once for all threads of a process."""
        self.index = self.shared.acquire(lambda: EvaluationIndex(files.read_parquet(self.run.evaluation)))

    def process(self, path: str) -> Iterator[str]:
        """Search one part."""
        found = self.index.find(files.read_parquet(path, ["key", "text"]))
        if found.num_rows:
            files.write_parquet(files.join(self.run.overlaps, PurePosixPath(path).name), found)
        yield path


class _Overlaps:
    """What was found in all parts, with what it was found by."""

    def __init__(self, run: Run) -> None:
        parts = [files.read_parquet(part.path) for part in files.listing(run.overlaps)]
        self.overlaps = firsts(pa.concat_tables([OVERLAPS.empty_table(), *parts]))
        self.evaluation = files.read_parquet(run.evaluation)


class DropOverlaps(beam.DoFn):
    """Path of a part of ``run.read`` → ``{"captions": kept, "rejects": {reason: count}}``; both are written."""

    def __init__(self, run: Run, shared: Shared) -> None:
        self.run = run
        self.shared = shared
        self.found: _Overlaps | None = None

    def process(self, path: str) -> Iterator[dict[str, Any]]:
        """Write one part again, without the items that overlap."""
        # Not in setup, which a runner may call before the search is over; once for all threads of a process.
        self.found = self.found or self.shared.acquire(lambda: _Overlaps(self.run))
        kept, rejects = without_overlaps(files.read_parquet(path), self.found.overlaps, self.found.evaluation)
        name = PurePosixPath(path).name
        if kept.num_rows:
            files.write_parquet(files.join(self.run.captions, name), kept)
        if rejects.num_rows:
            files.write_parquet(files.join(self.run.rejects, f"input-overlap-{name}"), rejects)
        yield {"captions": kept.num_rows, "rejects": {"evaluation_overlap": rejects.num_rows}}
