"""``captionloom calibrate``: a finished run in, for each language what its noise looks like out."""

import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from filters.calibrate import CalibrateError
from filters.calibration import Calibration
from pipelines.calibrate import sample
from pipelines.cli import main
from pipelines.config import Config
from pipelines.run import Run, claimed, settle

KINDS = {
    "entity_dropped",
    "extended",
    "misaligned",
    "mojibake",
    "near_miss",
    "number_changed",
    "repetition",
    "shuffled",
    "truncated",
    "untranslated",
    "word_swap",
    "wrong_language",
}


def held(run: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run but its lock and its calibration."""
    return {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(run.rglob("*"))
        if file.is_file() and file.parent.name != "calibration" and file.name != ".lock"
    }


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit code and the only line of the message of a command that prints nothing else."""
    code = main(["calibrate", *arguments, "--quiet"])
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return code, line


def labelled(run: Path, *arguments: str) -> pa.Table:
    """Return the labelled pairs that the command would learn from; it learns nothing."""
    found = []

    def stop(pairs: pa.Table, **_: object) -> Calibration:
        found.append(pairs)
        raise CalibrateError("enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.calibrate.calibrate", stop)
        assert main(["calibrate", str(run), *arguments, "--quiet"]) == 1
    return found[0]


@pytest.fixture(scope="module")
def german(calibrated: Path) -> pa.Table:
    """Return what is learnt from in German."""
    return labelled(calibrated / "run", "--language", "de")


@pytest.mark.parametrize("code", ["de", "cs"])
def test_what_is_written(calibrated: Path, code: str) -> None:
    """A file for each language, which reads back and says what it was learnt from."""
    path = calibrated / "run" / "calibration" / f"{code}.json"
    calibration = Calibration.from_json(path.read_bytes())
    assert calibration.language == code
    assert calibration.to_json() == path.read_bytes()
    report = calibration.report
    assert (report["texts"], report["seed"], report["teacher"]) == (271, 0, "muse")
    assert report["noisy"].keys() == KINDS
    # A third of 271 texts in each of two rounds, shared evenly.
    assert sum(report["noisy"].values()) == 2 * 90
    assert report["clean"] == 2 * 181
    assert set(report["noisy"].values()) <= {14, 15, 16}


def test_there_is_a_file_for_each_language_and_nothing_else(calibrated: Path) -> None:
    """No temporary file is left."""
    assert sorted(path.name for path in (calibrated / "run" / "calibration").iterdir()) == ["cs.json", "de.json"]


def test_the_noise_rate_of_a_clean_run(calibrated: Path) -> None:
    """Next to nothing of what mini makes of plain captions looks like planted noise, where the teacher can tell."""
    calibration = Calibration.from_json((calibrated / "run" / "calibration" / "de.json").read_bytes())
    # So few texts tell a share to a few per cent.
    assert 0 <= calibration.noise_rate < 0.1
    rate = calibration.report["noise_rate"]
    assert rate["estimate"] == calibration.noise_rate
    assert 0 <= rate["low"] <= rate["estimate"] <= rate["high"] < 0.2
    assert rate["low"] < 0.03


def test_what_the_model_reads(calibrated: Path) -> None:
    """Of Czech, which the teacher does not know, no similarity; of neither language how sure the model was."""
    features = {
        code: set(Calibration.from_json((calibrated / "run" / "calibration" / f"{code}.json").read_bytes()).features)
        for code in ("de", "cs")
    }
    assert features["de"] - features["cs"] == {"similarity", "margin"}
    assert features["cs"] <= features["de"]
    assert not {name for name in features["de"] if name.startswith(("mt_", "back_"))}


def test_again(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One language alone gives the same bytes; what is written is only the calibration, and it is told in lines."""
    run = copy / "run"
    before, expected = held(run), (run / "calibration" / "cs.json").read_bytes()
    (run / "calibration" / "cs.json").unlink()
    (run / "calibration" / "de.json").write_bytes(b"German is not asked for")
    capsys.readouterr()
    assert main(["calibrate", str(run), "--language", "Czech"]) == 0
    assert (run / "calibration" / "cs.json").read_bytes() == expected
    assert (run / "calibration" / "de.json").read_bytes() == b"German is not asked for"
    assert held(run) == before
    output = capsys.readouterr()
    assert output.err == "cs: planting noise in 271 texts, and measuring it\n"
    said = output.out.splitlines()
    report = json.loads(expected)["report"]
    assert said[0].startswith(f"cs: {report['noise_rate']['estimate']:.1%} of the pairs look like planted noise (")
    assert " over 12 kinds; " in said[0]
    assert "    hard to tell: " in said[1]
    assert said[-2].startswith(f"    offered: min_clean_probability {report['suggested']['min_clean_probability']:g} ")
    assert said[-1] == (
        f"written to {run}/calibration; judge.keep, or judge.min_clean_probability, uses it in the next cut"
    )


def test_what_it_learns_from(german: pa.Table) -> None:
    """Every text twice, a third of each round with noise, measured as the run measures: in German with the teacher."""
    pairs = german
    assert Counter(pairs["group"].to_pylist()) == Counter(dict.fromkeys(range(271), 2))
    planted = Counter(pairs["noise_kind"].to_pylist())
    assert planted[None] == 2 * 181
    assert planted.keys() == {None, *KINDS}
    empty = {name for name in pairs.column_names if pairs[name].null_count == pairs.num_rows}
    assert {"similarity", "margin", "length_z", "lid_prob", "oddity", "copy_ratio"} & empty == set()
    assert {name for name in empty if name.startswith(("mt_", "back_"))} == {
        "mt_logprob",
        "mt_min_logprob",
        "mt_worst_logprob",
        "mt_pmi",
        "mt_min_pmi",
        "mt_worst_pmi",
        "back_chrf",
        "back_similarity",
    }


def test_another_language_of_the_run_is_planted(calibrated: Path, german: pa.Table) -> None:
    """What is in a wrong language is what the run has of the same source in Czech."""
    czech = {row["source"]: row["target"] for row in sample(Run(str(calibrated / "run")), "cs", 1000).to_pylist()}
    foreign = [row for row in german.to_pylist() if row["noise_kind"] == "wrong_language"]
    assert len(foreign) > 10
    assert all(row["target"] == czech[row["source"]] for row in foreign)


def test_a_run_in_one_language(copy: Path) -> None:
    """Where there is no other language, mini makes one: German beside Czech."""
    settings = ["--set", "languages=[cs]", "--set", f"ledger={copy}/run/ledger", "--quiet"]
    assert main(["cut", str(copy / "config.yaml"), "--out", str(copy / "czech"), *settings]) == 0
    pairs = labelled(copy / "czech", "--rows", "100").to_pylist()
    german = {row["source"]: row["target"] for row in sample(Run(str(copy / "run")), "de", 1000).to_pylist()}
    foreign = [row for row in pairs if row["noise_kind"] == "wrong_language"]
    assert len(foreign) > 3
    # By its own defaults, four beams, it may choose other words than the run's one beam did.
    shared = [len(set(row["target"].split()) & set(german[row["source"]].split())) for row in foreign]
    assert sum(shared) / len(shared) > 3


def test_fewer_texts(calibrated: Path) -> None:
    """--rows bounds the texts: those with the smallest ids, kept and dropped alike, each once."""
    run = Run(str(calibrated / "run"))
    assert sample(run, "de", 50).equals(sample(run, "de", 1000).slice(0, 50))
    ids = sample(run, "de", 1000)["text_id"].to_pylist()
    assert ids == sorted(set(ids))
    assert len(ids) == 271  # the loop is one, and what has no translation is none
    pairs = labelled(calibrated / "run", "--language", "cs", "--rows", "60")
    assert pairs.num_rows == 120


def test_back_translations(run_copy: Path) -> None:
    """A run with back-translation has what is planted translated back too: it is measured as its own pairs are."""
    config = run_copy / "config.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["translate"]["back_translation"] = True
    config.write_text(yaml.safe_dump(settings))
    pairs = labelled(run_copy, "--language", "cs")
    assert pairs.num_rows == 2 * 12
    assert pairs["back_chrf"].null_count == 0
    assert pairs["back_similarity"].null_count == 24  # the run has no teacher


def test_too_few_texts(calibrated: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the number and what is needed; exit code 1, and nothing is written."""
    (copy / "run" / "calibration" / "cs.json").unlink()
    code, line = refused(capsys, str(copy / "run"), "--language", "cs", "--rows", "100")
    assert code == 1
    # Of the 134 in which nothing is planted those do not count that the rules drop.
    assert re.fullmatch(r"captionloom: cs: 1[23]\d clean pairs and 66 with noise: at least 200 and 20 are needed", line)
    assert not (copy / "run" / "calibration" / "cs.json").exists()


def test_a_run_of_a_dozen_texts(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is as clear."""
    code, line = refused(capsys, str(run_copy))
    assert code == 1
    assert line.startswith("captionloom: de: ")
    assert not (run_copy / "calibration").exists()


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and no folder is made."""
    code, line = refused(capsys, str(tmp_path / "run"))
    assert (code, line) == (
        2,
        f"captionloom: {tmp_path}/run: there is no run in it ({tmp_path}/run/config.yaml is not there)",
    )
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_never_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without pairs there is nothing to learn from."""
    run = Run(str(tmp_path))
    made = Config.model_validate({"input": {"format": "jsonl", "path": "none"}, "languages": ["de"]})
    settle(run, made, overwrite=False)
    assert refused(capsys, run.root) == (2, f"captionloom: {tmp_path} holds no pairs: run cut (or build) first")


@pytest.mark.parametrize(
    ("language", "problem"),
    [("fr", "--language: {run} has no fr; it has de, cs"), ("xq", "--language: unknown language 'xq'")],
)
def test_an_unknown_language(run_copy: Path, capsys: pytest.CaptureFixture[str], language: str, problem: str) -> None:
    """One that the run has not, and one that is none: exit code 2."""
    code, line = refused(capsys, str(run_copy), "--language", language)
    assert code == 2
    assert line.startswith(f"captionloom: {problem.format(run=run_copy)}")


def test_a_run_that_somebody_works_in(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run's lock holds for it too."""
    with claimed(Run(str(run_copy))):
        code, line = refused(capsys, str(run_copy))
    assert (code, line) == (2, f"captionloom: another captionloom is at work in {run_copy}; wait for it or stop it")


class NotInstalled:
    """What imports ask where scikit-learn is not installed."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "sklearn":
            raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")


def test_without_scikit_learn(
    run_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names what to install; exit code 2."""
    for name in list(sys.modules):
        if name.split(".")[0] == "sklearn" or name in ("pipelines.calibrate", "filters.calibrate"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NotInstalled(), *sys.meta_path])
    code, line = refused(capsys, str(run_copy))
    assert (code, line) == (2, "captionloom: calibrate needs scikit-learn: pip install 'captionloom[calibrate]'")


@pytest.mark.parametrize("rows", ["0", "-1", "many"])
def test_rows_that_are_no_number(rows: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that cannot be parsed is wrong."""
    with pytest.raises(SystemExit) as stopped:
        main(["calibrate", "run", "--rows", rows])
    assert stopped.value.code == 2
    assert f"{rows!r} is no whole number from 1" in capsys.readouterr().err
