"""What ``captionloom pairs`` does: pairs that somebody else translated in, every score and a verdict of each out."""

import importlib.util
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters.calibration import Calibration, CalibrationError
from filters.corpus import NoiseError
from filters.language import LanguageIdentifier, plausible_labels
from filters.similarity import load_teacher
from filters.thresholds import Thresholds
from filters.verdict import CERTAIN, RULES
from pipelines import files
from pipelines.calibrations import calibration_path, noise_line, read_calibration, unlike
from pipelines.columns import CHEAP, COSTLY
from pipelines.config import ConfigError, ScoreConfig
from pipelines.judging import Judge
from pipelines.parallel import COLUMNS, Reject, read_parallel
from pipelines.planting import ROUNDS, Back, Planter, foreign, translator
from pipelines.runner import RunFailed
from pipelines.scores import Meter
from pipelines.teachers import TeacherPlan, find_teacher
from translate.decoding import Decoding, Device
from translate.engine import Engine
from translate.hub import resolve
from translate.languages import Language, LanguageError, parse_language
from translate.models import Model, ModelError

UNIT: Final = 2048
"""Pairs that are measured in each other's company."""

LEARNT_FROM: Final = 5000
"""Pairs at most that ``calibrate`` plants noise in."""
_MOST: Final = 8
"""Rounds of planting, at most, where there are few pairs."""

SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("source", "target", "origin", "back")),
        *COSTLY,
        *CHEAP,
        pa.field("clean_probability", pa.float32()),
        pa.field("keep", pa.bool_()),
        pa.field("reasons", pa.list_(pa.string())),
        pa.field("weight", pa.float32()),
    ]
)
"""A row of what is written."""


@dataclass(frozen=True)
class Settings:
    """How foreign pairs are measured and judged."""

    language: str
    source_language: str = "en"
    teacher: str = "muse"
    model: str = "mini"
    """Reads every translation, token by token; ``none``: nothing does."""
    back: bool = False
    """Translate the translations back, with the same model."""
    calibration: str | None = None
    """A folder that ``captionloom calibrate`` wrote, or one of its files."""
    calibrate: bool = False
    """Learn from the pairs themselves what noise looks like among them, and judge by that."""
    min_clean_probability: float | None = None
    """With a calibration: what is less likely clean is dropped; None: by the bound that it offers."""


@dataclass(frozen=True)
class Judged:
    """What became of the pairs."""

    pairs: int
    kept: int
    reasons: Counter[str]
    rejects: list[Reject]
    notes: tuple[str, ...]


def judge_pairs(inputs: Sequence[str], out: str, settings: Settings, *, columns: Sequence[str] = COLUMNS) -> Judged:
    """Measure and judge the pairs of ``inputs`` (see `read_parallel`) and write them to the Parquet file ``out``.

    The rows keep their order and have `SCHEMA`. Records that are no pairs are written beside it, to
    ``OUT.rejects.parquet``. Raises `ConfigError` with all that is wrong, before anything is written.
    """
    grader = _Grader.of(settings, [f"{name}: there is no such file" for name in inputs if not Path(name).exists()], out)
    found = read_parallel(inputs, language=grader.judge.language.code, columns=columns)
    learnt = f"{out.removesuffix('.parquet')}.calibration.json"
    if settings.calibrate:
        calibration = _learnt(grader, found.pairs, settings.teacher)
        grader = grader.by(calibration, settings)
        files.write_bytes(learnt, calibration.to_json())
    else:
        files.remove([learnt])
    units = [found.pairs.slice(start, UNIT) for start in range(0, found.pairs.num_rows, UNIT)]
    kept, reasons = 0, Counter[str]()
    with (
        files.written_whole(out) as sink,
        pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads,
    ):
        for judged in threads.map(grader, units):
            writer.write_table(judged)
            kept += pc.sum(judged["keep"]).as_py()
            reasons.update(pc.list_flatten(judged["reasons"]).to_pylist())
    _write_rejects(found.rejects, f"{out.removesuffix('.parquet')}.rejects.parquet")
    return Judged(found.pairs.num_rows, kept, reasons, found.rejects, grader.notes)


