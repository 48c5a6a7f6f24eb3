"""The same inputs give byte-identical shards, whatever runs them."""

import random
from pathlib import Path

import pytest
from user import Project, checksums


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--set", "runner.workers=1"], id="one-thread"),
        pytest.param(["--set", "runner.workers=4"], id="four-threads"),
        pytest.param(["--set", "runner.workers=2", "--set", "runner.mode=multi_processing"], id="processes"),
        pytest.param(
            ["--", "--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"],
            id="portable",
        ),
    ],
)
def test_shards_do_not_depend_on_the_runner(project: Project, undisturbed: Project, arguments: list[str]) -> None:
    """Threads, processes and the portable runner write the bytes that the default writes."""
    finished = project.run("build", *arguments)

    assert finished.returncode == 0, finished.stderr
    assert checksums(project.folder / "run") == checksums(undisturbed.folder / "run")


def test_shards_do_not_depend_on_the_order_of_the_input(project: Project, undisturbed: Project) -> None:
    """Shuffled lines give the same shards and the same manifest."""
    lines = project.captions.read_text().splitlines()
    random.Random(3).shuffle(lines)
    project.captions.write_text("\n".join(lines) + "\n")

    finished = project.run("build")

    assert finished.returncode == 0, finished.stderr
    assert checksums(project.folder / "run") == checksums(undisturbed.folder / "run")


def test_captions_without_numbers_do_not_depend_on_their_order(tmp_path: Path) -> None:
    """Of a CSV, whose captions have no numbers, shuffled lines give the same shards too."""
    rows = [f"item{i % 4},A {color} dog runs." for i, color in enumerate(["red", "black", "white", "brown"] * 3)]
    sums = []
    for name, order in (("a", rows), ("b", rows[::-1])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "captions.csv").write_text("\n".join(["key,caption", *dict.fromkeys(order)]) + "\n")
        made = Project(folder)
        made.config.write_text("input: {format: csv, path: captions.csv}\nlanguages: [de]\nscore: {teacher: none}\n")
        finished = made.run("build")
        assert finished.returncode == 0, finished.stderr
        sums.append(checksums(folder / "run"))
    assert sums[0] == sums[1]
