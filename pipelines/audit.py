"""The audit pipeline: the finished run in, ``audit.json`` and ``report.html`` out."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
import orjson
import pyarrow as pa

from pipelines import files
from pipelines.calibrations import with_bounds
from pipelines.config import Config
from pipelines.report import render
from pipelines.report.calibration import read_measured
from pipelines.report.cards import pictured
from pipelines.report.figures import Audit, CalibrationFigures
from pipelines.report.tally import tally
from pipelines.report.thumbnails import read_thumbnails
from pipelines.run import Run
from pipelines.runner import Launcher
from pipelines.summary import Summary, merge, summarise, summarise_rejects
from shards.manifest import read_manifest

_BATCH_ROWS = 65_536
"""Rows of a part that are in memory at once."""


def write_audit(run: Run, config: Config, launcher: Launcher) -> Audit:
    """Audit a finished run: write ``audit.json`` and ``report.html`` into its audit folder and return the former.

    The same run gives the same bytes on every runner. Raises `RunFailed` for a calibration that cannot be read.
    """
    target = files.join(run.audit, "audit.json")
    measured = read_measured(run.calibration, config.languages)
    calibration = {code: each.figures() for code, each in measured.items()}
    if files.exists(run.manifest):
        config = with_bounds(config, read_manifest(files.read_bytes(run.manifest)).bounds)
    parts = _parts(run.pairs), _parts(run.rejects)
    figures = WriteFigures(*parts, target=target, config=config, calibration=calibration)
    launcher.run(lambda pipeline: pipeline | "Audit" >> figures)
    # Results do not come back from a runner, so the file is what carries them.
    audit: Audit = orjson.loads(files.read_bytes(target))
    thumbnails = read_thumbnails(pictured(audit), run.shards, layout=config.shards.layout)
    files.write_bytes(
        files.join(run.audit, "report.html"), render(audit, thumbnails=thumbnails, measured=measured).encode()
    )
    return audit


class WriteFigures(beam.PTransform):
    """Pipeline → the path of the audit's JSON, written.

    ``pairs`` and ``rejects`` are paths of Parquet parts; each becomes one summary, and these are combined.
    ``calibration``: what was measured of the noise, by language.
    """

    def __init__(
        self,
        pairs: list[str],
        rejects: list[str],
        *,
        target: str,
        config: Config,
        calibration: Mapping[str, CalibrationFigures],
    ) -> None:
        super().__init__()
        self._pairs = pairs
        self._rejects = rejects
        self._write = functools.partial(_write_figures, target=target, config=config, calibration=dict(calibration))

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Summarise every part, add up and write."""
        pairs = pipeline | "Pairs" >> beam.Create(self._pairs)  # path
        rejects = pipeline | "Rejects" >> beam.Create(self._rejects)  # path
        summaries = (
            pairs | "SummarisePairs" >> beam.Map(_summarise_pairs),  # Summary
            rejects | "SummariseRejects" >> beam.Map(_summarise_rejects),  # Summary
        )
        return (
            summaries
            | "Together" >> beam.Flatten()
            | "Combine" >> beam.CombineGlobally(CombineSummaries())  # one Summary, of nothing where nothing came
            | "Write" >> beam.Map(self._write)  # path
        )


class CombineSummaries(beam.CombineFn):
    """Adds summaries up."""

    def create_accumulator(self) -> Summary:
        """Return the summary of nothing."""
        return Summary()

    def add_input(self, mutable_accumulator: Summary, element: Summary, *_: Any, **__: Any) -> Summary:
        """Return both together."""
        return mutable_accumulator + element

    def merge_accumulators(self, accumulators: Iterable[Summary], *_: Any, **__: Any) -> Summary:
        """Return all together."""
        return merge(accumulators)

    def extract_output(self, accumulator: Summary, *_: Any, **__: Any) -> Summary:
        """Return what was added up."""
        return accumulator


def _summarise_pairs(path: str) -> Summary:
    shard = PurePosixPath(path).stem
    return merge(summarise(table, shard=shard) for table in _tables(path))


def _summarise_rejects(path: str) -> Summary:
    return merge(summarise_rejects(table) for table in _tables(path))


def _tables(path: str) -> Iterable[pa.Table]:
    with files.open_raw(path) as source:
        for batch in files.parquet_file(source).iter_batches(_BATCH_ROWS, use_threads=False):
            yield pa.Table.from_batches([batch])


def _write_figures(summary: Summary, *, target: str, config: Config, calibration: dict[str, CalibrationFigures]) -> str:
    audit = tally(summary, config=config)
    if calibration:
        audit["calibration"] = calibration
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    files.write_bytes(target, orjson.dumps(audit, option=options))
    return target


def _parts(folder: str) -> list[str]:
    return [file.path for file in files.listing(folder, suffix=".parquet")]
