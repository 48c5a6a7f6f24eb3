"""One unit's work: translate it, translate it back, measure it; each result a whole part in the ledger."""

import threading
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.language import LanguageIdentifier
from filters.similarity import Teacher
from pipelines import files
from pipelines.embeddings import write_embeddings
from pipelines.ledger import ALTERNATIVES, BACKS, SCORES, TRANSLATIONS, Ledger
from pipelines.plan import LanguagePlan, Plan
from pipelines.scores import Meter
from translate.engine import Engine
from translate.models import Model


class Models:
    """The models of one process: each is loaded when first asked for, and once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._engines: dict[str, Engine] = {}
        self._identifier: LanguageIdentifier | None = None
        self._teacher: Teacher | None = None

    def engine(self, model: Model) -> Engine:
        """Return the engine of ``model``; languages that share a model share it."""
        with self._lock:
            if model.digest not in self._engines:
                self._engines[model.digest] = Engine(model, decoding=self._plan.decoding, device=self._plan.device)
            return self._engines[model.digest]

    def identifier(self) -> LanguageIdentifier:
        """Return the language identifier."""
        with self._lock:
            self._identifier = self._identifier or LanguageIdentifier()
            return self._identifier

    def teacher(self) -> Teacher:
        """Return the sentence encoder."""
        with self._lock:
            if self._teacher is None:
                if self._plan.teacher is None:
                    raise ValueError("no teacher is configured")
                self._teacher = self._plan.teacher.load(self._plan.device)
            return self._teacher


@dataclass(frozen=True)
class Padding:
    """Source tokens of one call to the engine."""

    tokens: int
    padded: int
    """With those that only fill up the batches."""


class Worker:
    """Does units of work for one plan, with one process's models."""

    def __init__(self, plan: Plan, ledger: Ledger, models: Models) -> None:
        self._plan = plan
        self._ledger = ledger
        self._models = models
        self._sources = _Embedded()

    def translate(self, plan: LanguagePlan, name: str, texts: pa.Table) -> tuple[pa.Table, Padding]:
        """Translate ``texts`` (text_id, text), write them as the translations part ``name`` and return it.

        With it comes what the engine read, and what it read with padding.
        """
        found = self._models.engine(plan.model).translate(texts["text"].to_pylist(), self._plan.source, plan.language)
        translations = pa.table(
            [
                texts["text_id"],
                texts["text"],
                pa.array(found.targets, pa.string()),
                pa.array(found.logprobs, pa.float32()),
                pa.array(found.tokens, pa.int32()),
                pa.array(found.unfinished, pa.bool_()),
                pa.array([_alternatives(others) for others in found.others], ALTERNATIVES),
            ],
            schema=TRANSLATIONS,
        )
        files.write_parquet(self._ledger.part("translations", plan.fingerprints.translations, name), translations)
        return translations, Padding(found.source_tokens, found.padded_tokens)

    def complete(self, plan: LanguagePlan, name: str, translations: pa.Table) -> None:
        """Write the back and scores parts that belong to the translations part ``name``, where they are missing."""
        prints = plan.fingerprints
        backs: pa.Table | None = None
        if prints.backs and plan.back_model:
            path = self._ledger.part("backs", prints.backs, name)
            if files.exists(path):
                backs = files.read_parquet(path)
            else:
                backs = self._translate_back(plan, plan.back_model, translations)
                files.write_parquet(path, backs)
        path = self._ledger.part("scores", prints.scores, name)
        if not files.exists(path):
            files.write_parquet(path, self._measure(plan, translations, backs))

    def embed(self, name: str, text_ids: pa.ChunkedArray, texts: pa.ChunkedArray) -> int:
        """Write the embeddings part that belongs to the part ``name`` of these texts, unless it is there.

        Return how many it has that were not there. Where the same list was embedded last, to measure its translations,
        it is not embedded again.
        """
        if self._plan.embeddings is None:
            raise ValueError("no embeddings are configured")
        path = self._ledger.part("embeddings", self._plan.embeddings, str(PurePosixPath(name).with_suffix(".arrow")))
        if files.exists(path):
            return 0
        write_embeddings(path, text_ids, self._sources.of(self._models.teacher(), texts.to_pylist()))
        return len(texts)

    def _translate_back(self, plan: LanguagePlan, model: Model, translations: pa.Table) -> pa.Table:
        targets = translations["target"].to_pylist()
        present = [i for i, target in enumerate(targets) if target]
        found = self._models.engine(model).translate([targets[i] for i in present], plan.language, self._plan.source)
        backs: list[str | None] = [None] * len(targets)
        logprobs: list[float | None] = [None] * len(targets)
        for i, back, logprob in zip(present, found.targets, found.logprobs, strict=True):
            backs[i], logprobs[i] = back, logprob
        columns = [translations["text_id"], pa.array(backs, pa.string()), pa.array(logprobs, pa.float32())]
        return pa.table(columns, schema=BACKS)

    def _measure(self, plan: LanguagePlan, translations: pa.Table, backs: pa.Table | None) -> pa.Table:
        meter = Meter(
            source=self._plan.source,
            language=plan.language,
            plausible=plan.plausible,
            identifier=self._models.identifier(),
            teacher=self._models.teacher() if plan.teacher_knows else None,
            engine=self._models.engine(plan.model) if self._plan.tokens else None,
        )
        back = backs["back"].combine_chunks() if backs else None
        source, target = (translations[name].combine_chunks() for name in ("source", "target"))
        measured = meter(source, target, back, embed=self._sources.of)
        columns = [measured[name] for name in SCORES.names if name != "text_id"]
        return pa.table([translations["text_id"], *columns], schema=SCORES)


def _alternatives(others: list[tuple[str, float]]) -> list[dict[str, object]]:
    return [{"target": target, "mt_logprob": logprob} for target, logprob in others]


class _Embedded:
    """The embeddings of the sources of one unit: it comes once for each language, one after the other."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._embeddings: npt.NDArray[np.float32] | None = None

    def of(self, teacher: Teacher, texts: list[str]) -> npt.NDArray[np.float32]:
        """Return the embedding of each of ``texts``, which is computed once for the same list.

        For the same one only: in other company a text's embedding may differ in its last bits, and a part must not
        depend on what an earlier attempt did of the other languages.
        """
        if self._embeddings is None or texts != self._texts:
            self._texts, self._embeddings = texts, teacher.embed(texts)
        return self._embeddings
