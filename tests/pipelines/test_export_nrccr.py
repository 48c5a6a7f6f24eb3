"""The export for NRCCR and CL2CM: what their reader makes of it, and what it would misread."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from finished_runs import write_run
from nrccr_reader import EvaluationSet, TrainingSet, captions_in

from pipelines.cli import main
from pipelines.config import ConfigError
from pipelines.export_nrccr import Exported, NrccrSettings, export_nrccr
from pipelines.run import Run

TRAIN = [
    "TextData/ctrain_enc.caption.txt",
    "TextData/ctrain_google_enc2de.caption.txt",
    "TextData/ctrain_google_enc2de2enc.caption.txt",
    "TextData/ctrain_google_enc2de.weights.txt",
    "FeatureData/train_id.txt",
]


def export(run: Run, out: Path, *, overwrite: bool = False, **settings: Any) -> Exported:
    """Export German as collection ``c``, unless ``settings`` say otherwise."""
    return export_nrccr(
        run, str(out), NrccrSettings(**{"language": "de", "collection": "c", **settings}), overwrite=overwrite
    )


def refused(run: Run, out: Path, **settings: Any) -> str:
    """Return why nothing is exported, and check that nothing is."""
    with pytest.raises(ConfigError) as error:
        export(run, out, **settings)
    assert not (out / "c").exists()
    assert not list(out.glob(".*"))
    return str(error.value)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run of three training items, one of them with no kept pair in German, and one for validation."""
    return write_run(
        tmp_path / "run",
        {"weight": 1.0},
        {"language": "fr", "target": "Un chien."},
        {"n": 2, "source": "Two dogs.", "target": "Zwei Hunde.", "back": "Two hounds.", "weight": 0.06254},
        {"n": 2, "source": "Two dogs.", "language": "fr", "target": "Deux chiens."},
        {"key": "fox", "keep": False, "reasons": ["low_similarity"]},
        {"key": "fox", "language": "fr", "target": "Un renard."},
        {"key": "horse", "source": "A horse.", "target": "Ein Pferd.", "back": "One horse."},
        {"key": "horse", "language": "fr", "target": "Un cheval."},
        {"key": "cat", "split": "val", "source": "A cat.", "target": "Eine Katze."},
        {"key": "cat", "split": "val", "language": "fr", "target": "Un chat."},
    )


def test_training_files(run: Run, tmp_path: Path) -> None:
    """The kept pairs of one language and of the split train, each line as NRCCR's; weights and keys in their order."""
    exported = export(run, tmp_path / "out")

    texts = {name: (tmp_path / "out" / "c" / name).read_text() for name in TRAIN}
    assert texts[TRAIN[0]] == "dog#enc#0 A dog.\ndog#enc#2 Two dogs.\nhorse#enc#0 A horse.\n"
    assert texts[TRAIN[1]] == "dog#enc2de#0 Ein Hund.\ndog#enc2de#2 Zwei Hunde.\nhorse#enc2de#0 Ein Pferd.\n"
    assert texts[TRAIN[2]] == "dog#enc2de2enc#0 One dog.\ndog#enc2de2enc#2 Two hounds.\nhorse#enc2de2enc#0 One horse.\n"
    assert texts[TRAIN[3]] == "dog#enc2de#0 1.0000\ndog#enc2de#2 0.0625\nhorse#enc2de#0 0.5000\n"
    assert texts[TRAIN[4]] == "dog\nhorse\n"
    assert exported.lines == dict(zip(TRAIN, [3, 3, 3, 3, 2], strict=True))
    assert exported.notes == [
        "no val and test files: they hold human captions, which no run has; --references names a file of them"
    ]
    there = [path for path in (tmp_path / "out" / "c").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "out" / "c").as_posix() for path in there} == {*TRAIN, "captionloom.json"}


def test_another_prefix_split_and_weight(run: Run, tmp_path: Path) -> None:
    """The prefix is in the names, splits that are named make up the training files, and light pairs are left out."""
    settings = {"prefix": "mini", "splits": ("train", "val"), "min_weight": 0.5, "language": "French"}
    export(run, tmp_path / "out", **settings)

    text = (tmp_path / "out/c/TextData/ctrain_mini_enc2fr.caption.txt").read_text()
    assert text.splitlines() == [
        "dog#enc2fr#0 Un chien.",
        "dog#enc2fr#2 Deux chiens.",
        "fox#enc2fr#0 Un renard.",
        "horse#enc2fr#0 Un cheval.",
        "cat#enc2fr#0 Un chat.",
    ]


