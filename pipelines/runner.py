"""Running a pipeline: which runner, what a failure means, and how small results come back."""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import apache_beam as beam
import orjson
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines import files
from pipelines.config import RunnerConfig


class RunFailed(RuntimeError):  # noqa: N818  it is what happened, as in StopIteration
    """A run that could not go on: one or two lines on what failed and where; exit code 1."""


@dataclass(frozen=True)
class Launcher:
    """Makes pipelines for one runner. Without ``--runner`` among ``beam_args``: FnApiRunner on this machine."""

    config: RunnerConfig
    beam_args: tuple[str, ...] = ()

    @property
    def workers(self) -> int:
        """Parallel workers of the local runner."""
        return self.config.workers or len(os.sched_getaffinity(0))

    def options(self, *, threads: bool = True) -> PipelineOptions:
        """Return the pipeline options: the caller's own where a runner is named, the local ones otherwise.

        ``threads`` says whether the pipeline's work is done outside Python, as the engine's is.
        """
        if not self.local:
            return PipelineOptions([*self.beam_args, "--no_save_main_session"])
        # Threads talk to the local runner by gRPC, which copies every element some ten times; a pipeline whose work is
        # Python's own loses by them, in time and in memory. One worker in a process of its own would be for nothing.
        alone = self.workers == 1 or (self.config.mode == "multi_threading" and not threads)
        return PipelineOptions(
            [
                f"--direct_num_workers={1 if alone else self.workers}",
                f"--direct_running_mode={'in_memory' if alone else self.config.mode}",
                "--no_save_main_session",
                *self.beam_args,  # last, so that they win
            ]
        )

    @property
    def local(self) -> bool:
        """Whether the pipelines run on this machine, as far as is known: no other runner is named."""
        return not any(argument.split("=")[0] == "--runner" for argument in self.beam_args)

    def run(self, build: Callable[[beam.Pipeline], None], *, threads: bool = False) -> None:
        """Build a pipeline and run it to its end; raises `RunFailed` with the cause in one or two lines.

        ``threads`` as for `options`.
        """
        options = self.options(threads=threads)
        # DirectRunner would switch between three runners by what it finds; the name says which one it is.
        pipeline = beam.Pipeline(runner=FnApiRunner() if self.local else None, options=options)
        build(pipeline)
        try:
            with _quiet():
                pipeline.run().wait_until_finish()
        except Exception as error:
            raise RunFailed(explain(f"{type(error).__name__}: {error}")) from error


_CAUSE = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Failed|Invalid)): (.*)$", re.MULTILINE)
_STEP = re.compile(r" \[while running '([^']+)'\]")


def explain(text: str) -> str:
    """Return the last error named in ``text``, which may be a worker's whole traceback, and the step it was in."""
    step = _STEP.findall(text)
    causes = _CAUSE.findall(_STEP.sub("", text))
    kind, message = causes[-1] if causes else ("", text.strip().rpartition("\n")[2].strip() or "no message")
    # Beam wraps an error that it cannot add the step to: RuntimeError: OSError: …
    while inner := _CAUSE.match(message):
        kind, message = inner.groups()
    if kind in ("RunFailed", "OSError"):
        kind = ""
    where = f" (in {step[-1].split('-ptransform-')[0]})" if step else ""
    return f"{kind + ': ' if kind else ''}{message}{where}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Beam from logging and printing the traceback of a failure that is about to be reported in one line."""
    if logging.getLogger().isEnabledFor(logging.INFO):
        yield
        return
    logger = logging.getLogger("apache_beam")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(_WithoutTracebacks(sys.stderr)):
            yield
    finally:
        logger.setLevel(level)


class _WithoutTracebacks:
    """Standard error without the tracebacks that Beam's worker prints there, whatever the log level."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = False

    def write(self, text: str) -> int:
        # print() writes the line's end by itself.
        drops = text.startswith("Traceback (most recent call last)") or (self._dropped and text == "\n")
        self._dropped = drops and text != "\n"
        return len(text) if drops else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Collect(beam.PTransform):
    """(JSON-able value) → the file ``path`` with all of them as a JSON list: results do not come back otherwise.

    Takes few and small values only: they meet on one worker.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def expand(self, values: beam.PCollection) -> beam.PCollection:
        """Group and write; a list of an earlier run is removed at once, and none is written of no value."""
        files.remove([self.path])
        return (
            values
            | "As one group" >> beam.Map(_as_one_group)
            | "Gather" >> beam.GroupByKey()
            | "Write the list" >> beam.Map(_write_json, path=self.path)
        )


def _as_one_group(value: Any) -> tuple[None, Any]:
    return None, value


def _write_json(group: tuple[None, Iterable[Any]], path: str) -> None:
    files.write_bytes(path, orjson.dumps(list(group[1])))


def collected(path: str) -> list[Any]:
    """Return what `Collect` wrote to ``path``, in any order."""
    values: list[Any] = orjson.loads(files.read_bytes(path)) if files.exists(path) else []
    return values
