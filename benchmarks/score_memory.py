"""Peak memory of score: it grows with the distinct texts, and with nothing else.

    python -m benchmarks.score_memory [--captions 1000000] [--real 25014] [--json FILE]

Each row is one run of score in a process of its own, on captions that lie in the run directory as ingest leaves them.
The engine is a fake that answers at once with the source's words in reverse order; language identification, planning,
the ledger and Beam are real; there is no teacher. Captions are Multi30k's, recombined so that all are distinct.

The rows with the same distinct texts differ in what must not count: how often each occurs, and (last of them) how
many other texts the ledger holds already. Bytes a text: the growth over the smallest run, for each distinct text
more. The last row is a real run, engine included, on COCO val2017.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from unittest.mock import patch

from benchmarks.material import caption_parts, coco, distinct_rows, ledger_parts, parallel_lines, some_coco
from benchmarks.measuring import Report, Stopwatch, alone, arguments
from pipelines.config import Config, InputConfig, ScoreConfig
from pipelines.ingest import ingest
from pipelines.ledger import Ledger
from pipelines.plan import make_plan
from pipelines.run import Run
from pipelines.runner import Launcher

COLUMNS = {
    "engine": "s",
    "captions": ",",
    "distinct": ",",
    "others in ledger": ",",
    "seconds": ",.1f",
    "before MB": ",.0f",
    "peak MB": ",.0f",
    "bytes a text": ",.0f",
}


class FakeEngine:
    """Answers at once: the words in reverse order."""

    def __init__(self, model: object, *, decoding: object, device: object) -> None:
        """Load nothing."""

    def translate(self, texts: Sequence[str], source: object, target: object) -> object:
        """Return as many translations as there are texts."""
        from translate.engine import Translations

        reverse: list[str | None] = [" ".join(reversed(text.split(" "))) for text in texts]
        count = len(texts)
        return Translations(reverse, [-0.5] * count, [12] * count, [False] * count, [[] for _ in texts])


def config(path: str = "none.jsonl") -> Config:
    """Return the configuration; the synthetic runs never read the input."""
    return Config(input=InputConfig(format="coco", path=path), languages=["de"], score=ScoreConfig(teacher="none"))


def prepare(data: Path, root: str, distinct: int, copies: int, held: int) -> None:
    """Write the captions of one run, and a ledger of ``held`` other texts."""
    rows = list(islice(distinct_rows(parallel_lines(data, ["en", "de"])), distinct + held))
    caption_parts(Run(root), [row[0] for row in rows[:distinct]], copies=copies)
    if held:
        ledger_parts(Ledger(Run(root).ledger(config())), make_plan(config()), rows[distinct:])


def fake(root: str, distinct: int) -> tuple[float, int]:
    """Score the captions in ``root`` with the fake engine; return (seconds, texts translated)."""
    with patch("pipelines.measure.Engine", FakeEngine):
        return _score(root, config(), distinct)


def real(root: str, path: str) -> tuple[float, int, int]:
    """Read and score a COCO file; return (seconds, texts translated, captions)."""
    ingested = ingest(Run(root), config(path).input, Launcher(config().runner))
    return *_score(root, config(path), ingested.texts), ingested.captions


def _score(root: str, settings: Config, texts: int) -> tuple[float, int]:
    from pipelines.score import score

    run, plan = Run(root), make_plan(settings)
    with Stopwatch() as watch:
        scored = score(run, plan, Ledger(run.ledger(settings)), Launcher(settings.runner), texts=texts)
    return watch.seconds, scored.translated["de"]


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--captions", type=int, default=1_000_000, help="of the largest run")
    parser.add_argument("--real", type=int, default=25_014, help="captions of the real run; 0: none")
    options: argparse.Namespace = parser.parse_args(given)
    most = options.captions
    report = Report("Peak memory of score, English to German", COLUMNS)
    smallest: tuple[int, float] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for distinct, copies, held in (
            (most // 4, 1, 0),
            (most // 2, 1, 0),
            (most, 1, 0),
            (most // 4, 4, 0),
            (most // 4, 1, most),
        ):
            root = os.path.join(folder, "run")  # noqa: PTH118
            alone(prepare, options.data, root, distinct, copies, held)
            (seconds, made), used = alone(fake, root, distinct)
            if made != distinct:
                raise AssertionError(f"{made} of {distinct} texts were translated")
            smallest = smallest or (distinct, used.peak)
            more = distinct - smallest[0]
            growth = (used.peak - smallest[1]) * 1e6 / more if more else None
            report.add("fake", distinct * copies, distinct, held, seconds, used.before, used.peak, growth)
            shutil.rmtree(root)
        if options.real:
            file = some_coco(coco(options.data), options.real, Path(folder))
            (seconds, made, captions), used = alone(real, os.path.join(folder, "real"), str(file))  # noqa: PTH118
            report.add("real", captions, made, 0, seconds, used.before, used.peak, None)
    report.show(options.json)


if __name__ == "__main__":
    main()
