"""Which of the sampled pairs the report shows, so that its size has a bound whatever the corpus."""

from typing import Final, NamedTuple

from pipelines.report.figures import Audit, LanguageFigures
from pipelines.summary import DROPPED_SAMPLES, KEPT_SAMPLES, Row

LANGUAGE_CARDS: Final = 40
PAGE_CARDS: Final = 240
"""Over all languages: with their pictures about 1.5 MB."""


class Cards(NamedTuple):
    """The pairs of one language that the report shows."""

    kept: list[Row]
    dropped: list[Row]
    """Commonest reason first; a pair that was dropped for several is here once."""


def choose_cards(language: LanguageFigures, *, languages: int) -> Cards:
    """Return the cards of one of so many ``languages``; the room for them is shared out evenly."""
    room = max(4, min(LANGUAGE_CARDS, PAGE_CARDS // max(languages, 1)))
    kept = language["samples"]["kept"][: min(KEPT_SAMPLES, room // 4)]
    room -= len(kept)
    by_reason: dict[str, list[Row]] = {reason: [] for reason in language["overlap"]["reasons"]}
    seen: set[object] = set()
    for turn in range(DROPPED_SAMPLES):  # one of every reason before a second of any
        for reason, shown in by_reason.items():
            drawn = language["samples"]["dropped"][reason]
            if turn < len(drawn) and len(seen) < room and (pair := _identity(drawn[turn])) not in seen:
                seen.add(pair)
                shown.append(drawn[turn])
    return Cards(kept, [pair for shown in by_reason.values() for pair in shown])


def pictured(audit: Audit) -> dict[str, set[str]]:
    """Return the keys whose picture the report shows, by the shard that holds it."""
    wanted: dict[str, set[str]] = {}
    for language in audit["languages"].values():
        cards = choose_cards(language, languages=len(audit["languages"]))
        for pair in [*cards.kept, *cards.dropped]:
            wanted.setdefault(str(pair["shard"]), set()).add(str(pair["key"]))
    return wanted


def _identity(pair: Row) -> object:
    return pair["key"], pair["n"]
