"""The dataset folder for Hugging Face: `datasets` itself reads it, offline."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from finished_runs import PAIR, write_audit, write_run

from pipelines.cli import main
from pipelines.config import ConfigError
from pipelines.export import EXPORTED, ROW_GROUP, Wanted
from pipelines.export_hf import export_hf
from pipelines.run import Run

READ = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
folder, rows = sys.argv[1], {}
for name in get_dataset_config_names(folder):
    loaded, streamed = load_dataset(folder, name), load_dataset(folder, name, streaming=True)
    rows[name] = {split: loaded[split].to_list() for split in loaded}
    assert {split: list(streamed[split]) for split in streamed} == rows[name]
assert {split: data.to_list() for split, data in load_dataset(folder).items()} == rows["default"]
json.dump(rows, sys.stdout)
"""


def read_by_datasets(folder: Path, cache: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the rows of each configuration and split, loaded by `datasets` in a process without a network."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(cache)}
    command = [sys.executable, "-c", READ, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | offline)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def head(folder: Path) -> dict[str, Any]:
    """Return the YAML head of the card."""
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run of three splits; no Chinese pair of it was kept."""
    rows = [
        {"key": key, "split": split, "language": language, "target": f"{key} {language}"}
        for split, keys in (("train", ("a", "b")), ("val", ("c",)), ("test", ("d",)))
        for key in keys
        for language in ("de", "fr", "zh")
    ]
    dropped = {"keep": False, "reasons": ["low_similarity"], "weight": 0.0}
    return write_run(tmp_path / "run", *({**row, **(dropped if row["language"] == "zh" else {})} for row in rows))


def test_a_real_run_is_read_by_datasets(back_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One configuration a language and one of all; every kept pair with its types; streaming and not."""
    out = tmp_path / "out"
    assert main(["export", "hf", str(back_run), "--out", str(out)]) == 0
    read = read_by_datasets(out, tmp_path / "cache")
    pairs = [row for path in sorted((back_run / "pairs").iterdir()) for row in pq.read_table(path).to_pylist()]
    kept = [{name: row[name] for name in EXPORTED.names} for row in pairs if row["keep"]]

    assert list(read) == ["default", "de", "zh"]
    for code in ("de", "zh"):
        mine = [row for row in kept if row["language"] == code]
        assert read[code] == {
            "train": [row for row in mine if row["split"] == "train"],
            "validation": [row for row in mine if row["split"] == "val"],
        }
    assert read["default"]["train"] == read["de"]["train"] + read["zh"]["train"]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{out}: {len(kept):,} pairs of 20 items"
    assert said[-1] == f"load_dataset('{out}') loads all languages, load_dataset('{out}', 'de') one"


def test_splits_have_their_names_and_empty_languages_are_left_out(run: Run, tmp_path: Path) -> None:
    """The split val is validation there; what has no pair has no configuration."""
    card = export_hf(run, str(tmp_path / "out"), Wanted(), overwrite=False)
    read = read_by_datasets(tmp_path / "out", tmp_path / "cache")

    targets = {name: {s: [row["target"] for row in rows] for s, rows in found.items()} for name, found in read.items()}
    assert targets == {
        "default": {
            "train": ["a de", "b de", "a fr", "b fr"],
            "validation": ["c de", "c fr"],
            "test": ["d de", "d fr"],
        },
        "de": {"train": ["a de", "b de"], "validation": ["c de"], "test": ["d de"]},
        "fr": {"train": ["a fr", "b fr"], "validation": ["c fr"], "test": ["d fr"]},
    }
    assert (card.rows, card.items) == (8, 4)
    assert "zh: no pair is kept" in " ".join(card.notes)


def test_many_rows_are_several_files(tmp_path: Path) -> None:
    """Each with the rows of a file at most, in row groups of one size, and all of them are read."""
    rows = [{"key": f"{i:05d}"} for i in range(2 * ROW_GROUP + 5)]
    export_hf(write_run(tmp_path / "run", *rows), str(tmp_path / "out"), Wanted(), overwrite=False, file_rows=ROW_GROUP)

    names = [f"train-{i:05d}-of-00003.parquet" for i in range(3)]
    metadata = [pq.read_metadata(tmp_path / "out" / "data" / "de" / name) for name in names]
    assert [(one.num_rows, one.num_row_groups) for one in metadata] == [(ROW_GROUP, 1), (ROW_GROUP, 1), (5, 1)]
    keys = [key for name in names for key in pq.read_table(tmp_path / "out/data/de" / name)["key"].to_pylist()]
    assert keys == [row["key"] for row in rows]
    assert head(tmp_path / "out")["configs"][1] == {
        "config_name": "de",
        "data_files": [{"split": "train", "path": [f"data/de/{name}" for name in names]}],
    }


def test_what_the_card_says(tmp_path: Path) -> None:
    """Counts, languages, models with their licences, teacher, the noise that was measured, rules and limits."""
    model = str(Path(__file__).parents[2] / "translate" / "mini")
    run = write_run(
        tmp_path / "run",
        PAIR,
        {"n": 1, "keep": False, "reasons": ["low_similarity"]},
        {"language": "fr"},
        {"n": 1, "language": "fr"},
        translate={"model": {"de": "mini", "fr": model}, "back_translation": True},
    )
    reasons = {"empty": {"pairs": 1, "only": 0}, "low_similarity": {"pairs": 2, "only": 1}}
    figures = {"kept": 1, "reasons": reasons}
    rate = {"estimate": 0.031, "low": 0.01, "high": 0.052, "level": 0.95}
    write_audit(
        run,
        {
            "totals": {"pairs_made": 4, "pairs_kept": 3},
            "languages": {"de": figures, "fr": {"kept": 2, "reasons": {}}},
            "notes": ["A note of the audit."],
            "calibration": {"de": {"noise_rate": rate}},
        },
    )
    export_hf(run, str(tmp_path / "out"), Wanted(), overwrite=False)
    text = (tmp_path / "out" / "README.md").read_text()

    assert head(tmp_path / "out")["language"] == ["en", "de", "fr"]
    assert head(tmp_path / "out")["size_categories"] == ["n<1K"]
    assert "# English captions machine-translated into German, French\n\n3 pairs of a caption in English" in text
    assert "| `de` | German | 1 | 1 of 2 | 3.1 % (1.0 % to 5.2 %) |" in text
    assert "| `fr` | French | 2 | 2 of 2 | not measured |" in text
    assert "| `mini` | translated and translated back | Apache-2.0; trained on Multi30k, which is for non-com" in text
    assert "| `muse` | measured the similarity | Apache-2.0 | bundled with captionloom |" in text
    assert "- German, dropped (a pair may have several reasons): `low_similarity` 2, `empty` 1" in text
    assert "- A note of the audit." in text
    assert str(Path(model).parent) not in text
    assert str(tmp_path) not in text


def test_an_audit_of_another_cut_is_not_believed(tmp_path: Path) -> None:
    """Nor is a spoilt one; the card says that nobody knows."""
    run = write_run(tmp_path / "run", PAIR)
    audit = {"totals": {"pairs_made": 9, "pairs_kept": 9}, "languages": {"de": {"kept": 9}}, "notes": []}
    for i, audit_of in enumerate((audit, [], {"totals": {}})):
        write_audit(run, audit_of)  # type: ignore[arg-type]
        export_hf(run, str(tmp_path / f"out{i}"), Wanted(), overwrite=False)
        assert "| `de` | German | 1 | ? of 1 | not measured |" in (tmp_path / f"out{i}" / "README.md").read_text()


def test_a_model_that_is_gone_is_named(tmp_path: Path) -> None:
    """A run can be exported where its models are not."""
    run = write_run(tmp_path / "run", PAIR, translate={"model": "/gone/opus", "back_translation": True})
    export_hf(run, str(tmp_path / "out"), Wanted(), overwrite=False)

    text = (tmp_path / "out" / "README.md").read_text()
    assert "| `opus` | translated and translated back | not stated | not on the machine that wrote this card |" in text


def test_what_was_chosen_is_said(run: Run, tmp_path: Path) -> None:
    """The card names the bound on the weight and the splits that are not in it."""
    wanted = Wanted(languages=("fr",), splits=("train", "val"), min_weight=0.25)
    export_hf(run, str(tmp_path / "out"), wanted, overwrite=False)

    text = (tmp_path / "out" / "README.md").read_text()
    assert "Only pairs with a weight of 0.25 or more are in it. The run's splits test are not in it." in text


def test_the_same_run_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    """In every file."""
    for name in ("one", "other"):
        export_hf(run, str(tmp_path / name), Wanted(), overwrite=False)
    one, other = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "other")
    )

    assert len(one) == 8
    assert one == other


