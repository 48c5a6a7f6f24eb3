"""Ingest: input files to caption parts in the run's work folder, rejects beside them, and everything counted.

Both score and cut read the parts, so that the input is parsed once and every broken record is known, and too many
of them fatal, before anything is translated.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipelines import files, tables
from pipelines.captions import REJECT_REASONS
from pipelines.config import InputConfig
from pipelines.run import Run
from pipelines.runner import Collect, Launcher, collected
from pipelines.sources import Split, find_files, open_source, read_tables

_BUCKETS = 64


@dataclass(frozen=True)
class Ingested:
    """What the input held."""

    captions: int
    """Usable captions."""
    rejects: dict[str, int]
    """Reason → records, without those that only cut can find (duplicates and the like)."""
    texts: int
    """Distinct texts."""
    keys: dict[str, int]
    """Split → distinct keys."""
    split_of: dict[str, str]
    """For each key found in several splits: hash (hexadecimal) → the one it is kept in."""

    @property
    def read(self) -> int:
        """Usable captions and rejected records."""
        return self.captions + sum(self.rejects.values())


def ingest(run: Run, config: InputConfig, launcher: Launcher) -> Ingested:
    """Read the whole input; raises `RunFailed` where too much of it is rejected, `ConfigError` where none matches."""
    source = open_source(config)
    splits = [split for file in find_files(config) for split in source.splits(file)]
    files.remove([run.captions])
    files.remove(file.path for file in files.listing(run.rejects, prefix="input-"))
    parts, counts = files.join(run.work, "parts.json"), files.join(run.work, "counts.json")

    def build(pipeline: beam.Pipeline) -> None:
        hashes = (
            pipeline
            | "Splits" >> beam.Create(list(enumerate(splits)))
            | "Spread the splits" >> beam.Reshuffle()
            | "Read"
            >> beam.ParDo(ReadSplit(config, captions=run.captions, rejects=run.rejects)).with_outputs(
                "parts", main="hashes"
            )
        )
        hashes.parts | "Collect the parts" >> Collect(parts)
        _ = (
            hashes.hashes  # ((family, bucket), (split, hash bytes))
            | "By bucket" >> beam.GroupByKey()
            | "Count distinct" >> beam.MapTuple(count_distinct)
            | "Collect the counts" >> Collect(counts)
        )

    launcher.run(build)
    return _add_up(collected(parts), collected(counts))


class ReadSplit(beam.DoFn):
    """(index, split) → caption and reject parts on disk; (family, bucket) → their hashes; a count of each part."""

    def __init__(self, config: InputConfig, *, captions: str, rejects: str) -> None:
        self.config = config
        self.captions = captions
        self.rejects = rejects

    def process(self, element: tuple[int, Split]) -> Iterator[Any]:
        """Read one split, a table at a time."""
        index, split = element
        for sequence, (captions, rejects) in enumerate(read_tables(self.config, split)):
            name = f"{index:05d}-{sequence:04d}.parquet"
            if captions.num_rows:
                files.write_parquet(files.join(self.captions, f"part-{name}"), captions)
                yield from _hashes(captions)
            if rejects.num_rows:
                files.write_parquet(files.join(self.rejects, f"input-{name}"), rejects)
            reasons = Counter(rejects["reason"].to_pylist())
            yield beam.pvalue.TaggedOutput("parts", {"captions": captions.num_rows, "rejects": dict(reasons)})


def key_hashes(keys: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return the 64-bit BLAKE2b of each key, the one that chooses its shard (`shards.keys.key_hash`)."""
    blake2b = hashlib.blake2b
    digests = b"".join(blake2b(key.encode(), digest_size=8).digest() for key in keys.to_pylist())
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _hashes(captions: pa.Table) -> Iterator[tuple[tuple[str, int], tuple[str, bytes]]]:
    """Yield ((family, bucket), (split, hashes)) for the distinct texts and keys of one table."""
    texts = np.unique(tables.id_strings(captions["text_id"])).view(np.uint8).reshape(-1, 16)
    for bucket in np.unique(texts[:, 0] % _BUCKETS):
        yield ("texts", int(bucket)), ("", texts[texts[:, 0] % _BUCKETS == bucket].tobytes())
    splits = captions["split"].to_numpy(zero_copy_only=False)
    hashes = key_hashes(captions["key"])
    for split in sorted(set(splits)):
        distinct = np.unique(hashes[splits == split])
        buckets = distinct % np.uint64(_BUCKETS)
        for bucket in np.unique(buckets):
            yield ("keys", int(bucket)), (split, distinct[buckets == bucket].tobytes())


def count_distinct(group: tuple[str, int], values: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    """Return the number of distinct hashes in one bucket; of keys by split, each key in its first split only."""
    family, _ = group
    joined: dict[str, bytearray] = {}
    for split, content in values:
        joined.setdefault(split, bytearray()).extend(content)
    if family == "texts":
        return {"texts": len(np.unique(np.frombuffer(joined[""], dtype="S16")))}
    kept: dict[str, int] = {}
    split_of: dict[int, str] = {}
    conflicts: dict[str, str] = {}
    several = len(joined) > 1
    for split in sorted(joined):
        distinct = np.unique(np.frombuffer(joined[split], dtype=np.uint64))
        kept[split] = len(distinct)
        for value in distinct.tolist() if several else ():
            first = split_of.setdefault(value, split)
            if first != split:
                conflicts[f"{value:016x}"] = first
                kept[split] -= 1
    return {"keys": kept, "split_of": conflicts}


def _add_up(parts: list[dict[str, Any]], counts: list[dict[str, Any]]) -> Ingested:
    rejects: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    split_of: dict[str, str] = {}
    for part in parts:
        rejects.update(part["rejects"])
    for count in counts:
        keys.update(count.get("keys", {}))
        split_of.update(count.get("split_of", {}))
    return Ingested(
        captions=sum(part["captions"] for part in parts),
        rejects={reason: rejects[reason] for reason in REJECT_REASONS if rejects[reason]},
        texts=sum(count.get("texts", 0) for count in counts),
        keys=dict(sorted(keys.items())),
        split_of=dict(sorted(split_of.items())),
    )
