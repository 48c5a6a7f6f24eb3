"""The two sides of ``score_speed``: the bare loop and the pipeline, each timed in the process it is called in."""

import functools
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from benchmarks.measuring import Stopwatch
from pipelines.config import Config, InputConfig, RunnerConfig, ScoreConfig, TranslateConfig

WARM_UP = 300
"""Captions that both sides translate before they are timed."""

_DEFAULTS = TranslateConfig()


@dataclass(frozen=True)
class Setting:
    """What is compared; files are COCO's."""

    captions: str
    warm_up: str
    teacher: str
    max_batch_tokens: int = _DEFAULTS.max_batch_tokens
    model: str = _DEFAULTS.model  # type: ignore[assignment]
    max_decoding_length: int = _DEFAULTS.max_decoding_length
    unit_size: int = _DEFAULTS.unit_size

    def config(self, captions: str) -> Config:
        """Return the configuration for one caption file."""
        return Config(
            input=InputConfig(format="coco", path=captions),
            languages=["de"],
            translate=TranslateConfig(
                model=self.model,
                max_batch_tokens=self.max_batch_tokens,
                unit_size=self.unit_size,
                max_decoding_length=self.max_decoding_length,
            ),
            score=ScoreConfig(teacher=self.teacher),
            runner=RunnerConfig(),
        )


@dataclass(frozen=True)
class BareRun:
    """One round of the bare loop; ``startup`` in seconds."""

    texts: int
    tokens: int
    startup: float
    encode: Stopwatch
    translate: Stopwatch
    decode: Stopwatch


@dataclass(frozen=True)
class PipelineRun:
    """One round of the pipeline; ``parts``: what score's CPU seconds went into."""

    tokens: int
    startup: float
    read: Stopwatch
    score: Stopwatch
    judge: Stopwatch
    parts: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds of everything but start-up."""
        return self.read.seconds + self.score.seconds + self.judge.seconds


def bare(setting: Setting, started: float) -> BareRun:
    """Time ``translate_batch`` of all distinct captions, sorted by length."""
    import ctranslate2

    from pipelines.plan import make_plan
    from translate.devices import batch_tokens, cpu_workers, use_wide_vectors
    from translate.tokenizers import load_tokenizer

    use_wide_vectors()
    plan = make_plan(setting.config(setting.captions))
    (language,) = plan.languages
    tokenizer = load_tokenizer(language.model.path, language.model.family)
    translator = ctranslate2.Translator(
        str(language.model.path),
        device=plan.device.device,
        compute_type=plan.device.compute_type,
        inter_threads=cpu_workers(plan.device),
        intra_threads=plan.device.intra_threads or 1,
    )
    startup = time.time() - started
    token, _ = language.model.asked(plan.source, language.language)

    def encoded(texts: list[str]) -> list[list[str]]:
        return [[*([token] if token else []), *pieces, "</s>"] for pieces in tokenizer.encode(texts)]

    def translate(sources: list[list[str]]) -> list[Any]:
        found: list[Any] = translator.translate_batch(
            sources,
            max_batch_size=batch_tokens(plan.device, "cpu"),
            batch_type="tokens",
            return_scores=True,
            **asdict(plan.decoding),
        )
        return found

    translate(encoded(distinct(setting.config(setting.warm_up))))
    texts = sorted(distinct(setting.config(setting.captions)), key=lambda text: (len(text), text))
    with Stopwatch() as encode:
        sources = encoded(texts)
    with Stopwatch() as timed:
        results = translate(sources)
    with Stopwatch() as decode:
        tokenizer.decode([result.hypotheses[0] for result in results])
    tokens = sum(len(result.hypotheses[0]) + 1 for result in results)
    return BareRun(len(texts), tokens, startup, encode, timed, decode)


def distinct(config: Config) -> list[str]:
    """Return the distinct captions of a configuration's input, normalised."""
    from pipelines.sources import find_files, open_source, read_tables

    source = open_source(config.input)
    splits = [split for file in find_files(config.input) for split in source.splits(file)]
    tables = [captions for split in splits for captions, _ in read_tables(config.input, split)]
    return pa.concat_tables(tables)["text"].unique().to_pylist()  # type: ignore[no-any-return]


