"""Units: cut from the distinct texts alone, with what the ledger lacks marked in them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines import files, units
from pipelines.captions import CAPTIONS, text_ids
from pipelines.config import Config, InputConfig, RunnerConfig, ScoreConfig, TranslateConfig
from pipelines.embeddings import write_embeddings
from pipelines.ledger import SCORES, TRANSLATIONS, Ledger, part_name
from pipelines.plan import Plan, make_plan
from pipelines.run import Run
from pipelines.runner import Launcher
from pipelines.units import EMBEDDING, Planned, group_texts, plan_units

TEXTS = [f"A dog number {'x' * n}." for n in range(40)]


@pytest.fixture
def plan() -> Plan:
    """Return a plan for German and Czech, in units of sixteen."""
    return make_plan(
        Config(
            input=InputConfig(format="jsonl", path="none"),
            languages=["de", "cs"],
            score=ScoreConfig(teacher="none"),
            translate=TranslateConfig(unit_size=16),
        )
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run with nothing but a folder."""
    return Run(str(tmp_path / "run"))


def captions(run: Run, *parts: list[str]) -> None:
    """Leave caption parts of these texts."""
    for i, texts in enumerate(parts):
        rows = len(texts)
        columns = {
            "key": [f"k{j}" for j in range(rows)],
            "n": [0] * rows,
            "text_id": text_ids(pa.array(texts)),
            "text": texts,
            "media": [None] * rows,
            "split": ["train"] * rows,
            "origin": ["f"] * rows,
        }
        files.write_parquet(files.join(run.captions, f"part-{i}.parquet"), pa.table(columns, schema=CAPTIONS))


def translated(ledger: Ledger, plan: Plan, language: str, texts: list[str], *, scored: bool = True) -> str:
    """Put a part of these texts into the ledger; return its name."""
    prints = next(one.fingerprints for one in plan.languages if one.language.code == language)
    ids = text_ids(pa.array(texts))
    name = part_name(pa.chunked_array([ids]))
    empty = pa.nulls(len(texts))
    rows = [ids, pa.array(texts), pa.array(texts), *(empty.cast(field.type) for field in list(TRANSLATIONS)[3:])]
    files.write_parquet(ledger.part("translations", prints.translations, name), pa.table(rows, schema=TRANSLATIONS))
    if scored:
        scores = [ids, *(empty.cast(field.type) for field in list(SCORES)[1:])]
        files.write_parquet(ledger.part("scores", prints.scores, name), pa.table(scores, schema=SCORES))
    return name


def planned(run: Run, plan: Plan, ledger: Ledger) -> Planned:
    """Plan forty texts."""
    return plan_units(run, plan, ledger, Launcher(RunnerConfig(workers=1)), texts=len(TEXTS))


def held(path: str) -> dict[str, list[object]]:
    """Return the columns of a unit without the ids."""
    found: dict[str, list[object]] = files.ipc_table(files.read_bytes(path)).drop_columns("text_id").to_pydict()
    return found


def test_units_of_a_new_ledger(run: Run, plan: Plan, tmp_path: Path) -> None:
    """Distinct texts from all parts, by length, in units of the configured size, all lacking in all languages."""
    captions(run, TEXTS[20:], TEXTS[:25], TEXTS[:1])
    made = planned(run, plan, Ledger(str(tmp_path / "ledger")))
    assert [held(path)["text"] for path in made.units] == [TEXTS[:16], TEXTS[16:32], TEXTS[32:]]
    assert all(all(held(path)[code]) for path in made.units for code in ("de", "cs"))
    assert made.stale == []


def test_units_do_not_depend_on_the_ledger(run: Run, plan: Plan, tmp_path: Path) -> None:
    """What is there is marked, not left out; a unit with nothing to do is; other runs' rows do not matter."""
    ledger = Ledger(str(tmp_path / "ledger"))
    captions(run, TEXTS)
    translated(ledger, plan, "de", [*TEXTS[:18], "A text of another run."])
    translated(ledger, plan, "cs", TEXTS[:16])
    made = planned(run, plan, ledger)
    assert [held(path)["text"] for path in made.units] == [TEXTS[16:32], TEXTS[32:]]
    assert held(made.units[0])["de"] == [False, False] + [True] * 14
    assert held(made.units[0])["cs"] == [True] * 16
    assert made.stale == []


