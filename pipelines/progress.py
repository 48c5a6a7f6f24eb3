"""What a person sees while a stage runs: a bar in a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, Generic, Protocol, TypeVar

import pyarrow.compute as pc
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from pipelines import files
from pipelines.embeddings import part_ids
from pipelines.ledger import Ledger
from pipelines.plan import Plan
from pipelines.run import Run

T = TypeVar("T")

_TERMINAL_SECONDS: Final = 0.5
_LOG_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Status:
    """How far a stage is: ``done`` of ``total`` things (None: not known yet), and the rest of the line."""

    done: int
    total: int | None
    details: str = ""


class Gauge(Protocol):
    """Tells how far a stage is, from what it has left on disk: true in every running mode."""

    def __call__(self) -> Status:
        """Return the status now."""
        ...


@dataclass(frozen=True)
class Reporter:
    """Shows stages as they run. Everything goes to standard error, so that output can be piped."""

    quiet: bool = False
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    def say(self, line: str) -> None:
        """Print one line."""
        if not self.quiet:
            self.console.print(line, markup=False, soft_wrap=True)

    def watch(self, title: str, work: Callable[[], T], gauge: Gauge | None = None) -> T:
        """Run ``work`` in a thread of its own, show ``gauge`` meanwhile, and return or raise what it does.

        A `KeyboardInterrupt` comes out at once, with ``work`` still running: the process is expected to end.
        """
        worker = _Worker(work)
        worker.start()
        if self.quiet:
            worker.join()
        elif self.console.is_terminal:
            self._bar(title, worker, gauge)
        else:
            self._lines(title, worker, gauge)
        return worker.result()

    def _bar(self, title: str, worker: "_Worker[T]", gauge: Gauge | None) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[details]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(title, total=None, details="")
            while worker.runs_on(_TERMINAL_SECONDS):
                if gauge:
                    status = gauge()
                    progress.update(task, completed=status.done, total=status.total, details=status.details)

    def _lines(self, title: str, worker: "_Worker[T]", gauge: Gauge | None) -> None:
        began, first = time.monotonic(), None
        while worker.runs_on(_LOG_SECONDS):
            status = gauge() if gauge else None
            if status is None or status.total is None:
                self.say(f"{title}: running for {time.monotonic() - began:.0f} s")
                continue
            first = status.done if first is None else first
            passed, gained = time.monotonic() - began, status.done - first
            left = f", ETA {(status.total - status.done) * passed / gained:.0f} s" if gained else ""
            self.say(
                f"{title}: {status.done:,} of {status.total:,}{', ' if status.details else ''}{status.details}{left}"
            )


class _Worker(threading.Thread, Generic[T]):
    """Runs one callable and keeps its result or error. A daemon: it does not keep a stopped process alive."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._result: T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001  raised again by result()
            self._error = error

    def runs_on(self, seconds: float) -> bool:
        """Wait ``seconds`` or until the work is done; return whether it still runs."""
        self.join(seconds)
        return self.is_alive()

    def result(self) -> T:
        """Return what the work returned, or raise what it raised."""
        if self._error:
            raise self._error
        return self._result  # type: ignore[return-value]


@dataclass
class ScoreGauge:
    """Captions translated and measured, and embedded, of those the plan found missing; rates since the start."""

    run: Run
    plan: Plan
    ledger: Ledger
    _began: float = field(default_factory=time.monotonic)
    _seen: dict[str, frozenset[str]] = field(default_factory=dict)
    _captions: int = 0
    _embedded: int = 0
    _tokens: int = 0
    _latest: str = ""
    _parts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for language in self.plan.languages:
            prints = language.fingerprints
            self._seen[language.language.code] = self.ledger.names("scores", prints.scores)
        self._parts = self._embedding_parts()

    def __call__(self) -> Status:
        """Count the parts that are new since the last call."""
        for language in self.plan.languages:
            code, prints = language.language.code, language.fingerprints
            for name in self.ledger.names("scores", prints.scores) - self._seen[code]:
                self._seen[code] |= {name}
                tokens = files.read_parquet(self.ledger.part("translations", prints.translations, name), ["mt_tokens"])
                self._captions += tokens.num_rows
                self._tokens += pc.sum(tokens["mt_tokens"]).as_py() or 0
                self._latest = code
        parts = self._embedding_parts()
        self._embedded += sum(len(part_ids(path)) for path in parts - self._parts)
        self._parts |= parts
        seconds = max(time.monotonic() - self._began, 1e-9)
        rates = f"{self._captions / seconds:,.0f} captions/s, {self._tokens / seconds:,.0f} tokens/s"
        done = self._captions + self._embedded
        return Status(done, planned(self.run), f"{rates}, {self._latest}" if self._latest else rates)

    def _embedding_parts(self) -> frozenset[str]:
        folder = self.plan.embeddings
        return frozenset(part.path for part in self.ledger.parts("embeddings", folder)) if folder else frozenset()


def planned(run: Run) -> int | None:
    """Return how many captions, summed over languages, score has to make and to embed; None while that is found out."""
    counts = [
        int(PurePosixPath(file.path).stem.split("-")[1]) for file in files.listing(files.join(run.work, "planned"))
    ]
    return sum(counts) if counts else None


@dataclass
class CutGauge:
    """Shards that this cut has packed so far, of ``total``."""

    run: Run
    total: int
    _began: float = field(default_factory=time.time)

    def __call__(self) -> Status:
        """Count the records that are newer than this gauge; those of an earlier cut lie there too."""
        records = files.listing(files.join(self.run.work, "cut"), suffix=".json")
        return Status(sum(files.modified(record.path) >= self._began for record in records), self.total, "shards")