def pipeline(setting: Setting, started: float) -> PipelineRun:
    """Time reading, scoring and judging of all captions, with models that are loaded and warm."""
    import pyarrow.compute as pc

    import pipelines.measure
    from pipelines import files
    from pipelines.ingest import ingest
    from pipelines.ledger import Ledger
    from pipelines.plan import make_plan
    from pipelines.run import Run
    from pipelines.runner import Launcher
    from pipelines.score import score

    config = setting.config(setting.captions)
    plan = make_plan(config)
    launcher = Launcher(config.runner)
    # Every run of score loads its models anew; here they stay, so that loading can be told from working.
    with _kept_models(pipelines.measure), tempfile.TemporaryDirectory() as folder:
        models = pipelines.measure.Models(plan)
        for language in plan.languages:
            models.engine(language.model)
        models.identifier()
        if setting.teacher != "none":
            models.teacher()
        startup = time.time() - started

        warm = Run(os.path.join(folder, "warm"))  # noqa: PTH118
        warm_config = setting.config(setting.warm_up)
        ingested = ingest(warm, warm_config.input, launcher)
        score(warm, plan, Ledger(warm.ledger(warm_config)), launcher, texts=ingested.texts)

        run = Run(os.path.join(folder, "run"))  # noqa: PTH118
        ledger = Ledger(run.ledger(config))
        with Stopwatch() as read:
            ingested = ingest(run, config.input, launcher)
        engine_began = _engine_cpu()
        with _timed_parts() as parts, Stopwatch() as scored:
            score(run, plan, ledger, launcher, texts=ingested.texts)
        parts["translate_batch (the engine's workers)"] = _engine_cpu() - engine_began
        parts["everything else (Beam, planning, results to Python)"] = scored.cpu - sum(parts.values())
        with Stopwatch() as judged:
            pairs = _judge(config, plan, ledger)
        (language,) = plan.languages
        names = ledger.parts("translations", language.fingerprints.translations)
        tokens = sum(pc.sum(files.read_parquet(part.path, ["mt_tokens"])["mt_tokens"]).as_py() for part in names)
    if pairs != ingested.texts:
        raise AssertionError(f"{pairs} of {ingested.texts} texts were judged")
    return PipelineRun(tokens, startup, read, scored, judged, dict(parts))


@contextmanager
def _kept_models(module: Any) -> Iterator[None]:
    """Make the constructors of ``module``'s models return the same object for the same arguments."""
    from pipelines.teachers import TeacherPlan

    with (
        patch.object(module, "Engine", functools.cache(module.Engine)),
        patch.object(module, "LanguageIdentifier", functools.cache(module.LanguageIdentifier)),
        patch.object(TeacherPlan, "load", functools.cache(TeacherPlan.load)),
    ):
        yield


def _judge(config: Config, plan: Any, ledger: Any) -> int:
    """Judge every pair of ``ledger`` on one core; return how many."""
    from pipelines import files
    from pipelines.cut import ReadPairs
    from pipelines.judging import Judge

    reader, rows = ReadPairs(plan, ledger, 1), 0
    for language in plan.languages:
        code = language.language.code
        judge = Judge(language.language, rules=config.judge.active_rules, thresholds=config.thresholds_for(code))
        parts = ledger.parts("translations", language.fingerprints.translations)
        names = [PurePosixPath(part.path).name for part in parts]
        found = [content for name in names for _, (_, _, content) in reader.process((code, name))]
        rows += judge(pa.concat_tables([files.ipc_table(content) for content in found])).num_rows
    return rows


@contextmanager
def _timed_parts() -> Iterator[dict[str, float]]:
    """Collect, by name, the CPU seconds that the calling threads spend in the steps of measuring a unit."""
    import filters.language
    import filters.similarity
    import pipelines.scores
    import translate.tokenizers
    from pipelines import files

    spent: dict[str, float] = defaultdict(float)
    lock = threading.Lock()

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                with lock:
                    spent[name] += time.thread_time() - began

        return wrapper

    tokenizer = translate.tokenizers.SentencePieceTokenizer
    steps = {
        "tokenise": (tokenizer, "encode"),
        "detokenise": (tokenizer, "decode"),
        "identify the language": (filters.language.LanguageIdentifier, "identify"),
        "embed (teacher)": (filters.similarity.MuseTeacher, "embed"),
        "chrF": (pipelines.scores, "chrf"),
        "write Parquet": (files, "write_parquet"),
    }
    with ExitStack() as patches:
        for name, (owner, method) in steps.items():
            patches.enter_context(patch.object(owner, method, timed(name, getattr(owner, method))))
        yield spent


def _engine_cpu() -> float:
    """Return the CPU seconds so far of this process's threads that Python has not started."""
    pythons = {thread.native_id for thread in threading.enumerate()}
    ticks = 0
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) not in pythons:
            # After the name, which may hold anything: utime and stime are the 12th and 13th fields.
            fields = (task / "stat").read_text("ascii").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
