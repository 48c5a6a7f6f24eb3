"""Folders that appear together: whole, or not at all."""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from pipelines.config import ConfigError
from pipelines.folders import RECORD, appearing, check_out


def export(out: Path, *names: str, content: str = "new", overwrite: bool = False) -> None:
    """Write files of these names to ``out``."""
    with appearing(str(out), overwrite=overwrite) as folder:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)


def held(folder: Path) -> dict[str, str]:
    """Return the files below ``folder`` but for the record, with what they hold."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in found.items() if name != RECORD}


def test_a_new_folder_has_the_files_and_their_checksums(tmp_path: Path) -> None:
    """Everything is there, with a record of it, and nothing else."""
    export(tmp_path / "new" / "out", "README.md", "data/a")

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]
    assert held(tmp_path / "new" / "out") == {"README.md": "new", "data/a": "new"}
    digest = {"bytes": 3, "sha256": hashlib.sha256(b"new").hexdigest()}
    assert orjson.loads((tmp_path / "new/out" / RECORD).read_bytes()) == {
        "files": {"data/a": digest, "README.md": digest}
    }


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    """It counts for none."""
    (tmp_path / "out").mkdir()
    export(tmp_path / "out", "a")

    assert held(tmp_path / "out") == {"a": "new"}


def test_overwriting_replaces_the_earlier_export_and_nothing_else(tmp_path: Path) -> None:
    """Files of the earlier export go, those of others stay, even in the same folder."""
    out = tmp_path / "out"
    export(out, "a", "data/old", content="old")
    (out / "data" / "theirs").write_text("theirs")
    export(out, "a", "data/new", overwrite=True)

    assert held(out) == {"a": "new", "data/new": "new", "data/theirs": "theirs"}


def test_a_record_cannot_delete_elsewhere(tmp_path: Path) -> None:
    """A name that leads out of the folder is no file of the export."""
    out = tmp_path / "out"
    export(out, "a")
    (tmp_path / "outside").write_text("theirs")
    (out / RECORD).write_bytes(orjson.dumps({"files": {"../outside": {}, str(tmp_path / "outside"): {}, "a": {}}}))
    export(out, "b", overwrite=True)

    assert (tmp_path / "outside").read_text() == "theirs"
    assert held(out) == {"b": "new"}


@pytest.mark.parametrize("record", [b"not JSON", b"[]", b'{"files": 3}'])
def test_a_spoilt_record_deletes_nothing(tmp_path: Path, record: bytes) -> None:
    """What is not known to be ours stays."""
    out = tmp_path / "out"
    export(out, "old")
    (out / RECORD).write_bytes(record)
    export(out, "new", overwrite=True)

    assert sorted(held(out)) == ["new", "old"]


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    """The folder is as it was, nothing is left beside it, and a full disk is told with the folder's name."""
    out = tmp_path / "out"
    export(out, "a", content="old")
    with pytest.raises(OSError, match="No space left on device") as failed:  # noqa: PT012, SIM117
        with appearing(str(out), overwrite=True) as folder:
            (folder / "a").write_text("new")
            raise OSError(28, "No space left on device")

    assert failed.value.filename == str(out)
    assert held(out) == {"a": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


KILLED = """
import os, signal
from pipelines.folders import appearing
with appearing({out!r}) as folder:
    (folder / "a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_export_leaves_no_folder_and_the_next_one_clears_up(tmp_path: Path) -> None:
    """What it wrote lies under a name of its own, until the same export is run again."""
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", KILLED.format(out=str(out))], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == [".tmp-export-out"]
    export(out, "b")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert held(out) == {"b": "new"}


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    """The second is told so, and the first one is not disturbed."""
    out = tmp_path / "out"
    (tmp_path / ".tmp-export-out").mkdir()
    first = os.open(tmp_path / ".tmp-export-out", os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    (tmp_path / ".tmp-export-out" / "a").write_text("first")
    with pytest.raises(ConfigError, match="another captionloom is exporting to"):
        export(out, "a")
    os.close(first)

    assert (tmp_path / ".tmp-export-out" / "a").read_text() == "first"


def test_files_of_others_are_not_replaced_unasked(tmp_path: Path) -> None:
    """A file of the same name that is no earlier export's is named, and nothing is written."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").write_text("theirs")
    with pytest.raises(ConfigError, match="holds a already: add --overwrite"):
        export(out, "a", "b")

    assert held(out) == {"a": "theirs"}


def test_what_is_said_of_a_folder(tmp_path: Path) -> None:
    """A folder with anything in it is refused, a shared one only with an export; --overwrite allows both."""
    (tmp_path / "file").write_text("")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "features.npy").write_text("")
    export(tmp_path / "done", "a")

    def said(name: str, *shared_by: str, overwrite: bool = False) -> list[str]:
        found = check_out(str(tmp_path / name), overwrite=overwrite, shared_by=shared_by)
        return [problem.replace(f"{tmp_path}/", "") for problem in found]

    assert said("new") == []
    assert said("file") == ["--out file is a file, not a folder"]
    assert said("shared") == [
        "--out shared is not empty: give another, or add --overwrite to write beside what is there"
    ]
    assert said("shared", "a", "b") == []
    assert said("shared", "a", "features.npy") == [
        "--out: shared holds features.npy already: give another, or add --overwrite to replace them"
    ]
    assert said("shared", "features.npy", overwrite=True) == []
    exported = ["--out: done holds an export already: give another, or add --overwrite to replace its files"]
    assert said("done") == exported
    assert said("done", "a", "b") == exported
    assert said("done", overwrite=True) == []
    assert list(check_out("gs://bucket/out", overwrite=True)) == [
        "--out gs://bucket/out: only folders on this machine can be written to"
    ]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """It is the command that is wrong."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--out: cannot write to"):
        export(tmp_path / "file" / "out", "a")
