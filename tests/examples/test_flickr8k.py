"""The corpus of the examples: nothing of its tests is trained on, and both trainers run on it end to end."""

import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples import flickr8k, train_cl2cm, train_xtd
from pipelines import cli

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
SAID = {
    "en": "A dog runs over {} logs .",
    "de": "Ein Hund rennt über {} Stämme .",
    "fr": "Un chien court sur {} bûches .",
    "cs": "Pes běží přes {} klád .",
}


def described(code: str, number: str) -> str:
    """Return a caption."""
    return SAID[code].format(number)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return eight photos, of which 1 and 2 are outside Multi30k's training set and 8 is not in Multi30k at all."""
    folder = tmp_path / "data"
    photos, multi30k = folder / "flickr8k_1k", folder / "multi30k"
    photos.mkdir(parents=True)
    multi30k.mkdir()
    keys = [f"{i}_abc" for i in range(1, 9)]
    rows = [{"key": key, "captions": [described("en", number)]} for key, number in zip(keys, NUMBERS, strict=True)]
    # What a train photo and a training line say of the tests: photo 3 has a caption of photo 1 in other letters.
    rows[2]["captions"] += ["a dog runs over one logs", "A cat ."]
    write(photos / "captions.jsonl", rows)
    references = [
        {
            "key": key,
            "multi30k": {"split": split, **{code: described(code, number) for code in SAID}} if split else None,
            "zh_human_written": ["一只狗。"] if key == "1_abc" else [],
        }
        for key, number, split in zip(keys, NUMBERS, ["val", "test_2016_flickr", *["train"] * 5, None], strict=True)
    ]
    write(photos / "references.jsonl", references)
    features = np.arange(8 * 4, dtype=np.float16).reshape(8, 4)
    np.savez(photos / "efficientnet_lite2.npz", keys=np.array(keys), features=features)
    for code in SAID:
        lines(multi30k / f"test_2016_flickr.{code}.gz", [described(code, "two"), described(code, "ten")])
    # Line 1 shows photo 1 and line 3 says what the tests say.
    lines(multi30k / "train.images.txt.gz", ["1.jpg", "3.jpg", "77.jpg", "78.jpg"])
    lines(
        multi30k / "train.en.gz",
        ["Some dog .", described("en", "three"), "A dog runs, over TEN logs!", "Two men play football ."],
    )
    return folder


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    """Return JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def lines(path: Path, rows: Sequence[str]) -> None:
    """Write gzipped lines."""
    path.write_bytes(gzip.compress("".join(row + "\n" for row in rows).encode()))


def test_tested_photos_are_not_trained_on(data: Path, tmp_path: Path) -> None:
    """Of three tested photos two are those outside Multi30k's training set; the third is drawn from inside."""
    out = tmp_path / "out"
    assert flickr8k.prepare(data, out, ["de"], tested=3) == (5, 2)
    tested = [row["key"] for row in read(out / "tests" / "photos.jsonl")]
    trained = [row["key"] for row in read(out / "photos.jsonl")]
    assert tested[:2] == ["1_abc", "2_abc"]
    assert len(tested) == 3
    assert "8_abc" in trained
    assert sorted(tested + trained) == [f"{i}_abc" for i in range(1, 9)]
    assert sorted(path.stem for path in (out / "features").iterdir()) == sorted(trained)


def test_captions_of_the_tests_are_not_trained_on(data: Path, tmp_path: Path) -> None:
    """By the photo's name and by the words; case, punctuation and spaces tell nothing."""
    out = tmp_path / "out"
    flickr8k.prepare(data, out, ["de"], tested=2)
    assert read(out / "text.jsonl") == [
        {"key": "3", "caption": "A dog runs over three logs ."},
        {"key": "78", "caption": "Two men play football ."},
    ]
    (third,) = (row for row in read(out / "photos.jsonl") if row["key"] == "3_abc")
    assert third["captions"] == ["A dog runs over three logs .", "A cat ."]


def test_tests_have_the_human_captions_and_the_features(data: Path, tmp_path: Path) -> None:
    """Photos in the order of their keys, with Chinese where there is some."""
    out = tmp_path / "out"
    flickr8k.prepare(data, out, ["de"], tested=2)
    first, second = read(out / "tests" / "photos.jsonl")
    assert first == {"key": "1_abc", **{code: described(code, "one") for code in SAID}, "zh": "一只狗。"}
    assert second == {"key": "2_abc", **{code: described(code, "two") for code in SAID}}
    assert np.load(out / "tests" / "features.npy").tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert read(out / "tests" / "captions.jsonl")[1] == {code: described(code, "ten") for code in SAID}


@pytest.mark.slow
def test_both_trainers_run_on_shards_of_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prepared, built with the bundled model and teacher, trained for two steps, tested: a line for each test."""
    out = tmp_path / "out"

    def run(program: Any, *arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        capsys.readouterr()
        program.main()
        return capsys.readouterr().out.splitlines()

    (said,) = run(flickr8k, "--data", str(data), "--out", str(out), "--languages", "de")
    assert said.endswith("photos and 1 captions to train on")
    for name in ("photos", "text"):
        assert cli.main(["build", str(out / f"{name}.yaml"), "--out", str(out / name), "--quiet"]) == cli.DONE
    tests = str(out / "tests")
    printed = run(train_xtd, str(out / "photos"), "--tests", tests, "--steps", "2")
    assert [line.split()[0] for line in printed[1:]] == ["English", "German", "French", "Chinese"]
    runs = (str(out / "photos"), str(out / "text"))
    printed = run(train_cl2cm, *runs, "--language", "de", "--tests", tests, "--steps", "2")
    assert [line.split()[:3] for line in printed[1:]] == [["de", "to", "photos"], ["de", "to", "captions"]]
    assert all("SumR" in line for line in printed[1:])
