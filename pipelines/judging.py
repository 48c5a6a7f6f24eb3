"""From stored scores to verdicts: the cheap rule values and the judgement, table in, table out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from filters.calibration import Calibration
from filters.rules import expected_ratio, measure
from filters.verdict import Thresholds, judge
from pipelines.columns import CHEAP, COSTLY
from translate.languages import Language

PAIR_SCORES: Final[dict[str, pa.DataType]] = {
    "mt_logprob": pa.float32(),
    "mt_tokens": pa.int32(),
    "mt_unfinished": pa.bool_(),
    "back_logprob": pa.float32(),
    **{field.name: field.type for field in (*COSTLY, *CHEAP)},
    "clean_probability": pa.float32(),
}
"""Every score of a pair, by the name it has everywhere."""

VERDICT: Final = {"keep": pa.bool_(), "reasons": pa.list_(pa.string()), "weight": pa.float32()}

JUDGED: Final = pa.schema(
    [
        pa.field("text_id", pa.binary(16)),
        pa.field("language", pa.string()),
        pa.field("target", pa.string()),
        pa.field("back", pa.string()),
        *(pa.field(name, kind) for name, kind in (PAIR_SCORES | VERDICT).items()),
    ]
)
"""A judged text in one language, before it meets its captions."""

PAIRS: Final = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("n", pa.int32()),
        pa.field("split", pa.string()),
        pa.field("text_id", pa.binary(16)),
        pa.field("language", pa.string()),
        pa.field("source", pa.string()),
        *(JUDGED.field(name) for name in JUDGED.names if name not in ("text_id", "language")),
    ]
)
"""A row of ``pairs/``."""


@dataclass(frozen=True)
class Judge:
    """Measures and judges the pairs of one language."""

    language: Language
    rules: Sequence[str]
    thresholds: Thresholds
    calibration: Calibration | None = None
    """What the pairs' probability of being clean, then their weight, comes from."""

    def __call__(self, pairs: pa.Table) -> pa.Table:
        """Return ``pairs`` (source, target and the stored scores) with rule values and verdict, as `JUDGED`."""
        judged = self.judged(pairs)
        rows = judged.num_rows
        columns = {name: judged[name] for name in judged.column_names}
        columns["language"] = pa.repeat(self.language.code, rows)
        return pa.table([columns.get(field.name, pa.nulls(rows, field.type)) for field in JUDGED], schema=JUDGED)

    def judged(self, pairs: pa.Table) -> pa.Table:
        """Return ``pairs`` with all their columns, the rule values and the verdict appended."""
        return judge(
            self.measured(pairs),
            rules=self.rules,
            thresholds=self.thresholds,
            weight_by="clean_probability" if self.calibration else None,
        )

    def measured(self, pairs: pa.Table) -> pa.Table:
        """Return ``pairs`` with the rule values, and the probability of being clean where there is a calibration."""
        pairs = measured_cheaply(pairs, self.language)
        if self.calibration:
            pairs = pairs.append_column("clean_probability", self.calibration.clean_probability(pairs))
        return pairs


def measured_cheaply(pairs: pa.Table, language: Language) -> pa.Table:
    """Return ``pairs`` (source, target and any others) with the rule values, the columns of `CHEAP`, appended."""
    values = measure(
        pairs["source"].combine_chunks(),
        pairs["target"].combine_chunks(),
        language=language.code,
        script=language.script,
        spaced=language.spaced,
        expected_ratio=expected_ratio(language.code, language.script),
    )
    for name in CHEAP.names:
        pairs = pairs.append_column(name, values[name])
    return pairs
