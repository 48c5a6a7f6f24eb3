"""The pairs that `benchmarks.detect` measures on: human translations, noise in them, human judgements of others."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.measuring import needed
from filters.labelled import kinds_of
from filters.noise import KINDS, plant
from pipelines.judging import measured_cheaply
from pipelines.scores import Meter
from translate.engine import Engine
from translate.languages import parse_language

Floats = npt.NDArray[np.float64]

OTHER = {"de": "fr", "fr": "de", "cs": "de", "zh": "de"}
"""Whose captions ``wrong_language`` takes."""


@dataclass(frozen=True)
class Material:
    """Human translations of one language: what is learnt from and what is tested on, each with a third language."""

    learn: pa.Table
    test: pa.Table


def multi30k(data: Path, code: str) -> Material:
    """Return English, ``code`` and the other language of Multi30k."""

    def read(names: Sequence[str]) -> pa.Table:
        columns: dict[str, list[str]] = {"source": [], "target": [], "other": []}
        for name in names:
            for column, language in (("source", "en"), ("target", code), ("other", OTHER[code])):
                path = needed(data / "multi30k" / f"{name}.{language}.gz")
                columns[column] += gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]
        return pa.table(columns)

    there = [] if code == "cs" else ["test_2017_flickr"]
    tested = ["test_2016_flickr", *([] if code == "cs" else ["test_2017_mscoco"])]
    return Material(read(["val", "test_2018_flickr", *there]), read(tested))


def flickr8kcn(data: Path, engine: Engine) -> Material:
    """Return English and Chinese of Flickr8k-CN's human test set, by image, and German by the bundled model."""
    halves: tuple[list[list[str]], list[list[str]]] = ([], [])
    content = gzip.decompress(needed(data / "flickr8kcn" / "test.en-zh.human.tsv.gz").read_bytes()).decode()
    for line in content.splitlines():
        image, source, target = line.split("\t")[:3]
        item = image.split("#")[0]
        halves[sum(item.encode()) % 2].append([source, target, item])
    tables = []
    for half in halves:
        sources, targets, items = (list(column) for column in zip(*half, strict=True))
        german = engine.translate(sources[:500], parse_language("en"), parse_language("de")).targets
        others = german + [None] * (len(sources) - len(german))
        tables.append(pa.table({"source": sources, "target": targets, "other": others, "item": items}))
    return Material(*tables)


def mixed(meter: Meter, embed: Any, table: pa.Table, *, ratio: float, seed: int) -> pa.Table:
    """Return ``table`` with noise of all kinds, measured: what a file from elsewhere looks like."""
    noisy = plant(
        table,
        language=meter.language.code,
        ratio=ratio,
        kinds=list(KINDS),
        seed=seed,
        embed=embed,
        others=table["other"].to_pylist(),
    )
    units = []
    for start in range(0, noisy.num_rows, 2048):
        units.append(measured_cheaply(meter.appended(noisy.slice(start, 2048)), meter.language))
    return pa.concat_tables(units)


def with_hidden_noise(labelled: pa.Table, share: float, hidden: Sequence[str]) -> tuple[pa.Table, float]:
    """Return ``labelled`` as if the corpus itself had the kinds ``hidden`` in ``share`` of its texts, and that share.

    One of the noisy rows of such a text stands for its pair; nothing else of it is left. Where a kind was planted in
    too few texts the share is less.
    """
    kinds, groups = kinds_of(labelled), labelled["group"].to_numpy()
    draw = np.random.default_rng(5)
    texts = np.unique(groups)
    spoilt = np.unique(groups[np.isin(kinds, hidden)])  # the others were never planted in, or not so
    noisy = draw.choice(spoilt, min(len(spoilt), round(len(texts) * share)), replace=False)
    stands = []
    for i, text in enumerate(noisy):
        rows = np.flatnonzero((groups == text) & np.isin(kinds, hidden))
        alike = rows[kinds[rows] == hidden[i % len(hidden)]]
        stands.append(int(draw.choice(alike if len(alike) else rows)))
    kinds[stands] = ""
    kept = ~np.isin(groups, groups[stands])
    kept[stands] = True
    place = labelled.schema.get_field_index("noise_kind")
    known = pa.array([kind or None for kind in kinds], pa.string())
    return labelled.set_column(place, "noise_kind", known).filter(pa.array(kept)), len(stands) / len(texts)


def judgements(data: Path, code: str) -> Iterator[tuple[str, pa.Array, pa.Array, Floats]]:
    """Return (name, sources, translations, what is good) of the human judgements there are."""
    folder = data / "mlqe_pe"
    for path in sorted(folder.glob(f"*.dev.en-{code}.tsv.gz")):
        lines = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line]
        if path.name.startswith("da."):
            header, *rows = lines
            places = [header.index(name) for name in ("original", "translation", "mean")]
            texts = [[row[place] for place in places] for row in rows]
        else:
            texts = [[row[1], row[2], "0" if row[-1].strip() == "ERR" else "1"] for row in lines if len(row) >= 5]
        sources, targets, good = zip(*texts, strict=True)
        yield ".".join(path.name.split(".")[:2]), pa.array(sources), pa.array(targets), np.array(good, dtype=np.float64)
