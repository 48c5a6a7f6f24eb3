"""Projects to build, finished and not."""

import shutil
from pathlib import Path

import pytest
from user import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of the demo's twenty photographs, small units and small shards, German and Czech."""
    return make_project(tmp_path)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose ``run`` folder holds a finished build that nothing disturbed; do not change it."""
    made = make_project(tmp_path_factory.mktemp("undisturbed"))
    finished = made.run("build")
    assert finished.returncode == 0, finished.stderr
    return made


@pytest.fixture
def finished(undisturbed: Project, tmp_path: Path) -> Project:
    """Return a copy of the undisturbed project, to be changed at will; its configuration names the copy."""
    shutil.copytree(undisturbed.folder, tmp_path / "copy")
    return Project(tmp_path / "copy")
