"""Speed of cut: with images, over a bare loop that writes the same files; and text only, with peak memory.

    python -m benchmarks.cut_speed [--pairs 1000000] [--rounds 5] [--json FILE]

With images: Flickr8k 1k (1,000 photographs, 5,000 captions) in German, French and Czech, translated beforehand by the
bundled model (greedily, which changes nothing here). The bare loop reads the same images in the same order and writes
them with ``webdataset.TarWriter``, with the very ``.json`` and ``.txt`` bytes that cut made, to as many tars. It
neither joins nor judges, makes no JSON, and writes no checksums, ``pairs/`` or manifest. Both in one process, by
turns, from the second time on (warm); the best of each counts.

Text only: captions (Multi30k's, recombined so that all are distinct) in three languages with a ledger of their
translations, cut in a process of its own.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.material import caption_parts, distinct_rows, ledger_parts, parallel_lines
from benchmarks.measuring import Report, Stopwatch, alone, arguments, needed
from pipelines.config import Config, InputConfig, ScoreConfig, TranslateConfig
from pipelines.cut import cut
from pipelines.ingest import Ingested, ingest
from pipelines.ledger import Ledger
from pipelines.plan import make_plan
from pipelines.run import Run
from pipelines.runner import Launcher
from shards.manifest import Manifest

COLUMNS = {"what": "s", "seconds": ",.2f", "CPU s": ",.2f", "samples/s": ",.0f", "pairs/s": ",.0f", "ratio": ".2f", "peak MB": ",.0f"}
REQUIRED = 0.5
LANGUAGES = ["de", "fr", "cs"]


def flickr(folder: str) -> Config:
    """Return the configuration of the Flickr8k subset in ``folder``."""
    return Config(
        input=InputConfig(
            format="jsonl",
            path=os.path.join(folder, "captions.jsonl"),  # noqa: PTH118
            media=os.path.join(folder, "{image}"),  # noqa: PTH118
            media_root=folder,
        ),
        languages=LANGUAGES,
        translate=TranslateConfig(beam_size=1),
        score=ScoreConfig(teacher="none"),
    )


def text_only() -> Config:
    """Return the configuration of the synthetic run; its input is never read."""
    return Config(
        input=InputConfig(format="jsonl", path="none.jsonl"), languages=LANGUAGES, score=ScoreConfig(teacher="none")
    )


def scored(folder: str, root: str) -> Ingested:
    """Read and translate the Flickr8k subset into the run ``root``."""
    from pipelines.score import score

    config, run = flickr(folder), Run(root)
    ingested = ingest(run, config.input, Launcher(config.runner))
    score(run, make_plan(config), Ledger(run.ledger(config)), Launcher(config.runner), texts=ingested.texts)
    return ingested


def against_bare(folder: str, root: str, ingested: Ingested, rounds: int) -> tuple[list[Stopwatch], list[Stopwatch], Manifest]:
    """Return the times of cut and of the bare loop, and what cut made."""
    config, run = flickr(folder), Run(root)
    plan = make_plan(config)
    ours, theirs = [], []
    for _ in range(rounds + 1):
        # What an earlier cut finished would be kept.
        for made in (run.shards, run.pairs, os.path.join(run.work, "cut")):  # noqa: PTH118
            shutil.rmtree(made, ignore_errors=True)
        with Stopwatch() as watch:
            manifest = cut(run, config, plan, Ledger(run.ledger(config)), Launcher(config.runner), ingested)
        ours.append(watch)
        shards = [list(_written(Path(run.shards) / shard.name, folder)) for shard in manifest.shards]
        bare = Path(root) / "bare"
        with Stopwatch() as watch:
            write_bare(shards, bare)
        theirs.append(watch)
        shutil.rmtree(bare)
    return ours, theirs, manifest


def _written(shard: Path, folder: str) -> Iterator[tuple[str, str, bytes, bytes]]:
    """Yield (key, path of the image, JSON, text) of each sample of ``shard``."""
    import webdataset

    for sample in webdataset.WebDataset(str(shard), shardshuffle=False):
        key = sample["__key__"]
        yield key, os.path.join(folder, "images", f"{key}.jpg"), sample["json"], sample["txt"]  # noqa: PTH118


def write_bare(shards: list[list[tuple[str, str, bytes, bytes]]], folder: Path) -> None:
    """Write the samples of each shard, reading their images: the bare loop."""
    import webdataset

    folder.mkdir()
    for i, samples in enumerate(shards):
        with webdataset.TarWriter(str(folder / f"{i:06d}.tar")) as writer:
            for key, image, content, text in samples:
                with open(image, "rb") as stream:  # noqa: PTH123
                    media = stream.read()
                writer.write({"__key__": key, "jpg": media, "json": content, "txt": text})


def synthetic(data: Path, root: str, captions: int) -> Ingested:
    """Make a run that score has finished with, of ``captions`` distinct captions."""
    config, run = text_only(), Run(root)
    rows = list(islice(distinct_rows(parallel_lines(data, ["en", *LANGUAGES])), captions))
    ledger_parts(Ledger(run.ledger(config)), make_plan(config), rows)
    return caption_parts(run, [row[0] for row in rows])


def cut_text(root: str, ingested: Ingested) -> tuple[Stopwatch, Manifest]:
    """Time one cut of the synthetic run."""
    config, run = text_only(), Run(root)
    plan = make_plan(config)
    with Stopwatch() as watch:
        manifest = cut(run, config, plan, Ledger(run.ledger(config)), Launcher(config.runner), ingested)
    return watch, manifest


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=1_000_000, help="of the text-only cut")
    parser.add_argument("--rounds", type=int, default=5)
    options: argparse.Namespace = parser.parse_args(given)
    folder = str(needed(options.data / "flickr8k_1k").resolve())
    needed(options.data / "multi30k")
    report = Report("Speed of cut", COLUMNS)
    with tempfile.TemporaryDirectory() as root:
        ingested = alone(scored, folder, root)[0]
        (ours, theirs, manifest), used = alone(against_bare, folder, root, ingested, options.rounds)
    samples = sum(shard.samples for shard in manifest.shards)
    best, bare = min(ours[1:], key=lambda w: w.seconds), min(theirs[1:], key=lambda w: w.seconds)
    made = manifest.pairs_made
    report.add("bare TarWriter, images", bare.seconds, bare.cpu, samples / bare.seconds, None, None, None)
    report.add("CUT, images", best.seconds, best.cpu, samples / best.seconds, made / best.seconds, bare.seconds / best.seconds, used.peak)
    ratios = [b.seconds / a.seconds for a, b in zip(ours[1:], theirs[1:], strict=True)]
    report.add("  the same ratio, median round", None, None, None, None, statistics.median(ratios), None)
    first = ours[0]
    report.add("  the first time", first.seconds, first.cpu, samples / first.seconds, made / first.seconds, None, None)
    report.notes.append(
        f"required: CUT over bare >= {REQUIRED}; measured {bare.seconds / best.seconds:.2f} "
        f"({samples:,} samples, {made:,} pairs, {manifest.pairs_kept:,} kept; best of {options.rounds})"
    )
    with tempfile.TemporaryDirectory() as root:
        ingested = alone(synthetic, options.data, root, -(-options.pairs // len(LANGUAGES)))[0]
        (watch, manifest), used = alone(cut_text, root, ingested)
    samples, made = sum(shard.samples for shard in manifest.shards), manifest.pairs_made
    report.add("cut, text only", watch.seconds, watch.cpu, samples / watch.seconds, made / watch.seconds, None, used.peak)
    report.notes.append(
        f"text only: {ingested.captions:,} distinct captions in {len(LANGUAGES)} languages, {made:,} pairs, "
        f"{manifest.pairs_kept:,} kept, {len(manifest.shards)} shards; {used.before:,.0f} MB before it began"
    )
    report.show(options.json)


if __name__ == "__main__":
    main()
