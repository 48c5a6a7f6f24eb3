"""Tests of what the audit and the report say of the noise that a calibration measured."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from filters.calibrate import calibrate
from filters.calibration import Calibration, Curve, Logistic
from pipelines.config import Config
from pipelines.report import render
from pipelines.report.calibration import NoiseRate, read_measured
from pipelines.report.figures import Audit
from pipelines.report.tally import tally
from pipelines.report.words import noise_rate
from pipelines.runner import RunFailed
from pipelines.summary import summarise

PairsOf = Callable[..., pa.Table]
ConfigOf = Callable[..., Config]
AuditRun = Callable[..., Audit]
Report = dict[str, Any]

_LEARNT = "It was learnt without labels"


def _point(bound: float, kept: float, noise_kept: float, planted_kept: float) -> Report:
    return {
        "min_clean_probability": bound,
        "kept": kept,
        "noise_kept": noise_kept,
        "noise_found": 0.5,
        "f1": 0.25,
        "planted_kept": planted_kept,
    }


def _histogram() -> Report:
    return {"low": -1.0, "high": 1.0, "corpus": [0.0, 0.25, 0.75], "planted": [0.5, 0.5, 0.0]}


def _report(**changes: Any) -> Report:
    """Return what a calibration reports of 400 pairs and two kinds of noise, but for the ``changes``."""
    offered = _point(0.5, 0.9875, 0.0025, 0.0625)
    return {
        "clean": 400,
        "noisy": {"truncated": 380, "word_swap": 20},
        "noise_rate": {"estimate": 0.0071, "low": 0.002, "high": 0.0141, "level": 0.95},
        "auc": {"truncated": 0.98765, "word_swap": 0.81234},
        "detectors": {
            "lid_prob": {"truncated": 0.5125, "word_swap": 0.4375},
            "similarity": {"truncated": 0.95, "word_swap": 0.75},
            "length_z": {"truncated": 0.97, "word_swap": 0.5},
        },
        "reliability": [
            {"predicted": 0.05, "observed": 0.1, "share": 0.5},
            {"predicted": 0.95, "observed": 0.9, "share": 0.5},
        ],
        "ece": 0.05,
        "curve": [
            _point(0.0, 1.0, 0.01, 1.0),
            offered,
            _point(0.55, 0.9875, 0.0025, 0.0625),
            _point(0.9, 0.8, 0.001, 0),
        ],
        "suggested": offered,
        "histograms": {name: _histogram() for name in ("clean_probability", "lid_prob", "similarity", "length_z")},
        "boundary": [{"source": "A dog runs .", "target": "Ein Hund", "clean_probability": 0.4912}],
        "model": "logistic",
        "left_out": {
            "boosted": {"truncated": 0.9, "word_swap": 0.7},
            "logistic": {"truncated": 0.96, "word_swap": 0.8},
        },
        **changes,
    }


def _calibration(language: str = "de", **changes: Any) -> bytes:
    """Return the file of a calibration that reports `_report` with ``changes``."""
    model = Logistic(("noise",), np.zeros(1), np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 3)), np.zeros(1))
    curve = Curve(np.array([-1.0, 1.0]), np.array([0.0, 1.0]))
    return Calibration(language, ("lid_prob",), (model,), curve, 0.0071, _report(**changes)).to_json()


Audited = Callable[..., tuple[Audit, str]]


@pytest.fixture
def audited(audit_run: AuditRun, pairs_of: PairsOf, config_of: ConfigOf, tmp_path: Path) -> Audited:
    """Return a function of calibration files by language: the audit of a small run with these, and its page."""

    def run(files: dict[str, bytes], *languages: str) -> tuple[Audit, str]:
        (tmp_path / "calibration").mkdir(exist_ok=True)
        for code, content in files.items():
            (tmp_path / "calibration" / f"{code}.json").write_bytes(content)
        codes = languages or ("de",)
        pairs = pairs_of(*({"key": f"k{place}", "language": code} for place, code in enumerate(codes)))
        audit = audit_run({"train-000000": pairs}, config_of(*codes))
        return audit, (tmp_path / "audit" / "report.html").read_text("utf-8")

    return run


@pytest.fixture(scope="module")
def page(pairs_of: PairsOf, config_of: ConfigOf, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of a German run whose calibration reports `_report`."""
    folder = tmp_path_factory.mktemp("calibration")
    (folder / "de.json").write_bytes(_calibration())
    audit = tally(summarise(pairs_of({})), config=config_of("de"))
    return render(audit, thumbnails={}, measured=read_measured(str(folder), ["de"]))