def test_parts_that_are_not_measured(run: Run, plan: Plan, tmp_path: Path) -> None:
    """A translations part without its scores is to be measured, if any of its texts is of this run."""
    ledger = Ledger(str(tmp_path / "ledger"))
    captions(run, TEXTS)
    name = translated(ledger, plan, "de", TEXTS[:16], scored=False)
    translated(ledger, plan, "de", ["A text of another run."], scored=False)
    assert planned(run, plan, ledger).stale == [("de", name)]


def test_clear(run: Run, plan: Plan, tmp_path: Path) -> None:
    """Nothing of the plan stays when it is done."""
    captions(run, TEXTS)
    made = planned(run, plan, Ledger(str(tmp_path / "ledger")))
    made.clear()
    assert not any(Path(path).exists() for path in [*made.units, *made.leftovers])


def test_groups_share_the_texts_out(run: Run) -> None:
    """Every text is in exactly one group."""
    captions(run, TEXTS, TEXTS[::-1])
    found = [group_texts(run.captions, group, 3)["text"].to_pylist() for group in range(3)]
    assert sorted(text for texts in found for text in texts) == sorted(TEXTS)
    assert all(texts for texts in found)


def test_many_duplicates_are_dropped_on_the_way(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that meets more rows than it has texts keeps each text once."""
    monkeypatch.setattr(units, "GROUP_TEXTS", 8)
    captions(run, *([TEXTS[:10]] * 9), TEXTS[30:])
    assert sorted(group_texts(run.captions, 0, 1)["text"].to_pylist()) == sorted(TEXTS[:10] + TEXTS[30:])


def test_one_group_for_so_many_texts() -> None:
    """The number of groups is a function of the number of texts alone."""
    assert [units.groups_of(texts) for texts in (0, 1, 200_000, 200_001, 1_000_000)] == [1, 1, 1, 2, 5]


def test_missing_back_translations_make_a_part_stale(run: Run, plan: Plan, tmp_path: Path) -> None:
    """With back-translation switched on, what was only translated is completed, not translated again."""
    ledger = Ledger(str(tmp_path / "ledger"))
    captions(run, TEXTS)
    name = translated(ledger, plan, "de", TEXTS[:16])
    german = plan.languages[0]
    prints = replace(german.fingerprints, backs="de-back")
    with_back = replace(plan, languages=(replace(german, fingerprints=prints), plan.languages[1]))
    assert planned(run, with_back, ledger).stale == [("de", name)]


def test_texts_that_are_not_embedded(run: Run, plan: Plan, tmp_path: Path) -> None:
    """Where embeddings are asked for a unit says which texts lack one, though nothing has to be translated."""
    ledger = Ledger(str(tmp_path / "ledger"))
    captions(run, TEXTS)
    for language in ("de", "cs"):
        translated(ledger, plan, language, TEXTS)
    with_embeddings = replace(plan, embeddings="en-0")
    ids = pa.chunked_array([text_ids(pa.array(TEXTS[:18]))])
    write_embeddings(ledger.part("embeddings", "en-0", "part-a.arrow"), ids, np.ones((18, 2)))

    assert planned(run, plan, ledger).units == []
    made = planned(run, with_embeddings, ledger)

    assert [held(path)["text"] for path in made.units] == [TEXTS[16:32], TEXTS[32:]]
    assert held(made.units[0])[EMBEDDING] == [False, False] + [True] * 14
    assert held(made.units[0])["de"] == [False] * 16
    assert made.stale == []


def test_sources_that_are_measured_again_are_embedded_with_it(run: Run, plan: Plan, tmp_path: Path) -> None:
    """A part that has to be measured embeds its sources anyway: they are no unit's, unless all of them are there."""
    ledger = Ledger(str(tmp_path / "ledger"))
    captions(run, TEXTS)
    german = translated(ledger, plan, "de", TEXTS[:20], scored=False)
    other = translated(ledger, plan, "de", TEXTS[20:], scored=False)
    translated(ledger, plan, "cs", TEXTS)
    ids = pa.chunked_array([text_ids(pa.array(TEXTS[20:]))])
    write_embeddings(ledger.part("embeddings", "en-0", "part-a.arrow"), ids, np.ones((20, 2)))

    made = planned(run, replace(plan, embeddings="en-0"), ledger)

    assert made.units == []
    assert made.stale == sorted([("de", german), ("de", other), (EMBEDDING, german)])
