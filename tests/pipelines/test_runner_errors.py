"""What a failed pipeline says, and which runner it runs on."""

import os
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import DirectOptions, SetupOptions, StandardOptions

from pipelines.config import RunnerConfig
from pipelines.runner import Collect, Launcher, RunFailed, collected, explain

WORKER = """generic::unknown: Traceback (most recent call last):
  File "apache_beam/runners/common.py", line 1496, in process
  File "pipelines/files.py", line 120, in written_whole
    yield sink
OSError: [Errno 28] No space left on device

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "pipelines/score.py", line 99, in process
    work()
OSError: [Errno 28] No space left on device: '/run/shards/train-000000.tar'

passed through:
==>
    dist_proc/dax/workflow/worker/fnapi_service_impl.cc:1331 [while running 'Pack-ptransform-42']
"""


@pytest.mark.parametrize(
    ("text", "explained"),
    [
        ("ValueError: no such thing", "ValueError: no such thing"),
        ("ValueError: no such thing [while running 'Read']", "ValueError: no such thing (in Read)"),
        ("pipelines.runner.RunFailed: it broke [while running 'Judge-ptransform-7']", "it broke (in Judge)"),
        ("translate.models.ModelError: model 'x' is broken", "ModelError: model 'x' is broken"),
        (WORKER, "[Errno 28] No space left on device: '/run/shards/train-000000.tar' (in Pack)"),
        (
            "Traceback:\nKeyError: 'a'\nRuntimeError: KeyError: 'a' [while running 'A/B']",
            "KeyError: 'a' (in A/B)",
        ),
        ("something went\n  wrong here  ", "wrong here"),
        ("", "no message"),
        ("  \n ", "no message"),
        ("ValueError: first line\nsecond line", "ValueError: first line"),
        ("apache_beam.utils.retry.PermanentException: gone", "PermanentException: gone"),
    ],
)
def test_explain(text: str, explained: str) -> None:
    """Of a worker's whole traceback the last cause is left, and the step it was in."""
    assert explain(text) == explained


def failing(value: int) -> int:
    """Fail, in two lines."""
    raise ValueError(f"{value} is wrong\nand here is more")


def full(value: int) -> int:
    """Fail as a write to a full disk does."""
    raise OSError(28, "No space left on device", f"/run/{value}")


def refused(value: int) -> int:
    """Fail as the runs' own stages do."""
    raise RunFailed(f"the ledger lacks {value} texts")


def not_a_number(value: int) -> int:
    """Fail as pyarrow does."""
    return len(pa.array([str(value)], pa.int32()))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("step", "explained"),
    [
        (failing, "ValueError: 7 is wrong (in Spoil)"),
        (full, "[Errno 28] No space left on device: '/run/7' (in Spoil)"),
        (refused, "the ledger lacks 7 texts (in Spoil)"),
        (
            not_a_number,
            "ArrowInvalid: Could not convert '7' with type str: tried to convert to int32 (in Spoil)",
        ),
    ],
)
def test_a_failed_pipeline(workers: int, step: Callable[[int], int], explained: str) -> None:
    """A step that raises ends the run with its error and its name in one line, in our process or another thread."""

    def build(pipeline: beam.Pipeline) -> None:
        _ = pipeline | "Numbers" >> beam.Create([7]) | "Spoil" >> beam.Map(step)

    with pytest.raises(RunFailed) as failed:
        Launcher(RunnerConfig(workers=workers)).run(build)
    assert str(failed.value) == explained


def test_collect(tmp_path: Path) -> None:
    """Small results come back as a list."""
    path = str(tmp_path / "out" / "list.json")
    Launcher(RunnerConfig(workers=2)).run(
        lambda pipeline: pipeline | beam.Create([{"a": 1}, {"a": None}]) | Collect(path)  # type: ignore[func-returns-value]
    )
    assert sorted(collected(path), key=str) == [{"a": 1}, {"a": None}]


def test_collect_nothing(tmp_path: Path) -> None:
    """No results are an empty list, not a missing file."""
    path = str(tmp_path / "list.json")
    Launcher(RunnerConfig(workers=1)).run(lambda pipeline: pipeline | beam.Create([]) | Collect(path))  # type: ignore[func-returns-value]
    assert collected(path) == []


@pytest.mark.parametrize(
    ("config", "mode", "workers"),
    [
        (RunnerConfig(workers=1), "in_memory", 1),
        (RunnerConfig(workers=1, mode="multi_processing"), "in_memory", 1),
        (RunnerConfig(workers=4), "multi_threading", 4),
        (RunnerConfig(workers=3, mode="multi_processing"), "multi_processing", 3),
    ],
)
def test_local_options(config: RunnerConfig, mode: str, workers: int) -> None:
    """The local runner has the configured workers and mode; one worker needs no process of its own."""
    options = Launcher(config).options().view_as(DirectOptions)
    assert (options.direct_running_mode, options.direct_num_workers) == (mode, workers)


def test_as_many_workers_as_cores() -> None:
    """Zero workers are one for each core that this process may use."""
    assert Launcher(RunnerConfig()).workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("arguments", [("--runner=PrismRunner",), ("--runner", "PrismRunner")])
def test_a_named_runner_has_its_own_options(arguments: tuple[str, ...]) -> None:
    """Where a runner is named, what was said after -- is passed on and nothing of the local runner is added."""
    options = Launcher(RunnerConfig(workers=4), (*arguments, "--job_name=x")).options()
    assert options.view_as(StandardOptions).runner == "PrismRunner"
    assert options.view_as(DirectOptions).direct_num_workers == 1
    assert options.get_all_options()["job_name"] == "x"


@pytest.mark.parametrize("arguments", [(), ("--runner=PrismRunner",)])
def test_the_main_session_is_not_pickled(arguments: tuple[str, ...]) -> None:
    """Everything lies in modules, on every runner."""
    assert Launcher(RunnerConfig(), arguments).options().view_as(SetupOptions).save_main_session is False


def test_options_after_the_dashes_win() -> None:
    """Whoever asks Beam's local runner for something gets it."""
    options = Launcher(RunnerConfig(workers=4), ("--direct_num_workers=3",)).options().view_as(DirectOptions)
    assert (options.direct_running_mode, options.direct_num_workers) == ("multi_threading", 3)
