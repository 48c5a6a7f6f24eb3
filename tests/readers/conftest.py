"""A run in each layout, of the demo's photographs, made by the real command."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DEMO = Path(__file__).parents[2] / "pipelines" / "demo"


def built(folder: Path, out: str, *arguments: str) -> Path:
    """Build the configuration in ``folder`` and return the shards."""
    command = [sys.executable, "-m", "pipelines.cli", "build", str(folder / "config.yaml"), "--out", str(folder / out)]
    done = subprocess.run([*command, "--quiet", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / out / "shards"


@pytest.fixture(scope="session")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return by layout the shards of twenty photographs with five captions each in German; do not change them.

    Those of layout ``item`` have embeddings. Every pair is kept, so the pairs are 100 English and 100 German ones.
    """
    folder = tmp_path_factory.mktemp("readers")
    settings = {
        "input": {"format": "jsonl", "path": str(DEMO / "captions.jsonl"), "media": f"{DEMO}/photos/{{key}}.jpg"},
        "languages": ["de"],
        "translate": {"beam_size": 1},
        "judge": {"rules": []},
        "shards": {"samples_per_shard": 7},
        "ledger": str(folder / "ledger"),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return {
        "item": built(folder, "item", "--set", "shards.embeddings=true"),
        "pair": built(folder, "pair", "--set", "shards.layout=pair"),
    }


@pytest.fixture(params=["item", "pair"])
def layout(request: pytest.FixtureRequest) -> str:
    """Return each layout in turn."""
    return str(request.param)


@pytest.fixture
def tars(layout: str, layouts: dict[str, Path]) -> list[str]:
    """Return the paths of the tars of a layout, of both splits."""
    return sorted(str(path) for path in layouts[layout].glob("*.tar"))
