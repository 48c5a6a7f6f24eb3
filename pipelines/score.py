"""Score: distinct texts to the ledger: translated, translated back where asked, and measured, a unit at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.utils.shared import Shared

from pipelines import files
from pipelines.ledger import Ledger, part_name
from pipelines.measure import Models, Worker
from pipelines.plan import Plan
from pipelines.run import Run
from pipelines.runner import Collect, Launcher, collected
from pipelines.units import EMBEDDING, plan_units


@dataclass(frozen=True)
class Scored:
    """What a score run did, by language."""

    translated: dict[str, int]
    """Texts that were not in the ledger."""
    rescored: dict[str, int]
    """Texts that were there, but measured now, or translated back now."""
    padding: dict[str, float]
    """The share of the source tokens that the engine read that were padding; 0 where it read none."""
    embedded: int
    """Source texts whose embeddings were not in the ledger."""


def score(run: Run, plan: Plan, ledger: Ledger, launcher: Launcher, *, texts: int) -> Scored:
    """Bring everything that ``plan`` asks for into ``ledger``, for the captions that ingest left in ``run``.

    ``texts`` is the number of distinct texts. What the ledger holds is not made again.
    """
    done = files.join(run.work, "scored.json")
    planned = plan_units(run, plan, ledger, launcher, texts=texts)

    def build(pipeline: beam.Pipeline) -> None:
        shared = Shared()
        new = (
            pipeline
            | "Units" >> beam.Create(planned.units)
            | "Translate and measure" >> beam.ParDo(TranslateUnit(plan, ledger, shared))
        )
        again = (
            pipeline
            | "Parts" >> beam.Create(_by_name(planned.stale))
            | "Measure again" >> beam.ParDo(CompletePart(plan, ledger, shared))
        )
        _ = (new, again) | "Both" >> beam.Flatten() | "Collect" >> Collect(done)

    launcher.run(build, threads=True)
    planned.clear()
    counts = collected(done)

    def total(what: str) -> dict[str, int]:
        return {code: sum(n for kind, lang, n in counts if (kind, lang) == (what, code)) for code in plan.codes}

    tokens, padded = total("tokens"), total("padded")
    return Scored(
        translated=total("translated"),
        rescored=total("rescored"),
        embedded=sum(n for kind, _, n in counts if kind == "embedded"),
        padding={code: 1 - tokens[code] / padded[code] if padded[code] else 0.0 for code in plan.codes},
    )


class _WithWorker(beam.DoFn):
    """Loads what measures and translates once for each process; threads share it."""

    def __init__(self, plan: Plan, ledger: Ledger, shared: Shared) -> None:
        self.plan = plan
        self.ledger = ledger
        self.shared = shared

    def setup(self) -> None:
        """Take the process's models, loading them where nobody has."""
        self.worker = Worker(self.plan, self.ledger, self.shared.acquire(lambda: Models(self.plan)))


class TranslateUnit(_WithWorker):
    """Path of a unit → its parts in the ledger; (what, language, number) for each language.

    Numbers of texts ``translated``, and of their source ``tokens``, without and with padding (``padded``); where
    embeddings are asked for, of texts ``embedded``, in the place of a language `EMBEDDING`.
    """

    def process(self, element: str) -> Iterator[tuple[str, str, int]]:
        """Translate and measure one unit in every language that lacks some of it."""
        unit = files.ipc_table(files.read_bytes(element))
        for plan in self.plan.languages:
            texts = unit.filter(unit[plan.language.code]).select(["text_id", "text"])
            if texts.num_rows:
                name = part_name(texts["text_id"])
                translations, padding = self.worker.translate(plan, name, texts)
                self.worker.complete(plan, name, translations)
                yield "translated", plan.language.code, texts.num_rows
                yield "tokens", plan.language.code, padding.tokens
                yield "padded", plan.language.code, padding.padded
        if EMBEDDING in unit.column_names:
            # After the languages, which have most often embedded the very same list.
            texts = unit.filter(unit[EMBEDDING])
            if texts.num_rows:
                embedded = self.worker.embed(part_name(texts["text_id"]), texts["text_id"], texts["text"])
                yield "embedded", EMBEDDING, embedded


class CompletePart(_WithWorker):
    """(part, languages) → its missing back-translations and scores in the ledger; (``rescored``, language, texts).

    Where `EMBEDDING` is among the languages, its sources are embedded too: (``embedded``, `EMBEDDING`, texts).
    """

    def process(self, element: tuple[str, list[str]]) -> Iterator[tuple[str, str, int]]:
        """Bring one part up to what is asked, in every language that has one of this name: of the same texts."""
        name, codes = element
        for code in (code for code in codes if code != EMBEDDING):
            plan = self.plan.of(code)
            path = self.ledger.part("translations", plan.fingerprints.translations, name)
            translations = files.read_parquet(path)
            self.worker.complete(plan, name, translations)
            yield "rescored", code, translations.num_rows
        if EMBEDDING in codes:
            embedded = self.worker.embed(name, translations["text_id"], translations["source"])
            yield "embedded", EMBEDDING, embedded


def _by_name(stale: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return each name of (language, name) with its languages, so that its sources are embedded once."""
    codes: dict[str, list[str]] = {}
    for code, name in stale:
        codes.setdefault(name, []).append(code)
    return list(codes.items())
