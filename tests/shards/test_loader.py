"""Loaders: what an item is, who reads what, what is filtered, and what is refused."""

import json
import math
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_shards import sample, write_shards
from webdataset.handlers import ignore_and_continue

from shards.loader import Loader, LoaderError, ShardError, captions, embeddings, triplets
from shards.sample import npy_bytes, pair_samples
from shards.writer import ShardWriter, member_header

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


def test_an_epoch_is_drawn_to_its_end(shards: Path) -> None:
    """What is set while an iteration is under way is the next one's."""
    loader = captions(shards, languages=["de", "fr"])
    expected = [repr(item) for item in loader]
    under_way = iter(loader)
    begun = [repr(next(under_way))]
    loader.set_epoch(1)
    assert begun + [repr(item) for item in under_way] == expected


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


def test_extreme_temperatures(shards: Path) -> None:
    """Next to 0 only the largest language is drawn where there is any of it; one of size 0 never is."""
    low = captions(shards, languages=["de", "fr"], temperature=1e-6)
    assert {item["language"] for item in low} == {"en"}
    only = captions(shards, languages=["de", "fr"], source=False, temperature=1e-6, scores=lambda found: len(found) < 2)
    assert {item["language"] for item in only} == {"fr"}
    none = captions(shards, languages=["de", "fr"], temperature=math.inf, sizes={"en": 1, "de": 0, "fr": 0})
    assert {item["language"] for item in none} == {"en"}


def test_sizes_may_be_given(shards: Path) -> None:
    """A language of size 0 is never drawn; sizes stand in for a manifest where there is none."""
    items = captions(shards, languages=["de", "fr"], sizes={"en": 0, "de": 3, "fr": 0})
    assert {item["language"] for item in items} == {"de"}


def test_decoded_media(shards: Path) -> None:
    """Pictures by webdataset's own names for them, or by a function of bytes and extension."""
    picture = next(iter(embeddings(shards, decode="pil")))["media"]
    assert (picture.mode, picture.size, picture.getpixel((0, 0))) == ("RGB", (4, 3), (0, 0, 0))
    pixels = next(iter(embeddings(shards, decode="rgb8")))["media"]
    assert (pixels.dtype, pixels.shape) == (np.uint8, (3, 4, 3))
    assert next(iter(embeddings(shards, decode=lambda content, ext: (len(content) > 50, ext))))["media"] == (
        True,
        "png",
    )


