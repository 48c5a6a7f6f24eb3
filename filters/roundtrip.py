"""How much of a source survives its translation and the translation back."""

import pyarrow as pa
from sacrebleu.metrics import CHRF


def chrf(references: pa.Array, hypotheses: pa.Array) -> pa.Array:
    """Return float32 [rows], 0 to 100: sentence chrF of each pair of texts, null where either is null.

    ``references`` are the sources, ``hypotheses`` their back-translations. chrF is Popović's (2015), with the
    defaults of sacreBLEU.
    """
    metric = CHRF()
    scores = [
        None if reference is None or hypothesis is None else metric.sentence_score(hypothesis, [reference]).score
        for reference, hypothesis in zip(references.to_pylist(), hypotheses.to_pylist(), strict=True)
    ]
    return pa.array(scores, pa.float32())
