"""Speed of cut: with images, over a bare loop that writes the same files; and text only, with peak memory.

    python -m benchmarks.cut_speed [--samples 30000] [--pairs 1000000] [--rounds 5] [--json FILE]

With images, twice: Flickr8k 1k (1,000 photographs of 20 kB, 5,000 captions) in German, French and Czech, translated
beforehand by the bundled model (greedily, which changes nothing here); and, since Beam's fixed cost weighs on so few,
``--samples`` keys with the same photographs in turn and five synthetic captions each.

The bare loop reads the same images in the same order and writes them with ``webdataset.TarWriter``, with the very
``.json`` and ``.txt`` bytes that cut made, to as many tars. It neither joins nor judges, makes no JSON, and writes no
checksums, ``pairs/`` or manifest. Both in one process, by turns, once before they are timed; the best of each counts.
The fixed cost is the best time of cut for a single sample.

Text only: ``--pairs`` pairs in the three languages, cut once in a process of its own. Synthetic captions are
Multi30k's, recombined so that all are distinct; their translations are recombined alike.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter
from pathlib import Path

from benchmarks.material import CAPTIONS_A_KEY, caption_parts, distinct_rows, ledger_parts, parallel_lines
from benchmarks.measuring import Alone, Report, Stopwatch, alone, arguments, needed
from pipelines.config import Config, InputConfig, ScoreConfig, TranslateConfig
from pipelines.cut import cut
from pipelines.ingest import Ingested, ingest
from pipelines.ledger import Ledger
from pipelines.plan import make_plan
from pipelines.run import Run
from pipelines.runner import Launcher
from shards.manifest import Manifest

COLUMNS = {
    "what": "s",
    "seconds": ",.2f",
    "CPU s": ",.2f",
    "samples/s": ",.0f",
    "pairs/s": ",.0f",
    "ratio": ".2f",
    "peak MB": ",.0f",
}
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


def against_bare(
    config: Config, photos: list[Path], root: str, ingested: Ingested, rounds: int
) -> tuple[list[Stopwatch], list[Stopwatch], Manifest]:
    """Return the times of cut and of the bare loop, and what cut made."""
    run, plan = Run(root), make_plan(config)
    ours, theirs = [], []
    for _ in range(rounds + 1):
        # What an earlier cut finished would be kept.
        for made in (run.shards, run.pairs, os.path.join(run.work, "cut")):  # noqa: PTH118
            shutil.rmtree(made, ignore_errors=True)
        with Stopwatch() as watch:
            manifest = cut(run, config, plan, Ledger(run.ledger(config)), Launcher(config.runner), ingested)
        ours.append(watch)
        shards = [list(_written(Path(run.shards) / shard.name, photos)) for shard in manifest.shards]
        bare = Path(root) / "bare"
        with Stopwatch() as watch:
            write_bare(shards, bare)
        theirs.append(watch)
        shutil.rmtree(bare)
    return ours[1:], theirs[1:], manifest


def _written(shard: Path, photos: list[Path]) -> Iterator[tuple[str, Path, bytes, bytes]]:
    """Yield (key, an image of the same size, JSON, text) of each sample of ``shard``."""
    import webdataset

    of_size = {photo.stat().st_size: photo for photo in photos}
    for sample in webdataset.WebDataset(str(shard), shardshuffle=False):
        yield sample["__key__"], of_size[len(sample["jpg"])], sample["json"], sample["txt"]


def write_bare(shards: list[list[tuple[str, Path, bytes, bytes]]], folder: Path) -> None:
    """Write the samples of each shard, reading their images: the bare loop."""
    import webdataset

    folder.mkdir()
    for i, samples in enumerate(shards):
        with webdataset.TarWriter(str(folder / f"{i:06d}.tar")) as writer:
            for key, image, content, text in samples:
                writer.write({"__key__": key, "jpg": image.read_bytes(), "json": content, "txt": text})


def synthetic(data: Path, root: str, captions: int, photos: list[Path]) -> Ingested:
    """Make a run that score has finished with, of ``captions`` distinct captions."""
    config, run = text_only(), Run(root)
    rows = list(islice(distinct_rows(parallel_lines(data, ["en", *LANGUAGES])), captions))
    ledger_parts(Ledger(run.ledger(config)), make_plan(config), rows)
    return caption_parts(run, [row[0] for row in rows], photos=photos)


def cut_text(root: str, ingested: Ingested) -> tuple[Stopwatch, Manifest]:
    """Time one cut of the synthetic run."""
    config, run = text_only(), Run(root)
    plan = make_plan(config)
    with Stopwatch() as watch:
        manifest = cut(run, config, plan, Ledger(run.ledger(config)), Launcher(config.runner), ingested)
    return watch, manifest


def compare(
    report: Report,
    title: str,
    fixed: float,
    used: Alone,
    ours: list[Stopwatch],
    theirs: list[Stopwatch],
    manifest: Manifest,
) -> None:
    """Add the rows of one comparison."""
    samples, pairs = sum(shard.samples for shard in manifest.shards), manifest.pairs_made
    best, bare = min(ours, key=attrgetter("seconds")), min(theirs, key=attrgetter("seconds"))
    ratio = bare.seconds / best.seconds
    speeds = samples / best.seconds, pairs / best.seconds
    report.add(f"{title}: bare TarWriter", bare.seconds, bare.cpu, samples / bare.seconds, None, None, None)
    report.add(f"{title}: CUT", best.seconds, best.cpu, *speeds, ratio, used.peak)
    ratios = [b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True)]
    report.add("  the same ratio, median round", None, None, None, None, statistics.median(ratios), None)
    cpu = min(b.cpu for b in theirs) / min(a.cpu for a in ours)
    report.add("  the same ratio, in CPU seconds", None, None, None, None, cpu, None)
    report.add(
        "  the same ratio, without the fixed cost", None, None, None, None, bare.seconds / (best.seconds - fixed), None
    )
    report.notes.append(
        f"{title}: required CUT over bare >= {REQUIRED}; measured {ratio:.2f} "
        f"({samples:,} samples, {pairs:,} pairs, {manifest.pairs_kept:,} kept; best of {len(ours)})"
    )


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--samples", type=int, default=30_000, help="of the larger run with images")
    parser.add_argument("--pairs", type=int, default=1_000_000, help="of the text-only cut")
    parser.add_argument("--rounds", type=int, default=5)
    options: argparse.Namespace = parser.parse_args(given)
    folder = needed(options.data / "flickr8k_1k").resolve()
    photos = sorted((folder / "images").iterdir())
    needed(options.data / "multi30k")
    report = Report("Speed of cut", COLUMNS)

    def synthetic_run(root: str, captions: int, photos: list[Path]) -> Ingested:
        return alone(synthetic, options.data, root, captions, photos)[0]

    def timed(
        config: Config, root: str, ingested: Ingested
    ) -> tuple[tuple[list[Stopwatch], list[Stopwatch], Manifest], Alone]:
        return alone(against_bare, config, photos, root, ingested, options.rounds)

    with tempfile.TemporaryDirectory() as root:
        (times, _, _), _ = timed(text_only(), root, synthetic_run(root, CAPTIONS_A_KEY, photos))
        fixed = min(times, key=attrgetter("seconds"))
    report.add("cut: fixed cost", fixed.seconds, fixed.cpu, None, None, None, None)
    with tempfile.TemporaryDirectory() as root:
        found, used = timed(flickr(str(folder)), root, alone(scored, str(folder), root)[0])
    compare(report, "Flickr8k 1k", fixed.seconds, used, *found)
    if options.samples:
        with tempfile.TemporaryDirectory() as root:
            ingested = synthetic_run(root, CAPTIONS_A_KEY * options.samples, photos)
            found, used = timed(text_only(), root, ingested)
        compare(report, f"{options.samples:,} samples", fixed.seconds, used, *found)
    if options.pairs:
        with tempfile.TemporaryDirectory() as root:
            ingested = synthetic_run(root, -(-options.pairs // len(LANGUAGES)), [])
            (watch, manifest), used = alone(cut_text, root, ingested)
        samples, made = sum(shard.samples for shard in manifest.shards), manifest.pairs_made
        speeds = samples / watch.seconds, made / watch.seconds
        report.add("text only: cut", watch.seconds, watch.cpu, *speeds, None, used.peak)
        report.notes.append(
            f"text only: {ingested.captions:,} distinct captions in {len(LANGUAGES)} languages, {made:,} pairs, "
            f"{manifest.pairs_kept:,} kept, {len(manifest.shards)} shards; {used.before:,.0f} MB before it began"
        )
    report.show(options.json)


if __name__ == "__main__":
    main()
