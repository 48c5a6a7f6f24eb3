"""Learning what noise looks like in one language, from pairs in which some was planted.

Needs scikit-learn (the extra ``calibrate``); what comes out of it is read by `filters.calibration` without.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from filters.calibration import LEAST_RATE, Calibration, Curve, Floats, at_rate, fold_of
from filters.calibration_report import report
from filters.features import matrix, measured
from filters.fitting import FITS
from filters.labelled import Bools, Ints, Labelled, auc, kinds_of
from filters.noise_rate import LEVEL, Evidence, evidence, in_all, interval, of_dropped
from filters.thresholds import Thresholds
from filters.verdict import RULES, judge

FOLDS: Final = 5
FEWEST: Final = 200
"""Clean pairs below which nothing is learnt: a fold would have forty."""
FEWEST_NOISY: Final = 20
"""Noisy ones: a fold would have four."""

_ISOTONIC: Final = 1000
"""Pairs from which isotonic regression beats Platt's sigmoid (Niculescu-Mizil and Caruana 2005)."""


class CalibrateError(ValueError):
    """From these pairs nothing can be learnt."""


def calibrate(pairs: pa.Table, *, language: str, seed: int = 0, thresholds: Thresholds | None = None) -> Calibration:
    """Learn from ``pairs`` the probability that a pair in ``language`` is clean.

    ``pairs`` has the scores of every pair as it stands there, clean or with its noise, and the columns ``source``,
    ``target``, ``noise_kind`` (string, null for what nothing was planted in) and ``group`` (int64: the same for pairs
    of one source). What nothing was planted in is the corpus itself, and need not be all clean: how much of it is noise
    like the planted is estimated, and allowed for. Of a logistic regression and boosted trees the one is taken that
    finds kinds of noise which it was not fitted to. The same pairs and seed give the same calibration.

    What the default rules drop by ``thresholds`` does not pass for clean: a corpus that is broken in one way has more
    of that noise than is planted, and it would look like the corpus.

    Raises `CalibrateError` for fewer than 200 clean pairs or 20 with noise, and where no clean one has a score.
    """
    kinds = kinds_of(pairs)
    names = measured(pairs.filter(pa.array(kinds == "")))
    data = Labelled(matrix(pairs, names), kinds, pairs["group"].to_numpy().astype(np.int64))
    kept = np.ones(len(kinds), dtype=bool)
    if thresholds is not None:
        kept = judge(pairs, rules=tuple(RULES), thresholds=thresholds)["keep"].to_numpy()
    clean, noisy = int((data.clean & kept).sum()), int((~data.clean).sum())
    if clean < FEWEST or noisy < FEWEST_NOISY:
        raise CalibrateError(
            f"{clean:,} clean pairs and {noisy:,} with noise: at least {FEWEST} and {FEWEST_NOISY} are needed"
        )
    if not names:
        raise CalibrateError("no clean pair has any of the scores that noise is told by")
    # Threads of the libraries would but wait for each other: these tables are small.
    with threadpool_limits(limits=1):
        return _calibrated(pairs, data, kept, names, language, seed)


def _calibrated(
    pairs: pa.Table, data: Labelled, kept: Bools, names: tuple[str, ...], language: str, seed: int
) -> Calibration:
    folds = fold_of(pairs["source"], FOLDS)
    trusted = ~data.clean | kept
    tried = data.where(trusted)
    left_out = _left_out(tried, folds[trusted], names, seed)
    best = _chosen(left_out)
    models = tuple(FITS[best](data.where(trusted & (folds != fold)), names, seed) for fold in range(FOLDS))
    scores = np.empty(len(folds))
    for fold, model in enumerate(models):
        scores[folds == fold] = model.log_odds(data.features[folds == fold])
    found = evidence(scores, data, kept)
    curve = _purified(_curve(scores[trusted], tried), found)
    even = curve(scores)
    dropped = of_dropped(even, data, kept)
    rate = in_all(found.rate, len(found.corpus), dropped)
    probability = at_rate(even, max(rate, LEAST_RATE))
    held_out = _held_out(scores[trusted], tried, seed)
    said = report(pairs, data, tried, scores, probability, held_out, names)
    low, high = interval(found, dropped, seed)
    return Calibration(
        language=language,
        features=names,
        models=models,
        curve=curve,
        noise_rate=rate,
        report=said
        | {
            "model": best,
            "left_out": left_out,
            "noise_rate": {"estimate": rate, "low": low, "high": high, "level": LEVEL},
        },
    )


