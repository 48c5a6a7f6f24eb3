"""What is measured on: real captions, as many synthetic ones as wanted, and runs that score has finished with."""

import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from benchmarks.measuring import needed
from pipelines import files
from pipelines.captions import CAPTIONS, MEDIA, normalise, text_ids
from pipelines.ingest import Ingested, with_key_hash
from pipelines.ledger import ALTERNATIVES, SCORES, TRANSLATIONS, Ledger, part_name
from pipelines.plan import Plan
from pipelines.run import Run

_PART_ROWS = 20_000
"""As ingest writes them."""

CAPTIONS_A_KEY = 5


def coco(data: Path) -> Path:
    """Return the file of COCO val2017's 25,014 captions."""
    return needed(data / "coco_val2017" / "captions_val2017.json.gz")


def some_coco(file: Path, captions: int, folder: Path) -> Path:
    """Return a COCO file in ``folder`` with ``captions`` captions of ``file``, spread evenly over it."""
    with gzip.open(file) as stream:
        document = json.load(stream)
    annotations = document["annotations"]
    chosen = np.linspace(0, len(annotations) - 1, min(captions, len(annotations))).astype(int)
    document["annotations"] = [annotations[i] for i in np.unique(chosen)]
    target = folder / f"captions-{captions}.json"
    target.write_bytes(orjson.dumps(document))
    return target


def parallel_lines(data: Path, languages: list[str]) -> list[tuple[str, ...]]:
    """Return Multi30k's training sentences, each in every language of ``languages``."""
    columns = []
    for language in languages:
        with gzip.open(needed(data / "multi30k" / f"train.{language}.gz"), "rt", encoding="utf-8") as stream:
            columns.append(normalise(pa.array(stream.read().splitlines())).to_pylist())
    return list(zip(*columns, strict=True))


def distinct_rows(lines: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield rows like ``lines``, as many as are asked for, no two with the same first text.

    First all of ``lines``, then the first half of each (in every language) with the second half of another:
    captions as long and as varied as real ones, whose translations have about the right length and words.
    """
    seen: set[bytes] = set()
    halves = [[_halves(text) for text in row] for row in lines]
    for shift in range(len(lines)):
        for i, head in enumerate(halves):
            tail = halves[(i + shift) % len(lines)]
            row = tuple(f"{first[0]} {second[1]}".strip() for first, second in zip(head, tail, strict=True))
            key = row[0].encode()
            if row[0] and key not in seen:
                seen.add(key)
                yield row
    raise SystemExit(f"{len(lines)} sentences do not combine to that many")


def _halves(text: str) -> tuple[str, str]:
    words = text.split(" ")
    return " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])


def caption_parts(run: Run, texts: list[str], *, copies: int = 1, photos: Sequence[Path] = ()) -> Ingested:
    """Write what ingest would leave in ``run`` of ``texts``, each ``copies`` times under different keys.

    A key has five captions, and where there are ``photos`` one of them, in turn.
    """
    total = len(texts) * copies
    for start in range(0, total, _PART_ROWS):
        rows = range(start, min(start + _PART_ROWS, total))
        chunk = pa.array([texts[i % len(texts)] for i in rows])
        table = pa.table(
            [
                pa.array([f"item{i // CAPTIONS_A_KEY:08d}" for i in rows]),
                pa.array([i % CAPTIONS_A_KEY for i in rows], pa.int32()),
                text_ids(chunk),
                chunk,
                _media([photos[i // CAPTIONS_A_KEY % len(photos)] for i in rows] if photos else [None] * len(rows)),
                pa.repeat("train", len(rows)),
                pa.array([f"synthetic@{i}" for i in rows]),
            ],
            schema=CAPTIONS,
        )
        name = f"part-00000-{start // _PART_ROWS:04d}.parquet"
        files.write_parquet(files.join(run.captions, name), with_key_hash(table))
    keys = {"train": -(-total // CAPTIONS_A_KEY)}
    return Ingested(captions=total, rejects={}, texts=len(texts), keys=keys, split_of={})


def _media(photos: list[Path | None]) -> pa.Array:
    values = [photo and {"uri": str(photo), "offset": None, "size": None, "ext": photo.suffix[1:]} for photo in photos]
    return pa.array(values, MEDIA)


def ledger_parts(ledger: Ledger, plan: Plan, rows: list[tuple[str, ...]]) -> None:
    """Write what score would leave in ``ledger`` of ``rows``: a source and its target in each language of ``plan``."""
    source = iter(rows)
    random = np.random.default_rng(20_240_501)
    while unit := list(islice(source, plan.unit_size)):
        columns = [pa.array(column) for column in zip(*unit, strict=True)]
        ids = text_ids(columns[0])
        name = part_name(pa.chunked_array([ids]))
        for language, targets in zip(plan.languages, columns[1:], strict=True):
            count = len(unit)
            translations = pa.table(
                [
                    ids,
                    columns[0],
                    targets,
                    pa.array(-random.gamma(2.0, 0.15, count), pa.float32()),
                    pa.array(random.integers(8, 24, count), pa.int32()),
                    pa.repeat(False, count),
                    pa.array([[]] * count, ALTERNATIVES),
                ],
                schema=TRANSLATIONS,
            )
            measured = {
                "text_id": ids,
                "lid_label": pa.repeat(language.language.lid_label, count),
                "lid_prob": pa.array(random.uniform(0.9, 1.0, count), pa.float32()),
                "lid_other_prob": pa.array(random.uniform(0.0, 0.05, count), pa.float32()),
                "similarity": pa.array(random.normal(0.82, 0.08, count).clip(-1, 1), pa.float32()),
                "margin": pa.array(random.normal(1.6, 0.2, count), pa.float32()),
                "length_z": pa.array(random.normal(0.0, 1.0, count), pa.float32()),
            }
            scores = pa.table(
                [measured.get(field.name, pa.nulls(count, field.type)) for field in SCORES], schema=SCORES
            )
            prints = language.fingerprints
            files.write_parquet(ledger.part("translations", prints.translations, name), translations)
            files.write_parquet(ledger.part("scores", prints.scores, name), scores)
