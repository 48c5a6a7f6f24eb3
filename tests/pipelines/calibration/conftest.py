"""A run of real captions, and what was learnt of it: made once, to be looked at, copied and cut anew."""

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from pipelines.cli import main

CAPTIONS = Path(__file__).parents[3] / "tools" / "captions.tsv"

TEXTS = 270
"""Distinct captions of the run."""

LOOPING, TOO_LONG = "w" * 120, "qxzj" * 300
"""The model goes round in a loop over the one, and has not the positions for the other."""


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a ``config.yaml`` and its finished ``run``, in German and Czech; do not change it.

    270 captions, the first thirty of which two items share, and two texts that the model cannot translate. What
    ``captionloom calibrate`` learnt of it is in ``run/calibration``. Test processes that run side by side share it.
    """
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, made = root / "calibrated", root / "calibrated.made"
    with (root / "calibrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make(folder)
            made.touch()
    return folder


def make(folder: Path) -> None:
    """Make the run, and learn from it."""
    folder.mkdir()
    english = dict.fromkeys(line.split("\t")[0] for line in CAPTIONS.read_text("utf-8").splitlines())
    usable = [text for text in english if len(text.split()) > 5 and text.endswith(".")]
    texts = usable[:: len(usable) // TEXTS][:TEXTS]
    lines = [{"key": f"item-{i}", "caption": text} for i, text in enumerate([*texts, *texts[:30]])]
    lines += [{"key": "loop", "caption": LOOPING}, {"key": "long", "caption": TOO_LONG}]
    (folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    settings = {
        "input": {"format": "jsonl", "path": "captions.jsonl"},
        "languages": ["de", "cs"],
        # One beam is fast; in float32 what is translated does not depend on the processor.
        "translate": {"beam_size": 1, "compute_type": "float32"},
        "shards": {"samples_per_shard": 100},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    for command in ("score", "cut"):
        assert main([command, str(folder / "config.yaml"), "--out", str(folder / "run"), "--quiet"]) == 0
    assert main(["calibrate", str(folder / "run"), "--quiet"]) == 0


@pytest.fixture
def copy(calibrated: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder, to be changed at will."""
    return shutil.copytree(calibrated, tmp_path / "copy")
