"""Packing: the captions and judged pairs of one shard become a tar, its pairs and its rejects."""

import contextlib
import gc
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Final, Protocol

import apache_beam as beam
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.utils.shared import Shared

from pipelines import files
from pipelines.embeddings import EmbeddingStore, Vectors
from pipelines.judging import JUDGED, PAIR_SCORES, PAIRS
from pipelines.ledger import Ledger
from pipelines.media import MediaError, MediaReader
from pipelines.resolve import CaptionRow, Reject, caption_rows, in_order, reject_table, resolve
from pipelines.run import Run
from shards.manifest import Shard
from shards.sample import DECIMALS, Caption, PairSample, Sample, Translation, pair_samples
from shards.writer import ShardWriter

_VERSION: Final = 2
"""Raised when the same rows would be packed otherwise: finished shards of older versions are then made again."""


class Places(Protocol):
    """Says where a shard number belongs."""

    def place(self, number: int) -> tuple[str, str]:
        """Return (split, shard name)."""
        ...


@dataclass(frozen=True)
class Packing:
    """How every shard of a run is packed."""

    languages: tuple[str, ...]
    source_language: str
    layout: str = "item"
    source_pairs: bool = True
    embeddings: str | None = None
    """The ledger's folder of the embeddings that go in; None: none do."""

    def samples(self, sample: Sample) -> Iterable[Sample | PairSample]:
        """Return the samples that a media item becomes; none in layout ``pair`` where nothing of it is kept."""
        return [sample] if self.layout == "item" else pair_samples(sample, source_pairs=self.source_pairs)


@dataclass(frozen=True)
class ShardPaths:
    """The files of one shard."""

    tar: str
    pairs: str
    rejects: str
    record: str
    """What went in and what came out; written last: while it is not there, the shard is not done."""


def shard_paths(run: Run, name: str) -> ShardPaths:
    """Return the files of the shard ``name``."""
    return ShardPaths(
        tar=files.join(run.shards, f"{name}.tar"),
        pairs=files.join(run.pairs, f"{name}.parquet"),
        rejects=files.join(run.rejects, f"{name}.parquet"),
        record=files.join(run.work, "cut", f"{name}.json"),
    )


class PackShard(beam.DoFn):
    """(shard number, its captions and judged pairs) → the shard's files; a record of them for the manifest."""

    def __init__(self, run: Run, places: Places, packing: Packing, *, ledger: Ledger, shared: Shared) -> None:
        self.run = run
        self.places = places
        self.packing = packing
        self.ledger = ledger
        self.shared = shared

    def setup(self) -> None:
        """Exempt what is there from garbage collection.

        Packing makes thousands of small objects a shard, none in a cycle: a tenth of cut's time was the collector's, in
        vain, going through everything that Python had imported.
        """
        gc.freeze()
        folder = self.packing.embeddings
        self.store = self.shared.acquire(lambda: EmbeddingStore(self.ledger, folder)) if folder else None

    def teardown(self) -> None:
        """Undo that."""
        gc.unfreeze()

    def process(self, element: tuple[int, dict[str, Iterable[bytes]]]) -> Iterator[dict[str, Any]]:
        """Pack one shard, unless an interrupted cut packed just this."""
        number, grouped = element
        split, name = self.places.place(number)
        paths = shard_paths(self.run, name)
        captions = in_order(pa.concat_tables([files.ipc_table(content) for content in grouped["captions"]]))
        rows = caption_rows(captions)
        pairs = pa.concat_tables([files.ipc_table(content) for content in grouped["pairs"]])
        pairs = pairs.sort_by([("language", "ascending"), ("text_id", "ascending")]).combine_chunks()
        usable, rejects = resolve(rows, split=split)
        vectors = self.store and self.store.take(pa.array([row.text_id for row in usable], pa.binary(16)))
        inputs = _inputs(captions, rows, pairs, vectors, self.packing)
        record = _finished(paths, inputs)
        if record is None:
            record = self._pack(paths, split, name, usable, rejects, pairs, vectors)
            files.write_bytes(paths.record, orjson.dumps({"inputs": inputs, "record": record}))
        yield record

    def _pack(
        self,
        paths: ShardPaths,
        split: str,
        name: str,
        usable: Sequence[CaptionRow],
        rejects: list[Reject],
        judged: pa.Table,
        vectors: Vectors | None,
    ) -> dict[str, Any]:
        files.remove([paths.record])
        languages = self.packing.languages
        pairs = spread(usable, judged, languages=languages)
        kept = kept_translations(pairs, captions=len(usable), languages=languages)
        packed = np.ones(len(usable), dtype=bool)
        with files.written_whole(paths.tar) as sink:
            with ShardWriter(sink) as shard, contextlib.closing(MediaReader()) as reader:
                for key, group in groupby(range(len(usable)), key=lambda i: usable[i].key):
                    rows = list(group)
                    media = usable[rows[0]].media
                    try:
                        content = reader.read(media) if media else None
                    except MediaError as error:
                        packed[rows] = False
                        rejects += [Reject(usable[i], error.reason, error.detail) for i in rows]
                        continue
                    sample = Sample(
                        key=key,
                        split=split,
                        captions=tuple(Caption(usable[i].n or 0, usable[i].text, kept[i]) for i in rows),
                        source_language=self.packing.source_language,
                        media=content,
                        ext=media.ext if media else "",
                        embeddings=None if vectors is None else vectors[rows],
                    )
                    for one in self.packing.samples(sample):
                        shard.write(one)
            pairs = pairs.filter(pa.array(np.repeat(packed, len(languages))))
            _write_or_remove(paths.pairs, pairs)
            _write_or_remove(paths.rejects, reject_table(rejects))
        # In layout pair a shard may have captions and no sample: its tar is empty, and they are counted.
        if not packed.any():
            files.remove([paths.tar])
        keeps = pc.sum(pairs["keep"]).as_py() or 0
        return {
            "name": name,
            "pairs": pairs.num_rows,
            "kept": keeps,
            "rejects": dict(Counter(reject.reason for reject in rejects)),
            "shard": asdict(
                Shard(
                    name=f"{name}.tar",
                    split=split,
                    samples=shard.samples,
                    media=shard.media,
                    captions=int(packed.sum()),
                    pairs=keeps,
                    bytes=shard.size,
                    sha256=shard.sha256,
                    languages=_kept_by_language(pairs, languages),
                )
            )
            if packed.any()
            else None,
        }