def judged_lines(judged: Judged, out: str) -> Iterator[str]:
    """Say what became of the pairs, line by line."""
    yield from (f"note: {note}" for note in judged.notes)
    share = judged.kept / judged.pairs if judged.pairs else 0.0
    yield f"{out}: {judged.pairs:,} pairs, {judged.kept:,} kept ({share:.1%})"
    for reason, rows in judged.reasons.most_common():
        yield f"  {reason:<24}{rows:>8,}  {RULES[reason].explanation}"
    if judged.rejects:
        said = ", ".join(
            f"{n:,} {reason}" for reason, n in Counter(reject.reason for reject in judged.rejects).most_common()
        )
        yield f"{len(judged.rejects):,} records are no pairs: {said}; the first: {judged.rejects[0].origin}"


@dataclass(frozen=True)
class _Grader:
    """Measures and judges one unit."""

    meter: Meter
    back: Back | None
    judge: Judge
    notes: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, problems: list[str], out: str) -> "_Grader":
        """Resolve and load everything; raises `ConfigError` with ``problems`` and all else that is wrong."""
        if not out.endswith(".parquet"):
            problems.append(f"--out {out}: its name has to end in .parquet")
        languages = []
        for option, code in (("--language", settings.language), ("--source-language", settings.source_language)):
            try:
                languages.append(parse_language(code))
            except LanguageError as error:
                problems.append(f"{option}: {error}")
        plan = _teacher(settings, problems)
        if len(languages) < 2:
            raise ConfigError(problems)
        language, source = languages
        calibration = _calibration(settings, language, problems)
        notes = plan.notes() if plan else ["no teacher: similarity is not measured"]
        if plan and not (plan.knows(language.code) and plan.knows(source.code)):
            notes.append(f"the teacher {plan.name!r} does not know {language.name}: similarity is not measured")
            plan = None
        model, backwards = _model(settings, source, language, problems, notes)
        if problems:
            raise ConfigError(problems)
        device = Device()
        engine = Engine(model, decoding=Decoding(), device=device) if model else None
        meter = Meter(
            source=source,
            language=language,
            plausible=plausible_labels([source.lid_label, language.lid_label]),
            identifier=LanguageIdentifier(),
            teacher=plan.load(device) if plan else None,
            engine=engine,
        )
        grader = cls(
            meter,
            translator(engine, language, source) if engine and backwards else None,
            Judge(language, tuple(RULES), Thresholds.for_pairs(language.code, settings.teacher)),
            tuple(notes),
        )
        return grader.by(calibration, settings) if calibration else grader

    def by(self, calibration: Calibration, settings: Settings) -> "_Grader":
        """Return the same that judges by ``calibration``."""
        bound = settings.min_clean_probability
        offered = bound is None
        if bound is None:
            bound = float(calibration.report["suggested"]["min_clean_probability"])
        said = f"{noise_line(calibration)}; judged by min_clean_probability {bound:g}"
        judge = Judge(
            self.judge.language,
            (*CERTAIN, "low_clean_probability"),
            self.judge.thresholds.replaced({"min_clean_probability": bound}),
            calibration,
        )
        return replace(
            self, judge=judge, notes=(*self.notes, f"{said}, which the calibration offers" if offered else said)
        )

    def __call__(self, unit: pa.Table) -> pa.Table:
        """Return the pairs of ``unit`` (source, target, origin) as `SCHEMA`."""
        unit = unit.combine_chunks()
        back = pa.array(self.back(unit["target"].to_pylist()), pa.string()) if self.back else None
        unit = self.meter.appended(unit, back)
        if back is not None:
            unit = unit.append_column("back", back)
        judged = self.judge.judged(unit)
        rows, names = judged.num_rows, judged.column_names
        return pa.table(
            [judged[field.name] if field.name in names else pa.nulls(rows, field.type) for field in SCHEMA],
            schema=SCHEMA,
        )


