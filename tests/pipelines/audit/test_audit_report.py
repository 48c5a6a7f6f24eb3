"""Tests of the HTML report."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from pipelines.config import Config
from pipelines.report import render
from pipelines.report.cards import choose_cards, pictured
from pipelines.report.figures import Audit
from pipelines.report.tally import tally
from pipelines.summary import Summary, summarise, summarise_rejects

PairsOf = Callable[..., pa.Table]
ConfigOf = Callable[..., Config]

_PICTURE = "data:image/jpeg;base64,AAAA"
_FIFTY = (
    "ar bg bn ca cs da de el es et fa fi fr gu he hi hr hu id it ja kk ko lt lv "
    "mk ml mr ms nb nl pl pt pt-BR ro ru sk sl sq sr sv sw ta te th tr uk ur vi zh"
)


class _Page(HTMLParser):
    """Collects start tags with attributes, and the text outside of style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def audit(pairs_of: PairsOf, config_of: ConfigOf) -> Audit:
    """Return the audit of a German and a Czech pair that were kept and two German ones that were not."""
    table = pairs_of(
        {"key": "a", "back": "A dog is running ."},
        {"key": "b", "reasons": ["low_similarity", "repetition"], "similarity": 0.1},
        {"key": "c", "reasons": ["too_long"], "target": None},
        {"key": "a", "language": "cs", "similarity": None, "lid_label": "cs"},
    )
    return tally(summarise(table), config=config_of("de", "cs"))


def test_page_is_well_formed(audit: Audit) -> None:
    """Every tag that is opened is closed, in order."""
    assert _Page(render(audit, thumbnails={})).open == []


def test_page_loads_nothing(audit: Audit) -> None:
    """There is no address, script or style sheet outside the page."""
    page = render(audit, thumbnails={"a": _PICTURE})
    assert not re.search(r"https?://|//[a-z]|@import|url\((?!#)", page)
    sources = [attrs["src"] for _, attrs in _Page(page).tags if "src" in attrs]
    assert sources == [_PICTURE, _PICTURE]
    assert not [tag for tag, _ in _Page(page).tags if tag in ("script", "link", "iframe", "object")]