def test_keys_across_row_groups_are_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the captions of an item are cut into tables."""
    monkeypatch.setattr("pipelines.export.ROW_GROUP", 2)
    rows = [{"key": key, "n": n} for key in "abc" for n in range(3)]
    export(write_run(tmp_path / "run", *rows), tmp_path / "out")

    assert (tmp_path / "out/c/FeatureData/train_id.txt").read_text() == "a\nb\nc\n"


def test_a_real_run_is_read_by_their_reader(back_run: Path, tmp_path: Path) -> None:
    """Every kept pair is a triplet with its item's row of the features and its weight."""
    export(Run(str(back_run)), tmp_path, collection="demo")
    found = TrainingSet(tmp_path, "demo", "google_enc2de")
    weights = captions_in(tmp_path / "demo/TextData/demotrain_google_enc2de.weights.txt")
    pairs = [row for row in pq.read_table(back_run / "pairs" / "train-000000.parquet").to_pylist() if row["keep"]]
    expected = [row for row in pairs if row["language"] == "de"]

    assert len(found) == len(expected) > 50
    for i, row in enumerate(expected):
        at, caption_id, *texts = found[i]
        assert found.keys[at] == row["key"]
        assert caption_id == f"{row['key']}#enc#{row['n']}"
        assert texts == [row["source"], row["target"], row["back"]]
        assert float(weights[f"{row['key']}#enc2de#{row['n']}"]) == pytest.approx(row["weight"], abs=0.00005)
    assert len(set(found.keys)) == len(found.keys)


