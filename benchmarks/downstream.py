"""Does filtering pay? Retrieval by models trained on noisy translations: all of them, filtered, and weighted.

    python -m benchmarks.downstream [--work DIR] [--language de] [--captions N] [--seeds N] [--jobs N] [--quick]

The corpus is that of `examples.flickr8k`: 800 photos with some 4,000 English captions, and 28,864 captions of
Multi30k's training set without photos, translated by ``mini`` and back (``captionloom build``). Noise is planted in an
exact share of the translations as ``captionloom noise`` does it: the translation of another caption (``misaligned``,
what the literature on noisy correspondence plants, Huang et al. 2021), or all kinds evenly. Everything behind the
translations is captionloom's own: back-translation, scores, calibration (``captionloom calibrate``, which is told
nothing of what was planted) and shards. `examples.train_cl2cm` is then trained on

- ``everything``: no rule, every pair weighs 1;
- ``rules``: what the default rules keep, every pair weighs 1;
- ``rules + calibrated weights``: the same with the probability of being clean as the weight;
- ``rules + their weights``: the same with the weights that the default rules give;
- ``calibrated weights alone``: no rule, every pair weighs its probability of being clean;
- ``the clean ones``: what a filter would keep that knows what was planted; every pair weighs 1.

Tested are human captions in the language: against 200 photos that nothing was trained on, and against the English
captions of test_2016_flickr, both ways. Every setting is trained for as many steps. The noise is planted once; the
standard deviation is that of the seeds of the training.

What is finished lies in ``--work`` and is not done again: the same command goes on where it was stopped.
"""

import json
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.measuring import Report, Stopwatch, arguments, needed
from benchmarks.noisy_ledger import ModelsOnce, Noise, Remembering, plant_noise
from filters.noise import KINDS
from filters.verdict import RULES
from pipelines import cli, files
from pipelines.ledger import Ledger
from pipelines.load import load_config
from pipelines.plan import make_plan

NOISES: Final = (
    Noise("none"),
    Noise("misaligned 20 %", 0.2, ("misaligned",)),
    Noise("misaligned 40 %", 0.4, ("misaligned",)),
    Noise("all kinds 20 %", 0.2, tuple(KINDS)),
    Noise("all kinds 40 %", 0.4, tuple(KINDS)),
)

CALIBRATED_ON: Final = 1500
"""Texts that a calibration plants noise in."""

SPLITS: Final = ("photos", "text")
"""The two runs of each setting."""


@dataclass(frozen=True)
class Treatment:
    """What is trained on: the shards of a cut, and whether their weights count."""

    name: str
    cut: str
    weighted: bool
    perfect: bool = False
    """Whether what was planted is known and left out."""


TREATMENTS: Final = (
    Treatment("everything", "everything", weighted=False),
    Treatment("rules", "rules", weighted=False),
    Treatment("rules + calibrated weights", "calibrated", weighted=True),
    Treatment("rules + their weights", "rules", weighted=True),
    Treatment("calibrated weights alone", "alone", weighted=True),
    Treatment("the clean ones", "everything", weighted=False, perfect=True),
)


def treatments(noise: Noise) -> tuple[Treatment, ...]:
    """Return what is trained for one noise: of nothing planted all are the clean ones."""
    return tuple(one for one in TREATMENTS if noise.kinds or not one.perfect)


@dataclass(frozen=True)
class Cell:
    """One training."""

    noise: Noise
    treatment: Treatment
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{_slug(self.noise.name)}.{_slug(self.treatment.name)}.{self.seed}"


@dataclass(frozen=True)
class Bench:
    """The folders of one measurement."""

    work: Path
    language: str

    @property
    def corpus(self) -> Path:
        """What `examples.flickr8k` wrote, with the clean ledger."""
        return self.work / "corpus"

    def ledger(self, noise: Noise) -> Path:
        """Return the ledger of one noise."""
        return self.work / _slug(noise.name) / "ledger" if noise.kinds else self.corpus / "ledger"

    def run(self, noise: Noise, cut: str, split: str) -> Path:
        """Return the directory of one run."""
        return self.work / _slug(noise.name) / cut / split

    def embedded(self, noise: Noise) -> Path:
        """Return the file of the teacher's embeddings of all back-translations and of the tests' captions."""
        return self.work / _slug(noise.name) / "embedded.npz"

    def result(self, cell: Cell) -> Path:
        """Return the file of one training's figures."""
        return self.work / "results" / f"{cell.name}.json"

    def build(self, out: Path, split: str, *settings: str) -> None:
        """Run ``captionloom build`` where it has not finished: the manifest is a run's commit."""
        if (out / "audit" / "audit.json").exists():
            return
        options = [item for setting in settings for item in ("--set", setting)]
        arguments = ["build", str(self.corpus / f"{split}.yaml"), "--out", str(out), "--quiet", *options]
        if cli.main(arguments) != cli.DONE:
            raise SystemExit(f"captionloom {' '.join(arguments)} failed")


