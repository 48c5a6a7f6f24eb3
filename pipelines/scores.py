"""The costly scores of a table of pairs: what models measure, and what only the pairs around a pair can tell."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.confidence import token_scores
from filters.language import LanguageIdentifier
from filters.lengths import length_z
from filters.margin import ratio_margin
from filters.roundtrip import chrf
from filters.rules import expected_ratio
from filters.similarity import Teacher, cosine
from pipelines.columns import COSTLY
from translate.engine import Engine
from translate.languages import Language

Embed = Callable[[Teacher, list[str]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Meter:
    """Measures pairs from ``source`` into ``language``; what it has no model for stays null."""

    source: Language
    language: Language
    plausible: frozenset[str]
    """The fastText labels that language identification chooses from."""
    identifier: LanguageIdentifier
    teacher: Teacher | None
    """Knows both languages."""
    engine: Engine | None
    """Reads every translation once more, token by token."""

    def __call__(
        self, source: pa.Array, target: pa.Array, back: pa.Array | None = None, embed: Embed | None = None
    ) -> pa.Table:
        """Return a table of `COSTLY` for string arrays of one length; ``target`` and ``back`` may have nulls.

        The pairs are each other's company: the margin, the length's z-score and the mutual information are
        measured against the others in the table. ``embed`` embeds the sources, for who keeps their embeddings.
        """
        missing = pc.fill_null(pc.equal(pc.utf8_length(target), 0), True)
        columns: dict[str, pa.Array] = {}
        columns["lid_label"], columns["lid_prob"], columns["lid_other_prob"] = self.identifier.identify(
            target, expected=self.language.lid_label, plausible=self.plausible
        )
        columns["length_z"] = length_z(source, target, expected_ratio(self.language.code, self.language.script))
        if self.teacher:
            columns |= self._similarities(self.teacher, source, target, back, embed)
        if self.engine:
            columns |= self._tokens(self.engine, source, target, missing)
        if back is not None:
            columns["back_chrf"] = chrf(source, back)
        for name in ("similarity", "margin", "length_z"):
            if name in columns:
                columns[name] = pc.if_else(missing, pa.scalar(None, pa.float32()), columns[name])
        rows = len(source)
        return pa.table([columns.get(field.name, pa.nulls(rows, field.type)) for field in COSTLY], schema=COSTLY)

    def appended(self, pairs: pa.Table, back: pa.Array | None = None) -> pa.Table:
        """Return ``pairs`` (source, target and any others), measured in each other's company, with `COSTLY`."""
        source, target = (pairs[name].combine_chunks() for name in ("source", "target"))
        measured = self(source, target, back)
        for name in measured.column_names:
            pairs = pairs.append_column(name, measured[name])
        return pairs

    @staticmethod
    def _similarities(
        teacher: Teacher, source: pa.Array, target: pa.Array, back: pa.Array | None, embed: Embed | None
    ) -> dict[str, pa.Array]:
        sources = embed(teacher, source.to_pylist()) if embed else teacher.embed(source.to_pylist())
        targets = teacher.embed(target.fill_null("").to_pylist())
        found = {"similarity": cosine(sources, targets), "margin": ratio_margin(sources, targets, (source, target))}
        if back is not None:
            near = cosine(sources, teacher.embed(back.fill_null("").to_pylist()))
            found["back_similarity"] = pc.if_else(pc.is_null(back), pa.scalar(None, pa.float32()), near)
        return found

    def _tokens(self, engine: Engine, source: pa.Array, target: pa.Array, missing: pa.Array) -> dict[str, pa.Array]:
        present = np.flatnonzero(~missing.to_numpy(zero_copy_only=False))
        pairs = list(zip(source.take(present).to_pylist(), target.take(present).to_pylist(), strict=True))
        forced = dict(zip(present.tolist(), engine.score(pairs, self.source, self.language), strict=True))
        each = [forced.get(i) for i in range(len(target))]
        return token_scores([one and one.tokens for one in each], [one and one.logprobs for one in each])