def test_features_as_media(tmp_path: Path) -> None:
    """A media item that is an ``.npy`` is told from the embeddings beside it, and read as an array."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = npy_bytes(array)
    one = replace(sample(1), media=content, ext="npy")
    folder = write_shards(tmp_path / "shards", {"train": [[one]]})

    raw, decoded = (next(iter(embeddings(folder, decode=decode))) for decode in (None, "npy"))

    assert (raw["media"], raw["ext"]) == (content, "npy")
    assert decoded["media"].tolist() == array.tolist()
    assert decoded["embeddings"].shape == (2, 4)


def test_text_only(tmp_path: Path) -> None:
    """Without media an item has None, and there is nothing to decode."""
    folder = write_shards(tmp_path / "shards", {"train": [[replace(sample(1), media=None, ext="")]]})
    item = next(iter(triplets(folder, language="de", decode="pil")))
    assert (item["media"], item["ext"], item["translation"]) == (None, "", "de 1.0")


def test_layout_pair(tmp_path: Path) -> None:
    """Triplets are the same in both layouts; what needs all captions of an item says so."""
    items = [sample(i, embedded=False) for i in range(4)]
    folder = write_shards(tmp_path / "item", {"train": [items]}, embedded=False)
    path = tmp_path / "train-000000.tar"
    with path.open("wb") as sink, ShardWriter(sink) as writer:
        for one in items:
            for pair in pair_samples(one, source_pairs=True):
                writer.write(pair)

    assert told(triplets(path, language="de")) == told(triplets(folder, language="de"))
    with pytest.raises(
        ShardError, match=r"train-000000\.tar: sample key%2E0-0-en: captions needs shards of layout item"
    ):
        list(captions(path, languages=["de"], sizes={"en": 1, "de": 1}))
    with pytest.raises(ShardError, match="embeddings needs shards of layout item"):
        list(embeddings(path))


def test_layout_pair_is_refused_by_the_manifest(shards: Path, tmp_path: Path) -> None:
    """Where the manifest tells the layout, it is refused before anything is read."""
    shutil.copytree(shards, tmp_path, dirs_exist_ok=True)
    described = json.loads((shards / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**described, "layout": "pair"}))
    for load in (embeddings, partial(captions, languages=["de"])):
        with pytest.raises(LoaderError, match="needs shards of layout item; these are of layout pair"):
            load(tmp_path)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("triplets", {"language": "cs"}, "the shards have no translations into cs; they are from en into de, fr"),
    ("triplets", {"min_weight": 1.5}, "min_weight is 1.5; weights are from 0 to 1"),
    (
        "triplets",
        {"scores": {"similarity": 0.5}},
        "scores['similarity'] is 0.5; it is (lowest, highest), each a number",
    ),
    ("triplets", {"scores": {"similarity": (0.5, 0.4)}}, "scores['similarity'] is (0.5, 0.4); it is (lowest, highest)"),
    ("triplets", {"decode": "jpeg"}, "decode is 'jpeg'; it is npy, l8, rgb8, "),
    ("triplets", {"rank": 0}, "give rank and world_size both, or neither"),
    ("triplets", {"rank": 2, "world_size": 2}, "rank is 2 of 2; ranks count from 0"),
    ("triplets", {"shuffle": -1}, "shuffle is -1; it is a number of items from 0"),
    ("captions", {"languages": "de"}, "languages is 'de'; it is a list of codes"),
    ("captions", {"languages": ["en", "de"]}, "the shards have no translations into en; they are from en into de, fr"),
    ("captions", {"languages": [], "source": False}, "no languages, and source=False: there is nothing to draw"),
    ("captions", {"temperature": 0}, "temperature is 0; it must be above 0 (math.inf: all languages alike)"),
    ("captions", {"temperature": math.nan}, "temperature is nan; it must be above 0"),
    ("captions", {"sizes": {"en": 1, "de": 2}}, "sizes has no number from 0 for fr"),
    ("embeddings", {"dtype": "float64"}, "dtype is 'float64'; it is float32 or float16"),
]


@pytest.mark.parametrize(("kind", "options", "message"), REFUSED)
def test_refused(kind: str, options: dict[str, Any], message: str, shards: Path) -> None:
    """What makes no sense is said when the loader is made, with what is accepted."""
    with pytest.raises(LoaderError) as refused:
        LOADERS[kind](shards, **options)
    assert str(refused.value).startswith(message)


def test_no_embeddings(tmp_path: Path) -> None:
    """Shards without them are refused by their manifest, or where there is none by the first sample."""
    folder = write_shards(tmp_path / "shards", {"train": [[sample(1, embedded=False)]]}, embedded=False)
    with pytest.raises(LoaderError, match="the shards have no embeddings: make them with"):
        embeddings(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ShardError, match=r"train-000000\.tar: sample key%2E1: it has no embeddings"):
        list(embeddings(folder / "train-000000.tar"))


def test_sizes_are_needed_without_a_manifest(shards: Path, tmp_path: Path) -> None:
    """Nothing is counted by reading the shards."""
    copied = shutil.copy(shards / "train-000000.tar", tmp_path)
    with pytest.raises(LoaderError, match="1 of 1 shards have no manifest beside them that counts their captions"):
        captions(copied, languages=["de"])
    assert len(list(captions(copied, languages=["de"], sizes={"en": 1, "de": 1}))) == 4


def broken_tar(folder: Path, name: str, content: bytes) -> Path:
    """Write a tar of two good samples around one whose JSON is ``content``."""
    path = folder / "train-000000.tar"
    with path.open("wb") as sink, ShardWriter(sink) as writer:
        writer.write(sample(0))
        writer._write(member_header(f"{name}.json", len(content)) + content + bytes(-len(content) % 512))
        writer.write(sample(1))
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "unexpected end of data"),
        (b"[]", "list indices must be integers"),
        (b"{}", "it has no 'n'"),
        (b'{"captions": [{"n": 0}], "key": "x"}', "not enough values to unpack"),
    ],
)
def test_a_broken_sample(content: bytes, message: str, tmp_path: Path) -> None:
    """A sample that is none of ours is named with its shard; a handler may leave it out."""
    path = broken_tar(tmp_path, "odd", content)
    with pytest.raises(ShardError) as failed:
        list(triplets(path, language="de"))
    assert str(failed.value).startswith(f"{path}: sample odd: ")
    assert message in str(failed.value)
    kept = triplets(path, language="de", handler=ignore_and_continue)
    assert [item["key"] for item in kept] == ["key.0", "key.0", "key.1", "key.1"]


def test_media_that_cannot_be_decoded(tmp_path: Path) -> None:
    """The shard and the item are named; a handler may leave it out."""
    items = [sample(0), replace(sample(1), media=b"no picture"), replace(sample(2), ext="mp4")]
    folder = write_shards(tmp_path / "shards", {"train": [items]})
    with pytest.raises(ShardError, match=r"train-000000\.tar: sample key\.1: cannot identify image file"):
        list(embeddings(folder, decode="pil"))
    kept = embeddings(folder, decode="pil", handler=ignore_and_continue)
    assert [item["key"] for item in kept] == ["key.0"]


def test_a_text_score_needs_a_function(shards: Path) -> None:
    """Bounds on a label make no sense, which is known when the first one is met."""
    with pytest.raises(ShardError, match="the score lid_label is text: filter it with a function"):
        list(triplets(shards, language="de", scores={"lid_label": (0, 1)}))


_WITHOUT_TORCH = """
import importlib.abc, sys

class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, NoTorch())
from shards.loader import captions, embeddings, triplets
print(len(list(triplets(sys.argv[1], language="de"))), len(list(captions(sys.argv[1], languages=["de"], shuffle=4))),
      len(list(embeddings(sys.argv[1], decode="pil").batched(5, collation_fn=list))), "torch" in sys.modules)
"""


def test_without_torch(shards: Path) -> None:
    """All of it works where torch is not installed."""
    command = [sys.executable, "-c", _WITHOUT_TORCH, str(shards)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["21", "12", "3", "False"]