def _slug(name: str) -> str:
    return "-".join("".join(sign if sign.isalnum() else " " for sign in name).split())


def claim(bench: Bench, settings: dict[str, Any]) -> None:
    """Write down what is measured in this folder; ends the script where something else is."""
    path = bench.work / "settings.json"
    held = json.loads(path.read_text("utf-8")) if path.exists() else settings
    if held != settings:
        raise SystemExit(f"{bench.work} holds a measurement with {held}, not {settings}: give another --work")
    files.write_bytes(str(path), json.dumps(settings).encode())


def prepare(bench: Bench, data: Path, *, captions: int | None) -> None:
    """Write the corpus, with ``captions`` of the captions without photos (None: all), and build it without noise."""
    from examples.flickr8k import prepare as write_corpus

    if not (bench.corpus / "text.yaml").exists():
        write_corpus(data, bench.corpus, [bench.language])
        if captions is not None:
            path = bench.corpus / "text.jsonl"
            path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:captions]), "utf-8")
    for split in SPLITS:
        bench.build(bench.run(NOISES[0], "everything", split), split, "judge.rules=[]")


def plant(bench: Bench, noise: Noise, teacher: Remembering) -> None:
    """Write the ledger of one noise, and the embeddings that training needs."""
    if bench.embedded(noise).exists():
        return
    config, problems = load_config(str(bench.corpus / "text.yaml"))
    if config is None:
        raise SystemExit("; ".join(problems))
    plan = make_plan(config)
    held = Ledger(str(bench.ledger(noise)))
    if noise.kinds:
        models = ModelsOnce(plan, teacher)
        planted = plant_noise(Ledger(str(bench.ledger(NOISES[0]))), held, plan, models, noise)
        files.write_parquet(str(bench.work / _slug(noise.name) / "planted.parquet"), planted)
    (language,) = plan.languages
    assert language.fingerprints.backs is not None
    parts = held.parts("backs", language.fingerprints.backs)
    backs = pa.concat_tables([files.read_parquet(part.path, ["back"]) for part in parts])["back"]
    said = pc.drop_null(backs.combine_chunks()).unique().to_pylist()
    human = [row["en"] for row in _rows(bench.corpus / "tests" / "captions.jsonl")]
    texts = list(dict.fromkeys(text for text in [*said, *human] if text))
    with files.written_whole(str(bench.embedded(noise))) as sink:
        np.savez(sink, texts=np.array(texts), vectors=teacher.embed(texts).astype(np.float16))


def cut(bench: Bench, noise: Noise, rows: int) -> None:
    """Write the shards of every treatment of one noise; the calibration is learnt from ``rows`` texts."""
    ledger = f"ledger={bench.ledger(noise)}"
    for split in SPLITS:
        bench.build(bench.run(noise, "everything", split), split, ledger, "judge.rules=[]")
        bench.build(bench.run(noise, "rules", split), split, ledger)
    # Learnt from the text alone: the photos' captions are of the same sort, and made by the same model.
    learnt = bench.run(noise, "everything", "text")
    calibration = learnt / "calibration"
    if not calibration.exists() and cli.main(["calibrate", str(learnt), "--rows", str(rows), "--quiet"]) != cli.DONE:
        raise SystemExit(f"captionloom calibrate {learnt} failed")
    alone = f"judge.calibration={calibration}"
    for split in SPLITS:
        bench.build(bench.run(noise, "alone", split), split, ledger, alone)
        bench.build(bench.run(noise, "calibrated", split), split, ledger, alone, f"judge.rules=[{', '.join(RULES)}]")