def _learnt(grader: _Grader, pairs: pa.Table, teacher: str) -> Calibration:
    """Return what is learnt from a sample of the pairs themselves; raises `RunFailed` where they are too few."""
    from filters.calibrate import CalibrateError, calibrate

    usable = pairs.filter(pc.match_substring_regex(pairs["target"], r"\p{L}"))
    chosen = np.sort(np.random.default_rng(0).permutation(usable.num_rows)[:LEARNT_FROM])
    some = usable.take(pa.array(chosen))
    meter = grader.meter
    mini = Engine(resolve("mini"), decoding=Decoding(), device=Device())
    planter = Planter(meter, (meter.teacher or load_teacher("muse")).embed, grader.back, UNIT)
    others = foreign(mini, meter.source, meter.language, some["source"].to_pylist())
    rounds = max(ROUNDS, -(-2 * LEARNT_FROM // max(1, some.num_rows)))
    try:
        planted = planter(some, others=others, rounds=min(rounds, _MOST))
        found = calibrate(planted, language=grader.judge.language.code, thresholds=grader.judge.thresholds)
    except (CalibrateError, NoiseError) as error:
        raise RunFailed(f"--calibrate: {error}") from error
    return replace(found, report=dict(found.report) | {"texts": some.num_rows, "seed": 0, "teacher": teacher})


def _calibration(settings: Settings, language: Language, problems: list[str]) -> Calibration | None:
    if settings.calibration is not None and settings.calibrate:
        problems.append("--calibrate learns what --calibration would say: give one of them")
    if settings.calibrate and importlib.util.find_spec("sklearn") is None:
        problems.append("--calibrate needs scikit-learn: pip install 'captionloom[calibrate]'")
    bound = settings.min_clean_probability
    if bound is not None and not 0 <= bound <= 1:
        problems.append(f"--min-clean-probability: {bound:g} is not between 0 and 1")
    if settings.calibration is None:
        if bound is not None and not settings.calibrate:
            problems.append("--min-clean-probability needs --calibration or --calibrate")
        return None
    path = settings.calibration
    if Path(path).is_dir():
        path = calibration_path(path, language.code)
    try:
        calibration = read_calibration(path)
    except (CalibrationError, OSError) as error:
        problems.append(f"--calibration: {error if isinstance(error, CalibrationError) else f'{path}: no such file'}")
        return None
    differences = unlike(
        calibration,
        code=language.code,
        teacher=settings.teacher,
        back=settings.back,
        tokens=settings.model != "none",
    )
    problems += [f"--calibration: {path} {difference}" for difference in differences]
    return calibration


def _teacher(settings: Settings, problems: list[str]) -> TeacherPlan | None:
    try:
        found = find_teacher(ScoreConfig(teacher=settings.teacher))
    except ModelError as error:
        problems.append(str(error).replace("score.teacher", "--teacher"))
        return None
    return found[0] if found else None


def _model(
    settings: Settings, source: Language, language: Language, problems: list[str], notes: list[str]
) -> tuple[Model | None, bool]:
    """Return the model that reads the translations, and whether it is to translate back; says what it cannot."""
    if settings.model == "none":
        if settings.back:
            problems.append("--back needs a --model")
        return None, False
    try:
        model = resolve(settings.model)
        model.check(source, language)
        if settings.back:
            model.check(language, source)
        return model, settings.back
    except ModelError as error:
        if settings.model == "mini" and not settings.back:
            notes.append(f"{error}: token log-probabilities are not measured; --model names one that can")
        else:
            problems.append(f"--model: {error}")
        return None, False


def _write_rejects(rejects: Sequence[Reject], path: str) -> None:
    if not rejects:
        files.remove([path])
        return
    columns = {"origin": [one.origin for one in rejects], "reason": [one.reason for one in rejects]}
    files.write_parquet(path, pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))
