"""Ingest: input files to caption parts in the run's work folder, rejects beside them, and everything counted.

Both score and cut read the parts, so that the input is parsed once and every broken record is known, and too many
of them fatal, before anything is translated.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import files, tables
from pipelines.captions import REJECT_REASONS
from pipelines.config import InputConfig
from pipelines.exclusion import ExcludeOverlaps, read_evaluation
from pipelines.run import Run
from pipelines.runner import Collect, Launcher, collected
from pipelines.sources import Split, find_files, open_source, read_tables
from shards.keys import key_hash

_PASS_CAPTIONS: Final = 8_000_000
"""Captions whose hashes are compared at once: some 200 MB. More captions are counted in several passes."""


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
    """Read the whole input; raises `ConfigError` where there is nothing to read, `RunFailed` where reading fails."""
    source = open_source(config)
    splits = [split for file in find_files(config) for split in source.splits(file)]
    evaluation = read_evaluation(config)
    files.remove([run.captions])
    _remove_passing(run)
    files.remove(file.path for file in files.listing(run.rejects, prefix="input-"))
    excluding = evaluation.num_rows > 0
    into = run.read if excluding else run.captions
    if excluding:
        files.write_parquet(run.evaluation, evaluation)
    parts, counts = files.join(run.work, "parts.json"), files.join(run.work, "counts.json")

    def build(pipeline: beam.Pipeline) -> None:
        read = (
            pipeline
            | "Splits" >> beam.Create(list(enumerate(splits)))
            | "Read" >> beam.ParDo(ReadSplit(config, captions=into, rejects=run.rejects))
        )  # {"captions": how many, "rejects": {reason: how many}}
        if excluding:
            kept = read | "Keep evaluation sets out" >> ExcludeOverlaps(run)
            rejects = read | "Rejects" >> beam.Map(lambda part: {**part, "captions": 0})
            seen = (kept, rejects) | "Kept and rejected" >> beam.Flatten()
        else:
            kept = seen = read
        _ = seen | "Collect the parts" >> Collect(parts)
        _ = (
            kept
            | "Captions" >> beam.Map(lambda part: part["captions"])
            | "All captions" >> beam.CombineGlobally(sum)
            | "Passes" >> beam.FlatMap(_passes)  # (pass, passes): every part is written
            | "Spread the passes" >> beam.Reshuffle()
            | "Count distinct" >> beam.Map(count_distinct, captions=run.captions)
            | "Collect the counts" >> Collect(counts)
        )

    launcher.run(build, threads=True)
    _remove_passing(run)
    return _add_up(collected(parts), collected(counts))


def _remove_passing(run: Run) -> None:
    """Delete what is there only while evaluation sets are kept out; the parts by name, for a bucket has no folders."""
    for folder in (run.read, run.overlaps):
        files.remove(file.path for file in files.listing(folder))
    files.remove([run.read, run.overlaps, run.evaluation])


class ReadSplit(beam.DoFn):
    """(index, split) → caption and reject parts on disk; for each of them ``{"captions": …, "rejects": …}``."""

    def __init__(self, config: InputConfig, *, captions: str, rejects: str) -> None:
        self.config = config
        self.captions = captions
        self.rejects = rejects

    def process(self, element: tuple[int, Split]) -> Iterator[dict[str, Any]]:
        """Read one split, a table at a time."""
        index, split = element
        for sequence, (captions, rejects) in enumerate(read_tables(self.config, split)):
            name = f"{index:05d}-{sequence:04d}.parquet"
            if captions.num_rows:
                files.write_parquet(files.join(self.captions, f"part-{name}"), with_key_hash(captions))
            if rejects.num_rows:
                files.write_parquet(files.join(self.rejects, f"input-{name}"), rejects)
            reasons = Counter(rejects["reason"].to_pylist())
            yield {"captions": captions.num_rows, "rejects": dict(reasons)}


def with_key_hash(captions: pa.Table) -> pa.Table:
    """Return ``captions`` with a column ``key_hash``, uint64: `shards.keys.key_hash`, which chooses a key's shard."""
    hashes = np.fromiter(map(key_hash, captions["key"].to_pylist()), dtype=np.uint64, count=captions.num_rows)
    return captions.append_column("key_hash", pa.array(hashes))


def _passes(captions: int) -> list[tuple[int, int]]:
    """Return (pass, passes) for as many passes over ``captions`` as keep the hashes of one in memory."""
    passes = max(1, -(-captions // _PASS_CAPTIONS))
    return [(number, passes) for number in range(passes)]


def count_distinct(one_pass: tuple[int, int], *, captions: str) -> dict[str, Any]:
    """Return the distinct texts, and keys by split, among the hashes of ``one_pass``: (number, how many passes).

    A key counts in the first of its splits only; ``split_of`` has those that are in several.
    """
    number, passes = one_pass
    texts = tables.Distinct()
    keys: dict[str, tables.Distinct] = {}
    for part in files.listing(captions):
        rows = files.read_parquet(part.path, ["text_id", "key_hash", "split"])
        # Eight bytes of sixteen: two texts of a billion might count as one.
        texts.add(_of_pass(tables.id_numbers(rows["text_id"]), number, passes))
        hashes, splits = rows["key_hash"].to_numpy(), rows["split"].combine_chunks()
        for split in splits.unique().to_pylist():
            chosen = pc.equal(splits, split).to_numpy(zero_copy_only=False)
            keys.setdefault(split, tables.Distinct()).add(_of_pass(hashes[chosen], number, passes))
    kept: dict[str, int] = {}
    split_of: dict[str, str] = {}
    before: list[tuple[str, tables.Hashes]] = []
    for split in sorted(keys):
        mine = keys[split].values()
        for first, theirs in before:
            again = np.isin(mine, theirs, assume_unique=True)
            split_of |= {f"{value:016x}": first for value in mine[again].tolist()}
            mine = mine[~again]
        kept[split] = len(mine)
        before.append((split, mine))
    return {"texts": len(texts.values()), "keys": kept, "split_of": split_of}


def _of_pass(hashes: tables.Hashes, number: int, passes: int) -> tables.Hashes:
    return hashes if passes == 1 else hashes[hashes % np.uint64(passes) == number]


def _add_up(parts: list[dict[str, Any]], counts: list[dict[str, Any]]) -> Ingested:
    rejects: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    split_of: dict[str, str] = {}
    for part in parts:
        rejects.update(part["rejects"])
    for count in counts:
        keys.update(count["keys"])
        split_of.update(count["split_of"])
    return Ingested(
        captions=sum(part["captions"] for part in parts),
        rejects={reason: rejects[reason] for reason in REJECT_REASONS if rejects[reason]},
        texts=sum(count["texts"] for count in counts),
        keys=dict(sorted(keys.items())),
        split_of=dict(sorted(split_of.items())),
    )
