"""``captionloom pairs``: pairs that somebody else translated in, every score and a verdict of each out."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from filters.calibration import Calibration
from pipelines.cli import main
from translate.models import MINI

CAPTIONS = Path(__file__).parents[2] / "tools" / "captions.tsv"

GOOD = [
    ("A dog runs on the beach.", "Ein Hund läuft am Strand."),
    ("Two children play football in the park.", "Zwei Kinder spielen Fußball im Park."),
    ("A man is riding a bicycle.", "Ein Mann fährt Fahrrad."),
    ("A woman sits on a bench and reads a book.", "Eine Frau sitzt auf einer Bank und liest ein Buch."),
    ("People walk down a busy street.", "Menschen gehen eine belebte Straße entlang."),
    ("A boat on a lake.", "Ein Boot auf einem See."),
    ("Three people are in a small boat.", "Drei Menschen sind in einem kleinen Boot."),
    ("A cat is sleeping on the sofa.", "Eine Katze schläft auf dem Sofa."),
    ("A boy jumps into the water.", "Ein Junge springt ins Wasser."),
    ("A girl in a red dress is dancing.", "Ein Mädchen in einem roten Kleid tanzt."),
    ("The horse stands in a green field.", "Das Pferd steht auf einer grünen Wiese."),
    ("A train arrives at the station.", "Ein Zug kommt am Bahnhof an."),
    ("Two women are cooking in a kitchen.", "Zwei Frauen kochen in einer Küche."),
    ("A man with a hat plays the guitar.", "Ein Mann mit einem Hut spielt Gitarre."),
    ("Snow covers the roof of the house.", "Schnee bedeckt das Dach des Hauses."),
    ("A bird sits on a branch.", "Ein Vogel sitzt auf einem Ast."),
    ("The bus stops in front of the school.", "Der Bus hält vor der Schule."),
    ("A baby is holding a yellow ball.", "Ein Baby hält einen gelben Ball."),
]
BAD = {
    "another language": ("A black car is parked on the street.", "Une voiture noire est garée dans la rue."),
    "no translation": ("A young man is climbing a steep rock.", "A young man is climbing a steep rock."),
    "a wrong encoding": ("A girl is feeding the ducks at the pond.", "Ein MÃ¤dchen fÃ¼ttert die Enten am Teich."),
    "another number": ("There are 3 bottles on the table.", "Auf dem Tisch stehen 5 Flaschen."),
    "another number word": ("Two dogs fight over a stick.", "Vier Hunde kämpfen um einen Stock."),
    "nothing": ("A waiter carries a tray.", "…"),
    "another caption": ("An old man is fishing at the river.", "Das Flugzeug steht auf der Landebahn."),
}
PAIRS = [*GOOD, *BAD.values()]
SCHEMA = [
    ("source", "string"),
    ("target", "string"),
    ("origin", "string"),
    ("back", "string"),
    ("lid_label", "string"),
    ("lid_prob", "float"),
    ("lid_other_prob", "float"),
    ("similarity", "float"),
    ("margin", "float"),
    ("length_z", "float"),
    ("mt_logprob", "float"),
    ("mt_min_logprob", "float"),
    ("mt_worst_logprob", "float"),
    ("mt_pmi", "float"),
    ("mt_min_pmi", "float"),
    ("mt_worst_pmi", "float"),
    ("back_chrf", "float"),
    ("back_similarity", "float"),
    ("length_ratio", "float"),
    ("copy_ratio", "float"),
    ("repetition", "float"),
    ("loops", "int32"),
    ("numbers_differ", "bool"),
    ("number_words_differ", "bool"),
    ("script_share", "float"),
    ("punctuation_difference", "float"),
    ("ending_differs", "bool"),
    ("unbalanced", "int32"),
    ("oddity", "float"),
    ("clean_probability", "float"),
    ("keep", "bool"),
    ("reasons", "list<element: string>"),
    ("weight", "float"),
]
TOKEN_SCORES = ("mt_logprob", "mt_min_logprob", "mt_worst_logprob", "mt_pmi", "mt_min_pmi", "mt_worst_pmi")
BARE = ("--teacher", "none", "--model", "none")
"""Nothing to load but the language identifier."""


def write_tsv(path: Path, pairs: list[tuple[str, str]]) -> str:
    """Write ``pairs`` and return the path."""
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), "utf-8")
    return str(path)


def judged(inputs: str | list[str], out: Path, *arguments: str, language: str = "de") -> pa.Table:
    """Run the command, which succeeds, and return what it wrote."""
    files = [inputs] if isinstance(inputs, str) else inputs
    assert main(["pairs", *files, "--language", language, "--out", str(out), *arguments]) == 0
    return pq.read_table(out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the lines of the message of a command that is wrong and prints nothing else."""
    assert main(["pairs", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.splitlines()


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """Write the pairs as TSV and return the path."""
    return write_tsv(tmp_path / "pairs.tsv", PAIRS)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Return what becomes of the pairs with the bundled models and their translations back."""
    folder = tmp_path_factory.mktemp("measured")
    return judged(write_tsv(folder / "pairs.tsv", PAIRS), folder / "out.parquet", "--back")


def test_the_columns(measured: pa.Table) -> None:
    """Their names, order and types, whatever was measured."""
    assert [(field.name, str(field.type)) for field in measured.schema] == SCHEMA


def test_the_rows_keep_their_order(measured: pa.Table) -> None:
    """Every pair is there as it came, kept or dropped, with its line."""
    rows = measured.to_pylist()
    assert [(row["source"], row["target"]) for row in rows] == PAIRS
    assert [row["origin"].rpartition("/")[2] for row in rows] == [f"pairs.tsv:{i}" for i in range(1, 26)]


def test_good_pairs_are_kept(measured: pa.Table) -> None:
    """Human translations of captions weigh something, and most of them all there is."""
    rows = measured.slice(0, len(GOOD)).to_pylist()
    assert [row["reasons"] for row in rows] == [[]] * 18
    assert all(row["keep"] and 0.5 < row["weight"] <= 1 for row in rows)
    assert sum(row["weight"] == 1 for row in rows) > 9


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        ("another language", ["wrong_language"]),
        ("no translation", ["wrong_language", "untranslated"]),
        ("a wrong encoding", ["mojibake"]),
        ("another number", ["numbers_differ"]),
        ("another number word", ["number_words_differ"]),
        ("nothing", ["empty", "length_ratio", "low_similarity", "low_margin", "low_round_trip"]),
        ("another caption", ["low_similarity", "low_margin"]),
    ],
)
def test_bad_pairs_are_dropped(measured: pa.Table, kind: str, reasons: list[str]) -> None:
    """Each for what is wrong with it, and for nothing else."""
    row = measured.slice(len(GOOD) + list(BAD).index(kind), 1).to_pylist()[0]
    assert (row["target"], row["keep"], row["weight"]) == (BAD[kind][1], False, 0.0)
    assert row["reasons"] == reasons


def test_everything_is_measured(measured: pa.Table) -> None:
    """With both models, 25 pairs and a language that all know, nothing is null but what an ellipsis cannot tell."""
    empty = {name: measured[name].null_count for name in measured.column_names}
    assert {name: count for name, count in empty.items() if count} == {
        "lid_label": 1,
        "lid_prob": 1,
        "lid_other_prob": 1,
        "copy_ratio": 1,
        "clean_probability": 25,
    }
    assert measured.slice(len(GOOD) + list(BAD).index("nothing"), 1)["lid_prob"].to_pylist() == [None]


def test_token_scores_tell_a_translation(measured: pa.Table) -> None:
    """The model gives every token of a good one a chance, and some token of each bad one none; no rule reads it."""
    lowest = measured["mt_logprob"].to_pylist()
    assert min(lowest[: len(GOOD)]) > -1.2 > max(lowest[len(GOOD) :])
    assert "low_confidence" not in {reason for row in measured["reasons"].to_pylist() for reason in row}


def test_back(measured: pa.Table) -> None:
    """Each translation is there again in the language of its source, and compared with it in letters and in meaning."""
    rows = {row["target"]: row for row in measured.to_pylist()}
    boat = rows["Drei Menschen sind in einem kleinen Boot."]
    assert boat["back"] == boat["source"]
    assert boat["back_chrf"] == 100
    assert boat["back_similarity"] == pytest.approx(1)
    plane = rows["Das Flugzeug steht auf der Landebahn."]
    assert "plane" in plane["back"]
    assert plane["back_chrf"] < 30
    assert plane["back_similarity"] < 0.2


def test_without_back(pairs: str, tmp_path: Path) -> None:
    """There is no back-translation, and nothing that compares one."""
    table = judged(pairs, tmp_path / "out.parquet", "--teacher", "none")
    assert [table[name].null_count for name in ("back", "back_chrf", "back_similarity")] == [25, 25, 25]
    assert table["mt_logprob"].null_count == 0


def test_what_is_said(pairs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Notes, the sum and each reason with its number, the most frequent first."""
    out = tmp_path / "out.parquet"
    judged(pairs, out, *BARE)
    assert capsys.readouterr().out.splitlines() == [
        "note: no teacher: similarity is not measured",
        f"{out}: 25 pairs, 19 kept (76.0%)",
        "  wrong_language                 2  Language identification finds the translation to be in another language.",
        "  untranslated                   1  Too many of the translation's words stand in the source as they are.",
        "  mojibake                       1  Parts of the translation were read in a wrong encoding, or lost.",
        "  numbers_differ                 1  The translation's numbers are not the source's.",
        "  number_words_differ            1  The numbers that the translation writes out are not the source's.",
        "  empty                          1  The translation has no letter and no digit.",
        "  length_ratio                   1  The translation is far shorter or longer than the language would make it.",
    ]


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl", "pairs.parquet", "two files"])
def test_every_format_gives_the_same(name: str, pairs: str, tmp_path: Path) -> None:
    """CSV, JSON lines, Parquet and two aligned files are judged as the TSV is; only the origins differ."""
    expected = judged(pairs, tmp_path / "expected.parquet", *BARE)
    table = pa.table({"source": [source for source, _ in PAIRS], "target": [target for _, target in PAIRS]})
    inputs = [str(tmp_path / name)]
    if name.endswith(".csv"):
        pyarrow.csv.write_csv(table, inputs[0])
    elif name.endswith(".parquet"):
        pq.write_table(table, inputs[0])
    elif name.endswith(".jsonl"):
        Path(inputs[0]).write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), "utf-8")
    else:
        inputs = [str(tmp_path / "en"), str(tmp_path / "de")]
        for path, column in zip(inputs, table.columns, strict=True):
            Path(path).write_text("".join(f"{text}\n" for text in column.to_pylist()), "utf-8")
    found = judged(inputs, tmp_path / "found.parquet", *BARE)
    assert found.drop_columns("origin").equals(expected.drop_columns("origin"))
    assert found["origin"][24].as_py() in (f"{inputs[0]}:25", f"{inputs[0]}:26")  # the latter below a header


