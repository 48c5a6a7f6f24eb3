"""The benchmark scripts run, on a few captions, and say what they promise; nothing here looks at a time."""

import gzip
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tiny_encoders import save_encoder

REPOSITORY = Path(__file__).resolve().parents[2]

SENTENCES = {
    "en": ["A dog runs over the green grass .", "Two men in red shirts are playing a game ."],
    "de": ["Ein Hund rennt über das grüne Gras .", "Zwei Männer in roten Hemden spielen ein Spiel ."],
    "fr": ["Un chien court sur la pelouse verte .", "Deux hommes en chemise rouge jouent à un jeu ."],
    "cs": ["Pes běží po zelené trávě .", "Dva muži v červených tričkách hrají hru ."],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder laid out as ../shared/data, with next to nothing in it."""
    folder = tmp_path / "data"
    (folder / "multi30k").mkdir(parents=True)
    for language, lines in SENTENCES.items():
        # Forty sentences that no two share a half of: enough to be recombined.
        text = "".join(f"{i} {line} {i}\n" for i in range(20) for line in lines)
        (folder / "multi30k" / f"train.{language}.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "coco_val2017").mkdir()
    annotations = [{"id": i, "image_id": i // 5, "caption": f"A dog and {i} cats on the grass."} for i in range(30)]
    images = [{"id": i, "file_name": f"{i:012d}.jpg"} for i in range(6)]
    document = json.dumps({"images": images, "annotations": annotations}).encode()
    (folder / "coco_val2017" / "captions_val2017.json.gz").write_bytes(gzip.compress(document))
    (folder / "flickr8k_1k" / "images").mkdir(parents=True)
    with (folder / "flickr8k_1k" / "captions.jsonl").open("w") as sink:
        for i in range(3):
            Image.new("RGB", (8 + i, 8), (90 * i, 0, 0)).save(folder / "flickr8k_1k" / "images" / f"{i}.jpg")
            captions = [f"A dog jumps over {i} logs .", f"The dog is in the water {i} ."]
            sink.write(json.dumps({"key": f"{i}", "image": f"images/{i}.jpg", "captions": captions}) + "\n")
    return folder


def figures(script: str, data: Path, *options: str) -> list[dict[str, object]]:
    """Run ``script`` and return the rows of its JSON, having checked that each stands in the printed table."""
    target = data.parent / f"{script}.json"
    command = [sys.executable, "-m", f"benchmarks.{script}", "--data", str(data), "--json", str(target), *options]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, object]] = json.loads(target.read_bytes())["rows"]
    for row in rows:
        assert str(next(iter(row.values()))).strip() in done.stdout
    return rows


@pytest.mark.slow
def test_score_speed_reports_the_ratio_of_pipeline_to_bare_loop(data: Path) -> None:
    """One setting: both sides, the required ratio, and where the time goes."""
    rows = figures("score_speed", data, "--rounds", "1", "--captions", "20")
    titles = [row["what"] for row in rows]
    assert titles[0] == "bare translate_batch"
    assert "PIPELINE over bare translate_batch" in titles
    assert "CPU of score: identify the language" in titles


@pytest.mark.slow
def test_score_speed_sweeps_every_combination(data: Path) -> None:
    """Two batch sizes and one unit size are two rows for each side."""
    rows = figures("score_speed", data, "--rounds", "1", "--captions", "20", "--max-batch-tokens", "64", "128")
    assert [row["what"] for row in rows] == [
        "bare, 64 tokens",
        "pipeline, 64 tokens, units of 2048",
        "bare, 128 tokens",
        "pipeline, 128 tokens, units of 2048",
    ]


@pytest.mark.slow
def test_cut_speed_reports_images_and_text(data: Path) -> None:
    """The real photographs, the larger run and the text-only one are there."""
    rows = figures("cut_speed", data, "--rounds", "1", "--samples", "4", "--pairs", "30")
    titles = [row["what"] for row in rows]
    assert {"cut: fixed cost", "Flickr8k 1k: CUT", "4 samples: CUT", "text only: cut"} <= set(titles)


@pytest.mark.slow
def test_score_memory_reports_every_run(data: Path) -> None:
    """Three sizes, duplicates, a full ledger, and a real run."""
    rows = figures("score_memory", data, "--captions", "40", "--real", "20")
    found = [(row["engine"], row["captions"], row["distinct"], row["others in ledger"]) for row in rows]
    assert found == [
        ("fake", 10, 10, 0),
        ("fake", 20, 20, 0),
        ("fake", 40, 40, 0),
        ("fake", 40, 10, 0),
        ("fake", 10, 10, 40),
        ("real", 20, 20, 0),
    ]


@pytest.mark.slow
def test_resume_shows_that_nothing_is_translated_twice(data: Path) -> None:
    """22 captions, the first runs without every eleventh: 20 texts, then 0, then one language, then 2 more."""
    rows = figures("resume", data, "--captions", "22")
    assert [(row["de"], row["fr"], row["cs"]) for row in rows] == [
        (20, 20, None),
        (0, 0, None),
        (0, 0, 20),
        (2, 2, 2),
        (None, None, None),
        (None, None, None),
    ]


@pytest.mark.slow
def test_ingest_speed_reads_the_same_captions_in_every_format(data: Path) -> None:
    """Nine formats with 50 captions each, one of them with an evaluation set kept out too, and one larger file."""
    rows = figures("ingest_speed", data, "--captions", "50", "--megabytes", "1")
    assert [row["captions"] for row in rows[:10]] == [50] * 10
    assert [rows[i]["format"] for i in (1, 10)] == ["jsonl, COCO kept out", "jsonl, 1 MB"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder laid out as ../shared/data, with 210 photos of four features and 420 captions without photos."""
    who = ["A dog", "A brown cat", "Two men", "A small child", "A woman in red", "An old man", "A white horse"]
    does = ["runs over", "sits on", "looks at", "walks to", "plays near", "waits at"]
    where = ["the green grass .", "a wooden bench .", "the wide beach .", "an old house .", "a busy street .",
             "the blue lake .", "a tall tree .", "the snowy hill .", "a parked car .", "the red door ."]  # fmt: skip
    said = [" ".join(words) for words in itertools.product(who, does, where)]
    folder = tmp_path / "data"
    (folder / "multi30k").mkdir(parents=True)
    (folder / "flickr8k_1k").mkdir()
    keys = [f"{i}_x" for i in range(210)]
    with (folder / "flickr8k_1k" / "captions.jsonl").open("w") as sink:
        for key, caption in zip(keys, said, strict=False):
            sink.write(json.dumps({"key": key, "captions": [f"There is: {caption}"]}) + "\n")
    with (folder / "flickr8k_1k" / "references.jsonl").open("w") as sink:
        for key, caption in zip(keys, said, strict=False):
            human = {"split": "train", **{code: f"{caption} {code}" for code in ("en", "de", "fr", "cs")}}
            sink.write(json.dumps({"key": key, "multi30k": human, "zh_human_written": []}) + "\n")
    features = np.random.default_rng(0).normal(size=(210, 4)).astype(np.float16)
    np.savez(folder / "flickr8k_1k" / "efficientnet_lite2.npz", keys=np.array(keys), features=features)
    for code in ("en", "de", "fr", "cs"):
        human = "".join(f"{caption} {code} {i}\n" for i, caption in enumerate(said[:12]))
        (folder / "multi30k" / f"test_2016_flickr.{code}.gz").write_bytes(gzip.compress(human.encode()))
    names = "".join(f"{1000 + i}.jpg\n" for i in range(len(said)))
    (folder / "multi30k" / "train.images.txt.gz").write_bytes(gzip.compress(names.encode()))
    (folder / "multi30k" / "train.en.gz").write_bytes(gzip.compress("\n".join([*said, ""]).encode()))
    return folder


@pytest.mark.slow
def test_downstream_trains_on_every_treatment_and_does_nothing_twice(photos: Path) -> None:
    """With 40 % noise, of which the rules drop some; a second run trains and builds nothing."""
    work = photos.parent / "work"
    options = ("--quick", "--jobs", "2", "--work", str(work))
    rows = figures("downstream", photos, *options)
    treatments = [
        "everything",
        "rules",
        "rules + calibrated weights",
        "rules + their weights",
        "calibrated weights alone",
        "the clean ones",
    ]
    assert [(row["noise"], row["trained on"]) for row in rows] == [("misaligned 40 %", name) for name in treatments]
    everything, kept = rows[0]["pairs"], rows[1]["pairs"]
    assert isinstance(everything, int)
    assert isinstance(kept, int)
    assert kept < 0.8 * everything
    planted = pq.read_table(work / "misaligned-40" / "planted.parquet")
    assert planted.num_rows - planted["noise_kind"].null_count == round(0.4 * planted.num_rows)
    assert rows[5]["pairs"] == everything - round(0.4 * planted.num_rows)
    states = {path: path.stat().st_mtime_ns for path in work.rglob("*.json") if path.parent.name in ("results", "cut")}
    assert len(states) >= 6 + 4 * 2
    figures("downstream", photos, *options)
    assert {path: path.stat().st_mtime_ns for path in states} == states


def test_downstream_does_not_go_on_with_another_measurement(photos: Path) -> None:
    """A folder that holds French is not gone on with in German: one line, and nothing is written."""
    work = photos.parent / "work"
    work.mkdir()
    (work / "settings.json").write_text('{"language": "fr", "captions": 400, "steps": 4}')
    command = [sys.executable, "-m", "benchmarks.downstream", "--quick", "--data", str(photos), "--work", str(work)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"{work} holds a measurement with {{'language': 'fr', 'captions': 400, 'steps': 4}}, not "
        "{'language': 'de', 'captions': 400, 'steps': 4}: give another --work"
    )
    assert [path.name for path in work.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        ("score_speed", "coco_val2017/captions_val2017.json.gz"),
        ("detect", "multi30k/val.en.gz"),
        ("downstream", "multi30k/train.images.txt.gz"),
    ],
)
def test_absent_data_is_one_line(tmp_path: Path, script: str, missing: str) -> None:
    """Without the real data a script ends with exit code 1 and the path that is missing."""
    command = [sys.executable, "-m", f"benchmarks.{script}", "--data", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"{tmp_path / missing} is not there: this benchmark measures on real data, say where it is with --data"
    )