def test_splits_that_datasets_cannot_have(tmp_path: Path) -> None:
    """They are named, all of them, before anything is written."""
    rows = [{"key": split, "split": split} for split in ("train", "val", "dev", "test-2016")]
    run = write_run(tmp_path / "run", *rows)
    with pytest.raises(ConfigError) as error:
        export_hf(run, str(tmp_path / "out"), Wanted(), overwrite=False)

    assert error.value.problems == [
        "splits dev, val would all be 'validation': leave out all but one, with --split",
        "split 'test-2016' is no name of a split for datasets: leave it out, with --split",
    ]
    assert not (tmp_path / "out").exists()
    export_hf(run, str(tmp_path / "out"), Wanted(splits=("train", "val")), overwrite=False)


def test_nothing_to_export(tmp_path: Path) -> None:
    """A selection of no pair is refused, and no folder appears."""
    run = write_run(tmp_path / "run", PAIR)
    with pytest.raises(ConfigError, match="no kept pair is chosen"):
        export_hf(run, str(tmp_path / "out"), Wanted(min_weight=0.75), overwrite=False)

    assert not (tmp_path / "out").exists()


def test_a_folder_with_anything_in_it_is_refused(run: Run, tmp_path: Path) -> None:
    """With --overwrite what others put there stays, and what `datasets` loads is ours alone."""
    theirs = tmp_path / "out" / "data" / "de" / "train-other.parquet"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(ConfigError, match="is not empty"):
        export_hf(run, str(tmp_path / "out"), Wanted(), overwrite=False)
    export_hf(run, str(tmp_path / "out"), Wanted(), overwrite=True)
    export_hf(run, str(tmp_path / "out"), Wanted(languages=("de",)), overwrite=True)

    assert theirs.read_text() == "theirs"
    assert not list((tmp_path / "out").glob("data/fr/*"))
    assert len(read_by_datasets(tmp_path / "out", tmp_path / "cache")["de"]["train"]) == 2


def test_a_full_disk_leaves_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's name is said; nothing of it is there, and nothing unfinished beside it."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        export_hf(run, str(tmp_path / "out"), Wanted(), overwrite=False)

    assert error.value.filename == str(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_jsonl_is_read_by_datasets(run: Run, tmp_path: Path) -> None:
    """Columns that no pair has a value in do not hinder it."""
    assert main(["export", "jsonl", run.root, "--out", str(tmp_path / "a.jsonl")]) == 0
    code = (
        "import sys; from datasets import load_dataset; d = load_dataset('json', data_files=sys.argv[1], split='train')"
    )
    code += "; print(d['target'][0], d['weight'][0], len(d))"
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", code, str(tmp_path / "a.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | offline)

    # Splits are in the order of their names: test comes first.
    assert done.stdout == "d de 0.5 8\n"
