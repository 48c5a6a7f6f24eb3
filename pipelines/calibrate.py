"""What ``captionloom calibrate`` does: a finished run in, what its noise looks like out, for each language."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from filters.calibrate import CalibrateError, calibrate
from filters.calibration import Calibration
from filters.language import LanguageIdentifier
from filters.noise import NoiseError
from filters.similarity import Teacher, load_teacher
from pipelines import files
from pipelines.calibrations import calibration_path, noise_line
from pipelines.config import Config, ConfigError
from pipelines.plan import LanguagePlan, Plan, make_plan
from pipelines.planting import Planter, foreign, translator
from pipelines.run import Run, claimed
from pipelines.runner import RunFailed
from pipelines.scores import Meter
from pipelines.tables import unique_rows
from translate.engine import Engine
from translate.hub import resolve
from translate.languages import LanguageError, parse_language
from translate.models import Model

ROWS: Final = 5000
"""Distinct texts of each language that noise is planted in, by default."""

Say = Callable[[str], None]


def calibrate_run(
    run: Run, *, languages: Sequence[str] = (), rows: int = ROWS, seed: int = 0, say: Say = print
) -> dict[str, Calibration]:
    """Learn from ``rows`` texts of each of the run's ``languages`` (none named: all) and write ``calibration/``.

    Raises `ConfigError` where there is no such run or language, `RunFailed` where there is too little to learn from.
    """
    config = _config(run)
    plan = make_plan(config)
    try:
        asked = [parse_language(code).code for code in languages]
    except LanguageError as error:
        raise ConfigError([f"--language: {error}"]) from None
    unknown = sorted(set(asked) - set(plan.codes))
    if unknown:
        raise ConfigError([f"--language: {run.root} has no {', '.join(unknown)}; it has {', '.join(plan.codes)}"])
    chosen = asked or plan.codes
    loaded = _Loaded(plan)
    found = {}
    with claimed(run):
        for code in chosen:
            pairs = sample(run, code, rows)
            say(f"{code}: planting noise in {pairs.num_rows:,} texts, and measuring it")
            try:
                others = _others(run, plan, pairs, code, loaded)
                labelled = loaded.planter(plan.of(code))(pairs, others=others, seed=seed)
                calibration = calibrate(labelled, language=code, seed=seed, thresholds=config.thresholds_for(code))
            except (CalibrateError, NoiseError) as error:
                raise RunFailed(f"{code}: {error}") from error
            report = dict(calibration.report) | {"texts": pairs.num_rows, "seed": seed, "teacher": config.score.teacher}
            found[code] = replace(calibration, report=report)
            files.write_bytes(calibration_path(run.calibration, code), found[code].to_json())
    return found


def calibration_lines(run: Run, found: dict[str, Calibration]) -> Iterator[str]:
    """Say what was learnt, line by line."""
    for code, calibration in found.items():
        report = calibration.report
        offered = report["suggested"]
        mean = np.mean(list(report["auc"].values()))
        yield (
            f"{code}: {noise_line(calibration)}; AUC {mean:.3f} over {len(report['auc'])} kinds; calibration error "
            f"{report['ece']:.3f}"
        )
        weak = [f"{kind} {auc:.2f}" for kind, auc in sorted(report["auc"].items(), key=lambda one: one[1]) if auc < 0.9]
        if weak:
            yield f"    hard to tell: {', '.join(weak)}"
        yield (
            f"    offered: min_clean_probability {offered['min_clean_probability']:g} would keep "
            f"{offered['kept']:.1%}; learnt without labels, not in force unless judge says so"
        )
    yield f"written to {run.calibration}; judge.keep, or judge.min_clean_probability, uses it in the next cut"


def sample(run: Run, code: str, rows: int) -> pa.Table:
    """Return up to ``rows`` distinct texts of a finished run with their translations, kept and dropped alike.

    Those with the smallest ids, which are hashes: the same ones whatever the shards. Columns text_id, source,
    target and item, the key of one of the text's captions.
    """
    held: pa.Table | None = None
    for part in files.listing(run.pairs, suffix=".parquet"):
        pairs = files.read_parquet(part.path, ["text_id", "key", "language", "source", "target"])
        usable = pc.and_(
            pc.equal(pairs["language"], code), pc.fill_null(pc.match_substring_regex(pairs["target"], r"\p{L}"), False)
        )
        pairs = pairs.filter(usable).drop_columns("language").rename_columns({"key": "item"})
        merged = unique_rows(pa.concat_tables([held, pairs]) if held else pairs, "text_id")
        held = merged.sort_by("text_id").slice(0, rows).combine_chunks()
    if held is None:
        raise ConfigError([f"{run.root} holds no pairs: run cut (or build) first"])
    return held


def _config(run: Run) -> Config:
    if not files.exists(run.config):
        raise ConfigError([f"{run.root}: there is no run in it ({run.config} is not there)"])
    return Config.model_validate(yaml.safe_load(files.read_bytes(run.config)))


class _Loaded:
    """The models of this process, each loaded once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._identifier = LanguageIdentifier()
        self._teacher = plan.teacher.load(plan.device) if plan.teacher else None
        self._engines: dict[str, Engine] = {}

    def engine(self, model: Model) -> Engine:
        """Return the engine of ``model``."""
        if model.digest not in self._engines:
            self._engines[model.digest] = Engine(model, decoding=self._plan.decoding, device=self._plan.device)
        return self._engines[model.digest]

    @property
    def embedder(self) -> Teacher:
        """What finds similar sources: the run's teacher, or the bundled one where there is none."""
        return self._teacher or load_teacher("muse")

    def planter(self, plan: LanguagePlan) -> Planter:
        """Return what plants noise in one language and measures it, by the means that the run has."""
        meter = Meter(
            source=self._plan.source,
            language=plan.language,
            plausible=plan.plausible,
            identifier=self._identifier,
            teacher=self._teacher if plan.teacher_knows else None,
            # How sure the model is of its own translations tells who wrote them: with it every one of them would look
            # clean beside what is planted, and none of the model's mistakes would be found.
            engine=None,
        )

        backwards = self.engine(plan.back_model) if plan.back_model else None
        return Planter(
            meter,
            embed=self.embedder.embed,
            back=translator(backwards, plan.language, self._plan.source) if backwards else None,
            unit_size=self._plan.unit_size,
        )


def _others(run: Run, plan: Plan, pairs: pa.Table, code: str, loaded: _Loaded) -> list[str | None]:
    """Return each text in another language: of the run, one in the same script if it has one, else by ``mini``."""
    script = plan.of(code).language.script
    candidates = sorted((other for other in plan.codes if other != code), key=lambda other: _far(plan, other, script))
    for other in candidates[:1]:
        found = sample(run, other, pairs.num_rows)
        by_source = dict(zip(found["source"].to_pylist(), found["target"].to_pylist(), strict=True))
        return [by_source.get(source) for source in pairs["source"].to_pylist()]
    mini = loaded.engine(resolve("mini"))
    return foreign(mini, plan.source, plan.of(code).language, pairs["source"].to_pylist())


def _far(plan: Plan, code: str, script: str) -> tuple[bool, str]:
    return plan.of(code).language.script != script, code
