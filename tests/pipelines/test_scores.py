"""The meter: what models measure of pairs, and what stays null; and the tokens, where the configuration asks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.language import LanguageIdentifier
from filters.similarity import Embeddings
from pipelines.cli import main
from pipelines.columns import COSTLY
from pipelines.scores import Meter
from translate.decoding import Decoding, Device
from translate.engine import Engine
from translate.hub import resolve
from translate.languages import parse_language

ENGLISH, GERMAN = parse_language("en"), parse_language("de")
TOKEN_SCORES = ("mt_min_logprob", "mt_worst_logprob", "mt_pmi", "mt_min_pmi", "mt_worst_pmi")
DOG = ("A dog runs on the beach.", "Ein Hund läuft am Strand.")


class Axes:
    """A teacher that understands numbers: texts about the same one are the same to it, others have little in common."""

    name, digest, dimension = "axes", "axes-1", 21

    def __init__(self) -> None:
        self.read: list[list[str]] = []

    def knows(self, language: str) -> bool:
        return language in ("en", "de")

    def embed(self, texts: Sequence[str]) -> Embeddings:
        self.read.append(list(texts))
        found = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            digits = "".join(sign for sign in text if sign.isdigit())
            found[row] = 0.1
            found[row, int(digits) if digits else 20] = 1
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Return the bundled model."""
    return Engine(resolve("mini"), decoding=Decoding(), device=Device(device="cpu", compute_type="float32"))


def meter(teacher: Axes | None = None, engine: Engine | None = None) -> Meter:
    """Return a meter from English into German with these models."""
    labels = frozenset([ENGLISH.lid_label, GERMAN.lid_label])
    return Meter(ENGLISH, GERMAN, labels, LanguageIdentifier(), teacher, engine)


def measured(
    meter: Meter, pairs: Sequence[tuple[str, str | None]], back: Sequence[str | None] | None = None
) -> dict[str, list[Any]]:
    """Return the scores of ``pairs``, by column."""
    source, target = (pa.array(column, pa.string()) for column in zip(*pairs, strict=True))
    found = meter(source, target, None if back is None else pa.array(back, pa.string()))
    assert found.schema == COSTLY
    columns: dict[str, list[Any]] = found.to_pydict()
    return columns


def numbered(pairs: int) -> list[tuple[str, str | None]]:
    """Return so many pairs of which each is about a number of its own."""
    return [(f"Picture {i} of a dog.", f"Bild {i} eines Hundes.") for i in range(pairs)]


def test_what_needs_no_model() -> None:
    """Without a teacher and an engine there are language identification and the length; all else is null."""
    scores = measured(meter(), [DOG, ("A cat sleeps on the sofa.", "Eine Katze schläft auf dem Sofa.")])
    assert [name for name, column in scores.items() if column != [None, None]] == [
        "lid_label",
        "lid_prob",
        "lid_other_prob",
        "length_z",
    ]
    assert scores["lid_label"] == ["de", "de"]


def test_the_similarity_is_the_cosine() -> None:
    """Of the embeddings of source and target: 1 where they are about the same, low where they are not."""
    scores = measured(meter(Axes()), [("Picture 1.", "Bild 1."), ("Picture 2.", "Bild 3.")])
    assert scores["similarity"][0] == pytest.approx(1)
    # (2 * 1 * 0.1 + 19 * 0.1 * 0.1) / (1 + 20 * 0.1 * 0.1)
    assert scores["similarity"][1] == pytest.approx(0.325)


@pytest.mark.parametrize(("pairs", "margins"), [(15, 0), (16, 16)])
def test_the_margin_needs_company(pairs: int, margins: int) -> None:
    """Of fewer than sixteen pairs there is none."""
    margin = measured(meter(Axes()), numbered(pairs))["margin"]
    assert sum(value is not None for value in margin) == margins
    # The cosine 1 over 0.325, that of two pictures of other numbers.
    assert all(value == pytest.approx(1 / 0.325) for value in margin if value is not None)


@pytest.mark.parametrize("target", [None, ""])
def test_without_a_translation(target: str | None, engine: Engine) -> None:
    """Nothing is measured of it; the others are not the worse for it."""
    pairs = [*numbered(19), ("Picture 19 of a dog.", target)]
    scores = measured(meter(Axes(), engine), pairs)
    empty = {name for name, column in scores.items() if column[19] is None}
    assert empty == set(scores)
    assert all(None not in column[:19] for name, column in scores.items() if not name.startswith("back_"))


def test_round_trips() -> None:
    """Letters and meaning of source and back-translation; null where there is none."""
    pairs = [("Picture 1.", "Bild 1."), ("Picture 2.", "Bild 2."), ("Picture 3.", "Bild 3.")]
    scores = measured(meter(Axes()), pairs, ["Picture 1.", None, "???"])
    assert scores["back_chrf"] == [100, None, 0]
    assert scores["back_similarity"] == [pytest.approx(1), None, pytest.approx(0.325)]


