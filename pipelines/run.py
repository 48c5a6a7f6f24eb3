"""The run directory: where everything lies, who may write, and whether it is this configuration's."""

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines import files
from pipelines.config import Config, ConfigError


@dataclass(frozen=True)
class Run:
    """The folders and files of one run; ``root`` is on any Beam filesystem."""

    root: str

    @property
    def config(self) -> str:
        """The resolved configuration, every default written out."""
        return files.join(self.root, "config.yaml")

    @property
    def work(self) -> str:
        """What one stage leaves for the next; may be deleted once the run is finished."""
        return files.join(self.root, "work")

    @property
    def captions(self) -> str:
        """Parquet: the usable captions, as read."""
        return files.join(self.work, "captions")

    @property
    def read(self) -> str:
        """Parquet: the captions as read, evaluation sets included, while these are being kept out."""
        return files.join(self.work, "read")

    @property
    def evaluation(self) -> str:
        """Parquet: the keys and captions of the evaluation sets, while they are being kept out."""
        return files.join(self.work, "evaluation.parquet")

    @property
    def overlaps(self) -> str:
        """Parquet: which items are in an evaluation set, while these are being kept out."""
        return files.join(self.work, "overlaps")

    @property
    def pairs(self) -> str:
        """Parquet: every pair with scores and verdict, one file for each shard."""
        return files.join(self.root, "pairs")

    @property
    def rejects(self) -> str:
        """Parquet: every input record that could not be used."""
        return files.join(self.root, "rejects")

    @property
    def shards(self) -> str:
        """The tars."""
        return files.join(self.root, "shards")

    @property
    def manifest(self) -> str:
        """The commit of the run."""
        return files.join(self.shards, "manifest.json")

    @property
    def sizes(self) -> str:
        """Samples in each tar, by its name: where open_clip looks for them."""
        return files.join(self.shards, "sizes.json")

    @property
    def audit(self) -> str:
        """``audit.json`` and ``report.html``."""
        return files.join(self.root, "audit")

    @property
    def calibration(self) -> str:
        """What ``captionloom calibrate`` learnt of the noise, a JSON file for each language."""
        return files.join(self.root, "calibration")

    def ledger(self, config: Config) -> str:
        """Return the ledger's folder: the configured one, or the run's own."""
        return config.ledger or files.join(self.root, "ledger")


@contextlib.contextmanager
def claimed(run: Run) -> Iterator[None]:
    """Hold the run directory for this process alone; clear what a killed one left unfinished in it.

    Raises `ConfigError` where another process holds it. Remote directories are not locked.
    """
    if not files.is_local(run.root):
        yield
        return
    root = Path(run.root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / ".lock").open("w")
    except OSError as error:
        raise ConfigError([f"cannot write to the run directory {run.root}: {error.strerror}"]) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError([f"another captionloom is at work in {run.root}; wait for it or stop it"]) from None
        files.sweep_temporaries(run.root)
        yield


def settle(run: Run, config: Config, *, overwrite: bool) -> None:
    """Write the resolved configuration, unless the directory holds a run with another one.

    Raises `ConfigError` that names every setting that differs and says how to go on. What cannot change a
    result (the runner, threads) may differ.
    """
    wanted = settled(config)
    if files.exists(run.config):
        try:
            held = yaml.safe_load(files.read_bytes(run.config))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problem = f"{run.config} is not YAML: {' '.join(str(error).split())}; delete it, or give another --out"
            raise ConfigError([problem]) from None
        changes = _changes(_flat(held), _flat(wanted))
        if changes and not overwrite:
            raise ConfigError(
                [
                    f"{run.root} holds a run with another configuration: " + "; ".join(changes) + ". "
                    "Continue it with its own configuration, give another --out, or add --overwrite to replace its "
                    "shards (its ledger stays: nothing is translated twice)"
                ]
            )
    files.write_bytes(run.config, yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True).encode())


def settled(config: Config) -> dict[str, Any]:
    """Return the resolved configuration as it is written to the run directory."""
    return config.model_dump(mode="json", exclude={"out"})


_FREE = ("runner.", "translate.device", "translate.inter_threads", "translate.intra_threads")


def _changes(held: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return [
        f"{name}: {held.get(name)!r} there, {wanted.get(name)!r} now"
        for name in sorted(held.keys() | wanted.keys())
        if held.get(name) != wanted.get(name) and not name.startswith(_FREE)
    ]


def _flat(value: object, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, its names joined by dots; empty mappings are nothing."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        name: leaf
        for key, inner in value.items()
        for name, leaf in _flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()
    }
