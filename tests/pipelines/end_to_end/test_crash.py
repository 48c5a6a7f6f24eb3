"""A crash at any instant loses nothing that was finished, and the same command again ends as if undisturbed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from user import Project, captionloom, checksums

# Every finished file comes into being by a rename, so its moments are counted in renames: the child stops itself
# just before or just after the one it is told, with no chance to clean up.
_CHILD = """
import itertools, os, signal, sys
from pipelines.cli import main

moment, when, number = int(sys.argv[1]), sys.argv[2], getattr(signal, sys.argv[3])
replace, renames = os.replace, itertools.count(1)

def stopping(source, target):
    this = next(renames)
    if this == moment and when == "before":
        os.kill(os.getpid(), number)
    replace(source, target)
    if this == moment and when == "after":
        os.kill(os.getpid(), number)

os.replace = stopping
# A test run that was itself started in the background ignores SIGINT, and so would its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[4:]))
"""


def stopped_build(project: Project, moment: int, when: str, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Build in a child that sends itself the signal ``number`` at one of its renames."""
    command = ["build", str(project.config), "--out", str(project.folder / "run")]
    return subprocess.run(
        [sys.executable, "-c", _CHILD, str(moment), when, number.name, *command],
        capture_output=True,
        text=True,
        check=False,
    )


# The build has 62 renames: to 4 it reads, to 16 it plans, to 45 it translates; then come pairs, tar and record of each
# of four shards, their sizes (59), the manifest (60) and the audit.
@pytest.mark.parametrize(
    ("moment", "when"),
    [
        (2, "before"),
        (9, "after"),
        (18, "before"),
        (27, "after"),
        (40, "after"),
        (46, "after"),
        (47, "after"),
        (53, "before"),
        (59, "before"),
        (60, "before"),
        (61, "after"),
    ],
)
def test_killed_build_continues_to_identical_shards(
    project: Project, undisturbed: Project, moment: int, when: str
) -> None:
    """After kill −9 the same command finishes, with the shards of an undisturbed run and no temporary left."""
    killed = stopped_build(project, moment, when, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    again = project.run("build")

    assert again.returncode == 0, again.stderr
    assert checksums(project.folder / "run") == checksums(undisturbed.folder / "run")
    assert captionloom("verify", str(project.folder / "run")).returncode == 0
    assert [path.name for path in (project.folder / "run").rglob(".tmp-*")] == []


def test_killed_build_keeps_its_finished_units(project: Project) -> None:
    """What was in the ledger when the process died is not translated again."""
    stopped_build(project, 36, "after", signal.SIGKILL)
    parts = {path: path.stat().st_mtime_ns for path in (project.folder / "run" / "ledger").rglob("part-*")}
    assert len(parts) >= 18

    again = project.run("build")

    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in parts} == parts


def test_interrupted_build_says_how_to_continue(project: Project, undisturbed: Project) -> None:
    """Ctrl-C ends at once with exit code 130 and one line; the same command continues."""
    interrupted = stopped_build(project, 22, "after", signal.SIGINT)

    assert interrupted.returncode == 130
    assert interrupted.stderr.splitlines()[-1] == (
        "captionloom: stopped; run the same command again to continue where it was"
    )
    assert "Traceback" not in interrupted.stderr
    assert project.run("build").returncode == 0
    assert checksums(project.folder / "run") == checksums(undisturbed.folder / "run")


def test_cut_keeps_the_shards_that_an_interrupted_cut_finished(finished: Project) -> None:
    """A cut without a manifest, as after a crash, leaves alone the shards whose inputs are the same."""
    run = finished.folder / "run"
    finished.run("cut", "--overwrite")
    stamps = {path.name: path.stat().st_mtime_ns for path in (run / "shards").glob("*.tar")}
    (run / "shards" / "manifest.json").unlink()
    damaged = sorted((run / "shards").glob("*.tar"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-512])

    again = finished.run("cut")

    assert again.returncode == 0, again.stderr
    after = {path.name: path.stat().st_mtime_ns for path in (run / "shards").glob("*.tar")}
    assert {name for name in stamps if stamps[name] != after[name]} == {damaged.name}


class TestFullDisk:
    """On a filesystem of its own with too little room."""

    @pytest.fixture(params=["60k", "400k"], ids=["full-in-the-ledger", "full-in-the-shards"])
    def small_disk(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
        disk = tmp_path / "disk"
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(disk)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("a small filesystem cannot be mounted here")
        yield disk
        subprocess.run(["umount", "-l", str(disk)], check=False)

    def test_full_disk_is_said_and_the_run_continues_when_there_is_room(
        self, project: Project, undisturbed: Project, small_disk: Path
    ) -> None:
        """A full disk: exit 1 and a clear error, no half-written file; with room the same command finishes."""
        command = [
            sys.executable,
            "-m",
            "pipelines.cli",
            "build",
            str(project.config),
            "--out",
            str(small_disk / "run"),
        ]

        full = subprocess.run(command, capture_output=True, text=True, check=False)

        assert full.returncode == 1
        assert "No space left on device" in full.stderr
        assert full.stderr.splitlines()[-1] == (
            "captionloom: make room and run the same command again: what is finished is kept"
        )
        assert "Traceback" not in full.stderr
        run = small_disk / "run"
        assert [path.name for path in run.rglob(".tmp-*")] == []
        assert not (run / "shards" / "manifest.json").exists()
        subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
        roomy = subprocess.run(command, capture_output=True, text=True, check=False)
        assert roomy.returncode == 0, roomy.stderr
        assert checksums(run) == checksums(undisturbed.folder / "run")