def test_other_columns(tmp_path: Path) -> None:
    """Their names stand in --columns, the source's first."""
    (tmp_path / "pairs.csv").write_text("de,id,en\nEin Hund.,7,A dog.\n", "utf-8")
    table = judged(str(tmp_path / "pairs.csv"), tmp_path / "out.parquet", "--columns", "en, de", *BARE)
    assert (table["source"].to_pylist(), table["target"].to_pylist()) == (["A dog."], ["Ein Hund."])


def test_the_kept_pairs_of_a_run(built_run: Path, tmp_path: Path) -> None:
    """A run directory is an input too; its own translations are good ones."""
    table = judged(str(built_run), tmp_path / "out.parquet", *BARE, language="Czech")
    assert table.num_rows > 5
    assert all(table["keep"].to_pylist())
    assert "boat#1" in table["origin"].to_pylist()


def test_rejects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records that are no pairs stand beside it with origin and reason; when there are none, so does no such file."""
    source, out = tmp_path / "pairs.tsv", tmp_path / "out.parquet"
    source.write_bytes(b"A dog.\tEin Hund.\nA cat.\n \tEine Katze.\nA cow.\tEine K\xfch.\n")
    assert judged(str(source), out, *BARE)["target"].to_pylist() == ["Ein Hund."]
    rejects = pq.read_table(tmp_path / "out.rejects.parquet").to_pylist()
    assert rejects == [
        {"origin": f"{source}:2", "reason": "malformed_record"},
        {"origin": f"{source}:3", "reason": "empty_text"},
        {"origin": f"{source}:4", "reason": "bad_encoding"},
    ]
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == (
        f"3 records are no pairs: 1 malformed_record, 1 empty_text, 1 bad_encoding; the first: {source}:2"
    )
    judged(write_tsv(source, GOOD[:1]), out, *BARE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "pairs.tsv"]


def test_an_empty_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No pairs in, no pairs out, in the same columns."""
    table = judged(write_tsv(tmp_path / "pairs.tsv", []), tmp_path / "out.parquet", *BARE)
    assert table.num_rows == 0
    assert [(field.name, str(field.type)) for field in table.schema] == SCHEMA
    assert f"{tmp_path}/out.parquet: 0 pairs, 0 kept (0.0%)" in capsys.readouterr().out


