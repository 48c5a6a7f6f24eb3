"""Write the tables of docs/using.md from the code: reasons, rules and thresholds. Run it after changing one.

python tools/tables.py
"""

import re
from collections.abc import Iterable
from pathlib import Path

from filters.noise_kinds import KINDS
from filters.thresholds import LANGUAGE_THRESHOLDS, MEASURED_WHY, TEACHER_THRESHOLDS, THRESHOLDS
from filters.verdict import RULES
from pipelines.captions import REJECT_REASONS

PAGE = Path(__file__).parents[1] / "docs" / "using.md"


def _table(name: str, header: str, rows: Iterable[str]) -> str:
    line = "|" + "---|" * header.count("|", 1)
    return "\n".join([f"<!-- {name} -->", header, line, *rows, f"<!-- end of {name} -->"])


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:g}"


def tables() -> dict[str, str]:
    """Return the tables by the name of their place in the page."""
    names = {name: ", ".join(f"`{bound}`" for bound in rule.thresholds) for name, rule in RULES.items()}
    rejects = [f"| `{reason}` | {why} |" for reason, why in REJECT_REASONS.items()]
    rules = [f"| `{name}` | {rule.explanation} | {names[name]} |" for name, rule in RULES.items()]
    bounds = [
        f"| `{name}` | {_shown(row.default)} | {row.low:g} to {row.high:g} | {row.why} |"
        for name, row in THRESHOLDS.items()
    ]
    bounds += [
        f"| `{name}` in `{code}` | {value:g} | {THRESHOLDS[name].low:g} to {THRESHOLDS[name].high:g} | {MEASURED_WHY} |"
        for code, values in sorted(LANGUAGE_THRESHOLDS.items())
        for name, value in values.items()
    ]
    bounds += [
        f"| `{name}` with `{teacher}` | {row.default:g} | {row.low:g} to {row.high:g} | {row.why} |"
        for teacher, rows in TEACHER_THRESHOLDS.items()
        for name, row in rows.items()
    ]
    return {
        "noise": _table(
            "noise", "| kind | what is done |", [f"| `{name}` | {kind.explanation} |" for name, kind in KINDS.items()]
        ),
        "rejects": _table("rejects", "| reason | what it means |", rejects),
        "rules": _table("rules", "| reason | what it means | thresholds |", rules),
        "thresholds": _table("thresholds", "| threshold | default | range | why |", bounds),
    }


def filled(page: str) -> str:
    """Return ``page`` with every table put in its place."""
    for name, table in tables().items():
        place = re.compile(rf"<!-- {name} -->(.*<!-- end of {name} -->)?", re.DOTALL)
        page = place.sub(lambda _, table=table: table, page)
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
