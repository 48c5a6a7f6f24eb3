"""open_clip trains on the shards as they are: its own pipeline, tokenizer and transform take batches from them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

READERS = Path(os.environ.get("CAPTIONLOOM_READERS", Path(__file__).parents[2] / ".venv" / "readers"))
"""Where ``make test`` puts open_clip and torchvision: never beside transformers, which torchvision can break."""


def taken(train: str, val: str) -> dict[str, Any]:
    """Return what open_clip's pipeline takes from the shards of these two patterns."""
    if not (READERS / "open_clip_train").is_dir():
        reason = f"open_clip is not in {READERS}: make .venv/.readers"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    child = Path(__file__).with_name("open_clip_batch.py")
    environment = {**os.environ, "PYTHONPATH": str(READERS), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(child), train, val]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def pattern(shards: Path, split: str) -> str:
    """Return the brace pattern of a split's tars, as open_clip wants it."""
    count = len(list(shards.glob(f"{split}-*.tar")))
    return f"{shards}/{split}-{{000000..{count - 1:06d}}}.tar"


def test_batches(layout: str, layouts: dict[str, Path]) -> None:
    """Pictures and tokens, of every sample; how many there are to train on is known from ``sizes.json``."""
    shards = layouts[layout]
    sizes = json.loads((shards / "sizes.json").read_text())
    samples = {split: sum(n for name, n in sizes.items() if name.startswith(split)) for split in ("train", "val")}

    found = taken(pattern(shards, "train"), pattern(shards, "val"))

    for split, count in samples.items():
        batch = found[split]
        assert (batch["images"], batch["texts"]) == ([2, 3, 64, 64], [2, 77])
        assert all(text.startswith("<start_of_text>") for text in batch["decoded"])
        assert len(batch["decoded"]) == count
    assert found["train"]["samples"] == samples["train"]
    english = "<start_of_text>a smiling woman in an orange space suit sits in front of a flag . <end_of_text>"
    german = "eine lächelnde frau in einem orangefarbenen anzug sitzt vor einer flagge"
    decoded = found["train"]["decoded"]
    assert english in decoded
    assert any(german in text for text in decoded) == (layout == "pair")
