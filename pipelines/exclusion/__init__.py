"""Keeping evaluation sets out: items that are in one, by key or by caption, are found and rejected."""

from pipelines.exclusion.evaluation import read_evaluation
from pipelines.exclusion.stage import ExcludeOverlaps

__all__ = ["ExcludeOverlaps", "read_evaluation"]
