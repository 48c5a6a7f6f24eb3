"""A teacher of one's own: measured by it, and by another one, without translating again."""

from pathlib import Path

import pyarrow.parquet as pq
from tiny_encoders import save_encoder
from user import Project

from translate.convert import convert


def similarities(project: Project) -> dict[str, dict[tuple[str, bytes], float]]:
    """Return by the folder of the ledger's scores: language and text id → similarity."""
    found: dict[str, dict[tuple[str, bytes], float]] = {}
    for folder in sorted((project.folder / "run/ledger/scores").iterdir()):
        rows = [row for part in folder.glob("*.parquet") for row in pq.read_table(part).to_pylist()]
        found[folder.name] = {(folder.name[:2], row["text_id"]): row["similarity"] for row in rows}
    return found


def test_a_teacher_and_another_one(project: Project, tmp_path: Path) -> None:
    """Its cosines are in the ledger; with another teacher every text is measured again and none is translated."""
    for name, seed in (("first", 1), ("second", 2)):
        saved = save_encoder(tmp_path / f"{name}-saved", "xlm-roberta", seed=seed, card="language: [en, de, cs]")
        convert(saved.folder, project.folder / name)

    project.configure(score={"teacher": "first"})
    scored = project.run("score")
    assert scored.returncode == 0, scored.stderr
    first = similarities(project)
    assert [name[:3] for name in first] == ["cs-", "de-"]
    assert [len(rows) for rows in first.values()] == [100, 100]
    assert all(-1 <= similarity <= 1 for rows in first.values() for similarity in rows.values())

    project.configure(score={"teacher": "second"})
    again = project.run("score", "--overwrite")
    assert again.returncode == 0, again.stderr
    for code in ("de", "cs"):
        assert f"{code}: 0 texts translated, 100 were in the ledger, 100 measured again" in again.stderr
    both = similarities(project)
    assert {name: both[name] for name in first} == first
    second = [both[name] for name in both if name not in first]
    assert [rows.keys() for rows in second] == [rows.keys() for rows in first.values()]
    assert all(-1 <= similarity <= 1 for rows in second for similarity in rows.values())
    assert all(one != other for one, other in zip(first.values(), second, strict=True))


def test_shards_with_a_teacher_without_thresholds(project: Project, tmp_path: Path) -> None:
    """Its similarity stands in the pairs and judges nothing, until the configuration has a bound for it."""
    saved = save_encoder(tmp_path / "saved", "bert", card="language: [en, de]")
    convert(saved.folder, project.folder / "mine")
    project.configure(score={"teacher": "mine"})
    built = project.run("build")
    assert built.returncode == 0, built.stderr
    pairs = pq.read_table(project.folder / "run" / "pairs").to_pylist()
    assert {(pair["language"], pair["similarity"] is None) for pair in pairs} == {("de", False), ("cs", True)}
    assert not any("low_similarity" in pair["reasons"] for pair in pairs)

    bounds = ["--set", "judge.thresholds.min_similarity=0.99999", "--set", "judge.thresholds.full_similarity=1"]
    cut = project.run("cut", "--overwrite", *bounds)
    assert cut.returncode == 0, cut.stderr
    pairs = pq.read_table(project.folder / "run" / "pairs").to_pylist()
    low = {(pair["language"], "low_similarity" in pair["reasons"]) for pair in pairs}
    assert low == {("de", True), ("cs", False)}
