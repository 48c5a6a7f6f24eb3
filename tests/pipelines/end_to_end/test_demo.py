"""The demo, and real photographs from end to end."""

import html
import html.parser
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import webdataset as wds
from user import DEMO, captionloom, manifest


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return the demo's run directory and the lines that it printed."""
    out = tmp_path_factory.mktemp("demo") / "run"
    done = captionloom("demo", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out, done.stdout.splitlines()


def test_demo_ends_by_saying_what_was_made_and_where_it_is(demo: tuple[Path, list[str]]) -> None:
    """Counts, a line a language, then the shards and the report."""
    out, lines = demo
    held = manifest(out)
    assert lines[0] == (
        f"100 captions read, 0 rejected; 400 pairs made, {held['pairs_kept']} kept, {held['pairs_dropped']} dropped"
    )
    assert [line.split(":")[0].strip() for line in lines[1:5]] == ["German", "French", "Czech", "Chinese"]
    assert lines[5] == f"shards: {out}/shards (2 tars, 20 samples)"
    assert lines[6] == f"report: {out}/audit/report.html"


def test_demo_verifies(demo: tuple[Path, list[str]]) -> None:
    """Every promise holds."""
    verified = captionloom("verify", str(demo[0]))

    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.strip().endswith("every promise holds")


def test_demo_shards_hold_the_photographs_as_they_are(demo: tuple[Path, list[str]]) -> None:
    """WebDataset reads every sample, and every picture is byte-identical to its file."""
    urls = sorted(str(path) for path in (demo[0] / "shards").glob("*.tar"))
    samples = {sample["__key__"]: sample for sample in wds.WebDataset(urls, shardshuffle=False)}

    assert sorted(samples) == sorted(path.stem for path in (DEMO / "photos").glob("*.jpg"))
    for path in (DEMO / "photos").glob("*.jpg"):
        assert samples[path.stem]["jpg"] == path.read_bytes()
    described = json.loads(samples["astronaut"]["json"])
    assert set(described["captions"][0]) == {"n", "en", "translations"}
    assert samples["astronaut"]["txt"].decode() == described["captions"][0]["en"]


def test_demo_audit_says_that_czech_has_no_similarity(demo: tuple[Path, list[str]]) -> None:
    """The teacher does not know Czech: the audit says so, and no Czech pair is dropped for it."""
    audit = json.loads((demo[0] / "audit" / "audit.json").read_text())

    assert any("Czech" in note and "muse" in note for note in audit["notes"])
    assert "low_similarity" not in {name for name, count in audit["languages"]["cs"]["reasons"].items() if count}


def test_demo_has_round_trips(demo: tuple[Path, list[str]]) -> None:
    """Every pair came back as English, its chrF is in the audit and its back-translation in the report."""
    pairs = pq.read_table(demo[0] / "pairs").to_pylist()
    assert all(pair["back"] for pair in pairs)
    audit = json.loads((demo[0] / "audit" / "audit.json").read_text())
    for language in ("de", "fr", "cs", "zh"):
        chrf = [pair["back_chrf"] for pair in pairs if pair["language"] == language]
        assert sum(chrf) / len(chrf) > 40
        assert "back_chrf" in audit["languages"][language]["scores"]
    page = (demo[0] / "audit" / "report.html").read_text()
    shown = [pair for pair in pairs if pair["target"] in html.unescape(page) and pair["back"] in html.unescape(page)]
    assert len(shown) > 20


def test_demo_report_loads_nothing_from_elsewhere(demo: tuple[Path, list[str]]) -> None:
    """Every address that the report would load is a data URI or a place in itself."""
    found: list[str] = []

    class Addresses(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names = ("src", "href", "xlink:href", "srcset", "data", "action")
            found.extend(value or "" for name, value in attrs if name in names)

    Addresses().feed((demo[0] / "audit" / "report.html").read_text())
    assert len(found) > 20
    assert {address.split(":")[0] if ":" in address else address[:1] for address in found} <= {"data", "#"}


@pytest.mark.real
@pytest.mark.slow
def test_thousand_photographs_in_three_languages(shared_data: Path, tmp_path: Path) -> None:
    """Flickr8k 1k in German, French and Czech: verify passes, webdataset reads all, every image is its file."""
    folder = shared_data / "flickr8k_1k"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"input: {{format: jsonl, path: {folder}/captions.jsonl, media: '{folder}/{{image}}'}}\n"
        "languages: [de, fr, cs]\ntranslate: {beam_size: 1}\n"
    )

    built = captionloom("build", str(config), "--out", str(tmp_path / "run"))

    assert built.returncode == 0, built.stderr
    assert captionloom("verify", str(tmp_path / "run")).returncode == 0
    held = manifest(tmp_path / "run")
    assert (held["captions_read"], held["captions_rejected"], held["pairs_made"]) == (5000, 0, 15000)
    urls = sorted(str(path) for path in (tmp_path / "run" / "shards").glob("*.tar"))
    read = 0
    for sample in wds.WebDataset(urls, shardshuffle=False):
        assert sample["jpg"] == (folder / "images" / f"{sample['__key__']}.jpg").read_bytes()
        read += 1
    assert read == 1000
