"""Exports to one file: which pairs, what of them, and what is refused."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished_runs import write_run
from hypothesis import given
from hypothesis import strategies as st

from pipelines import files
from pipelines.cli import main
from pipelines.config import ConfigError
from pipelines.export import EXPORTED, Wanted, export_jsonl, export_parquet, json_lines, regrouped
from pipelines.run import Run
from pipelines.runner import RunFailed

ALL = Wanted()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run of two splits and two languages, with a dropped pair."""
    return write_run(
        tmp_path / "run",
        {},
        {"language": "fr", "target": "Un chien.", "weight": 0.25},
        {
            "n": 1,
            "source": "Two dogs.",
            "target": "Zwei Katzen.",
            "keep": False,
            "reasons": ["low_similarity"],
            "weight": 0,
        },
        {"n": 1, "source": "Two dogs.", "language": "fr", "target": 'Deux\n"chiens"', "weight": 1.0, "back": None},
        {"key": "cat", "split": "val", "source": "A cat.", "target": "Eine Katze.", "weight": 0.123456},
        {"key": "cat", "split": "val", "source": "A cat.", "language": "fr", "target": "Un chat."},
    )


def exported(run: Run, wanted: Wanted) -> list[tuple[Any, ...]]:
    """Return (key, n, language, weight) of the rows of a Parquet export."""
    out = f"{run.root}-out.parquet"
    rows = export_parquet(run, out, wanted, overwrite=True)
    table = pq.read_table(out)
    assert table.schema.equals(EXPORTED)
    assert rows == table.num_rows
    return [tuple(row[name] for name in ("key", "n", "language", "weight")) for row in table.to_pylist()]


def test_the_kept_pairs_are_exported(run: Run) -> None:
    """All of them, in the order of the run, and none that was dropped."""
    assert exported(run, ALL) == [
        ("dog", 0, "de", 0.5),
        ("dog", 0, "fr", 0.25),
        ("dog", 1, "fr", 1.0),
        ("cat", 0, "de", pytest.approx(0.123456)),
        ("cat", 0, "fr", 0.5),
    ]


def test_languages_splits_and_weights_choose(run: Run) -> None:
    """A language may have any of its names; a weight at the bound is in."""
    assert exported(run, Wanted(languages=("German",))) == [
        ("dog", 0, "de", 0.5),
        ("cat", 0, "de", pytest.approx(0.123456)),
    ]
    assert exported(run, Wanted(splits=("val",), languages=("fr", "de"), min_weight=0.5)) == [("cat", 0, "fr", 0.5)]
    assert exported(run, Wanted(splits=("train",), min_weight=0.5)) == [("dog", 0, "de", 0.5), ("dog", 1, "fr", 1.0)]


def test_columns_are_the_texts_the_weight_and_every_score() -> None:
    """What only the ledger or a dropped pair needs is left out."""
    assert EXPORTED.names[:8] == ["key", "n", "split", "language", "source", "target", "back", "weight"]
    assert {"similarity", "lid_prob", "back_chrf", "clean_probability"} <= set(EXPORTED.names)
    assert not {"text_id", "keep", "reasons"} & set(EXPORTED.names)


def test_json_lines(run: Run) -> None:
    """Each pair is a line, whatever is in it, with numbers to four decimals and null for what was not measured."""
    out = f"{run.root}.jsonl"
    assert export_jsonl(run, out, Wanted(languages=("fr",)), overwrite=False) == 3
    lines = Path(out).read_bytes().split(b"\n")

    assert len(lines) == 4
    assert lines[3] == b""
    second = json.loads(lines[1])
    assert second["target"] == 'Deux\n"chiens"'
    assert (second["back"], second["similarity"], second["margin"]) == (None, 0.75, None)
    assert list(second) == EXPORTED.names
    assert export_jsonl(run, out, Wanted(languages=("de",), splits=("val",)), overwrite=True) == 1
    assert json.loads(Path(out).read_bytes())["weight"] == 0.1235


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_is_one_json_line(texts: list[str]) -> None:
    """Line ends, quotes and signs of any script come back as they were, and only lines end lines."""
    written = json_lines(pa.table({"target": pa.array(texts, pa.string())}))

    assert [json.loads(line)["target"] for line in written.split(b"\n")[:-1]] == texts


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.gz"])
def test_the_same_run_gives_the_same_bytes(run: Run, tmp_path: Path, name: str) -> None:
    """Written twice, under another name, a file is the same."""
    write = export_parquet if name.endswith("parquet") else export_jsonl
    write(run, str(tmp_path / name), ALL, overwrite=False)
    write(run, str(tmp_path / f"b{name}"), ALL, overwrite=False)

    assert (tmp_path / name).read_bytes() == (tmp_path / f"b{name}").read_bytes()


def test_a_gz_holds_the_lines(run: Run, tmp_path: Path) -> None:
    """It is what is written without it."""
    export_jsonl(run, str(tmp_path / "a.jsonl"), ALL, overwrite=False)
    export_jsonl(run, str(tmp_path / "a.jsonl.gz"), ALL, overwrite=False)

    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == (tmp_path / "a.jsonl").read_bytes()


