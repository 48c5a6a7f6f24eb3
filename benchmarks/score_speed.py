"""Speed of score: captions a second of the whole pipeline over those of a bare loop around CTranslate2.

    python -m benchmarks.score_speed [--teacher muse] [--rounds 3] [--json FILE]

Both translate the distinct captions of COCO val2017 (25,014) to German with the bundled model, the same decoding
options, threads, batch type and batch size. The bare loop is one ``Translator.translate_batch`` of all sentences,
sorted by length and tokenised beforehand: nothing but the engine. The pipeline is everything that ``captionloom
score`` does from the caption file to the ledger, language identification included, and the judging of all pairs,
which is cut's work, on top.

Warm: in each round each side has a process of its own, loads its models, translates 300 captions, and is then timed.
That is all that "start-up excluded" leaves out; building the Beam pipeline is timed. With start-up: the seconds from
starting the process to having planned and loaded, added. Rounds alternate between the sides; the best of each counts,
and the best ratio of one round is a row of its own.

Below: where the pipeline's CPU time goes in its best round. The engine's workers are the threads that are not
Python's.

Several values of ``--max-batch-tokens`` or ``--unit-size`` make it a sweep: one row for each combination (take a
subset: ``--captions 4000``).
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.material import coco, some_coco
from benchmarks.measuring import Report, alone, arguments, cores
from benchmarks.scoring import WARM_UP, BareRun, PipelineRun, Setting, bare, pipeline

COLUMNS = {"what": "s", "seconds": ",.2f", "CPU s": ",.2f", "captions/s": ",.0f", "tokens/s": ",.0f", "ratio": ".3f"}
REQUIRED = 0.90


@dataclass(frozen=True)
class Rounds:
    """Every round of one setting."""

    bare: list[BareRun]
    pipeline: list[PipelineRun]

    @property
    def best_bare(self) -> BareRun:
        """The fastest round of the bare loop."""
        return min(self.bare, key=lambda run: run.translate.seconds)

    @property
    def best_pipeline(self) -> PipelineRun:
        """The fastest round of the pipeline."""
        return min(self.pipeline, key=lambda run: run.total)

    @property
    def ratio(self) -> float:
        """Captions/s of the pipeline over the bare loop, best against best."""
        return self.best_bare.translate.seconds / self.best_pipeline.total

    @property
    def ratios(self) -> list[float]:
        """The same, round by round."""
        return [a.translate.seconds / b.total for a, b in zip(self.bare, self.pipeline, strict=True)]


def measure(setting: Setting, rounds: int) -> Rounds:
    """Run both sides ``rounds`` times, alternating which begins."""
    found = Rounds([], [])
    for turn in range(rounds):
        for side in ("bare", "pipeline") if turn % 2 == 0 else ("pipeline", "bare"):
            if side == "bare":
                found.bare.append(alone(bare, setting, time.time())[0])
            else:
                found.pipeline.append(alone(pipeline, setting, time.time())[0])
    return found


def headline(report: Report, rounds: Rounds) -> None:
    """Add the rows of one setting: both sides, the ratios, and where the time goes."""
    raw, ours = rounds.best_bare, rounds.best_pipeline
    texts = raw.texts

    def row(what: str, seconds: float, cpu: float | None, tokens: int | None, against: float | None) -> None:
        speed = None if tokens is None else tokens / seconds
        report.add(what, seconds, cpu, texts / seconds, speed, None if against is None else against / seconds)

    bare_seconds = raw.translate.seconds
    tokenised = bare_seconds + raw.encode.seconds + raw.decode.seconds
    row("bare translate_batch", bare_seconds, raw.translate.cpu, raw.tokens, None)
    row("bare, tokenised and detokenised", tokenised, None, raw.tokens, None)
    row("bare, with that and start-up", tokenised + raw.startup, None, raw.tokens, None)
    row("pipeline: read captions", ours.read.seconds, ours.read.cpu, None, None)
    row("pipeline: score", ours.score.seconds, ours.score.cpu, ours.tokens, bare_seconds)
    row("pipeline: judge (in cut)", ours.judge.seconds, ours.judge.cpu, None, None)
    cpu = ours.read.cpu + ours.score.cpu + ours.judge.cpu
    row("PIPELINE over bare translate_batch", ours.total, cpu, ours.tokens, bare_seconds)
    report.add("  the same ratio in CPU seconds", None, None, None, None, raw.translate.cpu / cpu)
    for name, ratio in (("median", statistics.median(rounds.ratios)), ("best", max(rounds.ratios))):
        report.add(f"  the same ratio, {name} round", None, None, None, None, ratio)
    row("pipeline over bare, tokenised too", ours.total, None, None, tokenised)
    row("pipeline over bare, with start-up", ours.total + ours.startup, None, None, tokenised + raw.startup)
    for name, seconds in sorted(ours.parts.items(), key=lambda part: -part[1]):
        report.add(f"CPU of score: {name}", None, seconds, None, None, seconds / ours.score.cpu)
    use = ours.score.cpu / ours.score.seconds / cores()
    report.notes += [
        f"required: PIPELINE over bare >= {REQUIRED:.2f}; measured {rounds.ratio:.3f}",
        f"{texts:,} distinct texts, {len(rounds.bare)} rounds, best of each side; the ratio of a CPU row is its share",
        f"CPU use while scoring: {use:.0%} of {cores()} cores; bare: "
        f"{raw.translate.cpu / bare_seconds / cores():.0%} (less where other processes compete)",
    ]


def sweep(report: Report, setting: Setting, rounds: Rounds) -> None:
    """Add one setting's two rows."""
    raw, ours = rounds.best_bare, rounds.best_pipeline
    name = f"{setting.max_batch_tokens} tokens"
    speeds = raw.texts / raw.translate.seconds, raw.tokens / raw.translate.seconds
    report.add(f"bare, {name}", raw.translate.seconds, raw.translate.cpu, *speeds, None)
    cpu = ours.read.cpu + ours.score.cpu + ours.judge.cpu
    speeds = raw.texts / ours.total, ours.tokens / ours.total
    report.add(f"pipeline, {name}, units of {setting.unit_size}", ours.total, cpu, *speeds, rounds.ratio)


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--teacher", choices=("none", "muse"), default="none")
    parser.add_argument("--captions", type=int, default=25_014, help="a subset, spread over the file")
    parser.add_argument("--max-batch-tokens", type=int, nargs="+", metavar="N", help="default: the configuration's")
    parser.add_argument("--unit-size", type=int, nargs="+", metavar="N", help="default: the configuration's")
    parser.add_argument("--rounds", type=int, default=3)
    options: argparse.Namespace = parser.parse_args(given)
    file = coco(options.data)
    with tempfile.TemporaryDirectory() as folder:
        if options.captions < 25_014:
            file = some_coco(file, options.captions, Path(folder))
        base = Setting(str(file), str(some_coco(coco(options.data), WARM_UP, Path(folder))), options.teacher)
        combinations = itertools.product(
            options.max_batch_tokens or [base.max_batch_tokens], options.unit_size or [base.unit_size]
        )
        settings = [
            Setting(**(asdict(base) | {"max_batch_tokens": tokens, "unit_size": size})) for tokens, size in combinations
        ]
        report = Report(f"Speed of score, English to German, teacher: {options.teacher}", COLUMNS)
        for setting in settings:
            rounds = measure(setting, options.rounds)
            if len(settings) == 1:
                headline(report, rounds)
            else:
                sweep(report, setting, rounds)
    report.show(options.json)


if __name__ == "__main__":
    main()
