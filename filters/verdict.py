"""Scores to verdict: which rules fire on a pair, whether it is kept, and how much it weighs."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.thresholds import THRESHOLDS, Threshold, ThresholdError, Thresholds, UnknownThresholdError

__all__ = [
    "RULES",
    "THRESHOLDS",
    "Rule",
    "Threshold",
    "ThresholdError",
    "Thresholds",
    "UnknownRuleError",
    "UnknownThresholdError",
    "judge",
]


class UnknownRuleError(ValueError):
    """There is no rule of that name."""

    def __init__(self, name: str) -> None:
        matches = difflib.get_close_matches(name, RULES, n=1, cutoff=0.0)
        super().__init__(f"unknown rule {name!r} (did you mean {matches[0]!r}?); known: {', '.join(RULES)}")
        self.name = name


@dataclass(frozen=True)
class Ramp:
    """How a soft score becomes a weight: 0 at the threshold ``zero``, 1 from the threshold ``full`` on."""

    column: str
    zero: str
    full: str

    def weigh(self, pairs: pa.Table, thresholds: Thresholds) -> npt.NDArray[np.float64] | None:
        """Return float64 [rows] in [0, 1], 1 where the score is null; None with no column or a bound off."""
        zero, full = getattr(thresholds, self.zero), getattr(thresholds, self.full)
        if zero is None or full is None or self.column not in pairs.column_names:
            return None
        scores = pc.cast(pairs[self.column], pa.float64()).to_numpy(zero_copy_only=False)
        return np.nan_to_num(np.clip((scores - zero) / (full - zero), 0.0, 1.0), nan=1.0)


@dataclass(frozen=True)
class Rule:
    """One reason to drop a pair.

    ``test`` sees a table that has all of ``columns`` and answers true, false or null (cannot tell) for each
    row, or None for none. ``thresholds`` names the fields that it reads; ``ramp`` is there for a soft score.
    """

    name: str
    explanation: str
    columns: tuple[str, ...]
    test: Callable[[pa.Table, Thresholds], pa.ChunkedArray | None]
    thresholds: tuple[str, ...] = ()
    ramp: Ramp | None = None

    def fires(self, pairs: pa.Table, thresholds: Thresholds) -> pa.BooleanArray:
        """Return bool [rows], never null: false where a column is absent, a score null or the bound off."""
        answer = None
        if set(self.columns) <= set(pairs.column_names):
            answer = self.test(pairs, thresholds)
        if answer is None:
            return pa.array(np.zeros(pairs.num_rows, dtype=bool))
        return pc.fill_null(answer, False).combine_chunks()


def _outside(name: str, explanation: str, column: str, *, low: str | None = None, high: str | None = None) -> Rule:
    """Return the rule that ``column`` be no less than the threshold ``low`` and no more than ``high``."""

    def test(pairs: pa.Table, thresholds: Thresholds) -> pa.ChunkedArray | None:
        scores = pairs[column]
        answer = None
        for bound, compare in ((low, pc.less), (high, pc.greater)):
            value = getattr(thresholds, bound) if bound else None
            if value is not None:
                beyond = compare(scores, _as(value, scores))
                answer = beyond if answer is None else pc.or_(answer, beyond)
        return answer

    return Rule(name, explanation, (column,), test, tuple(bound for bound in (low, high) if bound))


def _soft(name: str, explanation: str, column: str, *, zero: str, full: str) -> Rule:
    """Return the rule that ``column`` be above ``zero``; a pair below ``full`` is kept and weighs less."""

    def test(pairs: pa.Table, thresholds: Thresholds) -> pa.ChunkedArray | None:
        value = getattr(thresholds, zero)
        return None if value is None else pc.less_equal(pairs[column], _as(value, pairs[column]))

    return Rule(name, explanation, (column,), test, (zero, full), Ramp(column, zero, full))


def _as(value: float, scores: pa.ChunkedArray) -> pa.Scalar:
    """Return a threshold in the precision of the scores: in float32, three fifths is more than 0.6."""
    return pa.scalar(value, scores.type)


def _too_long(pairs: pa.Table, _thresholds: Thresholds) -> pa.ChunkedArray:
    return pc.is_null(pairs["target"])


def _empty(pairs: pa.Table, _thresholds: Thresholds) -> pa.ChunkedArray:
    return pc.invert(pc.match_substring_regex(pairs["target"], r"[\p{L}\p{N}]"))


def _flagged(name: str, explanation: str, column: str) -> Rule:
    """Return the rule that the bool ``column`` be false."""
    return Rule(name, explanation, (column,), lambda pairs, _thresholds: pairs[column])


RULES: Final[Mapping[str, Rule]] = {
    rule.name: rule
    for rule in (
        Rule("too_long", "The model could not take so long a text.", ("target",), _too_long),
        Rule("empty", "The translation has no letter and no digit.", ("target",), _empty),
        _flagged(
            "unfinished",
            "The model had not ended the translation at its length limit: it went round in a loop.",
            "mt_unfinished",
        ),
        _soft(
            "wrong_language",
            "Language identification finds the translation to be in another language.",
            "lid_prob",
            zero="min_lid_prob",
            full="full_lid_prob",
        ),
        _outside(
            "wrong_script",
            "Too few of the translation's letters belong to the language's script.",
            "script_share",
            low="min_script_share",
        ),
        _outside(
            "untranslated",
            "Too many of the translation's words stand in the source as they are.",
            "copy_ratio",
            high="max_copy_ratio",
        ),
        _outside(
            "repetition",
            "The translation says the same words over and over, and the source does not.",
            "repetition",
            high="max_repetition",
        ),
        _outside(
            "length_ratio",
            "The translation is far shorter or longer than the language would make it.",
            "length_ratio",
            low="min_length_ratio",
            high="max_length_ratio",
        ),
        _outside(
            "mojibake",
            "Parts of the translation were read in a wrong encoding, or lost.",
            "oddity",
            high="max_oddity",
        ),
        _flagged("numbers_differ", "The translation's numbers are not the source's.", "numbers_differ"),
        _flagged(
            "number_words_differ",
            "The numbers that the translation writes out are not the source's.",
            "number_words_differ",
        ),
        _soft(
            "low_similarity",
            "The teacher finds that source and translation mean different things.",
            "similarity",
            zero="min_similarity",
            full="full_similarity",
        ),
        _outside(
            "low_margin",
            "The teacher finds the translation to be nearer to other captions than to its own source.",
            "margin",
            low="min_margin",
        ),
        _soft(
            "low_confidence",
            "The translation model itself gave its words a low probability.",
            "mt_logprob",
            zero="min_logprob",
            full="full_logprob",
        ),
        _soft(
            "low_round_trip",
            "Translated back, the translation says something else than the source.",
            "back_chrf",
            zero="min_back_chrf",
            full="full_back_chrf",
        ),
        _outside(
            "low_clean_probability",
            "A calibration finds the pair too likely to be noise.",
            "clean_probability",
            low="min_clean_probability",
        ),
    )
}
"""Every reason to drop a pair, in judging order. A new rule is one more entry here."""

CERTAIN: Final = ("too_long", "empty", "unfinished")
"""Rules that no calibration replaces: there is no whole translation."""


def judge(pairs: pa.Table, *, rules: Sequence[str], thresholds: Thresholds, weight_by: str | None = None) -> pa.Table:
    """Return ``pairs`` with the verdict appended: ``keep``, ``reasons`` and ``weight``.

    ``keep`` bool; ``reasons`` list<string>: all ``rules`` that fire, in the order of `RULES`, empty for a
    kept pair; ``weight`` float32: 0 for a dropped pair, above 0 and up to 1 for a kept one, the smallest that
    any soft score among the ``rules`` allows it, 1 where none is there, or, instead, what the column ``weight_by``
    says. A verdict that is there already is replaced. Raises `UnknownRuleError`.
    """
    active = _in_order(rules)
    pairs = pairs.drop_columns([name for name in ("keep", "reasons", "weight") if name in pairs.column_names])
    fired = np.zeros((pairs.num_rows, len(active)), dtype=bool)
    weight = np.ones(pairs.num_rows)
    for i, rule in enumerate(active):
        fired[:, i] = rule.fires(pairs, thresholds).to_numpy(zero_copy_only=False)
        ramp = rule.ramp.weigh(pairs, thresholds) if rule.ramp else None
        if ramp is not None:
            weight = np.minimum(weight, ramp)
    if weight_by is not None:
        weight = np.asarray(pc.cast(pairs[weight_by], pa.float64()).to_numpy(zero_copy_only=False))
    keep = ~fired.any(axis=1)
    return (
        pairs.append_column("keep", pa.array(keep))
        .append_column("reasons", _lists(fired, [rule.name for rule in active]))
        .append_column("weight", pa.array(np.where(keep, weight, 0.0), pa.float32()))
    )


def _in_order(names: Iterable[str]) -> list[Rule]:
    wanted = set(names)
    for name in sorted(wanted):
        if name not in RULES:
            raise UnknownRuleError(name)
    return [rule for rule in RULES.values() if rule.name in wanted]


def _lists(fired: npt.NDArray[np.bool_], names: list[str]) -> pa.ListArray:
    """Return for each row of bool [rows, rules] the list of the names of its true columns."""
    columns = np.nonzero(fired)[1]  # row by row, as a list array wants its values
    offsets = np.concatenate([[0], np.cumsum(fired.sum(axis=1))])
    values = pa.array(names, pa.string()).take(pa.array(columns))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
