"""How much of a corpus is noise like that which was planted in it, without labels."""

from typing import Final

import numpy as np

from filters.calibration import Floats
from filters.labelled import Labelled

LEVEL: Final = 0.95
"""Of the interval."""

_BOOTSTRAPS: Final = 200


def noise_rate(corpus: Floats, planted: Floats, weights: Floats | None = None) -> float:
    """Return the share of the corpus, 0 to 1, that may be noise like the planted.

    ``corpus`` [rows] and ``planted`` [others] are scores, high where clean; ``weights`` [others] those of the planted.
    At any bound, the corpus has at least as large a share of its rows below as noise of that share would bring: the
    smallest ratio is the largest share that the scores allow (Blanchard, Lee and Scott 2010, theorem 2). It is looked
    for where 10, 20 to 90 % of the planted noise are below, and taken where it is smallest with two standard errors
    added: of many ratios of few rows the smallest is too small.
    """
    if not len(corpus) or not len(planted):
        return 0.0
    return _rate_and_bound(corpus, planted, np.ones(len(planted)) if weights is None else weights)[0]


def _rate_and_bound(corpus: Floats, planted: Floats, weights: Floats) -> tuple[float, float]:
    """Return the noise rate, and the share of the planted noise that is below the bound where it is taken."""
    order = np.argsort(planted, kind="stable")
    ordered = planted[order]
    below = np.cumsum(weights[order])
    below /= below[-1]
    bounds = ordered[np.minimum(np.searchsorted(below, _SHARES), len(planted) - 1)]
    of_planted = below[np.searchsorted(ordered, bounds, side="right") - 1]
    rows = len(corpus)
    of_corpus = np.searchsorted(np.sort(corpus), bounds, side="right") / rows
    error = np.sqrt((of_corpus + 1 / rows) / rows)
    best = int(((of_corpus + 2 * error) / of_planted).argmin())
    return float(min(1.0, of_corpus[best] / of_planted[best])), float(of_planted[best])


_SHARES: Final = np.arange(1, 10) / 10


def for_rate(scores: Floats, data: Labelled) -> tuple[Floats, Floats, Floats]:
    """Return the scores of the corpus's texts, of planted noise, and the weights of that, to estimate a rate by.

    Noise in a pair that was noisy before is worse than any that is in the corpus: texts that look so themselves do not
    count among the planted.
    """
    clean = data.clean
    groups, text = np.unique(data.groups, return_inverse=True)
    count = np.bincount(text[clean], minlength=len(groups))
    mean = np.bincount(text[clean], scores[clean], minlength=len(groups)) / np.maximum(count, 1)
    order = np.argsort(scores[~clean])
    weight = np.cumsum(data.weights[~clean][order])
    suspicious = mean <= scores[~clean][order][np.searchsorted(weight, weight[-1] * _SUSPICIOUS)]
    usable = ~clean & ~suspicious[text]
    if not usable.any():
        usable = ~clean
    return mean[count > 0], scores[usable], data.weights[usable]


_SUSPICIOUS: Final = 0.6
"""A text is, that looks no better than this share of the planted noise."""


def interval(scores: Floats, data: Labelled, seed: int) -> tuple[float, float]:
    """Return the bootstrap's percentile interval of the noise rate; texts and planted noise are drawn anew.

    Where none of n texts is below the bound no draw has any: there, 3 / n is what 95 % of the time is not exceeded.
    """
    draw = np.random.default_rng(seed)
    corpus, planted, weights = for_rate(scores, data)
    _, share = _rate_and_bound(corpus, planted, weights)
    rates = []
    for _ in range(_BOOTSTRAPS):
        chosen = draw.integers(len(planted), size=len(planted))
        rates.append(noise_rate(draw.choice(corpus, len(corpus)), planted[chosen], weights[chosen]))
    low, high = np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), max(float(high), min(1.0, 3 / len(corpus) / share))
