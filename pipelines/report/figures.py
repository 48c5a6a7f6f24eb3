"""The figures of an audit, in the shape of ``audit.json``: for the report and for other programs."""

from typing import NotRequired, TypedDict

from pipelines.summary import Row


class RunFigures(TypedDict):
    """What was run: as in ``config.yaml``, for the head of the report."""

    source_language: str
    model: str
    teacher: str
    back_translation: bool
    languages: list[str]
    """In the order of the configuration."""


class Totals(TypedDict):
    """Captions read = captions used + captions rejected; pairs made = kept + dropped, over all languages."""

    captions_read: int
    captions_rejected: int
    captions_used: int
    pairs_made: int
    pairs_kept: int
    pairs_dropped: int


class RejectFigures(TypedDict):
    """One reason to reject a caption."""

    explanation: str
    count: int
    examples: list[Row]


class RuleFigures(TypedDict):
    """One reason to drop a pair: the scores it reads and the thresholds it holds them against."""

    explanation: str
    active: bool
    columns: list[str]
    thresholds: list[str]


class ReasonFigures(TypedDict):
    """How many pairs of one language a rule dropped, and how many of them no other rule did."""

    pairs: int
    only: int


class Overlap(TypedDict):
    """``counts[i][j]`` pairs were dropped for reasons i and j both; the diagonal has all of one."""

    reasons: list[str]
    counts: list[list[int]]


class HistogramFigures(TypedDict):
    """``counts[i]`` values lie between edges i and i + 1; missing are those that were not measured."""

    counts: list[int]
    below: int
    above: int
    missing: int
    mean: float | None


class ScoreFigures(TypedDict):
    """One score, of the kept and of the dropped pairs."""

    kept: HistogramFigures
    dropped: HistogramFigures


class LengthFigures(TypedDict):
    """``counts[i]`` texts are i long, up to the longest; percentiles are exact unless they are ``above``."""

    counts: list[int]
    above: int
    missing: int
    mean: float | None
    p5: float | None
    p50: float | None
    p95: float | None


class LabelFigures(TypedDict):
    """What language identification ranked first, and what it should have."""

    expected: str
    labels: dict[str, int]


class Samples(TypedDict):
    """Pairs drawn by the hash of key, caption index and language: the same however the work was split."""

    kept: list[Row]
    dropped: dict[str, list[Row]]


class LanguageFigures(TypedDict):
    """All about the pairs of one language."""

    name: str
    sentence: str
    made: int
    kept: int
    dropped: int
    reasons: dict[str, ReasonFigures]
    dropped_for_several_reasons: int
    overlap: Overlap
    scores: dict[str, ScoreFigures]
    not_measured: list[str]
    """Scores that are null for every pair."""
    lid: LabelFigures
    lengths: dict[str, LengthFigures]
    weight: HistogramFigures
    thresholds: dict[str, float | None]
    samples: Samples


class CalibrationFigures(TypedDict):
    """What ``captionloom calibrate`` measured of the noise in one language; all shares and AUCs are in [0, 1]."""

    noise_rate: dict[str, float]
    """``estimate`` of the share of the pairs that look like planted noise, ``low`` and ``high`` at ``level``."""
    auc: dict[str, float]
    """By kind of noise."""
    ece: float
    suggested: dict[str, float]
    """The bound that is offered, ``min_clean_probability``, and what it would do."""
    model: str
    left_out: dict[str, dict[str, float]]
    """Model → kind of noise → AUC where the model was fitted without this kind."""
    clean: int
    """Pairs of the corpus that were measured."""
    noisy: dict[str, int]
    """Pairs with planted noise, by kind."""


class LeakFigures(TypedDict):
    """Items and captions that were rejected because they are in an evaluation set."""

    items: int
    captions: int


class EvaluationFigures(LeakFigures):
    """One evaluation set. An item that several sets or ways found counts under the way and set that say most."""

    ways: dict[str, LeakFigures]
    """``key``, ``caption`` and ``near_duplicate``."""


class Audit(TypedDict):
    """The whole of ``audit.json``. ``edges`` are the bounds of the bins of every score and of ``weight``."""

    version: int
    run: RunFigures
    totals: Totals
    notes: list[str]
    rules: dict[str, RuleFigures]
    rejects: dict[str, RejectFigures]
    evaluation_sets: dict[str, EvaluationFigures]
    """By name, in the order of ``input.exclude``."""
    edges: dict[str, list[float]]
    languages: dict[str, LanguageFigures]
    calibration: NotRequired[dict[str, CalibrationFigures]]
    """Of the languages that were calibrated, by code; absent where none was."""
