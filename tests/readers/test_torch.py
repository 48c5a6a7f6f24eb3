"""torch's DataLoader over our loaders: workers, epochs, batches."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.loader import captions, embeddings, triplets

torch: Any = pytest.importorskip("torch")


def told(items: Any) -> list[tuple[Any, ...]]:
    """Return what was drawn, in an order of its own."""
    return sorted((item["key"], str(item["n"]), item.get("language", "")) for item in items)


@pytest.mark.parametrize("workers", [2, 5])
def test_workers_share_the_shards(workers: int, layouts: dict[str, Path]) -> None:
    """Two workers, and more than the four shards there are, read what one process reads."""
    for load in (
        partial(triplets, language="de"),
        partial(captions, languages=["de"], seed=4, epoch=2),
        partial(embeddings, shuffle=8),
    ):
        dataset = (
            load(f"{layouts['item']}/*.tar", seed=1)
            if "seed" not in load.keywords
            else load(f"{layouts['item']}/*.tar")
        )
        loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=workers)
        read = list(loader)
        assert told(read) == told(dataset)
        assert len(read) == (100 if load.func is triplets else 20)


def test_epochs_reach_persistent_workers(layouts: dict[str, Path]) -> None:
    """What is set between two epochs is what workers read that live through both."""
    dataset = captions(f"{layouts['item']}/*.tar", languages=["de"], shuffle=4)
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=True)
    read = []
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        read.append(told(loader))

    assert read[0] == read[2] == told(captions(f"{layouts['item']}/*.tar", languages=["de"]))
    assert read[1] == told(captions(f"{layouts['item']}/*.tar", languages=["de"], epoch=1)) != read[0]


def test_epochs_reach_spawned_workers(layouts: dict[str, Path]) -> None:
    """A worker that is spawned, not forked, gets the loader pickled and still sees the epoch that is set."""
    dataset = captions(f"{layouts['item']}/*.tar", languages=["de"])
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=None, num_workers=1, persistent_workers=True, multiprocessing_context="spawn"
    )
    first = told(loader)
    dataset.set_epoch(1)
    assert told(loader) == told(dataset) != first


def test_batches_of_tensors(layouts: dict[str, Path]) -> None:
    """Pixels and embeddings are collated to tensors, by webdataset in the worker, whose batches torch passes on."""

    def tensors(items: list[dict[str, Any]]) -> tuple[Any, Any]:
        pixels = np.stack([np.asarray(item["media"].resize((32, 32))) for item in items])
        return torch.from_numpy(pixels), torch.from_numpy(np.stack([item["embeddings"].mean(0) for item in items]))

    dataset = embeddings(f"{layouts['item']}/*.tar", decode="pil").batched(6, collation_fn=tensors)
    batches = list(torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2))

    assert sum(len(pixels) for pixels, _ in batches) == 20
    assert {(tuple(pixels.shape[1:]), tuple(means.shape[1:])) for pixels, means in batches} == {((32, 32, 3), (512,))}
    assert {means.dtype for _, means in batches} == {torch.float32}
