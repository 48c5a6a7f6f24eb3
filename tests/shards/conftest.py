"""Shards to load."""

from pathlib import Path

import pytest
from small_shards import sample, write_shards

ITEMS = 12
SHARDS = 3


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three shards of four items each; do not change it."""
    groups = [[sample(i) for i in range(first, ITEMS, SHARDS)] for first in range(SHARDS)]
    return write_shards(tmp_path_factory.mktemp("loader") / "shards", {"train": groups})
