"""Pairs with noise planted in them, measured as a run measures its own: what a calibration is learnt from."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from filters.corpus import Embed
from filters.noise import KINDS, plant
from pipelines.judging import measured_cheaply
from pipelines.scores import Meter
from translate.engine import Engine
from translate.languages import Language, parse_language

RATIO: Final = 1 / 3
"""Of each round: enough noise to learn from, and few enough that the others in a unit are what they are in a run."""

ROUNDS: Final = 2

Back = Callable[[Sequence[str]], Sequence[str | None]]
"""Translations → the same translated back."""


@dataclass(frozen=True)
class Planter:
    """Makes labelled pairs of pairs in one language."""

    meter: Meter
    embed: Embed
    """What ``near_miss`` finds similar sources by."""
    back: Back | None = None
    unit_size: int = 2048
    """Pairs that are measured in each other's company, as many as in the run."""
    kinds: tuple[str, ...] = tuple(kind for kind in KINDS if kind != "empty")
    """What has no text at all is known for sure."""

    def __call__(
        self,
        pairs: pa.Table,
        *,
        others: Sequence[str | None],
        seed: int = 0,
        rounds: int = ROUNDS,
        ratio: float = RATIO,
    ) -> pa.Table:
        """Return ``pairs`` ``rounds`` times over, each time with other noise.

        ``pairs`` has string columns source and target, and item where it is known (see `plant`).

        Every row has all scores, ``noise_kind`` (null where nothing was planted) and ``group``: the row of ``pairs``.
        ``others``: the rows in another language, None where there is none. Raises `NoiseError` where so much noise
        cannot be planted.
        """
        kinds = [kind for kind in self.kinds if kind != "wrong_language" or any(others)]
        # As score does: texts of similar length, and so of similar detail, are each other's company.
        known = [name for name in ("source", "target", "item") if name in pairs.column_names]
        ordered = pairs.select(known).append_column("group", pa.array(range(pairs.num_rows)))
        order = pc.sort_indices(
            pa.table([pc.utf8_length(pairs["source"]), pairs["source"], pairs["target"]], names=["n", "s", "t"]),
            [("n", "ascending"), ("s", "ascending"), ("t", "ascending")],
        )
        ordered = ordered.take(order)
        third = [others[i] for i in order.to_pylist()] if any(others) else []
        noisy = [
            plant(
                ordered,
                language=self.meter.language.code,
                ratio=ratio,
                kinds=kinds,
                seed=seed * rounds + i,
                embed=self.embed,
                others=third,
            )
            for i in range(rounds)
        ]
        units = [
            table.slice(start, self.unit_size) for table in noisy for start in range(0, table.num_rows, self.unit_size)
        ]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            return pa.concat_tables(threads.map(self._measured, units))

    def _measured(self, unit: pa.Table) -> pa.Table:
        pairs = unit.select(["source", "target", "noise_kind", "group"])
        back = pa.array(self.back(pairs["target"].to_pylist()), pa.string()) if self.back else None
        return measured_cheaply(self.meter.appended(pairs, back), self.meter.language)


FOREIGN: Final = 400
"""Texts that are translated into another language where nobody has any: enough to draw from."""


def foreign(engine: Engine, source: Language, language: Language, sources: Sequence[str]) -> list[str | None]:
    """Return for each of ``sources`` its translation by ``mini`` into another language than ``language``.

    None for all but the first few hundred. ``engine`` is mini's.
    """
    other = parse_language("fr" if language.code.split("-")[0] == "de" else "de")
    targets = engine.translate(list(sources[:FOREIGN]), source, other).targets
    return [*targets, *[None] * (len(sources) - len(targets))]


def translator(engine: Engine, source: Language, target: Language) -> Back:
    """Return what translates the texts that there are with ``engine``."""

    def translate(texts: Sequence[str]) -> list[str | None]:
        present = [i for i, text in enumerate(texts) if text.strip()]
        found = engine.translate([texts[i] for i in present], source, target).targets
        targets = dict(zip(present, found, strict=True))
        return [targets.get(i) for i in range(len(texts))]

    return translate
