"""Cut: captions and ledger to judged pairs, rejects and shards; no model is loaded.

The same inputs give byte-identical shards whatever the runner, the workers or the order of the input. A shard that
an interrupted cut finished is kept if everything that went into it is the same.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

import apache_beam as beam
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.utils.shared import Shared

from filters.calibration import Calibration, share_above
from pipelines import files, tables
from pipelines.calibrations import load_calibrations, thresholds_in_force
from pipelines.config import Config, InputConfig
from pipelines.embeddings import dimension
from pipelines.ingest import Ingested
from pipelines.judging import Judge
from pipelines.ledger import TRANSLATIONS, Ledger
from pipelines.pack import Packing, PackShard
from pipelines.plan import Plan
from pipelines.run import Run
from pipelines.runner import Collect, Launcher, RunFailed, collected
from shards.keys import shard_name
from shards.manifest import Embeddings, Manifest, Shard

_BUCKET_TEXTS: Final = 25_000
"""Texts that are judged together."""

_JUDGED: Final = [name for name in TRANSLATIONS.names if name != "alternatives"]

_NO_PAIRS: Final = TRANSLATIONS.empty_table().select(_JUDGED)


@dataclass(frozen=True)
class ShardPlan:
    """Where a key goes: split → its number of shards; and the split of keys that stand in several."""

    shards: dict[str, int]
    split_of: dict[str, str]

    def number(self, captions: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the shard number of each caption, int64 [rows]; numbers run through the splits in their order."""
        hashes = captions["key_hash"].to_numpy()
        splits = captions["split"].to_numpy(zero_copy_only=False).astype(object)
        for i in np.flatnonzero(np.isin(hashes, self._moved)) if self.split_of else ():
            splits[i] = self.split_of[f"{hashes[i]:016x}"]
        numbers = np.zeros(len(hashes), dtype=np.int64)
        for split, first in self._first.items():
            rows = splits == split
            numbers[rows] = first + (hashes[rows] % np.uint64(self.shards[split])).astype(np.int64)
        return numbers

    @property
    def _moved(self) -> np.ndarray[Any, np.dtype[np.uint64]]:
        return np.array([int(value, 16) for value in self.split_of], dtype=np.uint64)

    @property
    def _first(self) -> dict[str, int]:
        found, first = {}, 0
        for split, count in self.shards.items():
            found[split] = first
            first += count
        return found

    def place(self, number: int) -> tuple[str, str]:
        """Return (split, name) of a shard number."""
        for split, first in self._first.items():
            if number < first + self.shards[split]:
                return split, shard_name(split, number - first)
        raise IndexError(number)