def test_the_same_bytes_again(pairs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs write the same file, whatever the threads do with units of eight pairs."""
    monkeypatch.setattr("pipelines.pairs.UNIT", 8)
    first = judged(pairs, tmp_path / "first.parquet", "--back")
    assert first["target"].to_pylist() == [target for _, target in PAIRS]
    judged(pairs, tmp_path / "second.parquet", "--back")
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()


def test_a_language_that_mini_does_not_translate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and no token is measured; everything else is."""
    pairs = [
        ("A dog runs on the beach.", "Un perro corre por la playa."),
        ("A boat on a lake.", "Un barco en un lago."),
    ]
    table = judged(write_tsv(tmp_path / "pairs.tsv", pairs), tmp_path / "out.parquet", language="es")
    assert [table[name].null_count for name in TOKEN_SCORES] == [2] * 6
    assert table["similarity"].null_count == 0
    assert table["keep"].to_pylist() == [True, True]
    (note,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert note.startswith("note: model 'mini' does not translate English (en) to Spanish (es)")
    assert note.endswith(": token log-probabilities are not measured; --model names one that can")


def test_a_language_that_the_teacher_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and no similarity is measured; the tokens are."""
    pairs = [("A dog runs on the beach.", "Pes běží po pláži."), ("A boat on a lake.", "Loďka na jezeře.")]
    table = judged(write_tsv(tmp_path / "pairs.tsv", pairs), tmp_path / "out.parquet", language="cs")
    assert [table[name].null_count for name in ("similarity", "margin", "mt_logprob")] == [2, 2, 0]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "note: the teacher 'muse' does not know Czech: similarity is not measured"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--language", "xq"], "--language: unknown language 'xq'"),
        (["--source-language", "xq"], "--source-language: unknown language 'xq'"),
        (["--out", "out.tsv"], "--out out.tsv: its name has to end in .parquet"),
        (["--teacher", "labse"], "--teacher: model 'labse': no such directory"),
        (["--model", "nobody"], "--model: model 'nobody': no such directory"),
        (["--calibration", "nowhere"], "--calibration: nowhere: no such file"),
        (["--min-clean-probability", "0.5"], "--min-clean-probability needs --calibration or --calibrate"),
        (["--calibrate", "--min-clean-probability", "1.5"], "--min-clean-probability: 1.5 is not between 0 and 1"),
        (["--calibrate", "--min-clean-probability", "nan"], "--min-clean-probability: nan is not between 0 and 1"),
        (["--back", "--model", "none"], "--back needs a --model"),
        (["--back", "--language", "es"], "--model: model 'mini' does not translate English (en) to Spanish (es)"),
        (["--columns", "en"], "--columns en: give two names, the source's and the translation's"),
    ],
)
def test_what_is_refused(
    arguments: list[str], problem: str, pairs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2, and nothing written."""
    (line,) = refused(capsys, pairs, "--language", "de", "--out", str(tmp_path / "out.parquet"), *arguments)
    assert line.startswith(f"captionloom: {problem}")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_every_problem_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, a wrong name, an unknown teacher and model, and no calibration: a line each, in one message."""
    arguments = ["--teacher", "labse", "--model", "nobody", "--min-clean-probability", "0.5", "--out", "out.tsv"]
    lines = refused(capsys, str(tmp_path / "gone.tsv"), "--language", "de", *arguments)
    assert [line.split(":")[1] for line in lines] == [
        f" {tmp_path}/gone.tsv",
        " --out out.tsv",
        " --teacher",
        " --min-clean-probability needs --calibration or --calibrate",
        " --model",
    ]


def test_learning_and_having_learnt(pairs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--calibrate and --calibration exclude each other."""
    arguments = ["--language", "de", "--out", str(tmp_path / "out.parquet"), "--calibrate", "--calibration", "nowhere"]
    assert "captionloom: --calibrate learns what --calibration would say: give one of them" in refused(
        capsys, pairs, *arguments
    )


def test_a_column_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is found out before the output is begun."""
    (tmp_path / "pairs.csv").write_text("en,de\nA dog.,Ein Hund.\n", "utf-8")
    out = str(tmp_path / "out.parquet")
    (line,) = refused(capsys, str(tmp_path / "pairs.csv"), "--language", "de", "--out", out, *BARE)
    assert line == f"captionloom: {tmp_path}/pairs.csv has no column 'source'; there are en, de"
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"version": 0}'])
def test_a_damaged_calibration(content: bytes, pairs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the file."""
    (tmp_path / "de.json").write_bytes(content)
    arguments = ["--language", "de", "--out", str(tmp_path / "out.parquet"), "--calibration", str(tmp_path)]
    (line,) = refused(capsys, pairs, *arguments, *BARE)
    assert line.startswith(f"captionloom: --calibration: {tmp_path}/de.json: ")
    assert not (tmp_path / "out.parquet").exists()


def test_a_run_that_fails_midway_leaves_nothing(
    pairs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk fills up after the first unit: exit code 1, and neither the output nor a part of it is there."""
    monkeypatch.setattr("pipelines.pairs.UNIT", 8)
    write, written = pq.ParquetWriter.write_table, []

    def full(writer: pq.ParquetWriter, table: pa.Table, *arguments: Any) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(table)
        write(writer, table, *arguments)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    out = tmp_path / "out.parquet"
    assert main(["pairs", pairs, "--language", "de", "--out", str(out), *BARE]) == 1
    assert [table.num_rows for table in written] == [8]
    assert f"No space left on device: '{out}'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_an_old_output_stays_until_the_new_one_is_whole(
    pairs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there before a run that fails is there after it."""
    out = tmp_path / "out.parquet"
    judged(pairs, out, *BARE)
    before = out.read_bytes()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the teacher has left")

    monkeypatch.setattr("pipelines.judging.judge", broken)
    assert main(["pairs", pairs, "--language", "de", "--out", str(out), *BARE]) == 1
    assert out.read_bytes() == before


def test_a_model_of_ones_own(pairs: str, tmp_path: Path) -> None:
    """A directory reads the translations as the bundled model in it does."""
    copy = shutil.copytree(MINI, tmp_path / "mine")
    own = judged(pairs, tmp_path / "own.parquet", "--teacher", "none", "--model", str(copy))
    bundled = judged(pairs, tmp_path / "bundled.parquet", "--teacher", "none")
    assert own.equals(bundled)


def test_learnt_from_the_pairs_themselves(tmp_path: Path) -> None:
    """--calibrate: what was learnt lies beside the output, and judges and weighs it; again, it is the same."""
    lines = CAPTIONS.read_text("utf-8").splitlines()
    good = [(english, german) for english, german, *_ in (line.split("\t") for line in lines[:2000:20])]
    source = write_tsv(tmp_path / "pairs.tsv", [*good, *BAD.values()])
    first = judged(source, tmp_path / "first.parquet", "--calibrate", *BARE)
    content = (tmp_path / "first.calibration.json").read_bytes()
    calibration = Calibration.from_json(content)
    assert calibration.language == "de"
    bound = np.float32(calibration.report["suggested"]["min_clean_probability"])
    rows = first.to_pylist()
    for row in rows:
        fired = {"empty": row["target"] == "…", "low_clean_probability": row["clean_probability"] < bound}
        assert row["reasons"] == [reason for reason, fires in fired.items() if fires]
        assert row["weight"] == (0 if row["reasons"] else row["clean_probability"])
    assert sum(row["keep"] for row in rows[: len(good)]) > 0.9 * len(good)

    # What was learnt is applied as any calibration is.
    again = judged(source, tmp_path / "again.parquet", "--calibration", str(tmp_path / "first.calibration.json"), *BARE)
    assert again.equals(first)
    bounded = ["--calibration", str(tmp_path / "first.calibration.json"), "--min-clean-probability", "1"]
    assert not any(judged(source, tmp_path / "none.parquet", *bounded, *BARE)["keep"].to_pylist())


def test_too_few_pairs_to_learn_from(pairs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 1, and nothing written."""
    arguments = ["--language", "de", "--out", str(tmp_path / "out.parquet"), "--calibrate", *BARE]
    assert main(["pairs", pairs, *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("captionloom: --calibrate: ")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]
