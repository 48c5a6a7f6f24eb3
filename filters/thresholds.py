"""Every threshold that a verdict depends on: default, range, and why it stands where it does."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final, Self

from filters.encoder_files import last_name


class ThresholdError(ValueError):
    """A threshold's value makes no sense."""


class UnknownThresholdError(ThresholdError):
    """There is no threshold of that name."""

    def __init__(self, name: str) -> None:
        nearest = difflib.get_close_matches(name, THRESHOLDS, n=1, cutoff=0.0)[0]
        super().__init__(f"unknown threshold {name!r} (did you mean {nearest!r}?); known: {', '.join(THRESHOLDS)}")


@dataclass(frozen=True)
class Threshold:
    """One row of the table: the default, the range of accepted values, and one sentence of justification."""

    default: float | None
    low: float
    high: float
    why: str


def _threshold(default: float | None, low: float, high: float, why: str) -> Any:
    return field(default=default, metadata={"row": Threshold(default, low, high, why)})


@dataclass(frozen=True)
class Thresholds:
    """The thresholds in force for one language; None switches a bound off.

    A ``min_`` that has a ``full_`` is soft: at or below it the pair is dropped, and from there to ``full_``
    the weight of a kept pair rises from 0 to 1. The others are hard: a pair exactly on the bound is kept.

    Raises `ThresholdError` where a value is outside its range, or a lower bound not below its upper one.
    """

    min_lid_prob: float | None = _threshold(
        0.15,
        0,
        1,
        "At or below it are 0.1 % of human Czech captions and next to no German, French or Chinese ones, but "
        "99.5 % and more of captions in another language.",
    )
    full_lid_prob: float | None = _threshold(
        0.6,
        0,
        1,
        "Of human captions 3 % in Czech, a language that the identifier is unsure of, and under 0.4 % in "
        "German, French and Chinese have less.",
    )
    min_script_share: float | None = _threshold(
        0.5,
        0,
        1,
        "Names and brands stay in Latin letters everywhere, but 99.9 % of human Chinese captions have more "
        "than half of their letters in their own script.",
    )
    max_copy_ratio: float | None = _threshold(
        0.6,
        0,
        1,
        "No human German, French or Czech caption of 29,000 has more, and those next to it are full of "
        "names; an untranslated caption has 1.",
    )
    max_repetition: float | None = _threshold(
        0.2,
        0,
        1,
        "One or two human captions in 29,000 have more; a phrase that a translation says once too often makes 0.25.",
    )
    min_length_ratio: float | None = _threshold(
        0.5,
        0,
        100,
        "The expected length of most languages is approximate, and half of it leaves room for that.",
    )
    max_length_ratio: float | None = _threshold(
        2.0,
        0,
        100,
        "The expected length of most languages is approximate, and twice of it leaves room for that.",
    )
    min_similarity: float | None = _threshold(
        0.45,
        -1,
        1,
        "At or below it are 0.1 to 1.3 % of human translations, 92 to 99 % of those of another caption and "
        "40 % of halves (teacher muse).",
    )
    full_similarity: float | None = _threshold(0.7, -1, 1, "Three human translations in four have more (teacher muse).")
    min_margin: float | None = _threshold(
        0.7,
        -100,
        100,
        "Next to no human translation has less, and 98 % of those of another caption do (teacher muse).",
    )
    min_logprob: float | None = _threshold(
        -1.2,
        -100,
        0,
        "A mean token probability of 0.3: of mini's COCO translations 0 to 0.8 % are below it, and gibberish.",
    )
    full_logprob: float | None = _threshold(
        -0.7,
        -100,
        0,
        "A mean token probability of one half, which 74 to 98 % of mini's COCO translations exceed.",
    )
    max_oddity: float | None = _threshold(
        0.02,
        0,
        1,
        "One human caption in 25,000 has more, and 99.9 % of those that were read in a wrong encoding do.",
    )
    min_clean_probability: float | None = _threshold(
        None, 0, 1, "Off: only a calibration knows it (judge.keep, judge.min_clean_probability)."
    )
    min_back_chrf: float | None = _threshold(
        18.0, 0, 100, "Three in four pairs of captions that have nothing to do with each other have less."
    )
    full_back_chrf: float | None = _threshold(
        45.0, 0, 100, "Five in six pairs of captions in other words of the same picture have less."
    )

    def __post_init__(self) -> None:
        for name, row in THRESHOLDS.items():
            value = getattr(self, name)
            if value is not None and not row.low <= value <= row.high:
                raise ThresholdError(f"{name}: {value!r} is not between {row.low:g} and {row.high:g}")
        for lower, upper in _ORDERED:
            low, high = getattr(self, lower), getattr(self, upper)
            if low is not None and high is not None and not low < high:
                raise ThresholdError(f"{lower} ({low:g}) must be below {upper} ({high:g}): set both")

    @classmethod
    def for_language(cls, code: str, teacher: str = "muse") -> Self:
        """Return the defaults for a BCP-47 ``code``: those of its primary subtag, where it has its own.

        ``teacher``: what measures the similarity, as the configuration names it (see `teacher_thresholds`).
        """
        own = LANGUAGE_THRESHOLDS.get(code.split("-")[0].lower(), {})
        return cls(**{**own, **teacher_thresholds(teacher)})

    @classmethod
    def for_pairs(cls, code: str, teacher: str = "muse") -> Self:
        """Return those for translations that the model did not make itself.

        What it would not have said is not wrong: a fixed bound would drop half of what people translate.
        """
        return cls.for_language(code, teacher).replaced({"min_logprob": None, "full_logprob": None})

    def replaced(self, values: Mapping[str, float | None]) -> Self:
        """Return these thresholds with ``values`` (name → new value, or None for off) in their place.

        Raises `UnknownThresholdError` for a name that is none, `ThresholdError` for a value that cannot be.
        """
        for name in values:
            if name not in THRESHOLDS:
                raise UnknownThresholdError(name)
        return replace(self, **dict(values))


