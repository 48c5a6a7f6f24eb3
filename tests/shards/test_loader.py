"""Loaders: what an item is, who reads what, what is filtered, and what is refused."""

import math
import pickle
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.loader import Loader, captions, embeddings, triplets

Item = dict[str, Any]
GERMAN = [(f"key.{i}", n) for i in range(12) for n in range(1 if i % 4 == 3 else 2)]
"""Every caption that has a German translation."""

LOADERS: dict[str, Callable[..., Loader]] = {
    "triplets": partial(triplets, language="de"),
    "captions": partial(captions, languages=["de", "fr"]),
    "embeddings": embeddings,
}


def told(items: Iterable[Item]) -> list[str]:
    """Return each item as text, in the order of their keys and captions."""
    return sorted(repr(sorted((name, repr(value)) for name, value in item.items())) for item in items)


def spread_over(
    load: Callable[..., Loader], monkeypatch: pytest.MonkeyPatch, *, nodes: int, workers: int
) -> list[list[Item]]:
    """Return what each worker of each node reads, as webdataset's environment tells a process who it is."""
    read = []
    for rank in range(nodes):
        for worker in range(workers):
            monkeypatch.setenv("WORKER", str(worker))
            monkeypatch.setenv("NUM_WORKERS", str(workers))
            read.append(list(load(rank=rank, world_size=nodes)))
    return read


def test_a_triplet(shards: Path) -> None:
    """Source, translation, back-translation, weight and scores of one caption, and the media's bytes as they came."""
    items = {(item["key"], item["n"]): item for item in triplets(shards, language="de")}
    item = items["key.7", 0]

    assert sorted(items) == sorted(GERMAN)
    assert item.pop("media")[:4] == b"\x89PNG"
    assert item == {
        "key": "key.7",
        "n": 0,
        "language": "de",
        "source": "en 7.0",
        "translation": "de 7.0",
        "back": "back 7.0",
        "weight": 0.7,
        "scores": {"similarity": 0.07, "lid_label": "de"},
        "ext": "png",
    }


def test_a_triplet_without_a_round_trip(shards: Path) -> None:
    """Where nothing was translated back, ``back`` is None."""
    assert {item["back"] for item in triplets(shards, language="fr")} == {None}


def test_a_drawn_caption(shards: Path) -> None:
    """A caption for each media item; what is drawn is one of its own in the language it is said to be in."""
    items = list(captions(shards, languages=["de", "fr"], temperature=math.inf))

    assert sorted(item["key"] for item in items) == sorted(f"key.{i}" for i in range(12))
    assert {item["language"] for item in items} == {"en", "de", "fr"}
    for item in items:
        number = f"{item['key'][4:]}.{item['n']}"
        assert (item["text"], item["source"]) == (f"{item['language']} {number}", f"en {number}")
        assert (item["weight"], item["scores"]) == (1.0, {}) or item["language"] != "en"


