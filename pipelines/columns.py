"""The scores of a pair, by the name that they have everywhere: in the ledger, in pairs/ and in a sample."""

from typing import Final

import pyarrow as pa

COSTLY: Final = pa.schema(
    [
        pa.field("lid_label", pa.string()),
        pa.field("lid_prob", pa.float32()),
        pa.field("lid_other_prob", pa.float32()),
        pa.field("similarity", pa.float32()),
        pa.field("margin", pa.float32()),
        pa.field("length_z", pa.float32()),
        pa.field("mt_logprob", pa.float32()),
        pa.field("mt_min_logprob", pa.float32()),
        pa.field("mt_worst_logprob", pa.float32()),
        pa.field("mt_pmi", pa.float32()),
        pa.field("mt_min_pmi", pa.float32()),
        pa.field("mt_worst_pmi", pa.float32()),
        pa.field("back_chrf", pa.float32()),
        pa.field("back_similarity", pa.float32()),
    ]
)
"""What models measure, and what only the pairs around a pair can tell (`pipelines.scores.Meter`)."""

CHEAP: Final = pa.schema(
    [
        pa.field("length_ratio", pa.float32()),
        pa.field("copy_ratio", pa.float32()),
        pa.field("repetition", pa.float32()),
        pa.field("loops", pa.int32()),
        pa.field("numbers_differ", pa.bool_()),
        pa.field("number_words_differ", pa.bool_()),
        pa.field("script_share", pa.float32()),
        pa.field("punctuation_difference", pa.float32()),
        pa.field("ending_differs", pa.bool_()),
        pa.field("unbalanced", pa.int32()),
        pa.field("oddity", pa.float32()),
    ]
)
"""What the characters alone tell (`filters.rules.measure`): computed where it is needed."""