def test_row_groups_have_one_size() -> None:
    """However the rows come, and however many at once."""
    tables = [
        pa.table({"i": pa.array(range(start, end), pa.int64())}) for start, end in ((0, 3), (3, 3), (3, 14), (14, 16))
    ]

    assert [table["i"].to_pylist() for table in regrouped(tables, 5)] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
        [10, 11, 12, 13, 14],
        [15],
    ]
    assert list(regrouped([], 5)) == []


def test_everything_wrong_is_said_at_once(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Languages, splits, the weight and the file's name; exit code 2 and no file."""
    command = ["export", "parquet", run.root, "--out", f"{run.root}.csv", "--language", "cs", "--language", "xx"]
    assert main([*command, "--split", "dev", "--min-weight", "2"]) == 2

    assert capsys.readouterr().err.splitlines() == [
        "captionloom: --language: unknown language 'xx'; codes are BCP-47 such as de or pt-BR",
        f"captionloom: --language: {run.root} has no cs; it has de, fr",
        f"captionloom: --split: {run.root} has no split dev; it has train, val",
        "captionloom: --min-weight: 2 is not between 0 and 1",
        f"captionloom: --out {run.root}.csv: its name has to end in .parquet",
    ]
    assert not Path(f"{run.root}.csv").exists()


def test_debug_may_stand_on_either_side_of_the_format(run: Run) -> None:
    """It shows the traceback, as with every command."""
    for command in (["export", "--debug", "parquet"], ["export", "parquet", "--debug"]):
        with pytest.raises(ConfigError):
            main([*command, run.root, "--out", "no-parquet"])


def test_an_unfinished_run_is_refused_in_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its manifest a run is not finished, whatever else is there."""
    Path(run.manifest).unlink()
    for command in (
        ["parquet", "--out", f"{run.root}.parquet"],
        ["jsonl", "--out", f"{run.root}.jsonl"],
        ["hf", "--out", f"{run.root}-hf"],
        ["nrccr", "--out", f"{run.root}-nrccr", "--language", "de", "--collection", "c"],
    ):
        assert main(["export", command[0], run.root, *command[1:]]) == 2
        assert capsys.readouterr().err == (
            f"captionloom: {run.root} holds no finished run ({run.manifest} is not there): build it to the end first\n"
        )
    assert [path.name for path in Path(run.root).parent.iterdir()] == ["run"]


@pytest.mark.parametrize("content", [b"{}", b"not JSON"])
def test_a_spoilt_manifest_is_refused(run: Run, content: bytes) -> None:
    """What is no manifest is named."""
    Path(run.manifest).write_bytes(content)
    with pytest.raises(ConfigError, match="holds no run that can be read: not a manifest"):
        export_parquet(run, f"{run.root}.parquet", ALL, overwrite=False)


def test_an_existing_file_is_only_replaced_when_asked(run: Run, tmp_path: Path) -> None:
    """It is left as it is otherwise."""
    out = tmp_path / "out.parquet"
    out.write_text("theirs")
    with pytest.raises(ConfigError, match="is there already: give another, or add --overwrite"):
        export_parquet(run, str(out), ALL, overwrite=False)

    assert out.read_text() == "theirs"
    assert export_parquet(run, str(out), ALL, overwrite=True) == 5


@pytest.mark.parametrize("spoilt", [None, b"no Parquet"])
def test_pairs_that_cannot_be_read(run: Run, spoilt: bytes | None) -> None:
    """The file is named, and nothing is left of the export."""
    path = Path(files.join(run.pairs, "val-000000.parquet"))
    path.unlink() if spoilt is None else path.write_bytes(spoilt)
    with pytest.raises(RunFailed, match=r"val-000000.parquet cannot be read"):
        export_parquet(run, f"{run.root}.parquet", ALL, overwrite=False)

    assert [found.name for found in Path(run.root).parent.iterdir()] == ["run"]


def test_a_run_of_an_older_version(run: Run, tmp_path: Path) -> None:
    """A score that it did not know is null; without its texts it cannot be read."""
    path = files.join(run.pairs, "val-000000.parquet")
    pairs = files.read_parquet(path)
    files.write_parquet(path, pairs.drop_columns(["similarity"]))
    export_parquet(run, str(tmp_path / "out.parquet"), ALL, overwrite=False)

    assert pq.read_table(tmp_path / "out.parquet")["similarity"].to_pylist() == [0.75, 0.75, 0.75, None, None]
    files.write_parquet(path, pairs.drop_columns(["target"]))
    with pytest.raises(RunFailed, match="target"):
        export_parquet(run, str(tmp_path / "out.parquet"), ALL, overwrite=True)


def test_a_real_run(built_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As many pairs as the manifest says were kept; the command says how many."""
    out = tmp_path / "pairs.parquet"
    assert main(["export", "parquet", str(built_run), "--out", str(out)]) == 0
    kept = json.loads((built_run / "shards" / "manifest.json").read_text())["pairs_kept"]

    assert pq.read_metadata(out).num_rows == kept
    assert capsys.readouterr().out == f"{out}: {kept} pairs\n"
