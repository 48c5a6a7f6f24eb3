"""A ledger as score would have left it, had the translations been noisy: what the rest of a run is then made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.noise import plant
from filters.similarity import MuseTeacher, Teacher
from pipelines import files
from pipelines.ledger import BACKS, TRANSLATIONS, Ledger
from pipelines.measure import Models, Worker
from pipelines.plan import LanguagePlan, Plan
from pipelines.planting import foreign

SEED: Final = 20_240_501


class Remembering:
    """The teacher ``muse`` that embeds no text twice: noise leaves most texts as they were."""

    def __init__(self) -> None:
        self._teacher: Final = MuseTeacher()
        self._known: Final[dict[str, npt.NDArray[np.float32]]] = {}
        self.name: Final = self._teacher.name
        self.digest: Final = self._teacher.digest
        self.dimension: Final = self._teacher.dimension

    def knows(self, language: str) -> bool:
        """Return whether the teacher was trained on ``language``."""
        return self._teacher.knows(language)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return float32 [texts, 512], each row of length 1."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._teacher.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts])


class ModelsOnce(Models):
    """A process's models with a teacher that remembers."""

    def __init__(self, plan: Plan, teacher: Teacher) -> None:
        super().__init__(plan)
        self._remembering = teacher

    def teacher(self) -> Teacher:
        """Return it."""
        return self._remembering


@dataclass(frozen=True)
class Noise:
    """What is planted: ``ratio`` of the translations, shared evenly by ``kinds``."""

    name: str
    ratio: float = 0.0
    kinds: tuple[str, ...] = ()


def plant_noise(clean: Ledger, noisy: Ledger, plan: Plan, models: Models, noise: Noise) -> pa.Table:
    """Write to ``noisy`` what ``clean`` holds of the one language of ``plan``, with noise; return text_id, noise_kind.

    A noisy translation is translated back and measured as score does it, in the company that the clean one had. Its
    log-probability stays that of the clean one: the model that made the translation must not tell that it did not make
    this one, since no model's own mistakes give themselves away like that.
    """
    (language,) = plan.languages
    _link(clean, noisy)
    parts = clean.parts("translations", language.fingerprints.translations)
    names = [PurePosixPath(part.path).name for part in parts]
    tables = [files.read_parquet(part.path) for part in parts]
    whole = pa.concat_tables(tables).select(["text_id", "source", "target"]).combine_chunks()
    engine = models.engine(language.model)
    planted = plant(
        whole,
        language=language.language.code,
        ratio=noise.ratio,
        kinds=noise.kinds,
        seed=SEED,
        embed=models.teacher().embed,
        others=foreign(engine, plan.source, language.language, whole["source"].to_pylist()),
    )
    worker, start = Worker(plan, noisy, models), 0
    for name, table in zip(names, tables, strict=True):
        rows = planted.slice(start, table.num_rows)
        start += table.num_rows
        _write(clean, noisy, language, plan, models, name, table, rows)
        at = TRANSLATIONS.get_field_index("target")
        worker.complete(language, name, table.set_column(at, TRANSLATIONS.field(at), rows["target"]))
    return planted.select(["text_id", "noise_kind"])


def _link(clean: Ledger, noisy: Ledger) -> None:
    """Give ``noisy`` the embeddings of the sources, which no noise touches."""
    held, wanted = Path(clean.root, "embeddings").resolve(), Path(noisy.root, "embeddings")
    if held.exists() and not wanted.exists():
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.symlink_to(held, target_is_directory=True)


def _write(
    clean: Ledger,
    noisy: Ledger,
    language: LanguagePlan,
    plan: Plan,
    models: Models,
    name: str,
    table: pa.Table,
    rows: pa.Table,
) -> None:
    """Write the translations and the back-translations of one part."""
    prints = language.fingerprints
    at = TRANSLATIONS.get_field_index("target")
    table = table.set_column(at, TRANSLATIONS.field(at), rows["target"])
    files.write_parquet(noisy.part("translations", prints.translations, name), table)
    if prints.backs is None or language.back_model is None:
        return
    backs = files.read_parquet(clean.part("backs", prints.backs, name)).to_pydict()
    targets = rows["target"].to_pylist()
    changed = [i for i, spoilt in enumerate(rows["noise"].to_pylist()) if spoilt]
    said = [i for i in changed if targets[i].strip()]
    found = models.engine(language.back_model).translate([targets[i] for i in said], language.language, plan.source)
    for i in changed:
        backs["back"][i], backs["back_logprob"][i] = None, None
    for i, back, logprob in zip(said, found.targets, found.logprobs, strict=True):
        backs["back"][i], backs["back_logprob"][i] = back, logprob
    files.write_parquet(noisy.part("backs", prints.backs, name), pa.table(backs, schema=BACKS))
