"""webdataset itself reads the shards."""

import math

import pytest
import webdataset as wds

SAMPLES = {"item": 20, "pair": 200}


def test_a_plain_pipeline(layout: str, tars: list[str]) -> None:
    """Pictures and texts come out decoded, as many as there are samples, with the JSON beside them."""
    dataset = wds.WebDataset(tars, shardshuffle=False).decode("pil").to_tuple("jpg", "txt", "json", "__key__")
    samples = list(dataset)

    assert len(samples) == SAMPLES[layout]
    for picture, text, described, name in samples:
        assert picture.mode == "RGB"
        first = described["captions"][0]["en"] if layout == "item" else described["text"]
        assert text == first
        assert name.startswith(described["key"])


def test_a_loader_with_two_workers(layout: str, tars: list[str]) -> None:
    """Split over two workers of its own loader, every sample comes once."""
    pytest.importorskip("torch")
    dataset = wds.WebDataset(tars, shardshuffle=False).to_tuple("__key__", "txt")
    loader = wds.WebLoader(dataset, num_workers=2, batch_size=None)
    names = [name for name, _ in loader]
    assert len(names) == len(set(names)) == SAMPLES[layout]


def test_embeddings_are_decoded(layouts: dict[str, object]) -> None:
    """``.npy`` is an array of a row for each caption, of length 1."""
    tars = sorted(str(path) for path in layouts["item"].glob("*.tar"))  # type: ignore[attr-defined]
    arrays = [array for (array,) in wds.WebDataset(tars, shardshuffle=False).decode().to_tuple("npy")]
    assert {(array.shape, array.dtype.name) for array in arrays} == {((5, 512), "float16")}
    assert all(math.isclose((row.astype(float) ** 2).sum(), 1, abs_tol=0.01) for array in arrays for row in array)