def test_address_in_a_caption_is_only_text(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """A caption may say an address; it is no link."""
    audit = tally(summarise(pairs_of({"source": "see http://example.org/x"})), config=config_of("de"))
    parsed = _Page(render(audit, thumbnails={}))
    assert "see http://example.org/x" in parsed.text
    assert [attrs["href"] for tag, attrs in parsed.tags if tag == "a"] == ["#de"]


@pytest.mark.parametrize("field", ["key", "source", "target", "back", "lid_label"])
def test_markup_in_a_pair_is_only_text(pairs_of: PairsOf, config_of: ConfigOf, field: str) -> None:
    """Markup and quotes in what others wrote open no tag and close no attribute."""
    hostile = """<script>alert(1)</script>" onerror='x' <img src=x> & {{ 7 * 7 }} $x^2$"""
    table = pairs_of({field: hostile}, {field: hostile, "n": 1, "reasons": ["empty"]})
    parsed = _Page(render(tally(summarise(table), config=config_of("de")), thumbnails={hostile: _PICTURE}))
    assert hostile in parsed.text
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert not [attrs for _, attrs in parsed.tags if "onerror" in attrs or attrs.get("src") == "x"]
    assert parsed.open == []


def test_markup_in_reasons_and_rejects_is_only_text(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """Reasons that no rule knows and the origins of rejects are escaped, in charts too."""
    hostile = "</svg><script>x</script>"
    rejects = pa.table({name: [hostile] for name in ("origin", "reason", "detail", "key")} | {"n": [1]})
    table = pairs_of({"reasons": [hostile, "empty"]}, {"key": "b", "reasons": [hostile]})
    page = render(tally(summarise(table) + summarise_rejects(rejects), config=config_of("de")), thumbnails={})
    assert "<script" not in page
    assert _Page(page).open == []


def test_control_characters_are_made_visible(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """NUL, escape and C1 controls do not reach the page as they are."""
    audit = tally(summarise(pairs_of({"target": "a\x00b\x1b[31mc\x85"})), config=config_of("de"))
    page = render(audit, thumbnails={})
    assert "a␀b␛[31mc\ufffd" in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)


def test_texts_have_their_own_direction_and_language(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """An Arabic translation reads from the right, in an otherwise English page."""
    table = pairs_of({"language": "ar", "target": "كلب يجري"})
    page = render(tally(summarise(table), config=config_of("ar")), thumbnails={})
    assert '<p class="target" lang="ar" dir="auto">كلب يجري</p>' in page


def test_missing_picture_has_a_placeholder(audit: Audit) -> None:
    """A pair without a picture is shown all the same."""
    page = render(audit, thumbnails={})
    assert page.count('class="placeholder"') == 4
    assert "<img" not in page


def test_top_says_what_happened(audit: Audit) -> None:
    """Sentences and notes stand before the first chart."""
    page = render(audit, thumbnails={})
    top = page[: page.index("<svg")]
    assert "German: 1 of 3 pairs kept (33.3 %); most dropped for" in top
    assert "the teacher (muse) does not know this language" in top


def test_thresholds_are_labelled(audit: Audit) -> None:
    """The histograms name the thresholds that were in force."""
    value = audit["languages"]["de"]["thresholds"]["min_similarity"]
    assert f">at least {value:g}<" in render(audit, thumbnails={})


def test_charts_have_words_for_them(audit: Audit) -> None:
    """Every drawing is an image with a text for those who do not see it."""
    parsed = _Page(render(audit, thumbnails={}))
    charts = [attrs for tag, attrs in parsed.tags if attrs.get("class") == "chart"]
    assert len(charts) == sum(tag == "svg" for tag, _ in parsed.tags)
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)


def test_ids_are_unique(audit: Audit) -> None:
    """No two elements share an id, across all charts."""
    ids = [attrs["id"] for _, attrs in _Page(render(audit, thumbnails={})).tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_same_audit_gives_the_same_bytes(audit: Audit) -> None:
    """The page depends on the audit alone: no date, no random id."""
    assert render(audit, thumbnails={}) == render(audit, thumbnails={})


def test_empty_run(config_of: ConfigOf) -> None:
    """Nothing in gives a page that says so."""
    page = render(tally(Summary(), config=config_of("de")), thumbnails={})
    assert "German: no pairs were made." in page
    assert "Nothing was dropped." in page
    assert "No caption was rejected." in page


def test_everything_dropped(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """A corpus of which nothing is left has a report too."""
    table = pairs_of({"target": None, "similarity": None, "mt_logprob": None, "reasons": ["too_long"]})
    page = render(tally(summarise(table), config=config_of("de")), thumbnails={})
    assert "German: 0 of 1 pairs kept (0.0 %); dropped for too long (1)." in page


def test_few_languages_are_open(audit: Audit) -> None:
    """Two languages need no unfolding."""
    assert "<details" not in render(audit, thumbnails={})


def test_many_languages_are_folded(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """With more than six languages the top has the worst five, and each section is folded."""
    languages = ["cs", "de", "es", "fr", "it", "nl", "pl"]
    rows = [
        {"key": f"{i}", "language": language, "reasons": ["empty"] if i < place else []}
        for place, language in enumerate(languages)
        for i in range(8)
    ]
    page = render(tally(summarise(pairs_of(*rows)), config=config_of(*languages)), thumbnails={})
    assert page.count("<details") == 7
    top = page[: page.index("<svg")]
    assert re.findall(r"<li>(\w+): ", top)[:5] == ["Polish", "Dutch", "Italian", "French", "Spanish"]


def test_fifty_languages_share_the_cards(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """The page has at most 240 cards, whatever the number of languages."""
    languages = _FIFTY.split()
    reasons = ["too_long", "empty", "wrong_language", "repetition", "low_similarity"]
    rows = [
        {"key": f"{i}", "language": language, "reasons": [reasons[i % 5]] if i > 8 else []}
        for language in languages
        for i in range(24)
    ]
    audit = tally(summarise(pairs_of(*rows)), config=config_of(*languages))
    cards = [choose_cards(language, languages=50) for language in audit["languages"].values()]
    assert [(len(card.kept), len(card.dropped)) for card in cards] == [(1, 3)] * 50


def test_cards_show_every_reason_before_any_twice(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """With little room, the rarest reason still has its card, and no pair has two."""
    rows = [{"key": f"a{i}", "reasons": ["empty"]} for i in range(9)]
    rows += [{"key": "b", "reasons": ["empty", "repetition"]}, {"key": "c", "reasons": ["too_long"]}]
    audit = tally(summarise(pairs_of(*rows)), config=config_of("de"))
    cards = choose_cards(audit["languages"]["de"], languages=60)
    assert {reason for pair in cards.dropped for reason in pair["reasons"]} == {
        "empty",
        "repetition",
        "too_long",
    }
    assert len({pair["key"] for pair in cards.dropped}) == len(cards.dropped) == 4


def test_pictured_keys_are_listed_by_shard(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """What the report shows is known before any tar is opened."""
    summary = summarise(pairs_of({"key": "a"}), shard="train-000000")
    summary += summarise(pairs_of({"key": "b", "reasons": ["empty"]}), shard="val-000001")
    assert pictured(tally(summary, config=config_of("de"))) == {"train-000000": {"a"}, "val-000001": {"b"}}


def test_evaluation_sets_have_a_table_where_there_are_any(audit: Audit, config_of: ConfigOf) -> None:
    """One row a set, its name only text; no section without a set."""
    assert "Evaluation sets" not in render(audit, thumbnails={})
    source = {"format": "jsonl", "path": "c.jsonl", "exclude": [{"path": "x.txt", "name": "<b>XTD10</b>"}]}
    page = render(tally(Summary(), config=config_of("de", input=source)), thumbnails={})
    assert "Evaluation sets that were kept out" in page
    assert "<b>XTD10" not in page
    assert "&lt;b&gt;XTD10&lt;/b&gt;" in page
