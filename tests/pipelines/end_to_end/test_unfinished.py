"""An input that makes the decoder loop: cut, flagged in the ledger, and dropped for a reason of its own."""

import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from user import Project, captionloom

DOG, LOOPING = "A dog runs on the beach.", "w" * 120


@pytest.fixture(scope="module")
def looped(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project of two texts, scored and cut by the rule ``unfinished`` alone; do not change it."""
    made = Project(tmp_path_factory.mktemp("looped"))
    lines = [{"key": "dog", "caption": DOG}, {"key": "loop", "caption": LOOPING}]
    made.captions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = {
        "input": {"format": "jsonl", "path": "captions.jsonl"},
        "languages": ["de"],
        "score": {"teacher": "none"},
        "translate": {"compute_type": "float32"},  # so that its words do not depend on the processor
    }
    made.config.write_text(json.dumps(settings))
    for command, arguments in (("score", []), ("cut", ["--overwrite", "--set", "judge.rules=[unfinished]"])):
        finished = made.run(command, *arguments)
        assert finished.returncode == 0, finished.stderr
    return made


def pairs(project: Project, out: str = "run") -> dict[str, dict[str, object]]:
    """Return a run's pairs by their keys."""
    return {pair["key"]: pair for pair in pq.read_table(project.folder / out / "pairs").to_pylist()}


def test_the_ledger_holds_the_flag(looped: Project) -> None:
    """The loop is as long as the limit and flagged; the caption beside it is neither."""
    rows = pq.read_table(looped.folder / "run" / "ledger" / "translations").to_pylist()
    found = {row["source"]: (row["mt_tokens"], row["mt_unfinished"]) for row in rows}
    assert found == {DOG: (8, False), LOOPING: (200, True)}


def test_it_is_dropped_for_its_own_reason(looped: Project) -> None:
    """The pair of the loop is dropped as unfinished, and the other one kept."""
    found = pairs(looped)
    assert (found["loop"]["keep"], found["loop"]["reasons"]) == (False, ["unfinished"])
    assert (found["dog"]["keep"], found["dog"]["reasons"]) == (True, [])


def test_its_caption_is_in_the_shards_without_a_translation(looped: Project) -> None:
    """Nothing of the loop reaches training; what is kept says that it is finished."""
    with tarfile.open(looped.folder / "run" / "shards" / "train-000000.tar") as tar:
        samples = [json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json")]
    captions = {sample["key"]: sample["captions"][0] for sample in samples}
    assert captions["loop"]["translations"] == {}
    assert captions["dog"]["translations"]["de"]["scores"]["mt_unfinished"] is False
    assert captionloom("verify", str(looped.folder / "run")).returncode == 0


def test_the_default_rules_have_it(looped: Project, tmp_path: Path) -> None:
    """Without a setting the loop is dropped as unfinished too, whatever else is wrong with it."""
    project = Project(tmp_path)
    for file in (looped.captions, looped.config):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    project.configure(ledger=str(looped.folder / "run" / "ledger"))
    assert project.run("build").returncode == 0
    assert "unfinished" in pairs(project)["loop"]["reasons"]