def test_embeddings_of_an_item(shards: Path) -> None:
    """The teacher's rows in the order of the captions, as float32 or as they are stored."""
    items = {item["key"]: item for item in embeddings(shards)}
    stored = {item["key"]: item for item in embeddings(shards, dtype="float16")}

    assert (items["key.2"]["captions"], items["key.2"]["n"]) == (["en 2.0", "en 2.1"], [0, 1])
    assert items["key.2"]["embeddings"].tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    assert (items["key.2"]["embeddings"].dtype, stored["key.2"]["embeddings"].dtype) == (np.float32, np.float16)
    assert len(items) == 12


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("shuffle", [0, 5])
@pytest.mark.parametrize(("nodes", "workers"), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)])
def test_nothing_is_lost_or_doubled(
    kind: str, shuffle: int, nodes: int, workers: int, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of workers and nodes reads the same items with the same draws; three shards are enough for six."""
    load = partial(LOADERS[kind], shards, seed=3, epoch=2, shuffle=shuffle)
    alone = told(load())

    read = spread_over(load, monkeypatch, nodes=nodes, workers=workers)

    assert told(item for part in read for item in part) == alone
    assert len(set(alone)) == len(alone) == (len(GERMAN) if kind == "triplets" else 12)
    assert all(read)


def test_one_shard_for_many_workers(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four samples in one shard are one each for four workers, and the fifth has none."""
    load = partial(embeddings, shards / "train-000001.tar")
    read = spread_over(load, monkeypatch, nodes=1, workers=5)
    assert [[item["key"] for item in part] for part in read] == [["key.1"], ["key.4"], ["key.7"], ["key.10"], []]


def test_epochs_and_seeds(shards: Path) -> None:
    """The same seed and epoch draw the same; another of either draws and orders otherwise."""
    load = partial(captions, shards, languages=["de", "fr"], shuffle=12)
    first = list(load(seed=1, epoch=0))
    again, later, other = (list(load(seed=seed, epoch=epoch)) for seed, epoch in ((1, 0), (1, 1), (2, 0)))

    assert repr(again) == repr(first)
    for changed in (later, other):
        assert told(changed) != told(first)
        assert [item["key"] for item in changed] != [item["key"] for item in first]


def test_set_epoch(shards: Path) -> None:
    """Iterating again reads the same epoch until it is set, also in what was composed of the loader before."""
    loader = captions(shards, languages=["de", "fr"], shuffle=12)
    keys = loader.map(lambda item: (item["key"], item["language"], item["n"]))
    first = list(keys)

    assert list(keys) == first
    loader.set_epoch(1)
    second = list(keys)
    assert sorted(second) != sorted(first)
    assert second == list(captions(shards, languages=["de", "fr"], shuffle=12, epoch=1).compose(*keys.pipeline[-1:]))
    keys.set_epoch(0)
    assert list(keys) == first


def test_repeat_goes_on_with_the_next_epochs(shards: Path) -> None:
    """Three repetitions from epoch 4 on are the epochs 4, 5 and 6, and a second iteration begins there again."""
    load = partial(captions, shards, languages=["de"], shuffle=3)
    expected = [repr(item) for epoch in (4, 5, 6) for item in load(epoch=epoch)]
    loader = load(epoch=4).repeat(3)

    assert [repr(item) for item in loader] == expected
    assert [repr(item) for item in loader] == expected


def test_pickled_and_copied(shards: Path) -> None:
    """A loader that was pickled reads what it would have read."""
    loader = captions(shards, languages=["de"], shuffle=3, seed=5)
    loader.set_epoch(2)
    assert repr(list(pickle.loads(pickle.dumps(loader)))) == repr(list(loader))  # noqa: S301  our own


def test_shuffled_order(shards: Path) -> None:
    """A buffer mixes items of different shards, where without one a shard follows on another."""
    plain = [item["key"] for item in embeddings(shards)]
    shuffled = [item["key"] for item in embeddings(shards, shuffle=12)]

    assert plain == [f"key.{i}" for first in range(3) for i in range(first, 12, 3)]
    assert sorted(shuffled) == sorted(plain)
    assert sum(int(b[4:]) - int(a[4:]) == 3 for a, b in pairwise(shuffled)) < 6


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"min_weight": 0.85}, ["key.10", "key.9"]),
        ({"scores": {"similarity": (0.09, 0.1)}}, ["key.10", "key.9"]),
        ({"scores": {"similarity": (None, 0.01)}}, ["key.0", "key.1"]),
        ({"scores": {"similarity": (0.0, 0.09)}, "min_weight": 0.9}, ["key.9"]),
        ({"scores": lambda scores: scores["similarity"] == 0.05}, ["key.5"]),
        ({"scores": {"no_such_score": (0, None)}}, []),
    ],
)
def test_filters(filters: dict[str, Any], expected: list[str], shards: Path) -> None:
    """By weight, by bounds on scores and by a function; what lacks a score does not pass a bound on it."""
    items = triplets(shards, language="de", **filters)
    assert sorted({item["key"] for item in items} - {"key.11"}) == expected


def test_filters_leave_source_captions(shards: Path) -> None:
    """What filters reject is not drawn; captions in the source language have no weight or score to be judged by."""
    items = list(captions(shards, languages=["de", "fr"], min_weight=0.9, scores={"similarity": (0, None)}))

    assert len(items) == 12
    assert {item["language"] for item in items if int(item["key"][4:]) < 9} == {"en"}
    assert "fr" not in {item["language"] for item in items}


def test_without_source_captions(shards: Path) -> None:
    """Items of which nothing is left do not come."""
    items = list(captions(shards, languages=["de"], source=False, min_weight=0.9))
    assert sorted(item["key"] for item in items) == ["key.10", "key.11", "key.9"]
    assert {item["language"] for item in items} == {"de"}


def test_temperature(shards: Path) -> None:
    """Languages are drawn by size ** (1 / temperature): 24 English, 21 German, 12 French captions.

    Every item has all three. Of 4,800 draws those numbers are expected, within four standard deviations of 35.
    """
    expected = {1.0: (2021, 1768, 1011), 2.0: (1816, 1699, 1284), math.inf: (1600, 1600, 1600)}
    for temperature, numbers in expected.items():
        load = partial(captions, shards, languages=["de", "fr"], temperature=temperature)
        drawn = Counter(item["language"] for epoch in range(400) for item in load(epoch=epoch))
        for code, number in zip(("en", "de", "fr"), numbers, strict=True):
            assert abs(drawn[code] - number) < 140, (temperature, drawn)
