"""From stored scores to verdicts: the cheap rule values and the judgement, table in, table out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

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

    def __call__(self, pairs: pa.Table) -> pa.Table:
        """Return ``pairs`` (source, target and the stored scores) with rule values and verdict, as `JUDGED`."""
        values = measure(
            pairs["source"].combine_chunks(),
            pairs["target"].combine_chunks(),
            language=self.language.code,
            script=self.language.script,
            spaced=self.language.spaced,
            expected_ratio=expected_ratio(self.language.code, self.language.script),
        )
        for name, column in values.items():
            pairs = pairs.append_column(name, column)
        judged = judge(pairs, rules=self.rules, thresholds=self.thresholds)
        rows = judged.num_rows
        columns = {name: judged[name] for name in judged.column_names}
        columns["language"] = pa.repeat(self.language.code, rows)
        return pa.table([columns.get(field.name, pa.nulls(rows, field.type)) for field in JUDGED], schema=JUDGED)