def spread(captions: Sequence[CaptionRow], judged: pa.Table, *, languages: Sequence[str]) -> pa.Table:
    """Return a table of `PAIRS`: for each caption in its order one row a language, in the order of ``languages``."""
    text_ids = pa.array([row.text_id for row in captions], pa.binary(16))
    head = {
        "key": pa.array([row.key for row in captions], pa.string()),
        "n": pa.array([row.n for row in captions], pa.int32()),
        "split": pa.array([row.split for row in captions], pa.string()),
        "source": pa.array([row.text for row in captions], pa.string()),
    }
    tables = []
    for language in languages:
        rows = judged.filter(pc.equal(judged["language"], language)).combine_chunks()
        at = pc.index_in(text_ids, value_set=rows["text_id"].combine_chunks())
        found = rows.take(at)
        columns = {name: found[name] for name in JUDGED.names} | head
        tables.append(pa.table([columns[field.name] for field in PAIRS], schema=PAIRS))
    each = np.arange(len(captions))
    order = (np.arange(len(languages))[None, :] * len(captions) + each[:, None]).ravel()
    return pa.concat_tables(tables).take(pa.array(order)).combine_chunks()


def kept_translations(pairs: pa.Table, *, captions: int, languages: Sequence[str]) -> list[dict[str, Translation]]:
    """Return for each caption its kept translations by language, of ``pairs`` in the order that `spread` gives.

    A score that no pair of the language has is left out; one that only this pair lacks is None.
    """
    kept: list[dict[str, Translation]] = [{} for _ in range(captions)]
    keep = pairs["keep"].to_numpy().reshape(captions, len(languages))
    for i, language in enumerate(languages):
        rows = np.flatnonzero(keep[:, i])
        chosen = pairs.take(pa.array(rows * len(languages) + i))
        names = [name for name in PAIR_SCORES if chosen[name].null_count < len(rows)]
        scores = zip(*(_written(chosen[name]) for name in names), strict=True)
        texts, weights, backs = (_written(chosen[name]) for name in ("target", "weight", "back"))
        for row, text, weight, back, values in zip(rows.tolist(), texts, weights, backs, scores, strict=True):
            kept[row][language] = Translation(text, weight, back, dict(zip(names, values, strict=True)))
    return kept


def _kept_by_language(pairs: pa.Table, languages: Sequence[str]) -> dict[str, int]:
    """Return how many of ``pairs`` are kept in each language."""
    counted = Counter(pairs.filter(pairs["keep"])["language"].to_pylist())
    return {code: counted[code] for code in languages}


def _written(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of ``column`` as they are written to a sample: floats rounded, in float64."""
    if pa.types.is_floating(column.type):
        column = pc.round(column.cast(pa.float64()), ndigits=DECIMALS)
    return column.to_pylist()


def _write_or_remove(path: str, table: pa.Table) -> None:
    if table.num_rows:
        files.write_parquet(path, table)
    else:
        files.remove([path])


def _inputs(
    captions: pa.Table, rows: Sequence[CaptionRow], pairs: pa.Table, vectors: Vectors | None, packing: Packing
) -> str:
    """Return a digest of all that a shard's bytes depend on; of local media their size and time of change."""
    digest = hashlib.blake2b(digest_size=16)
    states = [media.state() for media in dict.fromkeys(row.media for row in rows) if media]
    digest.update(orjson.dumps([_VERSION, packing, states]))
    digest.update(files.ipc_bytes(captions))
    digest.update(files.ipc_bytes(pairs))
    if vectors is not None:
        digest.update(vectors.tobytes())
    return digest.hexdigest()


def _finished(paths: ShardPaths, inputs: str) -> dict[str, Any] | None:
    """Return the record of a shard that was packed of the same ``inputs`` and still lies there whole."""
    if not files.exists(paths.record):
        return None
    held: Mapping[str, Any] = orjson.loads(files.read_bytes(paths.record))
    record: dict[str, Any] = held["record"]
    shard = record["shard"]
    expected = [
        (paths.tar, bool(shard)),
        (paths.pairs, record["pairs"] > 0),
        (paths.rejects, bool(record["rejects"])),
    ]
    if held["inputs"] != inputs or any(files.exists(path) != there for path, there in expected):
        return None
    return record if not shard or files.size(paths.tar) == shard["bytes"] else None