def test_the_unpacked_model_is_the_bundled_one(tmp_path: Path) -> None:
    """What transformers is timed with says, greedily, what the bundled model says in float32."""
    from transformers import MarianMTModel, MarianTokenizer

    from benchmarks.models import unpacked_mini
    from translate.decoding import Decoding, Device
    from translate.engine import Engine
    from translate.hub import resolve
    from translate.languages import parse_language

    unpacked_mini(tmp_path)
    tokenizer = MarianTokenizer.from_pretrained(tmp_path)
    texts = ["A dog runs on the beach.", "Two men in red shirts play football.", "A cat."]
    asked = tokenizer([f">>deu<< {text}" for text in texts], return_tensors="pt", padding=True)
    made = MarianMTModel.from_pretrained(tmp_path).eval().generate(**asked, num_beams=1, max_new_tokens=60)
    decoding = Decoding(beam_size=1, no_repeat_ngram_size=0, disable_unk=False)
    engine = Engine(resolve("mini"), decoding=decoding, device=Device(device="cpu", compute_type="float32"))
    found = engine.translate(texts, parse_language("en"), parse_language("de"))
    assert found.targets == tokenizer.batch_decode(made, skip_special_tokens=True)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mini", "base"])
def test_translate_speed_has_all_sides(data: Path, model: str) -> None:
    """Bare engine, our engine, our pipeline, transformers, a naive loop: each against the first and the fourth."""
    rows = figures(
        "translate_speed", data, "--model", model, "--captions", "30", "--few", "4", "--length", "8", "--rounds", "1"
    )
    assert [str(row["what"])[:3] for row in rows] == ["(a)", "(b)", "(c)", "(d)", "(e)"]
    assert rows[0]["over (a)"] == rows[3]["over (d)"] == 1
    assert [row["captions"] for row in rows] == [30, 30, 30, 4, 4]


@pytest.mark.slow
def test_teacher_speed_has_all_sides(data: Path) -> None:
    """The bundled teacher, transformers and ours with the same weights, and how near these are to each other."""
    for language in SENTENCES:
        text = "".join(f"a dog {i}\n" for i in range(8))
        (data / "multi30k" / f"test_2016_flickr.{language}.gz").write_bytes(gzip.compress(text.encode()))
    teacher = save_encoder(data / "encoder", "bert").folder
    rows = figures("teacher_speed", data, "--teacher", str(teacher), "--captions", "8", "--rounds", "1")
    assert [row["what"] for row in rows] == [
        "muse",
        "transformers, float32, batches of 32",
        "ours, CTranslate2, int8",
    ]
    assert [row["sentences"] for row in rows] == [8, 8, 8]
    assert rows[1]["over transformers"] == 1
