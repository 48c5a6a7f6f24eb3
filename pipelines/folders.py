"""Folders of several files that appear together: what is exported is whole, or it is not there."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import orjson

from pipelines import files
from pipelines.config import ConfigError

RECORD: Final = "captionloom.json"
"""Lists the files of an export with their checksums; written last: a folder without it is not finished."""


def check_out(out: str, *, overwrite: bool, shared_by: Collection[str] = ()) -> Iterator[str]:
    """Say why nothing can be exported to the folder ``out``.

    A folder that holds anything is refused unless ``overwrite``. One that other things belong into is only if it holds
    an earlier export or one of the files ``shared_by`` it.
    """
    if not files.is_local(out):
        yield f"--out {out}: only folders on this machine can be written to"
        return
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        yield f"--out {out} is a file, not a folder"
    elif not overwrite and (folder / RECORD).exists():
        yield f"--out: {out} holds an export already: give another, or add --overwrite to replace its files"
    elif not overwrite and (there := [name for name in shared_by if (folder / name).exists()]):
        yield f"--out: {out} holds {', '.join(there)} already: give another, or add --overwrite to replace them"
    elif not overwrite and not shared_by and folder.is_dir() and any(folder.iterdir()):
        yield f"--out {out} is not empty: give another, or add --overwrite to write beside what is there"


@contextlib.contextmanager
def appearing(out: str, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder to write files in; they are in ``out`` when the block ends without error.

    A new folder appears at once, by one rename. In one that is there already the files of an earlier export and those
    of the same names are replaced, nothing else is touched, and the record is gone in between. When the block fails
    nothing of ``out`` has changed; what a killed process left behind, under a name of its own, the next one clears.
    Raises `ConfigError` where another process is exporting to ``out``, or a file of the export lies there that
    ``overwrite`` does not allow to be replaced.
    """
    folder = Path(out).absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = folder.parent / f"{files.TEMPORARY}export-{folder.name}"
        staging.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError([f"--out: cannot write to {out}: {error.strerror}"]) from error
    with _locked(staging, out):
        try:
            for left in staging.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield staging
            _appear(staging, folder, overwrite=overwrite)
        except BaseException as error:
            shutil.rmtree(staging, ignore_errors=True)
            if isinstance(error, OSError) and error.filename is None and error.errno is not None:
                raise OSError(error.errno, os.strerror(error.errno), out) from error  # a full disk knows no name
            raise
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def _locked(staging: Path, out: str) -> Iterator[None]:
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError([f"another captionloom is exporting to {out}; wait for it or stop it"]) from None
        yield
    finally:
        os.close(descriptor)


def _appear(staging: Path, folder: Path, *, overwrite: bool) -> None:
    written = _files_in(staging)
    record = {"files": {name: _digest(staging / name) for name in written}}
    (staging / RECORD).write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if not folder.exists() or not any(folder.iterdir()):
        staging.replace(folder)
        return
    if not overwrite and (there := [name for name in written if (folder / name).exists()]):
        raise ConfigError([f"--out: {folder} holds {', '.join(there)} already: add --overwrite to replace them"])
    earlier = _earlier(folder)
    (folder / RECORD).unlink(missing_ok=True)
    for name in earlier:
        (folder / name).unlink(missing_ok=True)
    for name in [*written, RECORD]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(folder / name)


def _earlier(folder: Path) -> list[str]:
    """Return the files of the export that lies in ``folder``, as its record lists them; none that lies elsewhere."""
    try:
        listed = orjson.loads((folder / RECORD).read_bytes())["files"]
        names = [str(name) for name in listed]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    inside = folder.resolve()
    return [name for name in names if (folder / name).is_file() and (folder / name).resolve().is_relative_to(inside)]


def _files_in(folder: Path) -> list[str]:
    """Return the files below ``folder``, those directly in it, which say what the others are, last."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(names, key=lambda name: ("/" not in name, name))


def _digest(path: Path) -> dict[str, int | str]:
    with path.open("rb") as content:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(content, "sha256").hexdigest()}