def train_cells(bench: Bench, wanted: Sequence[Cell], steps: int) -> list[str]:
    """Train, test and write the figures of ``wanted``, all of one noise and cut; in a process of its own."""
    import torch

    from examples.train_cl2cm import evaluate, read_pairs, read_photos, train

    torch.set_num_threads(1)
    noise, treatment = wanted[0].noise, wanted[0].treatment
    with np.load(bench.embedded(noise)) as held:
        known = dict(zip(held["texts"].tolist(), held["vectors"].astype(np.float32), strict=True))

    def embed(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.stack([known[text] for text in texts])

    runs = [str(bench.run(noise, treatment.cut, split)) for split in SPLITS]
    spoilt = spoilt_captions(bench, noise) if treatment.perfect else set()
    pairs = read_pairs(runs, bench.language, embed, wanted=lambda item: (item["key"], item["n"]) not in spoilt)
    photos = read_photos(runs[0])
    for cell in wanted:
        with Stopwatch() as watch:
            model = train(photos, pairs, steps=steps, seed=cell.seed, weighted=cell.treatment.weighted)
            found = evaluate(model, bench.corpus / "tests", bench.language, embed)
        figures = {"pairs": len(pairs.keys), "cpu": watch.cpu, "seconds": watch.seconds, "steps": steps, **found}
        files.write_bytes(str(bench.result(cell)), json.dumps(figures, indent=1).encode())
    return [cell.name for cell in wanted]


def spoilt_captions(bench: Bench, noise: Noise) -> set[tuple[str, int]]:
    """Return (key, n) of the captions whose translation is noise."""
    pairs = pa.concat_tables(
        [
            pq.read_table(bench.run(noise, "everything", split) / "pairs", columns=["key", "n", "text_id"])
            for split in SPLITS
        ]
    )
    chosen = pairs.filter(pc.is_in(pairs["text_id"], value_set=_planted(bench, noise)))
    return set(zip(chosen["key"].to_pylist(), chosen["n"].to_pylist(), strict=True))


def groups(bench: Bench, noises: Sequence[Noise], seeds: int) -> list[list[Cell]]:
    """Return the trainings that are missing, those of the same shards together, which are then read once."""
    found: list[list[Cell]] = []
    for noise in noises:
        shards = {treatment: (treatment.cut, treatment.perfect) for treatment in treatments(noise)}
        for which in dict.fromkeys(shards.values()):
            same = [treatment for treatment, one in shards.items() if one == which]
            every = [Cell(noise, treatment, seed) for treatment in same for seed in range(seeds)]
            found.append([cell for cell in every if not bench.result(cell).exists()])
    return [group for group in found if group]


def main() -> None:
    """Do what is missing and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--work", type=Path, default=Path("downstream"), metavar="DIR", help="where everything is kept")
    parser.add_argument("--language", default="de", help="de, fr (or cs, for which muse has no similarity)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--captions", type=int, metavar="N", help="of the captions without photos the first N (all)")
    parser.add_argument("--steps", type=int, default=400, help="of each training (default 400)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="trainings at a time")
    parser.add_argument("--quick", action="store_true", help="next to nothing of everything: a test, no measurement")
    options = parser.parse_args()
    needed(options.data / "multi30k" / "train.images.txt.gz")
    needed(options.data / "flickr8k_1k" / "efficientnet_lite2.npz")
    bench = Bench(options.work.resolve(), options.language)
    noises, seeds, rows = NOISES, options.seeds, CALIBRATED_ON
    if options.quick:
        noises, seeds, rows, options.captions, options.steps = (NOISES[2],), 1, 320, 400, 4
    claim(bench, {"language": options.language, "captions": options.captions, "steps": options.steps})
    watches = {name: Stopwatch() for name in ("corpus", "noise", "shards", "training")}
    began = time.perf_counter()
    with watches["corpus"]:
        prepare(bench, options.data, captions=options.captions)
    with watches["noise"]:
        teacher = Remembering()
        for noise in noises:
            plant(bench, noise, teacher)
    with watches["shards"]:
        for noise in noises:
            cut(bench, noise, rows)
    with watches["training"]:
        missing = groups(bench, noises, seeds)
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            for done in as_completed([pool.submit(train_cells, bench, group, options.steps) for group in missing]):
                print(f"{time.perf_counter() - began:6.0f} s  {', '.join(done.result())}", flush=True)
    reports = [summary(bench, noises, seeds), full(bench, noises, seeds), kept(bench, noises)]
    said = ", ".join(f"{name} {watch.seconds:.0f} s" for name, watch in watches.items())
    reports[0].notes.append(
        f"this time: {said} (what was done before is not in it); {options.jobs} trainings at a time"
    )
    for report in reports:
        print(markdown(report))
    if options.json:
        content = {"rows": reports[0].rows, "notes": reports[0].notes, **{r.title: r.rows for r in reports}}
        files.write_bytes(str(options.json), json.dumps(content, indent=1).encode())


TESTS: Final = {"photos": "to photos and back", "captions": "to English captions and back"}
"""Name of a test → its title."""


def figures(bench: Bench, noise: Noise, treatment: Treatment, seeds: int) -> list[dict[str, Any]]:
    """Return the figures of each seed that is finished."""
    paths = [bench.result(Cell(noise, treatment, seed)) for seed in range(seeds)]
    return [json.loads(path.read_text("utf-8")) for path in paths if path.exists()]


def spread(values: Sequence[float]) -> str:
    """Return mean ± sample standard deviation."""
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}"


def summary(bench: Bench, noises: Sequence[Noise], seeds: int) -> Report:
    """Return SumR of each setting."""
    report = Report(
        f"SumR (0 to 600), {bench.language}, mean ± standard deviation over seeds",
        {"noise": "s", "trained on": "s", "pairs": ",d", "seeds": "d", **dict.fromkeys(TESTS.values(), "s")},
    )
    for noise in noises:
        for treatment in treatments(noise):
            found = figures(bench, noise, treatment, seeds)
            sums = [spread([one[test]["SumR"] for one in found]) for test in TESTS]
            report.add(noise.name, treatment.name, found[0]["pairs"], len(found), *sums)
    return report


def full(bench: Bench, noises: Sequence[Noise], seeds: int) -> Report:
    """Return the recalls of each setting."""
    ranks = [f"{way}R@{k}" for way in ("", "back ") for k in (1, 5, 10)]
    report = Report(
        "Recalls in percent: from captions (to photos, to English captions) and back",
        {"noise": "s", "trained on": "s", "test": "s", **dict.fromkeys(ranks, "s")},
    )
    for noise in noises:
        for treatment in treatments(noise):
            found = figures(bench, noise, treatment, seeds)
            for test, title in TESTS.items():
                cells_of = [spread([one[test][rank] for one in found]) for rank in ranks]
                report.add(noise.name, treatment.name, title, *cells_of)
    return report


def kept(bench: Bench, noises: Sequence[Noise]) -> Report:
    """Return what the default rules and the calibration make of the planted noise, by distinct text."""
    report = Report(
        "The share that the rules keep of clean and of noisy pairs, and the mean weight of those",
        {
            "noise": "s",
            "kept, clean": ".1%",
            "kept, noisy": ".1%",
            "noise among kept": ".1%",
            "rules' weight, clean": ".3f",
            "noisy": ".3f",
            "calibrated weight, clean": ".3f",
            "noisy ": ".3f",
        },
    )
    for noise in noises:
        cells_of: list[float | None] = []
        judged = {name: _judged(bench, noise, name) for name in ("rules", "calibrated")}
        spoilt, keep = judged["rules"][0], judged["rules"][1]
        cells_of += [_mean(keep[~spoilt]), _mean(keep[spoilt]), _mean(spoilt[keep])]
        for name in ("rules", "calibrated"):
            noisy, keep, weight = judged[name]
            cells_of += [_mean(weight[keep & ~noisy]), _mean(weight[keep & noisy])]
        report.add(noise.name, *cells_of)
    return report


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _judged(bench: Bench, noise: Noise, name: str) -> tuple[np.ndarray[Any, Any], ...]:
    """Return (noisy, keep, weight) of every distinct text of a cut."""
    folders = [bench.run(noise, name, split) / "pairs" for split in SPLITS]
    pairs = pa.concat_tables([pq.read_table(folder, columns=["text_id", "keep", "weight"]) for folder in folders])
    distinct = pairs.group_by("text_id", use_threads=False).aggregate([("keep", "first"), ("weight", "first")])
    noisy = pc.is_in(distinct["text_id"], value_set=_planted(bench, noise)).to_numpy(zero_copy_only=False)
    return noisy, distinct["keep_first"].to_numpy(), distinct["weight_first"].to_numpy()


def _planted(bench: Bench, noise: Noise) -> pa.Array:
    """Return the text_id of what was planted."""
    if not noise.kinds:
        return pa.array([], pa.binary(16))
    planted = pq.read_table(bench.work / _slug(noise.name) / "planted.parquet")
    return planted.filter(pc.is_valid(planted["noise_kind"]))["text_id"].combine_chunks()


def markdown(report: Report) -> str:
    """Return a report as a table in Markdown, with its notes."""
    rows = [
        ["" if row[name] is None else format(row[name], form) for name, form in report.columns.items()]
        for row in report.rows
    ]
    lines = [list(report.columns), ["---"] * len(report.columns), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([f"{report.title}:", table, *report.notes]) + "\n"


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


if __name__ == "__main__":
    main()
