"""Tests of the audit as a pipeline: files in, files out."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa

from pipelines.config import Config
from pipelines.report.figures import Audit

PairsOf = Callable[..., pa.Table]
ConfigOf = Callable[..., Config]
AuditRun = Callable[..., Audit]


def test_parts_and_rejects_are_added_up(audit_run: AuditRun, pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """Captions read are those used and those rejected, over all parts."""
    parts = {
        "train-000000": pairs_of({"key": "a"}, {"key": "b", "reasons": ["empty"]}),
        "val-000000": pairs_of({"key": "c"}),
    }
    rejects = [
        {"origin": "captions.jsonl:7", "reason": "malformed_record", "detail": "not JSON"},
        {"origin": "captions.jsonl:9", "reason": "missing_media", "detail": "x.jpg", "key": "x", "n": 0},
    ]
    audit = audit_run(parts, config_of("de"), rejects)
    assert audit["totals"] == {
        "captions_read": 5,
        "captions_rejected": 2,
        "captions_used": 3,
        "pairs_made": 3,
        "pairs_kept": 2,
        "pairs_dropped": 1,
    }
    assert audit["rejects"]["malformed_record"] == {
        "explanation": "the line or item cannot be parsed",
        "count": 1,
        "examples": [{"origin": "captions.jsonl:7", "detail": "not JSON", "key": None, "n": None}],
    }


def test_result_is_what_the_file_says(
    audit_run: AuditRun, pairs_of: PairsOf, config_of: ConfigOf, tmp_path: Path
) -> None:
    """The returned audit is that of audit.json, which ends with a line break and has its keys in order."""
    audit = audit_run({"train-000000": pairs_of({})}, config_of("de"))
    content = (tmp_path / "audit" / "audit.json").read_bytes()
    assert orjson.loads(content) == audit
    assert content.endswith(b"}\n")
    assert list(audit) == sorted(audit)


def test_order_and_number_of_parts_do_not_matter(
    audit_run: AuditRun, pairs_of: PairsOf, config_of: ConfigOf, tmp_path: Path
) -> None:
    """The same pairs in another order give the same bytes, report included."""
    rows = [{"key": f"k{i}", "similarity": i / 40, "reasons": ["low_similarity"] if i < 9 else []} for i in range(40)]
    written = []
    for order in (rows, rows[::-1]):
        audit_run({"train-000000": pairs_of(*order)}, config_of("de"))
        folder = tmp_path / "audit"
        written.append(((folder / "audit.json").read_bytes(), (folder / "report.html").read_bytes()))
    assert written[0] == written[1]


def test_empty_run_is_audited(audit_run: AuditRun, config_of: ConfigOf, tmp_path: Path) -> None:
    """A run with no part at all has an audit of zeros and a report."""
    audit = audit_run({}, config_of("de", "fr"))
    assert audit["totals"]["pairs_made"] == 0
    assert (tmp_path / "audit" / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_part_without_rows_is_audited(audit_run: AuditRun, pairs_of: PairsOf, config_of: ConfigOf) -> None:
    """A part may be empty."""
    assert audit_run({"train-000000": pairs_of()}, config_of("de"))["totals"]["pairs_made"] == 0


def test_no_file_but_the_two_is_left(
    audit_run: AuditRun, pairs_of: PairsOf, config_of: ConfigOf, tmp_path: Path
) -> None:
    """Nothing temporary stays behind."""
    audit_run({"train-000000": pairs_of({})}, config_of("de"))
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == ["audit.json", "report.html"]


def test_import_does_not_load_matplotlib() -> None:
    """The command line imports the audit; drawing is for when there is something to draw."""
    code = "import sys, pipelines.audit; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
