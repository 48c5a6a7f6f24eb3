"""The stages in their order: what each command runs, checks before it starts, and says while it runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pipelines import files
from pipelines.audit import write_audit
from pipelines.config import Config, ConfigError
from pipelines.cut import check_rejected, cut, plan_shards
from pipelines.exclusion import read_evaluation
from pipelines.ingest import Ingested, ingest
from pipelines.layout_cost import layout_cost
from pipelines.ledger import Ledger
from pipelines.plan import Plan, back_setting, device_of, make_plan
from pipelines.progress import CutGauge, Reporter, ScoreGauge
from pipelines.report.figures import Audit
from pipelines.run import Run, claimed, settle
from pipelines.runner import Launcher, RunFailed
from pipelines.sources import find_files, open_source
from shards.manifest import Manifest

STAGES: Final = ("score", "cut", "audit")
"""What ``build`` does; each is a command of its own too. Score and cut read the input first."""


@dataclass(frozen=True)
class Outcome:
    """What the stages that ran have made; None for those that did not run."""

    run: Run
    translated: dict[str, int] | None = None
    manifest: Manifest | None = None
    audit: Audit | None = None


def check(config: Config, stages: Sequence[str] = STAGES, *, here: bool = True) -> tuple[Plan | None, list[str]]:
    """Return the plan of ``config`` and every problem of ``stages`` that can be known before anything runs.

    ``here`` says whether they will run on this machine: of another one's GPUs nothing is known.
    """
    problems: list[str] = []
    plan = None
    try:
        plan = make_plan(config)
    except ConfigError as error:
        problems += error.problems
    for probe in (open_source, find_files, read_evaluation):
        try:
            probe(config.input)
        except ConfigError as error:
            problems += error.problems
    if "score" in stages:
        problems += _engine_problems(config, plan, here=here)
    return plan, problems


def _engine_problems(config: Config, plan: Plan | None, *, here: bool) -> Iterator[str]:
    """Say what the engine would fail of; it loads no model."""
    # Imported here, as the engine is: cut must run where there is none.
    from translate.devices import device_problems
    from translate.tokenizers import load_tokenizer

    yield from (f"translate.{problem}" for problem in device_problems(device_of(config), here=here))
    models = {}
    for language in plan.languages if plan else ():
        if language.back_model:
            models[language.back_model.path] = (back_setting(config)[0], language.back_model)
        models[language.model.path] = ("translate.model", language.model)
    for where, model in models.values():
        try:
            load_tokenizer(model.path, model.family)
        except (OSError, RuntimeError) as error:
            yield f"{where}: model {model.name!r}: its tokenizer does not load: {error}"


@dataclass(frozen=True)
class Stages:
    """One run: its directory, what it shall do, and the means."""

    run: Run
    config: Config
    plan: Plan
    launcher: Launcher
    reporter: Reporter

    def __call__(self, stages: Sequence[str], *, overwrite: bool = False) -> Outcome:
        """Run ``stages`` (of `STAGES`, in their order).

        Raises `ConfigError` where the directory is not ours to write, `RunFailed` where a stage cannot go on.
        """
        with claimed(self.run):
            settle(self.run, self.config, overwrite=overwrite)
            translated = manifest = audit = None
            if "score" in stages or "cut" in stages:
                ingested = self._ingest()
                if "cut" in stages and self.config.shards.layout == "pair":
                    self.reporter.say(layout_cost(self.run, self.config, ingested))
                if "score" in stages:
                    translated = self._score(ingested)
                if "cut" in stages:
                    manifest = self._cut(ingested)
            if "audit" in stages:
                audit = self._audit()
            return Outcome(self.run, translated, manifest, audit)

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self.run.ledger(self.config))

    def _ingest(self) -> Ingested:
        source = self.config.input
        ingested = self.reporter.watch("reading captions", partial(ingest, self.run, source, self.launcher))
        check_rejected(ingested.rejects, read=ingested.read, limits=source)
        self.reporter.say(
            f"read {ingested.read:,} captions of {sum(ingested.keys.values()):,} media items: "
            f"{ingested.texts:,} distinct texts, {sum(ingested.rejects.values()):,} rejected"
        )
        if source.exclude:
            leaking = ingested.rejects.get("evaluation_overlap", 0)
            self.reporter.say(f"{leaking:,} of these are captions of items in the evaluation sets")
        if source.tolerated_missing is not None and "missing_media" in ingested.rejects:
            self.reporter.say(f"{ingested.rejects['missing_media']:,} of these are captions whose media are missing")
        return ingested

    def _score(self, ingested: Ingested) -> dict[str, int]:
        # Imported here, with the engine: cut must run where there is none.
        from pipelines.score import score

        for note in self.plan.notes():
            self.reporter.say(f"note: {note}")
        work = partial(score, self.run, self.plan, self._ledger, self.launcher, texts=ingested.texts)
        scored = self.reporter.watch("translating", work, ScoreGauge(self.run, self.plan, self._ledger))
        for code, made in scored.translated.items():
            again = f", {scored.rescored[code]:,} measured again" if scored.rescored[code] else ""
            held = ingested.texts - made
            padding = f"; {scored.padding[code]:.1%} of what the model read was padding" if made else ""
            self.reporter.say(f"{code}: {made:,} texts translated, {held:,} were in the ledger{again}{padding}")
        if self.plan.embeddings:
            held = ingested.texts - min(scored.embedded, ingested.texts)
            self.reporter.say(f"{scored.embedded:,} texts embedded, {held:,} were in the ledger")
        return scored.translated

    def _cut(self, ingested: Ingested) -> Manifest:
        counts = plan_shards(ingested, samples_per_shard=self.config.shards.samples_per_shard).shards
        work = partial(cut, self.run, self.config, self.plan, self._ledger, self.launcher, ingested)
        return self.reporter.watch("cutting shards", work, CutGauge(self.run, sum(counts.values())))

    def _audit(self) -> Audit:
        if not files.exists(self.run.manifest):
            raise RunFailed(f"{self.run.root} has no finished shards to audit: run cut (or build) first")
        return self.reporter.watch("auditing", partial(write_audit, self.run, self.config, self.launcher))