THRESHOLDS: Final[Mapping[str, Threshold]] = MappingProxyType(
    {threshold.name: threshold.metadata["row"] for threshold in fields(Thresholds)}
)
"""Name → default, range and reason: the table that the documentation shows."""

_ORDERED: Final = (
    ("min_lid_prob", "full_lid_prob"),
    ("min_length_ratio", "max_length_ratio"),
    ("min_similarity", "full_similarity"),
    ("min_logprob", "full_logprob"),
    ("min_back_chrf", "full_back_chrf"),
)

TEACHER_THRESHOLDS: Final[Mapping[str, Mapping[str, Threshold]]] = MappingProxyType(
    {
        "muse": MappingProxyType({}),
        "multilingual-e5-small": MappingProxyType(
            {
                "min_similarity": Threshold(
                    0.79,
                    -1,
                    1,
                    "At or below it are 0 to 0.3 % of human translations and 66 to 81 % of those of another caption.",
                ),
                "min_margin": Threshold(
                    0.95,
                    -100,
                    100,
                    "Up to 0.15 % of human translations have less, and 93 to 97 % of those of another caption do.",
                ),
                "full_similarity": Threshold(
                    0.86,
                    -1,
                    1,
                    "Four in five human German and French translations have more, and three in five Czech ones.",
                ),
            }
        ),
    }
)
"""The cosines of one encoder are not another's: teacher → what its similarity is judged by, where not as the table."""

_UNMEASURED: Final = MappingProxyType({"min_similarity": None, "full_similarity": None, "min_margin": None})


def teacher_thresholds(teacher: str) -> Mapping[str, float | None]:
    """Return the defaults for what ``teacher`` measures; all bounds off where none were measured.

    It is known by the last part of its name: ``intfloat/multilingual-e5-small``, ``/models/multilingual-e5-small``.
    """
    name = last_name(teacher)
    if name not in TEACHER_THRESHOLDS:
        return _UNMEASURED
    return {bound: row.default for bound, row in TEACHER_THRESHOLDS[name].items()}


_MEASURED_LENGTH: Final = MappingProxyType({"min_length_ratio": 0.6, "max_length_ratio": 1.7})
MEASURED_WHY: Final = "99.9 % of human captions are within: the expected length was measured on captions."

LANGUAGE_THRESHOLDS: Final[Mapping[str, Mapping[str, float | None]]] = MappingProxyType(
    dict.fromkeys(("cs", "de", "fr", "zh"), _MEASURED_LENGTH)
)
"""Where a language has other defaults than the table's."""