class _Text(HTMLParser):
    """Collects tags, and the text of a page with one space between its pieces."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pieces: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.pieces))


def test_audit_has_the_figures_for_a_machine(audited: Audited) -> None:
    """audit.json has by language what was measured, but neither curves nor texts."""
    audit, _ = audited({"de": _calibration()})
    assert audit["calibration"] == {
        "de": {
            "noise_rate": {"estimate": 0.0071, "low": 0.002, "high": 0.0141, "level": 0.95},
            "auc": {"truncated": 0.98765, "word_swap": 0.81234},
            "ece": 0.05,
            "suggested": {
                "min_clean_probability": 0.5,
                "kept": 0.9875,
                "noise_kept": 0.0025,
                "noise_found": 0.5,
                "f1": 0.25,
                "planted_kept": 0.0625,
            },
            "model": "logistic",
            "left_out": {
                "boosted": {"truncated": 0.9, "word_swap": 0.7},
                "logistic": {"truncated": 0.96, "word_swap": 0.8},
            },
            "clean": 400,
            "noisy": {"truncated": 380, "word_swap": 20},
        }
    }


def test_without_calibration_nothing_but_the_way_to_one(audited: Audited) -> None:
    """A run that was not calibrated has no such key in its audit, and its page one sentence."""
    audit, page = audited({})
    assert "calibration" not in audit
    assert page.count("captionloom calibrate RUN") == 1
    assert _LEARNT not in page


def test_calibration_of_a_language_that_is_not_in_the_run_is_passed_over(audited: Audited) -> None:
    """What lies in the folder for other languages is not read."""
    audit, page = audited({"fr": b"not even JSON"})
    assert "calibration" not in audit
    assert _LEARNT not in page


def test_noise_rate_is_said_in_words(page: str) -> None:
    """The page has the interval of the noise rate as a sentence."""
    assert "German: between 0.2 % and 1.4 % of the pairs look like planted noise" in page
    assert "(95 % interval; the best estimate is 0.7 %)" in page
    assert "Measured on 400 pairs of the corpus and 400 with planted noise of 2 kinds" in page


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 0.0, "no pairs look like planted noise (90 % interval of no width, since none was found)"),
        (0.0, 0.0002, "between 0.0 % and < 0.1 % of the pairs look like planted noise"),
        (0.031, 0.0312, "3.1 % of the pairs look like planted noise"),
    ],
)
def test_noise_rate_without_much_of_an_interval(low: float, high: float, expected: str) -> None:
    """An interval that is empty, or too narrow to be told with one decimal, is not said as between and and."""
    assert noise_rate(NoiseRate(estimate=high, low=low, high=high, level=0.9)).startswith(expected)


def test_languages_are_compared_and_those_without_are_named(audited: Audited) -> None:
    """The table above the languages has one row for each calibrated one; the others are listed."""
    _, page = audited({"de": _calibration(), "fr": _calibration("fr", ece=0.0123)}, "de", "fr", "cs")
    text = _Text(page).text
    assert "German 0.7 % 0.2 % – 1.4 % 0.900 0.880 0.0500 0.5 98.8 % 6.2 %" in text
    assert "French 0.7 % 0.2 % – 1.4 % 0.900 0.880 0.0123 0.5 98.8 % 6.2 %" in text
    assert "Not calibrated: Czech." in text
    assert page.count(_LEARNT) == 2


def test_auc_of_every_kind_by_every_score(page: str) -> None:
    """The scores stand beside the combination, highest mean first, to three decimals, with the mean below."""
    text = _Text(page).text
    assert "kind of noise pairs combined similarity length z lid prob" in text
    assert "truncated 380 0.988 0.950 0.970 0.512 word swap 20 0.812 0.750 0.500 0.438" in text
    assert "mean 0.900 0.850 0.735 0.475" in text


def test_best_score_of_each_kind_is_marked(page: str) -> None:
    """One cell in each row has the frame: the highest of the single scores."""
    assert re.findall(r'<td class="best"[^>]*>([^<]+)<', page) == ["0.970", "0.750"]


def test_cells_are_coloured_by_their_distance_from_guessing(page: str) -> None:
    """0.5 has no colour; what is above has another than what is below."""
    assert 'style="--by: 0.0; --towards: var(--kept)">0.500<' in page
    assert 'style="--by: 0.125; --towards: var(--dropped)">0.438<' in page
    assert 'style="--by: 0.9; --towards: var(--kept)">0.950<' in page


def test_wide_table_scrolls_in_its_own_box(page: str) -> None:
    """Many scores do not make the page wide, and the box can be reached without a mouse."""
    assert '<div class="scroll heat" tabindex="0" role="region" aria-label="AUC by' in page


def test_kinds_left_out_of_the_fitting(page: str) -> None:
    """Every model has its AUC on every kind that it never saw, the chosen model first."""
    text = _Text(page).text
    assert "kind of noise logistic boosted truncated 0.960 0.900 word swap 0.800 0.700 mean 0.880 0.800" in text


def test_one_kind_of_noise_cannot_be_left_out(audited: Audited) -> None:
    """With one kind there is no such table, and the page says why."""
    one = {"auc": {"truncated": 0.9}, "noisy": {"truncated": 9}, "left_out": {"logistic": {}, "boosted": {}}}
    _, page = audited({"de": _calibration(**one)})
    assert "One kind of noise was planted, so none could be left out." in page


def test_reliability_is_drawn_and_said(page: str) -> None:
    """The chart has its points in words too, and the calibration error is stated."""
    assert "Expected calibration error (ECE): 0.0500." in page
    assert "0.05 predicted, 0.10 observed; 0.95 predicted, 0.90 observed." in page
    assert ">ECE 0.0500<" in page


def test_offered_bound_is_marked_and_said_to_be_an_offer(page: str) -> None:
    """The bound stands in chart and table, with what it would do and that it is not applied of itself."""
    text = _Text(page).text
    assert ">at least 0.5: 6.2 %<" in page
    assert ">at least 0.5: 0.25 %<" in page
    assert "0.5 (offered) 98.8 % 0.25 % 50.0 % 0.250 6.2 %" in text
    assert _LEARNT in text
    assert "It is applied only when judge says so ( min_clean_probability: learnt )." in text


def test_bounds_that_change_nothing_have_no_row(page: str) -> None:
    """Of several bounds that keep the same pairs one is in the table, the offered one if it is among them."""
    table = page[page.index('<table class="compact bounds">') :]
    rows = re.findall(r'<th scope="row">([^<]+)<', table[: table.index("</table>")])
    assert rows == ["0", "0.5 (offered)", "0.9"]


def test_histograms_of_the_probability_and_the_most_telling_scores(audited: Audited) -> None:
    """At most eight scores have one, the probability first, then by mean AUC."""
    detectors = {f"score_{i}": {"truncated": 0.5 + i / 100} for i in range(12)}
    kinds = {"auc": {"truncated": 0.9}, "noisy": {"truncated": 380}, "left_out": {}}
    shown = {name: _histogram() for name in ("clean_probability", *detectors)}
    _, page = audited({"de": _calibration(**kinds, detectors=detectors, histograms=shown)})
    names = "clean probability, score 11, score 10, score 9, score 8, score 7, score 6, score 5, score 4"
    assert f"Histograms of the German corpus and of planted noise: {names}." in page


def test_pairs_nearest_to_the_bound_are_shown(audited: Audited) -> None:
    """Each has its probability, its language and its own direction."""
    boundary = [{"source": "A dog .", "target": "كلب يجري", "clean_probability": 0.4912}]
    _, page = audited({"ar": _calibration("ar", boundary=boundary)}, "ar")
    assert (
        '<td class="figure">0.491</td><td lang="en" dir="auto">A dog .</td><td lang="ar" dir="auto">كلب يجري</td>'
        in page
    )


def test_markup_is_only_text(audited: Audited) -> None:
    """Captions, kinds, scores and models are escaped, in charts too; control characters are made visible."""
    hostile = '</svg></table><script>alert("&")</script>'
    changes = {
        "boundary": [{"source": hostile, "target": "a\x00b", "clean_probability": 0.5}],
        "auc": {hostile: 0.9},
        "noisy": {hostile: 7},
        "detectors": {hostile: {hostile: 0.8}},
        "histograms": {hostile: _histogram()},
        "model": hostile,
        "left_out": {hostile: {hostile: 0.7}},
    }
    _, page = audited({"de": _calibration(**changes)})
    parsed = _Text(page)
    assert "script" not in parsed.tags
    assert hostile in parsed.text
    assert "a␀b" in page


def test_same_calibration_gives_the_same_bytes(audited: Audited) -> None:
    """Neither audit nor page depends on anything but the files."""
    assert audited({"de": _calibration()}) == audited({"de": _calibration()})


def test_page_asks_for_nothing_from_the_network(page: str) -> None:
    """No script, no link and no picture from elsewhere comes with the section."""
    assert not {"script", "link", "iframe", "img"} & set(_Text(page).tags)
    assert "http" not in page


def test_probability_that_nobody_asked_for_is_not_missed(pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """Where rules judge, no note says that the probability was not measured."""
    table = pairs_of({}).append_column("clean_probability", pa.nulls(1, pa.float32()))
    notes = tally(summarise(table), config=config_of("de"))["notes"]
    assert not [note for note in notes if "clean probability" in note]


def _without(name: str) -> bytes:
    held = orjson.loads(_calibration())
    del held["report"][name]
    return orjson.dumps(held)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", "this is no calibration"),
        (b"[]", "this is no calibration"),
        (b'{"version": 99}', "version 99, and this captionloom reads 2"),
        (_calibration("fr"), "this is the calibration of 'fr', not of 'de'"),
        (_without("ece"), "report.ece: Field required"),
        (_calibration(clean="many"), "report.clean: Input should be a valid integer"),
        (_calibration(auc={"truncated": 1.5}), "report.auc.truncated: Input should be less than or equal to 1"),
        (_calibration(boundary=[{"source": "A dog ."}]), "report.boundary.0.target: Field required"),
    ],
)
def test_broken_calibration_is_named(content: bytes, expected: str, audited: Audited, tmp_path: Path) -> None:
    """A file that is no calibration of this language ends the audit with its path, what is wrong and what to do."""
    with pytest.raises(RunFailed) as raised:
        audited({"de": content})
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'calibration' / 'de.json'}: {expected}")
    assert message.endswith("; delete it, or have captionloom calibrate write it again")


def test_what_calibrate_learns_is_reported(audited: Audited) -> None:
    """A calibration that was really fitted has all that the report wants."""
    draw = np.random.default_rng(0)
    rows = 300
    good, bad = draw.normal(0.8, 0.1, rows), draw.normal(0.3, 0.1, rows)
    pairs = pa.table(
        {
            "source": [f"A dog {i}" for i in range(rows)] * 2,
            "target": [f"Ein Hund {i}" for i in range(rows)] * 2,
            "similarity": np.concatenate([good, bad]),
            "length_ratio": draw.normal(1, 0.2, 2 * rows),
            "noise_kind": [None] * rows + ["misaligned", "truncated"] * (rows // 2),
            "group": list(range(rows)) * 2,
        }
    )
    audit, page = audited({"de": calibrate(pairs, language="de").to_json()})
    assert audit["calibration"]["de"]["clean"] == 300
    assert audit["calibration"]["de"]["noisy"] == {"misaligned": 150, "truncated": 150}
    assert audit["calibration"]["de"]["auc"]["misaligned"] > 0.99
    assert "combined similarity length ratio misaligned 150" in _Text(page).text
