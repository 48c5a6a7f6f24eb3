"""What every benchmark does alike: time, memory, a process of its own for what is measured, one table, its JSON."""

import argparse
import importlib.metadata
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import orjson
from rich import box
from rich.console import Console
from rich.table import Table

T = TypeVar("T")

Cell = str | int | float | None

_PACKAGES = ("apache-beam", "ctranslate2", "numpy", "pyarrow", "webdataset")


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass
class Stopwatch:
    """Wall and CPU seconds (of all threads of this process) of a ``with`` block."""

    seconds: float = 0.0
    cpu: float = 0.0

    def __enter__(self) -> Self:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu


@dataclass(frozen=True)
class Alone:
    """What a function returned in a process of its own, and the memory of that process in MB (10^6 bytes)."""

    result: object
    peak: float
    """Of the process, or of the largest of its children if that is more."""
    before: float
    """When the function began: interpreter and imports of its module."""


def alone(function: Callable[..., T], *arguments: object) -> tuple[T, Alone]:
    """Call ``function`` in a fresh process (spawned, so that nothing is inherited) and return its result.

    ``function`` must be importable; its result travels by pickle; what it raises is raised here.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(_call, function, *arguments).result()
    return found.result, found  # type: ignore[return-value]


def _call(function: Callable[..., object], *arguments: object) -> Alone:
    before = _memory("VmRSS")
    result = function(*arguments)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    return Alone(result, max(_memory("VmHWM"), children), before)


def _memory(name: str) -> float:
    # Not ru_maxrss of this process: Linux counts in it what the parent held when it started us.
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"/proc/self/status has no {name}")


@dataclass
class Report:
    """One table: a column is a title and how its numbers are written (a format specification)."""

    title: str
    columns: dict[str, str]
    rows: list[dict[str, Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Append a row: a cell for each column, None where there is nothing to say."""
        self.rows.append(dict(zip(self.columns, cells, strict=True)))

    def show(self, json_file: Path | None) -> None:
        """Print the table, and write the same figures to ``json_file`` where it is given."""
        table = Table(title=self.title, box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left")
        for i, name in enumerate(self.columns):
            table.add_column(name, justify="right" if i else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*(_written(row[name], form) for name, form in self.columns.items()))
        # A pipe has no width to fit: whole rows are wanted there.
        console = Console(highlight=False, markup=False)
        console = console if console.is_terminal else Console(highlight=False, markup=False, width=160)
        console.print(table)
        for note in [*self.notes, machine()]:
            console.print(note, soft_wrap=True)
        if json_file:
            content = {"title": self.title, "machine": machine(), "rows": self.rows, "notes": self.notes}
            json_file.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _written(cell: Cell, form: str) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else format(cell, form)


def machine() -> str:
    """Return one line on what was measured on."""
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in _PACKAGES)
    return f"{cores()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {versions}"


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark takes; its help is the script's docstring ``doc``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(__file__).resolve().parents[2] / "shared" / "data",
        metavar="DIR",
        help="the real data (default: ../shared/data beside the checkout)",
    )
    return parser


def needed(path: Path) -> Path:
    """Return ``path``; ends the script with one line where nothing is there."""
    if not path.exists():
        raise SystemExit(f"{path} is not there: this benchmark measures on real data, say where it is with --data")
    return path