def test_references_by_the_runs_split(back_run: Path, tmp_path: Path) -> None:
    """Human captions of the run's validation items, and what the run's model for the way back makes of them."""
    val = sorted(set(pq.read_table(back_run / "pairs" / "val-000000.parquet", columns=["key"])["key"].to_pylist()))
    captions = ["Ein Mann fährt Fahrrad.", "Eine Frau liest ein Buch.", "Ein Hund rennt am Strand."]
    lines = [
        {"key": val[1], "de": captions[:2]},
        {"key": f"{val[0]}.jpg", "de": captions[2]},
        {"key": "unknown", "de": "x"},
    ]
    (tmp_path / "human.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    exported = export(Run(str(back_run)), tmp_path / "out", references=(str(tmp_path / "human.jsonl"),))

    read = EvaluationSet(tmp_path / "out", "c", "val", "de")
    assert read.items() == [
        (val[1], "A man is riding a bike.", captions[0]),
        (val[1], "A woman is reading a book.", captions[1]),
        (val[0], "A dog runs on the beach.", captions[2]),
    ]
    assert read.keys == [val[1], val[0]]
    assert exported.notes == ["1 references of no known split are not written"]
    assert not (tmp_path / "out/c/TextData/ctest_de.caption.txt").exists()


@pytest.mark.real
def test_human_captions_of_multi30k(shared_data: Path, back_run: Path, tmp_path: Path) -> None:
    """A file with columns in objects and splits of its own: all of its validation and test captions are read back."""
    references = shared_data / "flickr8k_1k" / "references.jsonl"
    columns = "caption=multi30k.de,split=multi30k.split"
    exported = export(Run(str(back_run)), tmp_path, references=(str(references),), columns=columns)

    val, test = (EvaluationSet(tmp_path, "c", split, "de") for split in ("val", "test"))
    assert (len(val.items()), len(val.keys), len(test.items()), len(test.keys)) == (34, 34, 31, 31)
    assert val.items()[0][::2] == (
        "103205630_682ca7285b",
        "Zwei Männer bauen eine blaue Eisfischerhütte auf einem zugefrorenen See auf",
    )
    assert exported.notes == [
        "63 references have no caption in this language",
        "872 references of train are not written",
    ]


@pytest.mark.real
def test_human_captions_of_flickr8kcn(shared_data: Path, back_run: Path, tmp_path: Path) -> None:
    """A TSV without names, of one split, whose keys are file names with numbers."""
    with gzip.open(shared_data / "flickr8kcn" / "test.en-zh.human.tsv.gz", "rt", encoding="utf-8") as lines:
        (tmp_path / "zh.tsv").write_text("".join(line for line, _ in zip(lines, range(20), strict=False)))
    settings = {"language": "zh", "references": (f"test={tmp_path / 'zh.tsv'}",), "columns": "caption=3"}
    export(Run(str(back_run)), tmp_path, **settings)

    test = EvaluationSet(tmp_path, "c", "test", "zh")
    assert len(test.items()) == 20
    assert test.keys[:2] == ["1056338697_4f7d7ce270", "106490881_5a2dd9b7bd"]
    assert test.items()[0][2] == "一个穿蓝色衬衫的金发女人似乎要搭车。"


def test_keys_and_captions_that_would_be_misread_are_named(tmp_path: Path) -> None:
    """The first ten, each once, and how many more there are; nothing is written."""
    keys = ["a b", "c#d", "e.jpg", *(f"f {i}" for i in range(8))]
    rows = [{"key": key, "n": n} for key in keys for n in range(2)]
    run = write_run(
        tmp_path / "run", {"key": "x", "back": None}, {"key": "y", "target": "Ein\nHund"}, *rows, {"key": "z"}
    )
    message = refused(run, tmp_path / "out")

    assert message == (
        "the reader of these files takes the key before the first # and cuts a final .jpg or .mp4 off it, and the "
        "caption behind the first space; it would misread "
        "the back-translation of caption 0 of 'x' (is missing), the translation of caption 0 of 'y' (holds a line "
        "break), key 'a b' (holds white space), key 'c#d' (holds #), key 'e.jpg' (ends in .jpg or .mp4), key 'f 0' "
        "(holds white space), key 'f 1' (holds white space), key 'f 2' (holds white space), key 'f 3' (holds white "
        "space), key 'f 4' (holds white space) and 3 more. Other keys, or --skip-unfit, which leaves these out, help"
    )


def test_what_would_be_misread_can_be_left_out(tmp_path: Path) -> None:
    """Then it is in none of the files, and said."""
    run = write_run(tmp_path / "run", {"back": " "}, {"n": 1}, {"key": "a b"})
    exported = export(run, tmp_path / "out", skip_unfit=True)

    for name in TRAIN[:4]:
        (line,) = (tmp_path / "out/c" / name).read_text().splitlines()
        assert line.startswith("dog#")
        assert line.split()[0].endswith("#1")
    assert (tmp_path / "out/c/FeatureData/train_id.txt").read_text() == "dog\n"
    assert exported.notes[0] == (
        "left out, since the reader would misread them: the back-translation of caption 0 of 'dog' (is empty), "
        "key 'a b' (holds white space)"
    )


def test_a_run_of_which_nothing_can_be_exported(tmp_path: Path) -> None:
    """Whether nothing was kept or nothing is fit, it is refused."""
    dropped = write_run(tmp_path / "dropped", {"keep": False, "reasons": ["empty"]})
    unfit = write_run(tmp_path / "unfit", {"key": "a b"})

    assert refused(dropped, tmp_path / "out") == "no kept pair of de in train can be exported"
    assert refused(unfit, tmp_path / "out", skip_unfit=True) == (
        "no kept pair of de in train can be exported; the reader would misread key 'a b' (holds white space)"
    )


def test_a_run_without_back_translations_is_refused(tmp_path: Path) -> None:
    """The message says what to set."""
    run = write_run(tmp_path / "run", {}, backs=False)

    assert refused(run, tmp_path / "out") == (
        f"{run.root} has no back-translations, which are one of the files: set translate.back_translation: true and "
        "build it again with --overwrite; only they are made then"
    )


def test_training_items_are_not_evaluated_on(run: Run, tmp_path: Path) -> None:
    """An item in both is named, and nothing is written."""
    (tmp_path / "human.tsv").write_text("key\tde\nhorse\tEin Pferd.\ncat\tEine Katze.\n")
    message = refused(run, tmp_path / "out", references=(f"test={tmp_path / 'human.tsv'}",))

    assert message == (
        "training items are evaluated on: 'horse'; leave them out of --references, or say with --split and --columns "
        "split=NAME which items are for what"
    )


def test_references_of_no_use(run: Run, tmp_path: Path) -> None:
    """What splits the captions are of is said, and how to say another."""
    (tmp_path / "human.tsv").write_text("key\tde\nhorse\tEin Pferd.\nowl\tEine Eule.\n")
    message = refused(run, tmp_path / "out", references=(str(tmp_path / "human.tsv"),))

    assert message.startswith(
        "--references: no caption is of val or test (1 of train, 1 of no known split): write val=FILE"
    )


def test_keys_of_references_are_checked_too(run: Run, tmp_path: Path) -> None:
    """One that the reader would misread is named."""
    (tmp_path / "human.tsv").write_text("key\tde\na b\tEine Katze.\ncat\tEine Katze.\n")
    settings = {"references": (f"val={tmp_path / 'human.tsv'}",)}

    assert "it would misread key 'a b' of the references (holds white space)." in refused(
        run, tmp_path / "out", **settings
    )
    export(run, tmp_path / "out", skip_unfit=True, **settings)
    assert (tmp_path / "out/c/TextData/cval_de.caption.txt").read_text() == "cat#de#0 Eine Katze.\n"


def test_another_model_for_the_references(tmp_path: Path) -> None:
    """It is used where the run's own is not on this machine; its captions that nobody can translate are left out."""
    run = write_run(tmp_path / "run", {}, translate={"back_translation": True, "model": "/gone/opus"})
    (tmp_path / "human.tsv").write_text(f"man\tEin Mann fährt Fahrrad.\nlong\t{'Hund ' * 400}\n")
    settings: dict[str, Any] = {"references": (f"val={tmp_path / 'human.tsv'}",)}
    assert refused(run, tmp_path / "out", **settings).endswith(
        "\n--reference-model names another one for the references"
    )
    exported = export(run, tmp_path / "out", **settings, reference_model="mini")

    text = (tmp_path / "out/c/TextData/cval_google_de2enc.caption.txt").read_text()
    assert text == "man#de2enc#0 A man is riding a bike.\n"
    assert (tmp_path / "out/c/FeatureData/val_id.txt").read_text() == "man\n"
    assert exported.notes == ["val: 1 human captions have no translation: 'long'"]


def test_a_model_that_cannot_translate_the_references(run: Run, tmp_path: Path) -> None:
    """It is named before any file is written."""
    (tmp_path / "human.tsv").write_text("key\tde\ncat\tEine Katze.\n")
    message = refused(run, tmp_path / "out", references=(str(tmp_path / "human.tsv"),), reference_model="nobody")

    assert message.startswith("--reference-model: ")


def test_everything_wrong_is_said_at_once(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names, language and the options that need others; exit code 2."""
    command = ["export", "nrccr", run.root, "--out", str(tmp_path / "out"), "--language", "cs"]
    assert main([*command, "--collection", "a b", "--prefix", "my_model"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"captionloom: --language: {run.root} has no cs; it has de, fr",
        "captionloom: --collection 'a b': letters, digits, _, - and . only; it names a folder",
        "captionloom: --prefix 'my_model': letters, digits, - and . only; the reader cuts it at the first _",
    ]
    assert main([*command, "--collection", "c", "--columns", "text=de"]) == 2
    assert capsys.readouterr().err.splitlines()[1:] == [
        "captionloom: --columns and --reference-model are about --references, which is not given",
        "captionloom: --columns 'text=de': write it as NAME=COLUMN; names are key, caption, split",
    ]


def test_a_collection_with_features_is_added_to(run: Run, tmp_path: Path) -> None:
    """Other files of the folder stay as they are, with --overwrite too, and another language's files go then."""
    features = tmp_path / "out" / "c" / "FeatureData" / "resnet152"
    features.mkdir(parents=True)
    np.save(features / "train.npy", np.zeros(3))
    export(run, tmp_path / "out", language="fr")
    with pytest.raises(ConfigError, match="holds an export already"):
        export(run, tmp_path / "out")
    export(run, tmp_path / "out", overwrite=True)

    assert np.load(features / "train.npy").tolist() == [0, 0, 0]
    names = {path.name for path in (tmp_path / "out" / "c" / "TextData").iterdir()}
    assert names == {Path(name).name for name in TRAIN[:4]}


def test_files_of_theirs_are_not_replaced_unasked(run: Run, tmp_path: Path) -> None:
    """Captions that somebody else put there are named, and stay."""
    theirs = tmp_path / "out" / "c" / TRAIN[1]
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(ConfigError, match=r"holds TextData/ctrain_google_enc2de.caption.txt already"):
        export(run, tmp_path / "out")

    assert theirs.read_text() == "theirs"


def test_the_same_run_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    """In every file, the record included."""
    export(run, tmp_path / "one")
    export(run, tmp_path / "other")

    for name in (*TRAIN, "captionloom.json"):
        assert (tmp_path / "one/c" / name).read_bytes() == (tmp_path / "other/c" / name).read_bytes()


def test_the_command_says_what_it_wrote(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file with its lines, and what is not there."""
    command = ["export", "nrccr", run.root, "--out", str(tmp_path / "out"), "--language", "de", "--collection", "c"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == f"{tmp_path / 'out' / 'c'}: 5 files"
    assert lines[1].split() == ["TextData/ctrain_enc.caption.txt", "3", "lines"]
    assert lines[-1].startswith("note: no val and test files")
