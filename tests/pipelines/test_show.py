"""Show: what a person reads about one item."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines import files
from pipelines.captions import REJECTS
from pipelines.judging import PAIRS
from pipelines.run import Run
from pipelines.runner import RunFailed
from pipelines.show import show

KEPT: dict[str, Any] = {
    "n": 0,
    "source": "A dog.",
    "language": "de",
    "target": "Ein Hund.",
    "lid_label": "de",
    "lid_prob": 0.987,
    "mt_logprob": -0.125,
    "keep": True,
    "reasons": [],
    "weight": 0.5,
}
DROPPED: dict[str, Any] = {
    "n": 0,
    "source": "A dog.",
    "language": "cs",
    "target": None,
    "lid_label": None,
    "keep": False,
    "reasons": ["too_long", "empty"],
    "weight": 0.0,
}
BACK: dict[str, Any] = {
    **KEPT,
    "n": 1,
    "source": "Two dogs.",
    "back": "Two cats.",
    "back_chrf": 61.25,
    "lid_label": "nl",
}


def write_pairs(run: Run, shard: str, *rows: dict[str, Any]) -> None:
    """Write a file of pairs/."""
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in PAIRS]
    files.write_parquet(files.join(run.pairs, f"{shard}.parquet"), pa.table(columns, schema=PAIRS))


def write_rejects(run: Run, *rows: dict[str, Any]) -> None:
    """Write a file of rejects/."""
    files.write_parquet(files.join(run.rejects, "input-0.parquet"), pa.Table.from_pylist(list(rows), schema=REJECTS))


def lines(run: Run, key: str | None = None, *, items: int = 3) -> list[str]:
    """Return what is shown."""
    return list(show(run, key=key, items=items))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run with three items and two rejects."""
    made = Run(str(tmp_path / "run"))
    write_pairs(made, "train-000000", {**KEPT, "key": "a/b"}, {**DROPPED, "key": "a/b"}, {**BACK, "key": "a/b"})
    write_pairs(made, "val-000000", {**KEPT, "key": "c"}, {**KEPT, "key": "d"})
    write_rejects(
        made,
        {"origin": "f@7", "reason": "missing_media", "detail": "/m/e.jpg", "key": "e", "n": 2},
        {"origin": "f@9", "reason": "bad_key", "detail": "empty", "key": "", "n": None},
        {"origin": "f@11", "reason": "malformed_record", "detail": "not JSON", "key": None, "n": None},
        {"origin": "f@13", "reason": "duplicate_caption", "detail": "there already", "key": "a/b", "n": 1},
    )
    return made


def test_an_item(run: Run) -> None:
    """Its shard, its captions, and of each pair the translation, the verdict and the scores that there are."""
    assert lines(run, "a/b") == [
        "a/b (train-000000)",
        "  0  A dog.",
        "     de  Ein Hund.",
        "         kept, weight 0.50;  lid_prob 0.99  mt_logprob -0.12",
        "     cs  (no translation)",
        "         dropped: too_long, empty;  ",
        "  1  Two dogs.",
        "     de  Ein Hund.",
        "         back: Two cats.",
        "         kept, weight 0.50;  lid_prob 0.99  mt_logprob -0.12  back_chrf 61.25  looks like nl",
        "a/b caption 1: rejected, duplicate_caption: there already (f@13)",
    ]


def test_a_rejected_item(run: Run) -> None:
    """An item that is in no shard has its reason and origin."""
    assert lines(run, "e") == ["e caption 2: rejected, missing_media: /m/e.jpg (f@7)"]
    assert lines(run, "") == [": rejected, bad_key: empty (f@9)"]


def test_an_unknown_item(run: Run) -> None:
    """A key that nothing is known of is said so."""
    with pytest.raises(RunFailed) as refused:
        lines(run, "nobody")
    assert str(refused.value) == f"nothing is known of key 'nobody' in {run.root}"


def test_a_sample_of_items(run: Run) -> None:
    """The items with the smallest hashes are shown, the same ones each time."""
    heads = [line for line in lines(run, items=2) if not line.startswith(" ")]
    assert len({line.split()[0] for line in heads}) == 2
    assert lines(run, items=2) == lines(run, items=2)


def test_more_items_than_there_are(run: Run) -> None:
    """All of them are shown."""
    heads = [line for line in lines(run, items=100) if line.endswith("-000000)")]
    assert heads == ["a/b (train-000000)", "c (val-000000)", "d (val-000000)"]


def test_a_run_of_rejects_only(tmp_path: Path) -> None:
    """A run whose every record was rejected can be looked at."""
    run = Run(str(tmp_path / "run"))
    write_rejects(run, {"origin": "f@7", "reason": "missing_media", "detail": "", "key": "e", "n": None})
    assert lines(run, "e") == ["e: rejected, missing_media:  (f@7)"]
    assert lines(run) == []


def test_no_run(tmp_path: Path) -> None:
    """A directory without pairs is no run."""
    with pytest.raises(RunFailed, match="holds no pairs: run cut"):
        lines(Run(str(tmp_path)))


def test_a_built_run(built_run: Path) -> None:
    """A real item and a real reject are shown."""
    shown = lines(Run(str(built_run)), "dog.1/a b.é")
    assert shown[0].startswith("dog.1/a b.é (train-00000")
    assert "  0  A dog runs on the beach." in shown
    assert "     de  Ein Hund rennt am Strand." in shown
    (rejected,) = lines(Run(str(built_run)), "gone")
    assert rejected.startswith("gone: rejected, missing_media: ")