def _chosen(left_out: Mapping[str, Mapping[str, float]]) -> str:
    """Return the first of `FITS` that finds unknown kinds of noise as well as the best of them.

    As well is to one standard error of the difference over the kinds (the rule of Breiman et al. 1984, section 3.4.3).
    """
    found = {model: np.array([aucs[kind] for kind in sorted(aucs)]) for model, aucs in left_out.items()}
    best = max(FITS, key=lambda model: found[model].sum())

    def as_good(model: str) -> bool:
        lost = found[best] - found[model]
        return len(lost) < 2 or bool(lost.mean() <= lost.std(ddof=1) / np.sqrt(len(lost)))

    return next(model for model in FITS if as_good(model))


def _purified(curve: Curve, found: Evidence) -> Curve:
    """Return from ``curve``, which parts the kept texts from all noise, the one that parts their clean ones from it.

    With c, n and u = (1 - r) c + r n' the densities of clean, planted and the kept texts, of which r are noise like
    n', the planted that the rules keep, c / n = (u / n - r n' / n) / (1 - r) (Elkan and Noto 2008 for the case that all
    of the corpus is one class), and n' / n is 1 / the kept share of n, or 0 where the rules drop.
    """
    rate = found.rate
    odds = curve.probability / np.maximum(1 - curve.probability, _TINY)
    clean = np.maximum(odds - rate / found.kept, 0.0) / max(1 - rate, _TINY)
    return Curve(curve.log_odds, clean / (1 + clean))


_TINY: Final = 1e-9


def _left_out(data: Labelled, folds: Ints, names: Sequence[str], seed: int) -> dict[str, dict[str, float]]:
    """Return for each model and kind its AUC where it never saw that kind, on sources that it never saw either."""
    found: dict[str, dict[str, float]] = {model: {} for model in FITS}
    test = folds < FOLDS // 2
    for name in data.names if len(data.names) > 1 else ():
        tried = data.where(test & (data.clean | (data.kinds == name)))
        seen = data.where(~test & (data.kinds != name))
        if not tried.names or not seen.names:
            continue
        for model, fit in FITS.items():
            found[model][name] = auc(tried.clean, fit(seen, names, seed).log_odds(tried.features))
    return found


def _curve(scores: Floats, data: Labelled) -> Curve:
    if len(scores) < _ISOTONIC:
        platt = LogisticRegression(C=1e6).fit(scores[:, None], data.clean, sample_weight=data.weights)
        if platt.coef_[0, 0] <= 0:  # by chance: the scores tell nothing, and a curve does not fall
            return Curve(np.zeros(1), np.full(1, 0.5))
        points = np.linspace(scores.min(), scores.max(), 101)
        return Curve(points, platt.predict_proba(points[:, None])[:, 1])
    isotonic = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, data.clean, data.weights)
    return Curve(isotonic.X_thresholds_.astype(np.float64), isotonic.y_thresholds_.astype(np.float64))


def _held_out(scores: Floats, data: Labelled, seed: int) -> Floats:
    """Return for each row the probability that nothing was planted in it, by a curve that the row had no part in."""
    half = _folds(data.groups, seed + 1) < FOLDS // 2
    found = np.empty(len(scores))
    for fitted in (half, ~half):
        found[~fitted] = _curve(scores[fitted], data.where(fitted))(scores[~fitted])
    return found


def _folds(groups: Ints, seed: int) -> Ints:
    """Return the fold of each row, by its group."""
    names, of_row = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    return np.asarray(drawn[of_row], dtype=np.int64)
