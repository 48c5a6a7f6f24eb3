"""What was measured while a calibration was learnt, read from the run for its audit and its report."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from filters.calibration import CalibrationError
from pipelines import files
from pipelines.calibrations import calibration_path, read_calibration
from pipelines.report.figures import CalibrationFigures
from pipelines.runner import RunFailed

_ROUNDED: Final = 1e-9
_Share = Annotated[float, Field(ge=-_ROUNDED, le=1 + _ROUNDED)]
_Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class NoiseRate:
    """The share of the pairs that look like planted noise, and the interval of confidence ``level`` around it."""

    estimate: _Share
    low: _Share
    high: _Share
    level: _Share


@dataclass(frozen=True)
class Bin:
    """Pairs of similar probability: their mean, the share of them that is clean, and their share of all pairs."""

    predicted: _Share
    observed: _Share
    share: _Share


@dataclass(frozen=True)
class Bound:
    """What dropping all pairs below ``min_clean_probability`` would do."""

    min_clean_probability: _Share
    kept: _Share
    """Of the corpus."""
    noise_kept: _Share
    """The noisy share of what is kept, if the probabilities are right."""
    noise_found: _Share
    """Of the noise, if the probabilities are right."""
    f1: _Share
    planted_kept: _Share
    """Of the planted noise."""


@dataclass(frozen=True)
class Shares:
    """Histograms between ``low`` and ``high`` in bins of one width: the share of the pairs in each."""

    low: float
    high: float
    corpus: Annotated[list[_Share], Field(min_length=1)]
    planted: Annotated[list[_Share], Field(min_length=1)]


@dataclass(frozen=True)
class Doubtful:
    """One pair of the corpus itself, and the probability that it is clean."""

    source: str
    target: str | None
    clean_probability: _Share


@dataclass(frozen=True)
class Measured:
    """The ``report`` of one language's calibration: see ``docs/noise.md``. AUCs are by kind of noise."""

    clean: _Count
    noisy: dict[str, _Count]
    noise_rate: NoiseRate
    auc: Annotated[dict[str, _Share], Field(min_length=1)]
    detectors: dict[str, dict[str, _Share]]
    """Score → kind of noise → AUC of this score alone."""
    reliability: list[Bin]
    ece: _Share
    curve: list[Bound]
    suggested: Bound
    histograms: dict[str, Shares]
    boundary: list[Doubtful]
    model: str
    left_out: dict[str, dict[str, _Share]]
    """Model → kind of noise → AUC where the model was fitted without this kind."""

    @property
    def telling(self) -> list[str]:
        """The scores, highest mean AUC over all kinds first."""
        return sorted(self.detectors, key=lambda name: (-mean(self.detectors[name].values()), name))

    @property
    def mean_auc(self) -> float:
        """The mean over the kinds of noise."""
        return mean(self.auc.values())

    @property
    def mean_left_out(self) -> float | None:
        """The mean AUC of the chosen model over kinds that it was not fitted to; None where there was but one kind."""
        found = self.left_out.get(self.model)
        return mean(found.values()) if found else None

    @property
    def models(self) -> list[str]:
        """The models that were tried, the chosen one first."""
        return sorted(self.left_out, key=lambda model: (model != self.model, model))

    @property
    def bounds(self) -> list[Bound]:
        """The points of the curve, without those that do what the one before did; the suggested one is there."""
        found: list[Bound] = []
        for bound in self.curve:
            same = found and (bound.kept, bound.planted_kept) == (found[-1].kept, found[-1].planted_kept)
            if bound == self.suggested and same:
                found[-1] = bound
            elif not same:
                found.append(bound)
        return found

    def figures(self) -> CalibrationFigures:
        """Return what ``audit.json`` has of it."""
        return {
            "noise_rate": dataclasses.asdict(self.noise_rate),
            "auc": dict(self.auc),
            "ece": self.ece,
            "suggested": dataclasses.asdict(self.suggested),
            "model": self.model,
            "left_out": {model: dict(aucs) for model, aucs in self.left_out.items()},
            "clean": self.clean,
            "noisy": dict(self.noisy),
        }


_MEASURED: Final = TypeAdapter(Measured)


def read_measured(folder: str, languages: Iterable[str]) -> dict[str, Measured]:
    """Return by code what was measured of those ``languages`` that have a calibration in ``folder``.

    Raises `RunFailed`, which names the file, for one that is no calibration, or that of another language.
    """
    paths = {code: calibration_path(folder, code) for code in languages}
    return {code: _read(path, code) for code, path in paths.items() if files.exists(path)}


def _read(path: str, code: str) -> Measured:
    try:
        calibration = read_calibration(path)
        if calibration.language != code:
            raise CalibrationError(f"{path}: this is the calibration of {calibration.language!r}, not of {code!r}")
        return _MEASURED.validate_python(dict(calibration.report))
    except CalibrationError as error:
        problem = str(error)
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{path}: report.{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (TypeError, ValueError) as error:
        problem = f"{path}: report: {error}"
    raise RunFailed(f"{problem}; delete it, or have captionloom calibrate write it again")


def mean(values: Iterable[float]) -> float:
    """Return the mean; 0 of nothing."""
    held = list(values)
    return float(np.mean(held)) if held else 0.0


def best_scores(measured: Measured) -> Mapping[str, frozenset[str]]:
    """Return for each kind of noise the scores that find it best, equals to three decimals all."""
    found = {}
    for kind in measured.auc:
        aucs = {name: round(by_kind[kind], 3) for name, by_kind in measured.detectors.items() if kind in by_kind}
        found[kind] = frozenset(name for name, auc in aucs.items() if auc == max(aucs.values()))
    return found
