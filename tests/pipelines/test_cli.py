"""The command line: exit codes, short messages, and nothing heavy before it is needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli import main

HEAVY = ("apache_beam", "ctranslate2", "pyarrow", "numpy", "torch", "fasttext", "matplotlib", "pydantic", "sklearn")


def captionloom(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def imported(*arguments: str) -> set[str]:
    """Return what modules running the command in a new process imports."""
    code = (
        "import json, sys\n"
        "from pipelines.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    finished = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    modules: set[str] = {name.split(".")[0] for name in json.loads(finished.stderr.splitlines()[-1])}
    return modules


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines of the message of a command that prints nothing else."""
    code = main(arguments)
    output = capsys.readouterr()
    assert output.out == ""
    assert "Traceback" not in output.err
    return code, output.err.splitlines()


def test_help_is_light() -> None:
    """``--help`` imports neither Beam nor an engine."""
    assert not imported("--help") & set(HEAVY)
    assert not imported("build", "--help") & set(HEAVY)


def test_a_wrong_command_is_light() -> None:
    """So does a command that cannot be parsed."""
    assert not imported("frobnicate") & set(HEAVY)


def test_help() -> None:
    """Every command is named."""
    finished = captionloom("--help")
    assert finished.returncode == 0
    for command in (
        "demo",
        "build",
        "score",
        "cut",
        "audit",
        "models",
        "noise",
        "pairs",
        "calibrate",
        "verify",
        "show",
    ):
        assert re.search(rf"^    {command}\s", finished.stdout, re.MULTILINE)
    assert finished.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("frobnicate",),
        ("build",),
        ("build", "c.yaml", "--frobnicate"),
        ("verify",),
        ("show", "run", "--items", "none"),
        ("show", "run", "--items", "0"),
        ("show", "run", "--items", "-3"),
    ],
)
def test_a_wrong_command(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """A command that cannot be parsed is wrong: exit code 2 and the usage."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: captionloom")


def test_no_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A configuration that is not there: exit code 2 and one line."""
    code, lines = refused(capsys, "build", str(tmp_path / "no.yaml"), "--out", str(tmp_path / "run"))
    assert (code, lines) == (2, [f"captionloom: no configuration file {tmp_path}/no.yaml"])
    assert not (tmp_path / "run").exists()


def test_no_output_directory(capsys: pytest.CaptureFixture[str], input_config: Path) -> None:
    """A run must know where to lie."""
    code, lines = refused(capsys, "cut", str(input_config))
    assert (code, lines) == (2, ["captionloom: no output directory: give --out DIR, or out: in the configuration"])


def test_every_problem_at_once(capsys: pytest.CaptureFixture[str], input_config: Path, tmp_path: Path) -> None:
    """Settings, languages, models and files: one line each, all in one message, before anything is written."""
    code, lines = refused(
        capsys,
        "build",
        str(input_config),
        "--out",
        str(tmp_path / "run"),
        "--set=translate.beam_size=0",
        "--set=languages=[de, germn, it]",
        "--set=judge.thresholds={min_simlarity: 0}",
        "--set=input.path=no.jsonl",
    )
    assert code == 2
    assert [line.split("; ")[0].split(" (")[0] for line in lines] == [
        f"captionloom: {input_config}: translate.beam_size: Input should be greater than or equal to 1",
        f"captionloom: {input_config}: languages: unknown language 'germn'",
        f"captionloom: {input_config}: judge, for de, it: unknown threshold 'min_simlarity'",
        "captionloom: translate.model: model 'mini' does not translate English",
        f"captionloom: input.path: no file matches '{input_config.parent}/no.jsonl'",
    ]
    assert not (tmp_path / "run").exists()


def test_an_unknown_language_alone(capsys: pytest.CaptureFixture[str], input_config: Path, tmp_path: Path) -> None:
    """It is said once, by what read it, with exit code 2."""
    code, lines = refused(capsys, "build", str(input_config), "--out", str(tmp_path / "run"), "--set=languages=[xx]")
    assert code == 2
    assert lines == [
        f"captionloom: {input_config}: languages: unknown language 'xx'; codes are BCP-47 such as de or pt-BR"
    ]


def test_back_translation_without_a_model(
    capsys: pytest.CaptureFixture[str], input_config: Path, tmp_path: Path, one_way_model: Path
) -> None:
    """A model without a way back: exit code 2 before anything is loaded."""
    settings = [f"--set=translate.model={one_way_model}", "--set=translate.back_translation=true"]
    code, lines = refused(capsys, "score", str(input_config), "--out", str(tmp_path / "run"), *settings)
    assert code == 2
    assert [line.split(": model")[0] for line in lines] == [
        "captionloom: translate.back_translation: no model is configured for German -> English",
        "captionloom: translate.back_translation: no model is configured for Czech -> English",
    ]


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("device=cuda", "device: CUDA finds no GPU here; use cpu, or auto: a GPU where there is one"),
        ("device_index=[3]", "device_index: there is no GPU 3 here: CUDA finds none"),
        (
            "compute_type=int3",
            "compute_type: this CPU does not support 'int3'; it supports auto, default, float32, int8",
        ),
    ],
)
def test_a_device_that_is_not_there(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    input_config: Path,
    tmp_path: Path,
    setting: str,
    problem: str,
) -> None:
    """One line before anything is written, and exit code 2."""
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda *_: {"int8", "float32"})
    arguments = ["build", str(input_config), "--out", str(tmp_path / "run"), f"--set=translate.{setting}"]
    assert refused(capsys, *arguments) == (2, [f"captionloom: translate.{problem}"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("file", "kept", "problem"),
    [
        ("model.bin", 100_000, "{model}/model.bin ends before its weights do: it was not copied whole"),
        ("shared_vocabulary.json", None, "{model} lacks shared_vocabulary.json (or source_vocabulary.json)"),
        (
            "target.spm",
            1000,
            "its tokenizer does not load: {model}/target.spm: INTERNAL: could not parse ModelProto from "
            "{model}/target.spm",
        ),
    ],
)
def test_a_damaged_model(
    capsys: pytest.CaptureFixture[str],
    input_config: Path,
    mini_copy: Path,
    tmp_path: Path,
    file: str,
    kept: int | None,
    problem: str,
) -> None:
    """A model that is not whole is refused like one that is not there: one line, nothing written, exit code 2."""
    content = (mini_copy / file).read_bytes()
    (mini_copy / file).unlink()
    if kept is not None:
        (mini_copy / file).write_bytes(content[:kept])
    arguments = ["score", str(input_config), "--out", str(tmp_path / "run"), f"--set=translate.model={mini_copy}"]
    code, (line,) = refused(capsys, *arguments)
    assert code == 2
    assert line.startswith("captionloom: translate.model: ")
    assert line.endswith(f": {problem.format(model=mini_copy)}")
    assert not (tmp_path / "run").exists()


def test_another_configuration_in_the_directory(
    capsys: pytest.CaptureFixture[str], input_config: Path, run_copy: Path
) -> None:
    """A run is not continued with other settings: exit code 2, and the run is as it was."""
    before = (run_copy / "config.yaml").read_bytes()
    code, lines = refused(capsys, "cut", str(input_config), "--out", str(run_copy), "--set=translate.beam_size=1")
    assert code == 2
    assert lines[0].startswith(
        f"captionloom: {run_copy} holds a run with another configuration: translate.beam_size: 4 there, 1 now. "
    )
    assert (run_copy / "config.yaml").read_bytes() == before
    assert (run_copy / "shards" / "manifest.json").exists()


def test_cut_without_score(capsys: pytest.CaptureFixture[str], input_config: Path, tmp_path: Path) -> None:
    """A cut of what was not translated fails, saying what to do: exit code 1."""
    code, lines = refused(capsys, "cut", str(input_config), "--out", str(tmp_path / "run"), "--quiet")
    assert code == 1
    assert len(lines) <= 2
    assert "the ledger lacks " in lines[0]
    assert "run score (or build) to the end first" in lines[0]


def test_audit_without_shards(capsys: pytest.CaptureFixture[str], input_config: Path, tmp_path: Path) -> None:
    """There is nothing to audit: exit code 1."""
    code, lines = refused(capsys, "audit", str(input_config), "--out", str(tmp_path / "run"), "--quiet")
    assert code == 1
    assert lines == [f"captionloom: {tmp_path}/run has no finished shards to audit: run cut (or build) first"]


def test_too_many_rejects(capsys: pytest.CaptureFixture[str], input_config: Path, tmp_path: Path) -> None:
    """Too much broken input ends the run before anything is translated: exit code 1, with the reasons."""
    code, lines = refused(
        capsys,
        "score",
        str(input_config),
        "--out",
        str(tmp_path / "run"),
        "--quiet",
        "--set=input.max_rejected=0.1",
    )
    assert code == 1
    assert lines == [
        "captionloom: 2 of 15 captions were rejected (13.3%; input.max_rejected is 10.0%), most for: "
        "empty_caption 1, missing_media 1. The rejects folder has each with its origin"
    ]
    assert not (tmp_path / "run" / "ledger").exists()


def test_verify(capsys: pytest.CaptureFixture[str], built_run: Path) -> None:
    """A whole run: exit code 0 and one line."""
    assert main(["verify", str(built_run)]) == 0
    output = capsys.readouterr()
    assert output.out.startswith(f"{built_run}: 4 shards, 6 samples, 13 captions, ")
    assert output.out.endswith(": every promise holds\n")
    assert output.err == ""


def test_verify_a_spoilt_run(capsys: pytest.CaptureFixture[str], run_copy: Path) -> None:
    """Every broken promise on a line, and exit code 1."""
    (run_copy / "shards" / "stray.tar").write_bytes(b"")
    code, lines = refused(capsys, "verify", str(run_copy))
    assert code == 1
    assert lines == [
        "captionloom: shards/stray.tar is not in the manifest",
        f"captionloom: {run_copy}: 1 broken promises",
    ]


def test_verify_no_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What is no run cannot be verified: exit code 1."""
    code, lines = refused(capsys, "verify", str(tmp_path))
    assert (code, lines) == (
        1,
        [f"captionloom: {tmp_path}/shards/manifest.json is not there: this is no finished run"],
    )


def test_show(capsys: pytest.CaptureFixture[str], built_run: Path) -> None:
    """One item, or some."""
    assert main(["show", str(built_run), "boat"]) == 0
    assert capsys.readouterr().out.startswith("boat (val-000000)\n  0  A boat on a lake.\n")
    assert main(["show", str(built_run), "--items", "2"]) == 0
    assert capsys.readouterr().out.count("-000000") + 1 >= 2


def test_show_an_unknown_item(capsys: pytest.CaptureFixture[str], built_run: Path) -> None:
    """Nothing is known of it: exit code 1."""
    code, lines = refused(capsys, "show", str(built_run), "nobody")
    assert (code, lines) == (1, [f"captionloom: nothing is known of key 'nobody' in {built_run}"])


def test_a_reader_that_has_seen_enough(built_run: Path) -> None:
    """A closed pipe, as behind ``| head``, is no error, whether it is noticed at once or at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "show", str(built_run), "--items", "100"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_an_unforeseen_error(
    capsys: pytest.CaptureFixture[str], built_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours is one line and where to look, exit code 1; with --debug it is a traceback."""

    def defect(*_arguments: object, **_settings: object) -> None:
        raise KeyError("oh")

    monkeypatch.setattr("pipelines.verify.verify", defect)
    code, lines = refused(capsys, "verify", str(built_run))
    assert (code, lines) == (1, ["captionloom: KeyError: 'oh'", "captionloom: --debug shows where"])
    with pytest.raises(KeyError):
        main(["verify", str(built_run), "--debug"])
