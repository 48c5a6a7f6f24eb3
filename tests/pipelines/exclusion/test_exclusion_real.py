"""COCO val2017 against itself under other names, and against Multi30k."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.config import InputConfig
from pipelines.exclusion import read_evaluation
from pipelines.exclusion.forms import folded
from pipelines.exclusion.near import grams, jaccard
from pipelines.exclusion.overlaps import EvaluationIndex, Way

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def coco(shared_data: Path) -> Any:
    """Return the document of COCO val2017's captions."""
    with gzip.open(shared_data / "coco_val2017" / "captions_val2017.json.gz") as stream:
        return json.load(stream)


@pytest.fixture(scope="module")
def index(shared_data: Path) -> tuple[EvaluationIndex, pa.Table]:
    """Return the index of COCO val2017's keys and captions, and what it was made of."""
    entry = {"path": str(shared_data / "coco_val2017" / "captions_val2017.json.gz"), "format": "coco"}
    evaluation = read_evaluation(InputConfig.model_validate({"format": "jsonl", "path": "x", "exclude": [entry]}))
    return EvaluationIndex(evaluation), evaluation


def test_file_names_and_ids_are_the_same_images(coco: Any, tmp_path: Path) -> None:
    """The ids of half of the images, as bare numbers, find just these among the names of the 2014 release."""
    images = coco["images"]
    (tmp_path / "ids.txt").write_text("".join(f"{image['id']}\n" for image in images[::2]))
    exclude = {"format": "jsonl", "path": "x", "exclude": str(tmp_path / "ids.txt")}
    names = [f"COCO_val2014_{image['file_name'].removesuffix('.jpg')}" for image in images]
    captions = pa.table({"key": names, "text": ["A dog."] * len(names)})
    found = EvaluationIndex(read_evaluation(InputConfig.model_validate(exclude))).find(captions)
    assert found["key"].to_pylist() == sorted(names[::2])
    assert found.num_rows == 2500


def test_every_caption_finds_itself(coco: Any, index: tuple[EvaluationIndex, pa.Table]) -> None:
    """In capitals and without its final sign, under a key of its own."""
    texts = [" ".join(one["caption"].upper().strip().removesuffix(".").split()) for one in coco["annotations"]]
    keys = [f"own-{i}" for i in range(len(texts))]
    found = index[0].find(pa.table({"key": keys, "text": texts}))
    assert set(found["way"].to_pylist()) == {Way.CAPTION}
    assert found.num_rows == 25_014


def test_changed_captions_are_found_and_nothing_below_the_threshold(
    coco: Any, index: tuple[EvaluationIndex, pa.Table]
) -> None:
    """Of 5,000 captions with another letter in the middle 2,712 have a similarity of 0.8, and all but 3 are found."""
    texts = folded(pa.array([one["caption"] for one in coco["annotations"][:5000]])).to_pylist()
    changed = [f"{text[: len(text) // 2]}ж{text[len(text) // 2 + 1 :]}" for text in texts]
    found = index[0].find(pa.table({"key": list(map(str, range(10**9, 10**9 + 5000))), "text": changed}))
    near = {int(row["key"]) - 10**9 for row in found.to_pylist()}
    compared = index[1]["compared"].to_pylist()
    for row in found.to_pylist():
        if row["way"] == Way.NEAR_DUPLICATE:
            assert row["similarity"] == jaccard(grams(compared[row["row"]]), grams(row["text"]))
    alike = {i for i in range(5000) if jaccard(grams(texts[i]), grams(changed[i])) is not None}
    assert (len(alike), len(alike - near)) == (2712, 3)


def test_multi30k_and_coco_share_few_captions(shared_data: Path, index: tuple[EvaluationIndex, pa.Table]) -> None:
    """Of 29,000 captions some are COCO's word for word, and some nearly: all of them plain scenes."""
    with gzip.open(shared_data / "multi30k" / "train.en.gz", "rt", encoding="utf-8") as stream:
        texts = stream.read().splitlines()
    found = index[0].find(pa.table({"key": [f"m-{i}" for i in range(len(texts))], "text": texts}))
    ways = found["way"].to_pylist()
    assert {way: ways.count(way) for way in set(ways)} == {Way.CAPTION: 6, Way.NEAR_DUPLICATE: 8}
    assert min(found["similarity"].to_pylist()) >= 0.8
