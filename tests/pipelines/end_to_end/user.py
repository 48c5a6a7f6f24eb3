"""A small real input, and captionloom as a user calls it: in a process of its own."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

DEMO = Path(__file__).parents[3] / "pipelines" / "demo"

Finished = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Project:
    """A folder with photographs, captions and a configuration."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def captions(self) -> Path:
        return self.folder / "captions.jsonl"

    def configure(self, **sections: object) -> None:
        """Put settings over those of the configuration file."""
        settings = yaml.safe_load(self.config.read_text())
        for name, value in sections.items():
            if isinstance(value, dict):
                settings.setdefault(name, {}).update(value)
            else:
                settings[name] = value
        self.config.write_text(yaml.safe_dump(settings))

    def run(self, command: str, *arguments: str, out: str = "run") -> Finished:
        """Run one command on the configuration, as a user would."""
        return captionloom(command, str(self.config), "--out", str(self.folder / out), *arguments)


def captionloom(*arguments: str) -> Finished:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments], capture_output=True, text=True, check=False
    )


def checksums(run: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that a run's shards folder holds."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted((run / "shards").iterdir())}


def manifest(run: Path) -> dict[str, object]:
    """Return a run's manifest."""
    loaded: dict[str, object] = json.loads((run / "shards" / "manifest.json").read_text())
    return loaded


def make_project(folder: Path) -> Project:
    """Make the project of `project` in ``folder``."""
    shutil.copytree(DEMO / "photos", folder / "photos")
    shutil.copy(DEMO / "captions.jsonl", folder / "captions.jsonl")
    settings = {
        "input": {"format": "jsonl", "path": "captions.jsonl", "media": "photos/{key}.jpg"},
        "languages": ["de", "cs"],
        "score": {"teacher": "none"},
        "translate": {"unit_size": 16, "beam_size": 2},
        "shards": {"samples_per_shard": 6},
    }
    made = Project(folder)
    made.config.write_text(yaml.safe_dump(settings))
    return made
