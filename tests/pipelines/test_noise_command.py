"""``captionloom noise``: clean pairs in, labelled noise out."""

import json
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.cli import main

PAIRS = [(f"A {animal} eats {i} apples.", f"Ein {tier} isst {i} Äpfel.") for i in range(2, 12) for animal, tier in
         (("dog", "Hund"), ("cow", "Ochse"), ("bird", "Vogel"), ("horse", "Hengst"))]  # fmt: skip


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """Write forty pairs and return their path."""
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS), "utf-8")
    return str(file)


def test_exactly_the_share_that_is_asked_for(pairs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A quarter of forty rows is noisy; each has its kind and what it was, the others are as they came."""
    out = tmp_path / "noisy.parquet"
    kinds = "misaligned,number_changed,shuffled,mojibake,empty"
    assert main(["noise", pairs, "--language", "German", "--ratio", "0.25", "--kinds", kinds, "--out", str(out)]) == 0
    table = pq.read_table(out)
    assert table.column_names == ["source", "target", "origin", "noise", "noise_kind", "clean_target"]
    rows = table.to_pylist()
    assert [(row["source"], row["clean_target"]) for row in rows] == PAIRS
    noisy = [row for row in rows if row["noise"]]
    assert sorted(row["noise_kind"] for row in noisy) == sorted(kinds.split(",") * 2)
    assert all(row["target"] != row["clean_target"] for row in noisy)
    assert all(row["target"] == row["clean_target"] and row["noise_kind"] is None for row in rows if not row["noise"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{out}: 40 pairs, 10 of them noisy"
    assert said[1] == "  empty                  2  There is nothing, white space or a punctuation mark."


def test_the_same_seed_gives_the_same_bytes(pairs: str, tmp_path: Path) -> None:
    """Another seed gives others."""

    def made(name: str, seed: str) -> bytes:
        arguments = [
            "--language",
            "de",
            "--kinds",
            "truncated,repetition",
            "--seed",
            seed,
            "--out",
            str(tmp_path / name),
        ]
        assert main(["noise", pairs, *arguments]) == 0
        return (tmp_path / name).read_bytes()

    assert made("a.tsv", "7") == made("b.tsv", "7") != made("c.tsv", "8")
    assert made("a.jsonl.gz", "7") == made("b.jsonl.gz", "7")


def test_all_kinds_by_default(pairs: str, tmp_path: Path) -> None:
    """Without a text in another language there are twelve, near_miss by the real teacher among them."""
    out = tmp_path / "noisy.jsonl"
    assert main(["noise", pairs, "--language", "de", "--ratio", "0.6", "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert sum(row["noise"] for row in rows) == 24
    assert len({row["noise_kind"] for row in rows} - {None}) == 12


def test_another_language_from_a_file(pairs: str, tmp_path: Path) -> None:
    """wrong_language takes the line beside the pair."""
    (tmp_path / "nl.txt").write_text("".join(f"Een dier {i} eet.\n" for i in range(40)), "utf-8")
    out = tmp_path / "noisy.parquet"
    arguments = ["--kinds", "wrong_language", "--other", str(tmp_path / "nl.txt"), "--out", str(out)]
    assert main(["noise", pairs, "--language", "de", *arguments]) == 0
    rows = pq.read_table(out).to_pylist()
    noisy = {i: row["target"] for i, row in enumerate(rows) if row["noise"]}
    assert len(noisy) == 8
    assert noisy == {i: f"Een dier {i} eet." for i in noisy}


def test_the_kept_pairs_of_a_run(built_run: Path, tmp_path: Path) -> None:
    """A run's pairs are as good an input as a file, and its other language is at hand."""
    out = tmp_path / "noisy.parquet"
    arguments = ["--language", "de", "--kinds", "wrong_language", "--other", "cs", "--out", str(out)]
    assert main(["noise", str(built_run), *arguments]) == 0
    table = pq.read_table(out)
    assert pc.sum(table["noise"]).as_py() == round(0.2 * table.num_rows)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--language", "xq"], "--language: "),
        (["--kinds", "misalined"], "unknown kind 'misalined' (did you mean 'misaligned'?)"),
        (["--kinds", "wrong_language"], "--kinds wrong_language needs --other"),
        (["--ratio", "1.5"], "ratio: 1.5 is not between 0 and 1"),
        (["--kinds", "near_miss", "--teacher", "none"], "needs a teacher"),
        (["--kinds", "near_miss", "--teacher", "nobody"], "score.teacher: "),
        (["--kinds", "empty", "--out", "noisy.xlsx"], "its name has to end in .parquet, .tsv, .jsonl"),
    ],
)
def test_what_is_refused(
    pairs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    """One line, exit code 2, and nothing written."""
    out = str(tmp_path / "noisy.tsv")
    assert main(["noise", pairs, "--language", "de", "--out", out, *arguments]) == 2
    assert problem in capsys.readouterr().err
    assert not Path(out).exists()


def test_rejects_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records that are no pairs are counted by reason, the first by its place."""
    file = tmp_path / "pairs.tsv"
    file.write_text("A dog.\tEin Hund.\nA cat.\n", "utf-8")
    out = str(tmp_path / "noisy.tsv")
    assert main(["noise", str(file), "--language", "de", "--kinds", "empty", "--ratio", "0", "--out", out]) == 0
    assert f"1 records are no pairs: 1 malformed_record; the first: {file}:2" in capsys.readouterr().out
