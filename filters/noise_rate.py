"""How much of a corpus is noise like that which was planted in it, without labels."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from filters.calibration import LEAST_RATE, Floats, at_rate
from filters.labelled import Bools, Ints, Labelled

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


@dataclass(frozen=True)
class Evidence:
    """What a corpus's noise rate is estimated by: its texts that the rules keep, and planted noise that they keep."""

    corpus: Floats
    """[texts kept]: the mean score of each."""
    planted: Floats
    """[planted pairs kept]: their scores."""
    weights: Floats
    """[planted pairs kept]."""
    kept: float
    """The share of all planted noise that the rules keep, in (0, 1]; 1 where none is."""

    @property
    def rate(self) -> float:
        """The share of the kept texts that may be noise like the planted."""
        return noise_rate(self.corpus, self.planted, self.weights)


def evidence(scores: Floats, data: Labelled, kept: Bools) -> Evidence:
    """Return what the ``scores`` [rows] of ``data`` say, of which the rules keep ``kept`` [rows].

    What they drop is set apart on both sides: a corpus that is broken in one way has a share of its texts below every
    bound that has nothing to do with how much of all kinds of planted noise is.

    Noise in a pair that was noisy before is worse than any that is in the corpus: texts that look so themselves do not
    count among the planted.
    """
    clean = data.clean
    _, text = np.unique(data.groups, return_inverse=True)
    mean, known = _by_text(scores, text, clean & kept)
    weights = data.weights
    order = np.argsort(scores[~clean])
    weight = np.cumsum(weights[~clean][order])
    worst = scores[~clean][order][np.searchsorted(weight, weight[-1] * _SUSPICIOUS)]
    suspicious = ~known | (mean <= worst)
    usable = ~clean & ~suspicious[text]
    if not usable.any():
        usable = ~clean
    passing = usable & kept
    return Evidence(
        corpus=mean[known],
        planted=scores[passing],
        weights=weights[passing],
        kept=float(weights[passing].sum() / weights[usable].sum()) or 1.0,
    )


def of_dropped(values: Floats, data: Labelled, kept: Bools) -> Floats:
    """Return the mean of ``values`` [rows] for each text of the corpus of which the rules keep no pair."""
    _, text = np.unique(data.groups, return_inverse=True)
    mean, known = _by_text(values, text, data.clean)
    _, kept_at_all = _by_text(values, text, data.clean & kept)
    return mean[known & ~kept_at_all]


def _by_text(values: Floats, text: Ints, chosen: Bools) -> tuple[Floats, Bools]:
    """Return the mean of the ``chosen`` [rows] of the ``values`` for each text, and whether it has any."""
    texts = int(text.max(initial=-1)) + 1
    count = np.bincount(text[chosen], minlength=texts)
    return np.bincount(text[chosen], values[chosen], minlength=texts) / np.maximum(count, 1), count > 0


_SUSPICIOUS: Final = 0.6
"""A text is, that looks no better than this share of the planted noise."""


def in_all(of_kept: float, kept: int, even: Floats) -> float:
    """Return the noise rate of a corpus with ``kept`` texts that the rules keep, ``of_kept`` of which are noise.

    ``even`` [texts dropped] are the probabilities of being clean, among as many noisy as clean ones, of those that the
    rules drop: how much of them is noise follows from the rate itself (Saerens, Latinne and Decaestecker 2002).
    """
    if not len(even):
        return of_kept
    dropped = len(even) / (kept + len(even))
    rate = dropped + (1 - dropped) * of_kept
    for _ in range(_ITERATIONS):
        noise = 1 - at_rate(even, max(rate, LEAST_RATE)).mean()
        rate = dropped * float(noise) + (1 - dropped) * of_kept
    return rate


_ITERATIONS: Final = 50


def interval(found: Evidence, even: Floats, seed: int) -> tuple[float, float]:
    """Return the bootstrap's percentile interval of the noise rate; texts and planted noise are drawn anew.

    ``even`` is as for `in_all`. Where none of n texts is below the bound no draw has any: there, 3 / n is what 95 % of
    the time is not exceeded.
    """
    draw = np.random.default_rng(seed)
    texts = len(found.corpus) + len(even)
    rates = []
    for _ in range(_BOOTSTRAPS):
        kept = int((draw.random(texts) * texts < len(found.corpus)).sum()) if len(even) else texts
        corpus = draw.choice(found.corpus, kept) if kept else found.corpus
        chosen = draw.integers(len(found.planted), size=len(found.planted)) if len(found.planted) else np.array([], int)
        rate = noise_rate(corpus, found.planted[chosen], found.weights[chosen])
        rates.append(in_all(rate, kept, draw.choice(even, texts - kept) if kept < texts else even[:0]))
    low, high = np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if not len(found.planted):
        return float(low), float(high)
    _, share = _rate_and_bound(found.corpus, found.planted, found.weights)
    most = in_all(min(1.0, 3 / len(found.corpus) / share), len(found.corpus), even)
    return float(low), max(float(high), most)
