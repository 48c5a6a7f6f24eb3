"""How well retrieval does: recall at 1, 5 and 10, both ways, and their sum."""

from collections.abc import Mapping
from typing import Final

import torch

RANKS: Final = (1, 5, 10)


def recalls(queries: torch.Tensor, items: torch.Tensor) -> dict[str, float]:
    """Return R@1, R@5 and R@10 in percent, from ``queries`` to ``items`` and back, and their sum, SumR (at most 600).

    Both are float [rows, d], rows of length 1; the i-th query belongs to the i-th item and to no other. Where another
    item is as similar as the right one, the right one comes after it.
    """
    similarities = queries @ items.T
    found: dict[str, float] = {}
    for way, scores in (("", similarities), ("back ", similarities.T)):
        ranks = (scores >= scores.diag()[:, None]).sum(dim=1)
        found |= {f"{way}R@{k}": 100 * (ranks <= k).double().mean().item() for k in RANKS}
    return found | {"SumR": sum(found.values())}


def line(what: str, found: Mapping[str, float]) -> str:
    """Return one line of text."""
    return f"{what:<28}" + "  ".join(f"{name} {value:5.1f}" for name, value in found.items())
