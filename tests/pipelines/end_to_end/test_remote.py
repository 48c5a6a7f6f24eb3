"""Input, media, ledger and run on a filesystem that is not this machine's: every path goes through Beam."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.filesystem import FileMetadata, FileSystem
from apache_beam.io.localfilesystem import LocalFileSystem
from user import Project

from pipelines.config import Config, InputConfig, RunnerConfig, ShardsConfig, TranslateConfig
from pipelines.progress import Reporter
from pipelines.run import Run
from pipelines.runner import Launcher
from pipelines.stages import STAGES, Stages, check
from pipelines.verify import verify


class AwayFileSystem(FileSystem):
    """A local folder behind ``away://``, such as a bucket is behind ``gs://``; plain paths do not find it."""

    root = ""

    def __init__(self, pipeline_options: Any) -> None:
        super().__init__(pipeline_options)
        self._local = LocalFileSystem(pipeline_options)

    @classmethod
    def scheme(cls) -> str:
        return "away"

    def _here(self, path: str) -> str:
        assert path.startswith("away://bucket"), path
        return self.root + path.removeprefix("away://bucket")

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path: str) -> tuple[str, str]:
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path: str) -> None:
        self._local.mkdirs(self._here(path))

    def has_dirs(self) -> bool:
        return True

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for found in self._local._list(self._here(dir_or_prefix)):
            yield FileMetadata("away://bucket" + found.path.removeprefix(self.root), found.size_in_bytes)

    def create(self, path: str, *arguments: Any, **options: Any) -> Any:
        return self._local.create(self._here(path), *arguments, **options)

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        return self._local.open(self._here(path), *arguments, **options)

    def copy(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        both = (source_file_names, destination_file_names)
        self._local.copy(*([self._here(path) for path in paths] for paths in both))

    def rename(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        self._local.rename(
            *([self._here(path) for path in each] for each in (source_file_names, destination_file_names))
        )

    def exists(self, path: str) -> bool:
        return bool(self._local.exists(self._here(path)))

    def size(self, path: str) -> int:
        return int(self._local.size(self._here(path)))

    def last_updated(self, path: str) -> float:
        return float(self._local.last_updated(self._here(path)))

    def checksum(self, path: str) -> str:
        return str(self._local.checksum(self._here(path)))

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, self.size(path))

    def delete(self, paths: list[str]) -> None:
        self._local.delete([self._here(path) for path in paths])


@pytest.fixture
def away(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder behind ``away://bucket``, with the project in it."""
    monkeypatch.setattr(AwayFileSystem, "root", str(project.folder))
    return project.folder


def test_everything_may_be_on_a_remote_filesystem(away: Path) -> None:
    """A build from remote captions and photographs into a remote run verifies, and runs again from its ledger."""
    config = Config(
        input=InputConfig(format="jsonl", path="away://bucket/captions.jsonl", media="away://bucket/photos/{key}.jpg"),
        languages=["de"],
        translate=TranslateConfig(beam_size=1, unit_size=32),
        shards=ShardsConfig(samples_per_shard=10, embeddings=True),
        runner=RunnerConfig(workers=2),
    )
    plan, problems = check(config)
    assert problems == []
    assert plan is not None
    run = Run("away://bucket/run")
    stages = Stages(run, config, plan, Launcher(config.runner), Reporter(quiet=True))

    first = stages(STAGES)
    again = stages(["score"])

    assert first.translated == {"de": 100}
    assert again.translated == {"de": 0}
    broken, counts = verify(run)
    assert broken == []
    assert counts.startswith("3 shards, 20 samples, 100 captions")
    assert (away / "run" / "audit" / "report.html").exists()