def plan_shards(ingested: Ingested, *, samples_per_shard: int) -> ShardPlan:
    """Return how many shards each split gets: its keys over ``samples_per_shard``, rounded up."""
    counts = {split: max(1, -(-keys // samples_per_shard)) for split, keys in ingested.keys.items()}
    return ShardPlan(shards=counts, split_of=ingested.split_of)


def cut(run: Run, config: Config, plan: Plan, ledger: Ledger, launcher: Launcher, ingested: Ingested) -> Manifest:
    """Make pairs, rejects and shards of what ingest and score left; the manifest is the last thing written.

    Raises `RunFailed` where the ledger lacks pairs (score has not finished) or too many captions are rejected.
    """
    shard_plan = plan_shards(ingested, samples_per_shard=config.shards.samples_per_shard)
    buckets = max(1, -(-ingested.texts // _BUCKET_TEXTS))
    records = files.join(run.work, "shards.json")
    # From here on the old shards are no longer what the directory says they are.
    files.remove([run.manifest])

    def joined(pipeline: beam.Pipeline) -> tuple[Any, beam.PCollection]:
        """Return the placed captions, and (bucket, its texts and ledger rows)."""
        captions = (
            pipeline
            | "Caption parts" >> beam.Create([part.path for part in files.listing(run.captions)])
            | "Place captions" >> beam.ParDo(PlaceCaptions(shard_plan, buckets)).with_outputs("texts", main="captions")
        )
        ledger_rows = (
            pipeline
            | "Ledger parts" >> beam.Create(list(_ledger_parts(plan, ledger)))
            | "Read pairs" >> beam.ParDo(ReadPairs(plan, ledger, buckets))  # (bucket, (language, part, IPC))
        )
        texts = {"texts": captions.texts, "pairs": ledger_rows} | "Texts and ledger" >> beam.CoGroupByKey()
        return captions, texts

    calibrations = load_calibrations(run, config)
    kept_from: dict[str, float] = {}
    if config.judge.keep is not None:
        counts = files.join(run.work, "probabilities.json")

        def count(pipeline: beam.Pipeline) -> None:
            _, texts = joined(pipeline)
            counting = CountProbabilities(_judges(plan, config, calibrations))
            _ = texts | "Count" >> beam.ParDo(counting) | "Collect" >> Collect(counts)

        launcher.run(count)
        kept_from = _kept_from(collected(counts), config.judge.keep)
    judges = _judges(plan, config, calibrations, kept_from)

    packing = Packing(
        tuple(plan.codes),
        plan.source.code,
        layout=config.shards.layout,
        source_pairs=config.shards.source_pairs,
        embeddings=plan.embeddings,
    )

    def build(pipeline: beam.Pipeline) -> None:
        captions, texts = joined(pipeline)
        pairs = texts | "Judge" >> beam.ParDo(JudgeBucket(judges))  # (shard, IPC of judged pairs)
        _ = (
            {"captions": captions.captions, "pairs": pairs}
            | "Captions and pairs" >> beam.CoGroupByKey()
            | "Pack" >> beam.ParDo(PackShard(run, shard_plan, packing, ledger=ledger, shared=Shared()))
            | "Collect" >> Collect(records)
        )

    launcher.run(build)
    bounds = {code: judge.thresholds.min_clean_probability for code, judge in judges.items()}
    in_force = {code: bound for code, bound in bounds.items() if bound is not None}
    embedded = _embedded_by(plan, ledger)
    return _commit(run, config, plan, ingested, collected(records), in_force, embedded)


def _ledger_parts(plan: Plan, ledger: Ledger) -> Iterator[tuple[str, str]]:
    for language in plan.languages:
        for part in ledger.parts("translations", language.fingerprints.translations):
            yield language.language.code, PurePosixPath(part.path).name


class PlaceCaptions(beam.DoFn):
    """Path of a caption part → (shard, IPC of captions); ``texts``: (bucket, IPC of text_id, shard)."""

    def __init__(self, shard_plan: ShardPlan, buckets: int) -> None:
        self.shard_plan = shard_plan
        self.buckets = buckets

    def process(self, path: str) -> Iterator[Any]:
        """Place the captions of one part."""
        captions = files.read_parquet(path)
        numbers = self.shard_plan.number(captions)
        for number, rows in tables.partition(captions.drop_columns("key_hash"), numbers):
            yield number, files.ipc_bytes(rows)
        texts = captions.select(["text_id"]).append_column("shard", pa.array(numbers, pa.int32()))
        texts = texts.group_by(["text_id", "shard"], use_threads=False).aggregate([])
        for bucket, rows in tables.partition(texts, tables.id_hashes(texts["text_id"]) % self.buckets):
            yield beam.pvalue.TaggedOutput("texts", (bucket, files.ipc_bytes(rows)))


class ReadPairs(beam.DoFn):
    """(language, part) → (bucket, (language, part, IPC of the pairs with every stored score))."""

    def __init__(self, plan: Plan, ledger: Ledger, buckets: int) -> None:
        self.plan = plan
        self.ledger = ledger
        self.buckets = buckets

    def process(self, element: tuple[str, str]) -> Iterator[tuple[int, tuple[str, str, bytes]]]:
        """Read one part and the parts of the same name that belong to it; one that is not measured is no pair yet."""
        code, name = element
        prints = self.plan.of(code).fingerprints
        scores = self.ledger.part("scores", prints.scores, name)
        backs = self.ledger.part("backs", prints.backs, name) if prints.backs else None
        if not files.exists(scores) or (backs and not files.exists(backs)):
            return
        pairs = files.read_parquet(self.ledger.part("translations", prints.translations, name), _JUDGED)
        for path in filter(None, (backs, scores)):
            belonging = files.read_parquet(path)
            if not belonging["text_id"].equals(pairs["text_id"]):
                raise RunFailed(f"{path} does not hold the rows of its translations part; delete it and score again")
            for column in belonging.drop_columns("text_id").column_names:
                pairs = pairs.append_column(column, belonging[column])
        for bucket, rows in tables.partition(pairs, tables.id_hashes(pairs["text_id"]) % self.buckets):
            yield bucket, (code, name, files.ipc_bytes(rows))


def _judges(
    plan: Plan,
    config: Config,
    calibrations: Mapping[str, Calibration],
    kept_from: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Judge]:
    """Return what judges each language."""
    return {
        code: Judge(
            plan.of(code).language,
            rules=config.judge.active_rules,
            thresholds=thresholds_in_force(config, code, calibrations, kept_from),
            calibration=calibrations.get(code),
        )
        for code in plan.codes
    }


def _kept_from(counts: Iterable[tuple[str, list[int]]], keep: float) -> dict[str, float]:
    """Return for each language the probability from which on the share ``keep`` of its texts lies."""
    total: dict[str, Any] = {}
    for code, counted in counts:
        total[code] = total.get(code, 0) + np.array(counted)
    return {code: share_above(counted, keep) for code, counted in total.items()}


class _OfBucket(beam.DoFn):
    """Brings together what belongs to the texts of a bucket."""

    def __init__(self, judges: Mapping[str, Judge]) -> None:
        self.judges = dict(judges)

    def _texts(self, grouped: dict[str, Iterable[Any]]) -> tuple[pa.Table, dict[str, list[pa.Table]]] | None:
        """Return the texts with their shards and each language's ledger rows; None for a bucket without texts."""
        contents = [files.ipc_table(content) for content in grouped["texts"]]
        if not contents:
            return None
        texts = pa.concat_tables(contents).group_by(["text_id", "shard"], use_threads=False).aggregate([])
        # Where two parts hold one text, as after two runs at once on one ledger, the first by name counts.
        rows = sorted(grouped["pairs"], key=lambda row: row[:2])
        found = {
            code: [files.ipc_table(content) for language, _, content in rows if language == code]
            for code in self.judges
        }
        return texts, found

    @staticmethod
    def _pairs(code: str, found: list[pa.Table], distinct: pa.Array) -> pa.Table:
        """Return the pairs of the texts ``distinct`` in one language."""
        pairs = pa.concat_tables(found) if found else _NO_PAIRS
        pairs = tables.unique_rows(pairs.filter(pc.is_in(pairs["text_id"], value_set=distinct)), "text_id")
        missing = len(distinct) - pairs.num_rows
        if missing:
            raise RunFailed(
                f"the ledger lacks {missing:,} of {len(distinct):,} texts in {code!r}: run score (or build) to the "
                "end first"
            )
        return pairs


class CountProbabilities(_OfBucket):
    """(bucket, texts and ledger rows) → (language, how many texts have which probability of being clean)."""

    def process(self, element: tuple[int, dict[str, Iterable[Any]]]) -> Iterator[tuple[str, list[int]]]:
        """Count the texts of one bucket, by probability in ten thousandths."""
        grouped = self._texts(element[1])
        if grouped is None:
            return
        texts, found = grouped
        distinct = texts["text_id"].combine_chunks().unique()
        for code, tables_of in found.items():
            measured = self.judges[code].measured(self._pairs(code, tables_of, distinct))
            # Down, so that a text counted at a bound is not below it.
            steps = np.floor(measured["clean_probability"].to_numpy().astype(np.float64) * _STEPS).astype(np.int64)
            yield code, np.bincount(steps, minlength=_STEPS + 1).tolist()


_STEPS: Final = 10_000


class JudgeBucket(_OfBucket):
    """(bucket, texts and ledger rows) → (shard, IPC of the judged pairs of its texts); each pair is judged once."""

    def process(self, element: tuple[int, dict[str, Iterable[Any]]]) -> Iterator[tuple[int, bytes]]:
        """Judge one bucket."""
        grouped = self._texts(element[1])
        if grouped is None:
            return
        texts, found = grouped
        distinct = texts["text_id"].combine_chunks().unique()
        # Nearly all of it is Arrow's own work, which several threads can do at once.
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            judging = [threads.submit(self._judge, code, tables_of, distinct) for code, tables_of in found.items()]
            for judged in (future.result() for future in judging):
                at = pc.index_in(texts["text_id"].combine_chunks(), value_set=judged["text_id"].combine_chunks())
                for shard, part in tables.partition(judged.take(at), texts["shard"].to_numpy()):
                    yield shard, files.ipc_bytes(part)

    def _judge(self, code: str, found: list[pa.Table], distinct: pa.Array) -> pa.Table:
        """Return the judged pairs of the texts ``distinct`` in one language."""
        return self.judges[code](self._pairs(code, found, distinct))


def _commit(
    run: Run,
    config: Config,
    plan: Plan,
    ingested: Ingested,
    records: list[dict[str, Any]],
    bounds: dict[str, float],
    embeddings: Embeddings | None,
) -> Manifest:
    rejects = Counter(ingested.rejects)
    for record in records:
        rejects.update(record["rejects"])
    check_rejected(rejects, read=ingested.read, limits=config.input)
    shards = tuple(sorted(Shard(**record["shard"]) for record in records if record["shard"]))
    manifest = Manifest(
        shards=shards,
        captions_read=ingested.read,
        captions_rejected=rejects.total(),
        pairs_made=sum(record["pairs"] for record in records),
        pairs_kept=sum(record["kept"] for record in records),
        pairs_dropped=sum(record["pairs"] - record["kept"] for record in records),
        languages={language.language.code: asdict(language.fingerprints) for language in plan.languages},
        bounds=bounds,
        source_language=plan.source.code,
        layout=config.shards.layout,
        source_pairs=config.shards.source_pairs,
        embeddings=embeddings,
    )
    problems = manifest.problems()
    if problems:
        raise RunFailed("the sums do not come out, which is a defect of captionloom: " + "; ".join(problems))
    _remove_stale(run, {record["name"] for record in records})
    files.write_bytes(run.sizes, orjson.dumps(manifest.sizes(), option=orjson.OPT_INDENT_2))
    files.write_bytes(run.manifest, manifest.to_json())
    return manifest


def _embedded_by(plan: Plan, ledger: Ledger) -> Embeddings | None:
    """Return what made the embeddings of the samples, as the manifest says it; None where there are none."""
    if plan.embeddings is None or plan.teacher is None:
        return None
    return Embeddings(
        teacher=plan.teacher.name,
        identity=plan.teacher.identity,
        dim=dimension(ledger, plan.embeddings),
        prefix=plan.teacher.prefix,
    )


def check_rejected(rejects: Mapping[str, int], *, read: int, limits: InputConfig) -> None:
    """Raise `RunFailed`, naming the reasons that dominate, where more is rejected than ``limits`` allow.

    What overlaps with an evaluation set was asked to be rejected, and does not count; nor does missing media where it
    has a bound of its own.
    """
    excused = {"evaluation_overlap": rejects.get("evaluation_overlap", 0)}
    if limits.tolerated_missing is not None:
        missing = excused["missing_media"] = rejects.get("missing_media", 0)
        if missing > limits.tolerated_missing * read:
            raise RunFailed(
                f"the media of {missing:,} of {read:,} captions are missing ({missing / read:.1%}; "
                f"input.max_missing_media is {limits.tolerated_missing:.1%}). The rejects folder has each with its path"
            )
    counted = Counter({reason: count for reason, count in rejects.items() if reason not in excused})
    among = read - sum(excused.values())
    rejected = counted.total()
    if rejected > limits.max_rejected * among:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in counted.most_common(3))
        raise RunFailed(
            f"{rejected:,} of {among:,} captions were rejected ({rejected / among:.1%}; input.max_rejected is "
            f"{limits.max_rejected:.1%}), most for: {reasons}. The rejects folder has each with its origin"
        )
    if any(excused.values()) and sum(rejects.values()) == read:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in Counter(rejects).most_common(3))
        raise RunFailed(f"no caption is left: all {read:,} were rejected, most for: {reasons}")


def _remove_stale(run: Run, names: set[str]) -> None:
    """Delete what an earlier cut with other shards left behind."""
    for folder, suffix in ((run.shards, ".tar"), (run.pairs, ".parquet"), (run.rejects, ".parquet")):
        stale = [
            file.path
            for file in files.listing(folder, suffix=suffix)
            if PurePosixPath(file.path).stem not in names
            and not (folder == run.rejects and PurePosixPath(file.path).name.startswith("input-"))
        ]
        files.remove(stale)
