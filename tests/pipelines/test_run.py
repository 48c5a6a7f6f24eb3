"""The run directory: whose configuration it holds, and who is at work in it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.config import Config, ConfigError
from pipelines.run import Run, claimed, settle

INPUT = {"format": "jsonl", "path": ["/data/captions.jsonl"]}


def config(**sections: Any) -> Config:
    """Return a configuration with these sections."""
    return Config.model_validate({"input": INPUT, "languages": ["de"], **sections})


def refusal(run: Run, changed: Config) -> str:
    """Return the one problem with continuing ``run`` with ``changed``."""
    with pytest.raises(ConfigError) as refused:
        settle(run, changed, overwrite=False)
    (problem,) = refused.value.problems
    return problem


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run directory that is not there yet."""
    return Run(str(tmp_path / "run"))


def test_where_everything_lies() -> None:
    """The names are the design's."""
    run = Run("/data/run")
    assert run.config == "/data/run/config.yaml"
    assert run.manifest == "/data/run/shards/manifest.json"
    assert (run.pairs, run.rejects, run.audit) == tuple(f"/data/run/{n}" for n in ("pairs", "rejects", "audit"))
    assert run.captions == "/data/run/work/captions"


def test_the_ledger_is_the_runs_own_or_the_configured(run: Run) -> None:
    """A ledger may be shared by several runs."""
    assert run.ledger(config()) == f"{run.root}/ledger"
    assert run.ledger(config(ledger="/shared/ledger")) == "/shared/ledger"


def test_every_default_is_written_out(run: Run) -> None:
    """The run says all that it was made with, but not where it lies."""
    settle(run, config(), overwrite=False)
    held = yaml.safe_load(Path(run.config).read_text())
    assert held["languages"] == ["de"]
    assert held["translate"]["beam_size"] == 4
    assert held["judge"] == {
        "rules": "default",
        "thresholds": {},
        "languages": {},
        "keep": None,
        "min_clean_probability": None,
        "calibration": None,
    }
    assert held["score"] == {"teacher": "muse", "teacher_prefix": None, "tokens": False}
    assert held["input"]["max_rejected"] == 0.05
    assert "out" not in held


def test_the_same_configuration_continues(run: Run) -> None:
    """A second time changes nothing; where it lies is not part of it."""
    settle(run, config(), overwrite=False)
    before = Path(run.config).read_bytes()
    settle(run, config(out="elsewhere"), overwrite=False)
    assert Path(run.config).read_bytes() == before


@pytest.mark.parametrize(
    "sections",
    [
        {"runner": {"workers": 7, "mode": "multi_processing"}},
        {"translate": {"device": "cpu"}},
        {"translate": {"inter_threads": 2, "intra_threads": 2}},
    ],
)
def test_what_changes_no_result_may_differ(run: Run, sections: dict[str, Any]) -> None:
    """The runner, the device and threads are free."""
    settle(run, config(), overwrite=False)
    settle(run, config(**sections), overwrite=False)


def test_another_configuration_is_refused(run: Run) -> None:
    """Every setting that differs is named with both values, and both ways out are said."""
    settle(run, config(judge={"thresholds": {"min_similarity": 0.4}}), overwrite=False)
    problem = refusal(run, config(languages=["de", "fr"], translate={"beam_size": 2}))
    assert problem == (
        f"{run.root} holds a run with another configuration: "
        "judge.thresholds.min_similarity: 0.4 there, None now; "
        "languages: ['de'] there, ['de', 'fr'] now; "
        "translate.beam_size: 4 there, 2 now. "
        "Continue it with its own configuration, give another --out, or add --overwrite to replace its shards "
        "(its ledger stays: nothing is translated twice)"
    )


def test_a_refused_configuration_is_not_written(run: Run) -> None:
    """The run keeps its own."""
    settle(run, config(), overwrite=False)
    before = Path(run.config).read_bytes()
    refusal(run, config(languages=["fr"]))
    assert Path(run.config).read_bytes() == before


def test_overwrite(run: Run) -> None:
    """Asked for, the new configuration replaces the old one, and is then the run's own."""
    settle(run, config(), overwrite=False)
    settle(run, config(languages=["fr"]), overwrite=True)
    settle(run, config(languages=["fr"]), overwrite=False)
    assert "languages: ['fr'] there, ['de'] now" in refusal(run, config())


@pytest.mark.parametrize("content", ["a: [", "\x00", "a: !!python/name:os.system"])
def test_a_broken_configuration_in_the_directory(run: Run, content: str) -> None:
    """A file that is not ours is not overwritten unseen, and nothing in it is run."""
    Path(run.root).mkdir()
    Path(run.config).write_text(content)
    assert refusal(run, config()).startswith(f"{run.config} is not YAML: ")


def test_an_empty_configuration_in_the_directory(run: Run) -> None:
    """An empty file is another configuration."""
    Path(run.root).mkdir()
    Path(run.config).write_text("")
    assert "holds a run with another configuration" in refusal(run, config())


HOLD = """
import sys
from pipelines.run import Run, claimed
with claimed(Run(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(root: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the run directory."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused(run: Run) -> None:
    """Two at once would write the same files; when the first is gone, however it went, the next may."""
    with held_by_another(run.root), pytest.raises(ConfigError) as refused, claimed(run):
        pass
    assert refused.value.problems == [f"another captionloom is at work in {run.root}; wait for it or stop it"]
    with claimed(run):
        pass


def test_what_a_killed_process_left_is_cleared(run: Run) -> None:
    """Unfinished files below the directory go, finished ones stay."""
    shards = Path(run.shards)
    shards.mkdir(parents=True)
    (shards / ".tmp-1-train-000000.tar").write_bytes(b"half")
    (shards / "train-000001.tar").write_bytes(b"whole")
    with claimed(run):
        assert [path.name for path in shards.iterdir()] == ["train-000001.tar"]


def test_nothing_is_cleared_under_a_process_at_work(run: Run) -> None:
    """The temporary files of one that is running are its own."""
    with held_by_another(run.root):
        (Path(run.root) / ".tmp-1-file").write_bytes(b"half")
        with pytest.raises(ConfigError), claimed(run):
            pass
        assert (Path(run.root) / ".tmp-1-file").exists()


def test_a_file_where_the_directory_should_be(run: Run) -> None:
    """A run cannot be written into a file."""
    Path(run.root).write_text("")
    with pytest.raises(ConfigError) as refused, claimed(run):
        pass
    assert refused.value.problems == [f"cannot write to the run directory {run.root}: File exists"]


def test_a_remote_directory_is_not_locked() -> None:
    """There are no locks on object stores."""
    with claimed(Run("gs://bucket/run")):
        pass
