"""The report: the audit as one HTML page that opens from disk, with no network and no script."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import jinja2

from filters.calibration import LEAST_RATE
from pipelines.report.calibration import Measured, best_scores, mean
from pipelines.report.cards import choose_cards
from pipelines.report.figures import Audit, LanguageFigures
from pipelines.report.words import noise_rate, percent, spoken

FOLDED: Final = 6
"""With more languages than this, each one's section is folded up at first."""
_WORST: Final = 5
"""So many sentences are at the top then, of the languages that lost most."""
_COLUMNS: Final = 8
"""With more languages than this, counts by language go into a chart instead of the table of reasons."""
_CLIPPED: Final = 600
"""Characters of a text that the page shows; the JSON has all."""

SCORE_NAMES: Final = {
    "similarity": "similarity",
    "lid_prob": "language",
    "mt_logprob": "log-probability",
    "back_chrf": "round trip",
    "length_ratio": "length ratio",
    "copy_ratio": "copied",
    "repetition": "repetition",
    "script_share": "script",
    "numbers_differ": "numbers differ",
    "mt_tokens": "tokens",
    "mt_unfinished": "unfinished",
    "back_logprob": "back log-prob.",
}
"""The scores that a card shows, each in a word; others follow under their own names."""

_MODEL_NAMES: Final = {
    "logistic": "logistic regression",
    "boosted": "boosted trees",
}

_VISIBLE: Final = {
    # What a browser would not show is shown as a picture of itself (Unicode "Control Pictures").
    **{code: 0x2400 + code for code in range(0x20)},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


_NOTHING: Final[Mapping[str, Measured]] = MappingProxyType({})


def render(audit: Audit, *, thumbnails: Mapping[str, str], measured: Mapping[str, Measured] = _NOTHING) -> str:
    """Return the HTML page of ``audit``; the same audit, pictures and calibrations give the same page.

    ``thumbnails`` are ``data:`` URIs by key; a pair without one gets a placeholder. ``measured`` is what the
    calibrations know of the noise, by language. Every text is escaped: captions, keys and error messages are
    other people's.
    """
    from pipelines.report import charts  # imports matplotlib, which the command line need not wait for

    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _count,
        "number": _number,
        "whole": _whole,
        "spoken": spoken,
        "visible": _visible,
    }
    environment.globals |= {"percent": percent, "least_rate": LEAST_RATE, "models": _MODEL_NAMES}
    languages = [audit["languages"][code] for code in audit["run"]["languages"]]
    reasons = _reasons(languages)
    totals = audit["totals"]
    sections: list[dict[str, Any]] = [
        {
            "code": code,
            "figures": language,
            "cards": choose_cards(language, languages=len(languages)),
            "funnel": charts.funnel(language, read=totals["captions_read"], rejected=totals["captions_rejected"]),
            "overlap": charts.overlap(language) if len(language["reasons"]) > 1 else None,
            "scores": charts.scores(language, edges=audit["edges"], rules=audit["rules"]),
            "lengths": charts.lengths_and_weights(language, edges=audit["edges"]),
            "noise": _noise(measured[code], name=language["name"]) if code in measured else None,
        }
        for code, language in zip(audit["run"]["languages"], languages, strict=True)
        if language["made"]
    ]
    judged = [language for language in languages if language["made"]]
    return environment.get_template("template.html").render(
        audit=audit,
        totals=totals,
        languages=languages,
        sections=sections,
        calibrated=[section for section in sections if section["noise"]],
        not_calibrated=[section["figures"]["name"] for section in sections if not section["noise"]],
        reasons=reasons,
        in_table=len(languages) <= _COLUMNS,
        folded=len(languages) > FOLDED,
        worst=sorted(judged, key=lambda language: language["kept"] / language["made"])[:_WORST],
        rejects=sorted(audit["rejects"].items(), key=lambda item: (-item[1]["count"], item[0])),
        kept_chart=charts.kept_by_language(audit) if judged else None,
        reasons_chart=charts.reasons_by_language(audit, list(reasons))
        if reasons and len(languages) > _COLUMNS
        else None,
        language_chart=charts.language_confusion(audit) if judged else None,
        scores=SCORE_NAMES,
        thumbnails=thumbnails,
        style=(folder / "style.css").read_text(encoding="utf-8"),
    )


def _noise(measured: Measured, *, name: str) -> dict[str, Any]:
    """Return what the section on one language's noise shows."""
    from pipelines.report import noise_charts

    return {
        "measured": measured,
        "said": noise_rate(measured.noise_rate),
        "best": best_scores(measured),
        "means": {score: mean(by_kind.values()) for score, by_kind in measured.detectors.items()},
        "left_out_means": {model: mean(by_kind.values()) for model, by_kind in measured.left_out.items()},
        "reliability": noise_charts.reliability(measured, name=name),
        "trade_off": noise_charts.trade_off(measured, name=name),
        "histograms": noise_charts.histograms(measured, name=name),
    }


def _reasons(languages: list[LanguageFigures]) -> dict[str, int]:
    """Return the reasons that dropped anything with the number of pairs, commonest first."""
    counts: dict[str, int] = {}
    for language in languages:
        for reason, figure in language["reasons"].items():
            counts[reason] = counts.get(reason, 0) + figure["pairs"]
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: object) -> str:
    """Return a score as a reader wants it: two decimals or one, yes or no, a dash for null."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}".replace("-", "−") if abs(value) < 10 else f"{value:,.1f}".replace("-", "−")
    return _visible(value)


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _visible(value: object) -> str:
    text = str(value).translate(_VISIBLE)
    return text if len(text) <= _CLIPPED else text[:_CLIPPED] + " …"
