"""A small finished run, made once by the real command with the bundled model, to be looked at or spoilt."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

CAPTIONS = {
    ("dog.1/a b.é", "train"): ["A dog runs on the beach.", "A brown dog is running.", "The dog plays in the sand."],
    ("children", "train"): ["Two children play football in the park.", "Kids kick a ball on the grass."],
    ("man", "train"): ["A man is riding a bicycle.", "A man in a red shirt."],
    ("woman", "train"): ["A woman sits on a bench.", "A woman reads a book."],
    ("street", "train"): ["People walk down a busy street.", "A man is riding a bicycle."],
    ("boat", "val"): ["A boat on a lake.", "Three people are in a small boat."],
}
REJECTED = [{"key": "gone", "caption": "There is no such picture."}, {"key": "blank", "caption": " "}]


def make_input(folder: Path) -> Path:
    """Write six pictures, thirteen captions, two records to be rejected and a configuration; return its path."""
    (folder / "photos").mkdir(parents=True)
    lines: list[dict[str, object]] = []
    for i, ((key, split), captions) in enumerate(CAPTIONS.items()):
        Image.new("RGB", (8, 8), (40 * i, 100, 50)).save(folder / "photos" / f"{i}.jpg")
        lines.append({"key": key, "split": split, "image": f"{i}.jpg", "captions": captions})
    lines += [{**record, "image": f"{record['key']}.jpg"} for record in REJECTED]
    (folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = {
        "input": {
            "format": "jsonl",
            "path": "captions.jsonl",
            "media": "photos/{image}",
            "max_rejected": 0.5,
        },
        "languages": ["de", "cs"],
        "score": {"teacher": "none"},
        # So that some of so few pairs are dropped.
        "judge": {"thresholds": {"min_logprob": -0.2, "full_logprob": -0.1}},
        "shards": {"samples_per_shard": 2},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder / "config.yaml"


@pytest.fixture(scope="session")
def input_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of the small input; do not change it."""
    return make_input(tmp_path_factory.mktemp("input"))


@pytest.fixture(scope="session")
def built_run(input_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run of the small input; do not change it."""
    out = tmp_path_factory.mktemp("built") / "run"
    command = [sys.executable, "-m", "pipelines.cli", "build", str(input_config), "--out", str(out), "--quiet"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return out


@pytest.fixture
def run_copy(built_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished run, to be spoilt at will."""
    return shutil.copytree(built_run, tmp_path / "run")


@pytest.fixture(scope="session")
def back_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run of the demo's captions into German and Chinese and back; do not change it."""
    folder = tmp_path_factory.mktemp("back")
    captions = Path(__file__).parents[2] / "pipelines" / "demo" / "captions.jsonl"
    settings = {
        "input": {"format": "jsonl", "path": str(captions)},
        "languages": ["de", "zh"],
        "translate": {"back_translation": True},
        "score": {"teacher": "none"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "pipelines.cli", "build", str(folder / "config.yaml"), "--quiet"]
    finished = subprocess.run([*command, "--out", str(folder / "run")], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return folder / "run"
