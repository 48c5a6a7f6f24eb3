"""Flickr8k and COCO as they are distributed."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

pytestmark = pytest.mark.real


def test_three_forms_of_flickr8k_hold_the_same(shared_data: Path, read: Any) -> None:
    """JSON Lines, CSV and token file: 5,000 captions of 1,000 photos, the same texts."""
    folder = shared_data / "flickr8k_1k"
    images = folder / "images"
    forms = [
        read(folder / "captions.jsonl", format="jsonl", media=f"{folder}/{{image}}"),
        read(
            folder / "captions.csv",
            format="csv",
            fields={"key": "image"},
            media=f"{images}/{{key}}",
            media_root=str(images),
        ),
        read(folder / "flickr8k.token.txt", format="flickr", media=f"{images}/{{file}}"),
    ]
    for form in forms:
        assert form.captions.num_rows == 5000
        assert form.rejects.num_rows == 0
        assert len(pc.unique(form.captions["key"])) == 1000
        assert form.media[0]["uri"] == f"{images}/1000268201_693b08cb0e.jpg"
    ids = [set(form.captions["text_id"].to_pylist()) for form in forms]
    assert ids[0] == ids[1] == ids[2]
    assert forms[0].rows[4][:4] == (
        "1000268201_693b08cb0e",
        4,
        "A little girl in a pink dress going into a wooden cabin .",
        "train",
    )
    numbered = [set(zip(*(form.captions[name].to_pylist() for name in ("key", "n")), strict=True)) for form in forms]
    assert numbered[0] == numbered[2]
    assert {n for _, n in numbered[1]} == {None}


def test_coco_val2017(shared_data: Path, read: Any) -> None:
    """25,014 captions of 5,000 images, ranked by annotation id."""
    path = shared_data / "coco_val2017" / "captions_val2017.json.gz"
    found = read(path, format="coco", split="val")
    assert found.captions.num_rows == 25_014
    assert found.rejects.num_rows == 0
    assert len(pc.unique(found.captions["key"])) == 5000
    of_one = found.captions.filter(pc.equal(found.captions["key"], "000000179765"))
    assert of_one["n"].to_pylist() == [0, 1, 2, 3, 4]
    assert of_one["text"].to_pylist()[0] == "A black Honda motorcycle parked in front of a garage."
