"""``captionloom models``: what a configuration's models are, and having them ready before a run."""

import itertools
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_encoders import save_encoder

from filters.encoder_files import read_encoder
from pipelines.cli import main
from translate.convert import convert
from translate.hub import resolve
from translate.models import MINI


def configured(folder: Path, translate: str, languages: str = "[de, zh]") -> str:
    """Write a configuration with this ``translate`` section and return its path."""
    (folder / "captions.jsonl").write_text('{"key": "1", "caption": "A dog."}\n')
    file = folder / "config.yaml"
    file.write_text(
        f"input: {{format: jsonl, path: captions.jsonl}}\nlanguages: {languages}\ntranslate: {translate}\nout: run\n"
    )
    return str(file)


def test_the_bundled_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Name, origin, place, size, digest, licence, directions, and what is asked of it."""
    assert main(["models", configured(tmp_path, "{back_translation: true}")]) == 0
    model = resolve("mini")
    assert capsys.readouterr().out.splitlines() == [
        "mini",
        "  from      bundled",
        f"  lies in   {MINI}",
        f"  is        marian, {model.size / 1e6:,.1f} MB, digest {model.digest}",
        "  licence   Apache-2.0",
        "  can do    it translates cs to en; de to en; en to cs, de, fr, zh; fr to en; zh to en",
        "  asked for en to de, zh; de to en; zh to en",
    ]


def test_listing_makes_nothing_and_fetching_does(
    opus: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is not ready is a problem that says what to do; fetch does it and says what to copy."""
    config = configured(tmp_path, f"{{model: {opus}}}")
    assert main(["models", config]) == 2
    assert re.search(r"problem   model '.*' is not in the cache .* yet: `captionloom models", capsys.readouterr().out)
    assert not cache.exists()

    assert main(["models", "fetch", config]) == 0
    fetched = capsys.readouterr().out
    assert "  licence   cc-by-4.0\n" in fetched
    assert f"copy {cache} to the machines that shall run without a network, to the same place\n" in fetched

    assert main(["models", config]) == 0
    assert "  can do    it knows de, zh\n" in capsys.readouterr().out


def test_a_language_that_a_model_cannot_do(
    opus: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each language that fails is named, with the nearest that is there."""
    assert main(["models", "fetch", configured(tmp_path, f"{{model: {opus}}}", "[de, de-AT, ja]")]) == 2
    out = capsys.readouterr().out
    assert "has no token for German (Austria) (de-AT); it knows de, zh; the nearest is de (German)" in out
    assert "has no token for Japanese (ja); it knows de, zh" in out


def test_a_map_and_a_pattern(opus: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model for each language: each is listed once, with what it is asked for."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/de").symlink_to(MINI)
    config = configured(tmp_path, "{model: 'models/{lang}', back_translation: true, back_model: mini}", "[de, fr]")
    assert main(["models", config]) == 2
    out = capsys.readouterr().out
    assert f"{tmp_path}/models/de\n  from      {tmp_path}/models/de\n" in out
    assert f"problem   model '{tmp_path}/models/fr': no such directory; accepted are" in out
    assert "  asked for de to en; fr to en\n" in out


def teacher_lines(out: str, teacher: str) -> list[str]:
    """Return what was said of the teacher."""
    lines = out.splitlines()
    start = lines.index(teacher)
    return list(itertools.takewhile(lambda line: line.startswith("  "), lines[start + 1 :]))


def test_a_teacher(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed behind the models, and fetched with them: what is read from its files, and whom it knows."""
    card = "language: [en, de]\nlicense: mit"
    saved = save_encoder(tmp_path / "e5-tiny", "bert", dense="pickle", card=card).folder
    config = configured(tmp_path, "{}")
    Path(config).write_text(Path(config).read_text() + "score: {teacher: e5-tiny}\n")
    assert main(["models", config]) == 2
    (problem,) = teacher_lines(capsys.readouterr().out, str(saved))
    assert problem == (
        f"  problem   score.teacher: model '{saved}' is not in the cache {cache} yet: `captionloom models fetch "
        "CONFIG` puts it there, and so does a run"
    )
    assert not cache.exists()

    assert main(["models", "fetch", config]) == 0
    out = capsys.readouterr().out
    (folder,) = (cache / "models").iterdir()
    size = read_encoder(folder, "e5-tiny").size
    lines = [
        f"  from      {saved}",
        f"  lies in   {folder}",
        f"  is        a teacher, {size / 1e6:,.1f} MB, digest {folder.name}",
        "  licence   mit",
        "  reads by  pooling mean, 1 dense layer, prefix 'query: '",
        "  can do    2 languages",
        "  note      its card does not list zh: no similarity there",
    ]
    assert teacher_lines(out, str(saved)) == lines
    assert f"copy {cache} to the machines that shall run without a network, to the same place\n" in out

    assert main(["models", config]) == 0
    assert teacher_lines(capsys.readouterr().out, str(saved)) == lines


def test_a_teacher_of_which_little_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is assumed because no file says it is noted."""
    saved = save_encoder(tmp_path / "saved", "bert").folder
    (saved / "modules.json").unlink()
    convert(saved, tmp_path / "mine")
    config = configured(tmp_path, "{}")
    assert main(["models", config, "--set", "score.teacher=mine"]) == 0
    assert teacher_lines(capsys.readouterr().out, str(tmp_path / "mine"))[-4:] == [
        "  reads by  pooling mean",
        "  can do    not stated",
        f"  note      the teacher '{tmp_path}/mine' has no modules.json of sentence-transformers: mean pooling is "
        "assumed",
        f"  note      the card of the teacher '{tmp_path}/mine' lists no languages: it is taken to know all",
    ]


def test_a_teacher_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a problem like that of a model."""
    assert main(["models", configured(tmp_path, "{}"), "--set", "score.teacher=nowhere"]) == 2
    (problem,) = teacher_lines(capsys.readouterr().out, f"{tmp_path}/nowhere")
    assert problem.startswith(f"  problem   score.teacher: model '{tmp_path}/nowhere': no such directory; accepted are")


def test_a_word_that_is_no_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only fetch can stand before the configuration."""
    assert main(["models", "get", configured(tmp_path, "{}")]) == 2
    assert "captionloom models get: only fetch can stand before CONFIG.yaml" in capsys.readouterr().err


def test_a_run_converts_what_it_needs_and_keeps_all_hypotheses(opus: Path, cache: Path, tmp_path: Path) -> None:
    """A directory in Hugging Face's layout is a model like any other; the ledger holds the next best translations."""
    config = configured(tmp_path, f"{{model: {opus}, num_hypotheses: 3, max_decoding_length: 12}}", "[de]")
    assert main(["score", config, "--quiet", "--set", "score.teacher=none"]) == 0
    (part,) = (tmp_path / "run/ledger/translations").glob("de-*/*.parquet")
    (row,) = pq.read_table(part).to_pylist()
    assert row["source"] == "A dog."
    assert len(row["alternatives"]) == 2
    scores = [row["mt_logprob"], *(other["mt_logprob"] for other in row["alternatives"])]
    assert scores == sorted(scores, reverse=True)
    assert len({row["target"], *(other["target"] for other in row["alternatives"])}) == 3