def test_round_trips_without_a_teacher() -> None:
    """Their letters are compared, and their meaning cannot be."""
    scores = measured(meter(), [DOG], [DOG[0]])
    assert (scores["back_chrf"], scores["back_similarity"]) == ([100], [None])


def test_sources_are_embedded_by_who_keeps_them() -> None:
    """The teacher reads the targets alone, and takes the sources' embeddings from there."""
    teacher = Axes()
    source, target = pa.array(["Picture 1."]), pa.array(["Bild 1."])
    asked = []

    def kept(given: Any, texts: list[str]) -> Embeddings:
        asked.append((given, texts))
        return Axes().embed(texts)

    assert meter(teacher)(source, target, embed=kept)["similarity"].to_pylist() == [pytest.approx(1)]
    assert asked == [(teacher, ["Picture 1."])]
    assert teacher.read == [["Bild 1."]]


def test_the_tokens(engine: Engine) -> None:
    """What the source says is likely token by token; what it does not is less so, in every way of looking at it."""
    good, bad = DOG, (DOG[0], "Ein Hund läuft am Bahnhof.")
    scores = measured(meter(engine=engine), [good, bad])
    (forced,) = engine.score([good], ENGLISH, GERMAN)
    assert forced is not None
    assert scores["mt_logprob"][0] == pytest.approx(forced.mean, abs=1e-3)
    assert scores["mt_min_logprob"][0] == pytest.approx(min(forced.logprobs), abs=1e-3)
    for name in ("mt_logprob", *TOKEN_SCORES):
        assert scores[name][1] < scores[name][0], name
    for right, wrong in zip(scores["mt_min_logprob"], scores["mt_worst_logprob"], strict=True):
        assert right <= wrong <= 0


def test_a_text_that_is_too_long_for_the_model(engine: Engine) -> None:
    """Its tokens are not measured; those of the others are."""
    scores = measured(meter(engine=engine), [("A dog. " * 400, "Ein Hund."), DOG])
    assert [scores[name][0] for name in TOKEN_SCORES] == [None] * 5
    assert None not in [scores[name][1] for name in TOKEN_SCORES]


def test_no_pairs(engine: Engine) -> None:
    """An empty table has the columns of a full one."""
    empty = pa.array([], pa.string())
    found = meter(Axes(), engine)(empty, empty, empty)
    assert (found.num_rows, found.schema) == (0, COSTLY)


CAPTIONS = ["A dog runs on the beach.", "A boat on a lake.", "A man in a red shirt.", "A woman reads a book.", "Snow."]


def score(folder: Path, out: str, capsys: pytest.CaptureFixture[str], *settings: str) -> str:
    """Score the captions into the ledger of ``out``; return what was said."""
    (folder / "captions.jsonl").write_text(
        "".join(json.dumps({"key": f"k{i}", "caption": text}) + "\n" for i, text in enumerate(CAPTIONS))
    )
    config = {
        "input": {"format": "jsonl", "path": "captions.jsonl"},
        "languages": ["de"],
        "score": {"teacher": "none"},
        "translate": {"compute_type": "float32"},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    overrides = [part for setting in settings for part in ("--set", setting)]
    assert main(["score", str(folder / "config.yaml"), "--out", str(folder / out), "--overwrite", *overrides]) == 0
    return capsys.readouterr().err


def parts(folder: Path, family: str) -> dict[str, Path]:
    """Return by the folder's name the only part of each folder of a ledger."""
    return {path.parent.name: path for path in sorted((folder / "ledger" / family).rglob("*.parquet"))}


def test_tokens_are_measured_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Switched on later, nothing is translated again, and what is measured is what a run from the start measures."""
    score(tmp_path, "later", capsys)
    (before,) = parts(tmp_path / "later", "scores").values()
    rows = pq.read_table(before).to_pylist()
    assert len(rows) == 5
    assert all(row[name] is None for row in rows for name in TOKEN_SCORES)
    translated = {path: path.stat().st_mtime_ns for path in parts(tmp_path / "later", "translations").values()}

    said = score(tmp_path, "later", capsys, "score.tokens=true")
    assert "de: 0 texts translated, 5 were in the ledger, 5 measured again" in said
    assert {path: path.stat().st_mtime_ns for path in parts(tmp_path / "later", "translations").values()} == translated
    both = parts(tmp_path / "later", "scores")
    assert len(both) == 2
    (after,) = (path for path in both.values() if path != before)
    rows = pq.read_table(after).to_pylist()
    assert all(row[name] is not None for row in rows for name in TOKEN_SCORES)
    assert all(row["mt_min_logprob"] <= row["mt_worst_logprob"] <= 0 for row in rows)

    assert "de: 5 texts translated, 0 were in the ledger" in score(tmp_path, "at-once", capsys, "score.tokens=true")
    (made,) = parts(tmp_path / "at-once", "scores").items()
    assert made[0] == after.parent.name
    assert made[1].read_bytes() == after.read_bytes()
    # The model's own log-probability is stored with the translation.
    assert "mt_logprob" not in rows[0]
