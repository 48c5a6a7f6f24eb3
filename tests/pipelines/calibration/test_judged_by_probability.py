"""``judge.keep`` and ``judge.min_clean_probability``: pairs dropped and weighed by how likely they are clean."""

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.calibration import Calibration
from pipelines.cli import main

LOOPING, TOO_LONG = "w" * 120, "qxzj" * 300


def cut(folder: Path, out: Path, *settings: str) -> pa.Table:
    """Cut the run's ledger, judged by what was learnt of it, to ``out``; return the pairs."""
    common = [f"ledger={folder}/run/ledger", f"judge.calibration={folder}/run/calibration"]
    overrides = [part for setting in [*common, *settings] for part in ("--set", setting)]
    assert main(["cut", str(folder / "config.yaml"), "--out", str(out), "--quiet", "--overwrite", *overrides]) == 0
    return pq.read_table(out / "pairs")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the lines of the message of a cut that is wrong and says nothing else."""
    assert main(["cut", *arguments, "--quiet"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.splitlines()


def distinct(pairs: pa.Table, code: str) -> list[dict[str, Any]]:
    """Return the rows of one language, each text once."""
    return list({row["text_id"]: row for row in pairs.to_pylist() if row["language"] == code}.values())


def samples(run: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON of every sample."""
    for shard in sorted((run / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            yield from (json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json"))


def learnt(folder: Path, code: str) -> Calibration:
    """Return the calibration of one language."""
    return Calibration.from_json((folder / "run" / "calibration" / f"{code}.json").read_bytes())


@pytest.fixture(scope="module")
def kept(calibrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that keeps nine texts in ten; do not change it."""
    out = tmp_path_factory.mktemp("kept") / "run"
    cut(calibrated, out, "judge.keep=0.9")
    return out


@pytest.fixture(scope="module")
def middle(kept: Path) -> float:
    """Return a probability that half of the pairs have."""
    return float(np.median(pq.read_table(kept / "pairs")["clean_probability"].to_numpy()))


@pytest.mark.parametrize("code", ["de", "cs"])
def test_keep_keeps_that_share(kept: Path, code: str) -> None:
    """Nine in ten of each language's distinct texts, those that are likeliest clean."""
    rows = distinct(pq.read_table(kept / "pairs"), code)
    assert len(rows) == 272
    assert sum(row["keep"] for row in rows) / 272 == pytest.approx(0.9, abs=0.01)
    lowest = min(row["clean_probability"] for row in rows if row["keep"])
    likely = [row for row in rows if not row["keep"] and row["clean_probability"] >= lowest]
    assert {row["source"] for row in likely} <= {LOOPING, TOO_LONG}


def test_the_reason(kept: Path) -> None:
    """What is not likely enough is dropped for that alone; no rule judges but those that are certain."""
    reasons = {tuple(row["reasons"]) for row in pq.read_table(kept / "pairs").to_pylist() if len(row["source"]) < 110}
    assert reasons == {(), ("low_clean_probability",)}


def test_what_is_certain_is_dropped_for_it(kept: Path) -> None:
    """There is no whole translation, whatever the probability."""
    rows = {row["source"]: row for row in pq.read_table(kept / "pairs").to_pylist()}
    assert "unfinished" in rows[LOOPING]["reasons"]
    assert "too_long" in rows[TOO_LONG]["reasons"]
    assert (rows[TOO_LONG]["keep"], rows[TOO_LONG]["weight"], rows[TOO_LONG]["target"]) == (False, 0.0, None)


def test_the_weight_is_the_probability(kept: Path) -> None:
    """Of a kept pair; a dropped one weighs nothing. Every pair has a probability."""
    rows = pq.read_table(kept / "pairs").to_pylist()
    assert all(0 < row["clean_probability"] < 1 for row in rows)
    assert all(row["weight"] == (row["clean_probability"] if row["keep"] else 0) for row in rows)


def test_captions_that_share_a_text_are_judged_alike(kept: Path) -> None:
    """The same translation has the same probability wherever it stands."""
    verdicts: dict[tuple[str, bytes], set[tuple[bool, float]]] = {}
    for row in pq.read_table(kept / "pairs").to_pylist():
        verdict = (row["keep"], row["clean_probability"])
        verdicts.setdefault((row["language"], row["text_id"]), set()).add(verdict)
    assert {len(found) for found in verdicts.values()} == {1}
    assert len(verdicts) == 2 * 272


def test_the_probability_is_in_the_samples(kept: Path) -> None:
    """A loader finds it among the scores, and as the weight."""
    translations = [one for sample in samples(kept) for one in sample["captions"][0]["translations"].values()]
    assert len(translations) > 480
    assert all(one["weight"] == one["scores"]["clean_probability"] for one in translations)


def test_every_promise_holds(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was judged so is a run like any other."""
    assert main(["verify", str(kept)]) == 0
    assert capsys.readouterr().out.endswith(": every promise holds\n")


def test_the_same_bytes_again(calibrated: Path, kept: Path, tmp_path: Path) -> None:
    """Another cut of the same gives the same shards."""
    cut(calibrated, tmp_path / "again", "judge.keep=0.9")
    shards = {shard.name: shard.read_bytes() for shard in (kept / "shards").iterdir()}
    assert sorted(shards) == ["manifest.json", "sizes.json", *(f"train-00000{i}.tar" for i in range(4))]
    assert {shard.name: shard.read_bytes() for shard in (tmp_path / "again" / "shards").iterdir()} == shards


def test_without_it(calibrated: Path) -> None:
    """A run that is judged by rules alone has no probability, in its pairs or its samples."""
    pairs = pq.read_table(calibrated / "run" / "pairs")
    assert pairs["clean_probability"].null_count == pairs.num_rows == 2 * 302
    scores = [one["scores"] for sample in samples(calibrated / "run") for one in _translations(sample)]
    assert scores
    assert all("clean_probability" not in one for one in scores)


def _translations(sample: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for caption in sample["captions"] for one in caption["translations"].values()]


def test_a_bound(calibrated: Path, middle: float, tmp_path: Path) -> None:
    """What is less likely clean is dropped, and what is as likely is kept."""
    rows = cut(calibrated, tmp_path / "run", f"judge.min_clean_probability={middle}").to_pylist()
    usable = [row for row in rows if row["source"] not in (LOOPING, TOO_LONG)]
    assert all(row["keep"] == (row["clean_probability"] >= np.float32(middle)) for row in usable)
    assert 0.4 < sum(row["keep"] for row in usable) / len(usable) < 0.6


def test_the_bound_that_was_learnt(calibrated: Path, tmp_path: Path) -> None:
    """Each language has its own."""
    rows = cut(calibrated, tmp_path / "run", "judge.min_clean_probability=learnt").to_pylist()
    for code in ("de", "cs"):
        bound = np.float32(learnt(calibrated, code).report["suggested"]["min_clean_probability"])
        usable = [row for row in rows if row["language"] == code and row["source"] not in (LOOPING, TOO_LONG)]
        assert all(row["keep"] == (row["clean_probability"] >= bound) for row in usable)


def test_a_language_of_its_own(calibrated: Path, tmp_path: Path) -> None:
    """What judge.languages says of one language counts more than keep: all of German stays; of Czech half, and ties."""
    pairs = cut(
        calibrated,
        tmp_path / "run",
        "judge.keep=0.5",
        "judge.languages.de.thresholds.min_clean_probability=0",
    )
    assert sum(row["keep"] for row in distinct(pairs, "de")) == 270
    assert sum(row["keep"] for row in distinct(pairs, "cs")) / 272 == pytest.approx(0.515, abs=0.015)


def test_a_bound_for_a_language(calibrated: Path, tmp_path: Path) -> None:
    """So does a bound over a bound."""
    languages = "judge.languages.cs.thresholds.min_clean_probability=0.99"
    rows = cut(calibrated, tmp_path / "run", "judge.min_clean_probability=0", languages).to_pylist()
    usable = [row for row in rows if row["source"] not in (LOOPING, TOO_LONG)]
    bounds = {"de": 0.0, "cs": np.float32(0.99)}
    assert all(row["keep"] == (row["clean_probability"] >= bounds[row["language"]]) for row in usable)
    assert sum(not row["keep"] for row in usable) > 0


def test_a_calibration_alone_only_weighs(calibrated: Path, tmp_path: Path) -> None:
    """judge.calibration without a bound drops what is certain, and weighs the rest by its probability."""
    folder = shutil.copytree(calibrated / "run" / "calibration", tmp_path / "elsewhere")
    pairs = cut(calibrated, tmp_path / "run", f"judge.calibration={folder}")
    for row in pairs.to_pylist():
        certain = row["source"] in (LOOPING, TOO_LONG)
        assert row["keep"] != certain
        assert row["weight"] == (0 if certain else row["clean_probability"])


def test_listed_rules_judge_too(calibrated: Path, middle: float, tmp_path: Path) -> None:
    """A rule that the configuration lists drops pairs beside the probability, each for its own reason."""
    pairs = cut(
        calibrated,
        tmp_path / "run",
        f"judge.min_clean_probability={middle}",
        "judge.rules=[too_long, unfinished, length_ratio]",
        "judge.thresholds.max_length_ratio=1.1",
    )
    usable = [row for row in pairs.to_pylist() if row["source"] not in (LOOPING, TOO_LONG)]
    for row in usable:
        fired = {
            "length_ratio": row["length_ratio"] > np.float32(1.1),
            "low_clean_probability": row["clean_probability"] < np.float32(middle),
        }
        assert row["reasons"] == [reason for reason, fires in fired.items() if fires]
    assert {len(row["reasons"]) for row in usable} == {0, 1, 2}


def test_all_of_it(calibrated: Path, tmp_path: Path) -> None:
    """keep: 1 keeps every text that has a translation."""
    pairs = cut(calibrated, tmp_path / "run", "judge.keep=1.0")
    assert sum(row["keep"] for row in pairs.to_pylist()) == 2 * 300


def test_the_runs_own_calibration(copy: Path, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From rules to keep is another configuration: it needs --overwrite, translates nothing and knows its folder."""
    command = [str(copy / "config.yaml"), "--out", str(copy / "run"), "--set", "judge.keep=0.9"]
    (line,) = refused(capsys, *command)
    assert "holds a run with another configuration: " in line
    assert "; judge.keep: None there, 0.9 now. " in line
    assert "add --overwrite" in line
    before = {path: path.stat().st_mtime_ns for path in (copy / "run" / "ledger").rglob("*.parquet")}
    assert main(["score", *command, "--overwrite"]) == 0
    assert main(["cut", *command]) == 0
    assert "de: 0 texts translated, 272 were in the ledger" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (copy / "run" / "ledger").rglob("*.parquet")} == before
    assert pq.read_table(copy / "run" / "pairs").equals(pq.read_table(kept / "pairs"))


@pytest.mark.parametrize("setting", ["judge.keep=0.9", "judge.min_clean_probability=learnt", "judge.calibration={}"])
def test_no_calibration(setting: str, calibrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each language, before anything is written."""
    folder = tmp_path / "run" / "calibration"
    arguments = ["--out", str(tmp_path / "run"), "--set", setting.format(folder)]
    assert refused(capsys, str(calibrated / "config.yaml"), *arguments) == [
        f"captionloom: judge: {folder}/{code}.json is not there: judging by the probability of being clean needs what "
        "captionloom calibrate learns from a finished run"
        for code in ("de", "cs")
    ]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (["keep=0.9", "min_clean_probability=0.8"], "judge: keep and min_clean_probability both say how many pairs"),
        (["keep=0"], "judge.keep: Input should be greater than 0"),
        (["keep=1.5"], "judge.keep: Input should be less than or equal to 1"),
        (["keep=most"], "judge.keep: Input should be a valid number"),
        (["min_clean_probability=1.5"], "judge.min_clean_probability: "),
        (["min_clean_probability=lernt"], "judge.min_clean_probability: "),
        (["thresholds.min_clean_probability=1.5"], "judge, for de, cs: min_clean_probability: 1.5 is not between"),
    ],
)
def test_settings_that_make_no_sense(
    settings: list[str], problem: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, said of the setting; the run stays as it is."""
    before = (copy / "run" / "shards" / "manifest.json").read_bytes()
    overrides = [part for setting in settings for part in ("--set", f"judge.{setting}")]
    lines = refused(capsys, str(copy / "config.yaml"), "--out", str(copy / "run"), "--overwrite", *overrides)
    assert lines
    assert all(line.startswith(f"captionloom: {copy}/config.yaml: {problem}") for line in lines)
    assert (copy / "run" / "shards" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"version": 1, "lang', "this is no calibration: "),
        (b"[]", "this is no calibration: "),
        (b'{"version": 0}', "version 0, and this captionloom reads 2"),
    ],
)
def test_a_calibration_that_cannot_be_read(
    content: bytes, problem: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, and the run stays as it is."""
    (copy / "run" / "calibration" / "cs.json").write_bytes(content)
    arguments = ["--out", str(copy / "run"), "--overwrite", "--set", "judge.keep=0.9"]
    (line,) = refused(capsys, str(copy / "config.yaml"), *arguments)
    assert line.startswith(f"captionloom: judge: {copy}/run/calibration/cs.json: {problem}")
    assert (copy / "run" / "shards" / "manifest.json").exists()


def test_a_calibration_learnt_with_another_teacher(calibrated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its similarity is not this one: German is refused; Czech never had one."""
    settings = ["--set", "judge.keep=0.9", "--set", "score.teacher=none", "--overwrite"]
    (line,) = refused(capsys, str(calibrated / "config.yaml"), "--out", str(calibrated / "run"), *settings)
    assert line.startswith(f"captionloom: judge: {calibrated}/run/calibration/de.json")
    assert line.endswith("was learnt with the teacher 'muse', not with 'none'")
