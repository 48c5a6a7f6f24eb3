"""Ingest with evaluation sets to keep out: what is left, counted, and the same however the work is split."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from apache_beam.utils.shared import Shared

from pipelines import files
from pipelines.config import ConfigError, InputConfig, RunnerConfig
from pipelines.exclusion import read_evaluation
from pipelines.exclusion.overlaps import EvaluationIndex
from pipelines.exclusion.stage import DropOverlaps, FindOverlaps
from pipelines.ingest import Ingested, ingest
from pipelines.run import Run
from pipelines.runner import Launcher
from pipelines.sources import Split, read_tables


def config(folder: Path, *exclude: str) -> InputConfig:
    """Return the configuration of the JSON lines in ``folder`` and the evaluation sets ``exclude``."""
    sets = [f"{folder}/{name}" for name in exclude]
    return InputConfig.model_validate({"format": "jsonl", "path": f"{folder}/*.jsonl", "exclude": sets})


def write(folder: Path, name: str, *captions: tuple[str, str, str]) -> None:
    """Write a file of (key, caption, split)."""
    lines = [json.dumps(dict(zip(("key", "caption", "split"), row, strict=True))) for row in captions]
    (folder / name).write_text("\n".join(lines) + "\n")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a folder with two files that share items, and two evaluation sets."""
    write(
        tmp_path,
        "a.jsonl",
        ("leaks", "A dog runs on the beach.", "train"),
        ("clean", "A cat sleeps.", "train"),
        ("000000391895", "A man on a motorbike.", "val"),
    )
    write(
        tmp_path,
        "b.jsonl",
        ("leaks", "Some other words.", "train"),
        ("clean", "A cat is asleep.", "train"),
        ("alone", "A bird.", "test"),
    )
    (tmp_path / "names.txt").write_text("COCO_val2014_000000391895.jpg\n")
    (tmp_path / "flickr.txt").write_text("a dog runs on the beach\n")
    return tmp_path


def read(folder: str) -> list[dict[str, object]]:
    """Return all rows of the Parquet parts in ``folder``, sorted by origin."""
    tables = [files.read_parquet(part.path) for part in files.listing(folder)]
    return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: row["origin"]) if tables else []


def ingested(run: Run, settings: InputConfig, *, workers: int = 1, mode: str = "multi_threading") -> Ingested:
    """Ingest on the local runner."""
    return ingest(run, settings, Launcher(RunnerConfig.model_validate({"workers": workers, "mode": mode})))


def test_items_are_rejected_with_their_captions_in_every_part(corpus: Path) -> None:
    """Also captions that match nothing themselves; the counts are of what is left, and nothing else stays behind."""
    run = Run(str(corpus / "run"))
    found = ingested(run, config(corpus, "names.txt", "flickr.txt"))
    assert found == Ingested(
        captions=3, rejects={"evaluation_overlap": 3}, texts=3, keys={"test": 1, "train": 1}, split_of={}
    )
    assert [row["key"] for row in read(run.captions)] == ["clean", "alone", "clean"]
    rejects = [(Path(str(row["origin"])).name, row["key"], row["overlap"]) for row in read(run.rejects)]
    assert rejects == [
        ("a.jsonl@0", "leaks", "caption"),
        ("a.jsonl@137", "000000391895", "key"),
        ("b.jsonl@0", "leaks", "caption"),
    ]
    assert not any(files.exists(path) for path in (run.read, run.overlaps, run.evaluation))


@pytest.mark.parametrize(("workers", "mode"), [(3, "multi_threading"), (2, "multi_processing")])
def test_workers_change_nothing(corpus: Path, workers: int, mode: str) -> None:
    """The same captions, rejects and counts from one worker and from several."""
    settings = config(corpus, "names.txt", "flickr.txt")
    one, several = Run(str(corpus / "one")), Run(str(corpus / "several"))
    assert ingested(one, settings) == ingested(several, settings, workers=workers, mode=mode)
    assert read(one.captions) == read(several.captions)
    assert read(one.rejects) == read(several.rejects)


def test_a_part_that_is_written_again_is_the_same(corpus: Path) -> None:
    """A runner that repeats the step finds what was read as it was."""
    run, settings = Run(str(corpus / "run")), config(corpus, "names.txt", "flickr.txt")
    files.write_parquet(run.evaluation, read_evaluation(settings))
    part = files.join(run.read, "part-00000-0000.parquet")
    captions, _ = next(read_tables(settings, Split(str(corpus / "a.jsonl"))))
    files.write_parquet(part, captions)
    find = FindOverlaps(run, Shared())
    find.setup()
    made = []
    for _ in range(2):
        assert list(find.process(part)) == [part]
        counts = list(DropOverlaps(run, Shared()).process(part))
        made.append((counts, read(run.captions), read(run.rejects)))
    assert made[0] == made[1]
    assert made[0][0] == [{"captions": 1, "rejects": {"evaluation_overlap": 2}}]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_sets_are_indexed_once(corpus: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads of a process share one index, however many parts there are."""
    made = []

    class Counted(EvaluationIndex):
        def __init__(self, evaluation: pa.Table) -> None:
            made.append(evaluation.num_rows)
            super().__init__(evaluation)

    monkeypatch.setattr("pipelines.exclusion.stage.EvaluationIndex", Counted)
    for i in range(6):
        write(corpus, f"more-{i}.jsonl", (f"more-{i}", f"A dog runs on the beach {i}.", "train"))
    ingested(Run(str(corpus / "run")), config(corpus, "names.txt", "flickr.txt"), workers=workers)
    assert made == [2]


def test_another_list_reads_again(corpus: Path) -> None:
    """What was kept out comes back when its set is no longer named, and the old rejects go."""
    run = Run(str(corpus / "run"))
    ingested(run, config(corpus, "names.txt", "flickr.txt"))
    assert ingested(run, config(corpus, "names.txt")).rejects == {"evaluation_overlap": 1}
    found = ingested(run, config(corpus))
    assert (found.captions, found.rejects) == (6, {})
    assert read(run.rejects) == []


def test_broken_records_are_rejected_as_ever(corpus: Path) -> None:
    """Both kinds of rejects lie side by side, and everything read is kept or rejected."""
    with (corpus / "b.jsonl").open("a") as file:
        file.write('{"key": "x"\n{"key": "y", "caption": " "}\n')
    run = Run(str(corpus / "run"))
    found = ingested(run, config(corpus, "names.txt"))
    assert found.rejects == {"malformed_record": 1, "empty_caption": 1, "evaluation_overlap": 1}
    assert found.read == 8
    assert Counter(row["reason"] for row in read(run.rejects)) == found.rejects


def test_everything_may_be_excluded(corpus: Path) -> None:
    """Ingest counts it; whether a run may go on is not for it to say."""
    (corpus / "all.txt").write_text("leaks\nclean\nalone\n391895\n")
    found = ingested(Run(str(corpus / "run")), config(corpus, "all.txt"))
    assert found == Ingested(captions=0, rejects={"evaluation_overlap": 6}, texts=0, keys={}, split_of={})


def test_a_set_that_cannot_be_read_stops_ingest_before_it_begins(corpus: Path) -> None:
    """What an earlier ingest left is still there."""
    run = Run(str(corpus / "run"))
    ingested(run, config(corpus))
    with pytest.raises(ConfigError, match=r"input\.exclude\[0\]: no file matches"):
        ingested(run, config(corpus, "gone.txt"))
    assert len(read(run.captions)) == 6
