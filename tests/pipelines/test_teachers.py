"""The teacher of a configuration: what a name means, what is assumed of it, and how often it reads a text."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_encoders import save_encoder

from filters.encoder_files import read_encoder
from filters.sentence_encoder import SentenceEncoder
from filters.similarity import load_teacher
from pipelines.cli import main
from pipelines.config import Config, ScoreConfig
from pipelines.ledger import Fingerprints
from pipelines.plan import Plan, make_plan
from pipelines.teachers import TeacherPlan, find_teacher
from translate.convert import convert
from translate.decoding import Device
from translate.engine import Engine
from translate.hub import Origin
from translate.models import MINI, ModelError


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny encoder in Hugging Face's layout that knows English, German and Czech; do not change it."""
    folder = tmp_path_factory.mktemp("teachers") / "saved"
    card = "language: [en, de, cs]\nlicense: mit"
    return save_encoder(folder, "xlm-roberta", dense="pickle", card=card).folder


@pytest.fixture(scope="session")
def converted(saved: Path) -> Path:
    """Return the same in CTranslate2's layout; do not change it."""
    convert(saved, saved.parent / "converted")
    return saved.parent / "converted"


def found(teacher: str | Path, **settings: Any) -> tuple[TeacherPlan, Origin]:
    """Return the teacher of a ``score`` section, and where it comes from."""
    made = find_teacher(ScoreConfig(teacher=str(teacher), **settings))
    assert made is not None
    return made


def refusal(teacher: str | Path, *, make: bool = True, **settings: Any) -> str:
    """Return why there is no such teacher."""
    with pytest.raises(ModelError) as refused:
        find_teacher(ScoreConfig(teacher=str(teacher), **settings), make=make)
    return str(refused.value)


def config(languages: Sequence[str] = ("de",), **sections: Any) -> Config:
    """Return a configuration with these sections."""
    return Config.model_validate(
        {"input": {"format": "jsonl", "path": "none"}, "languages": list(languages), **sections}
    )


def plan(teacher: str | Path, *languages: str, **settings: Any) -> Plan:
    """Return the plan of ``mini`` with this teacher."""
    return make_plan(config(languages, score={"teacher": str(teacher), **settings}))


def test_muse() -> None:
    """The bundled teacher has no files, and is what its package's version is."""
    teacher, origin = found("muse")
    assert (teacher, origin) == (TeacherPlan("muse"), Origin("bundled", None, "Apache-2.0"))
    assert teacher.identity == load_teacher("muse").digest
    assert [teacher.knows(code) for code in ("de", "zh-Hant", "cs")] == [True, True, False]
    assert teacher.notes() == []
    assert teacher.load(Device(device="cpu")).name == "muse"


def test_none() -> None:
    """Without a teacher there is nothing to find."""
    assert find_teacher(ScoreConfig(teacher="none")) is None


def test_a_hugging_face_directory(saved: Path, cache: Path) -> None:
    """It is converted into the cache once, and what is loaded is what was planned."""
    teacher, origin = found(saved)
    assert origin == Origin(str(saved), None, "mit")
    assert teacher.files is not None
    assert teacher.files.path == cache / "models" / teacher.files.digest
    assert teacher.name == str(saved)
    assert [teacher.knows(code) for code in ("en", "de-AT", "cs", "fr")] == [True, True, True, False]
    assert find_teacher(ScoreConfig(teacher=str(saved)), make=False) == (teacher, origin)
    loaded = teacher.load(Device(device="cpu", inter_threads=1))
    assert (loaded.name, loaded.digest, loaded.dimension) == (str(saved), teacher.identity, 24)
    assert loaded.knows("cs")


def test_a_ctranslate2_directory(converted: Path, cache: Path) -> None:
    """It is taken where it lies."""
    teacher, origin = found(converted)
    assert teacher.files == read_encoder(converted, str(converted))
    assert origin == Origin(str(converted), None, "mit")
    assert not cache.exists()


def test_a_cache_that_has_moved(saved: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose cache lies elsewhere finds there what was planned."""
    teacher, _ = found(saved)
    cache.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("CAPTIONLOOM_CACHE", str(tmp_path / "elsewhere"))
    assert teacher.load(Device(device="cpu", inter_threads=1)).embed(["A dog."]).shape == (1, 24)


def test_a_name_that_means_nothing() -> None:
    """The message names the setting and everything that is accepted."""
    assert refusal("labse") == (
        "score.teacher: model 'labse': no such directory; accepted are 'muse', 'none', a directory in CTranslate2's or "
        "Hugging Face's layout, and an id at Hugging Face such as sentence-transformers/LaBSE"
    )


def test_a_directory_with_something_else(tmp_path: Path, opus: Path, cache: Path) -> None:
    """An empty one, a translation model in either layout, and a file that was not copied whole are told apart."""
    assert refusal(tmp_path) == (
        f"score.teacher: model '{tmp_path}': {tmp_path} holds neither model.bin (CTranslate2) nor config.json "
        "(Hugging Face)"
    )
    assert refusal(MINI) == (f"score.teacher: teacher '{MINI}' is no sentence encoder: {MINI} lacks vocabulary.json")
    assert refusal(opus).startswith(f"score.teacher: teacher '{opus}' is no sentence encoder: ")
    assert not list((cache / "models").iterdir())


def test_a_model_that_was_not_copied_whole(converted: Path, tmp_path: Path) -> None:
    """It is found out before anything is loaded."""
    half = shutil.copytree(converted, tmp_path / "half")
    (half / "model.bin").write_bytes((converted / "model.bin").read_bytes()[:5000])
    assert refusal(half) == (
        f"score.teacher: teacher '{half}': {half}/model.bin ends before its weights do: it was not copied whole"
    )


def test_without_making(saved: Path, cache: Path) -> None:
    """A listing fetches and converts nothing."""
    for name in (str(saved), "sentence-transformers/LaBSE"):
        assert refusal(name, make=False) == (
            f"score.teacher: model '{name}' is not in the cache {cache} yet: `captionloom models fetch CONFIG` puts it "
            "there, and so does a run"
        )
    assert not cache.exists()


def test_another_prefix_is_another_teacher(converted: Path) -> None:
    """It reads other texts: its identity is another one, and its embeddings are."""
    plain, prefixed = found(converted)[0], found(converted, teacher_prefix="query: ")[0]
    assert plain.identity != prefixed.identity
    device = Device(device="cpu", inter_threads=1)
    query = plain.load(device).embed(["query: A dog."])
    assert np.array_equal(prefixed.load(device).embed(["A dog."]), query)
    assert prefixed.load(device).digest == prefixed.identity


def test_an_empty_prefix_overrides_that_of_an_e5(converted: Path, tmp_path: Path) -> None:
    """What the configuration says counts more than a name."""
    (tmp_path / "e5").symlink_to(converted)
    assert [teacher.files.prefix for teacher, _ in (found(tmp_path / "e5"),) if teacher.files] == ["query: "]
    assert found(tmp_path / "e5", teacher_prefix="")[0].identity == found(converted)[0].identity


def test_muse_takes_no_prefix() -> None:
    """To ignore the setting would be to lie about the scores."""
    assert refusal("muse", teacher_prefix="query: ") == "score.teacher_prefix: the teacher 'muse' takes no prefix"


def prints(teacher: str | Path, **settings: Any) -> Fingerprints:
    """Return the fingerprints of German with this teacher."""
    return plan(teacher, "de", **settings).languages[0].fingerprints


def test_what_is_measured_anew(converted: Path) -> None:
    """Another teacher or prefix changes the scores, and never the translations."""
    muse, own, prefixed = prints("muse"), prints(converted), prints(converted, teacher_prefix="query: ")
    assert len({one.scores for one in (muse, own, prefixed)}) == 3
    assert len({one.translations for one in (muse, own, prefixed)}) == 1
    assert prints(converted, teacher_prefix="") == own


def test_the_notes_of_a_plan(converted: Path, tmp_path: Path) -> None:
    """What is assumed of the teacher, and which languages it does not know, is said before anything runs."""
    assert plan(converted, "cs", "fr").notes() == [
        f"French (fr): the teacher '{converted}' does not know it, so its similarity is not measured and no rule fires "
        "on it"
    ]
    bare = shutil.copytree(converted, tmp_path / "bare")
    (bare / "modules.json").unlink()
    (bare / "README.md").unlink()
    assert plan(bare, "cs", "fr").notes() == [
        f"the teacher '{bare}' has no modules.json of sentence-transformers: mean pooling is assumed",
        f"the card of the teacher '{bare}' lists no languages: it is taken to know all",
    ]


def test_a_teacher_that_does_not_know_the_source(converted: Path, tmp_path: Path) -> None:
    """It cannot compare anything."""
    german = shutil.copytree(converted, tmp_path / "german")
    (german / "README.md").write_text("---\nlanguage: de\n---\n")
    assert [one.teacher_knows for one in plan(german, "de", "cs").languages] == [False, False]


@pytest.mark.parametrize(
    ("teacher", "bounds"),
    [
        ("muse", (0.45, 0.7)),
        ("intfloat/multilingual-e5-small", (0.79, 0.86)),
        ("intfloat/multilingual-e5-small@refs/pr/3", (0.79, 0.86)),
        ("/models/me@home/multilingual-e5-small/", (0.79, 0.86)),
        ("sentence-transformers/LaBSE", (None, None)),
        ("intfloat/multilingual-e5-large", (None, None)),
        ("/models/multilingual-e5-small/converted", (None, None)),
        ("none", (None, None)),
    ],
)
def test_the_thresholds_follow_the_teacher(teacher: str, bounds: tuple[float | None, float | None]) -> None:
    """The cosines of one are not another's: where none were measured, similarity judges nothing."""
    thresholds = config(score={"teacher": teacher}).thresholds_for("de")
    assert (thresholds.min_similarity, thresholds.full_similarity) == bounds
    assert (thresholds.min_length_ratio, thresholds.min_logprob) == (0.6, -1.2)


def test_thresholds_of_the_configuration_count_more() -> None:
    """For all languages or for one, they stand in the place of the teacher's."""
    own = {
        "thresholds": {"min_similarity": 0.5, "full_similarity": 0.6},
        "languages": {"cs": {"thresholds": {"min_similarity": None}}},
    }
    for teacher in ("multilingual-e5-small", "LaBSE"):
        made = config(score={"teacher": teacher}, judge=own)
        assert [(one.min_similarity, one.full_similarity) for one in map(made.thresholds_for, ("de", "cs"))] == [
            (0.5, 0.6),
            (None, 0.6),
        ]


CAPTIONS = [
    f"A {colour} {animal} {what}."
    for colour in ("red", "brown")
    for animal in ("dog", "cat", "bird")
    for what in ("runs", "sits on a bench", "plays in the snow", "eats")
]


class Spied:
    """The texts that teachers have embedded and models translated, while real ones work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.embedded: list[str] = []
        self.translated: list[str] = []
        embed, translate = SentenceEncoder.embed, Engine.translate

        def spy_embed(encoder: SentenceEncoder, texts: Sequence[str]) -> Any:
            self.embedded += texts
            return embed(encoder, texts)

        def spy_translate(engine: Engine, texts: Sequence[str], *languages: Any) -> Any:
            self.translated += texts
            return translate(engine, texts, *languages)

        monkeypatch.setattr(SentenceEncoder, "embed", spy_embed)
        monkeypatch.setattr(Engine, "translate", spy_translate)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Spied:
    """Return what is embedded and translated from now on."""
    return Spied(monkeypatch)


class Folder:
    """A folder with captions and a configuration, scored in this process."""

    def __init__(self, folder: Path, teacher: Path) -> None:
        folder.mkdir()
        self.folder, self.teacher = folder, teacher

    def score(self, *changes: str, captions: Sequence[str] = CAPTIONS) -> int:
        """Score ``captions`` in German and Czech and return the exit code; ``changes`` are as ``--set`` takes them."""
        lines = [json.dumps({"key": str(i), "caption": caption}) + "\n" for i, caption in enumerate(captions)]
        (self.folder / "captions.jsonl").write_text("".join(lines))
        (self.folder / "config.yaml").write_text(
            f"input: {{format: jsonl, path: captions.jsonl}}\nlanguages: [de, cs]\nscore: {{teacher: {self.teacher}}}\n"
            "translate: {unit_size: 16, beam_size: 1, max_decoding_length: 16}\nrunner: {workers: 1}\nout: run\n"
        )
        options = [option for change in changes for option in ("--set", change)]
        return main(["score", str(self.folder / "config.yaml"), "--quiet", "--overwrite", *options])

    def similarities(self) -> dict[str, dict[bytes, float]]:
        """Return every part of the ledger's scores: text id → similarity."""
        parts = {}
        for file in (self.folder / "run/ledger/scores").glob("*/part-*.parquet"):
            table = pq.read_table(file, columns=["text_id", "similarity"])
            ids = table["text_id"].to_pylist()
            parts[f"{file.parent.name}/{file.name}"] = dict(zip(ids, table["similarity"].to_pylist(), strict=True))
        return parts


def test_a_source_is_embedded_once_for_all_languages(converted: Path, tmp_path: Path, spied: Spied) -> None:
    """Two languages need its embedding, as they are translated and when they are only measured again."""
    folder = Folder(tmp_path / "project", converted)
    assert folder.score() == 0
    assert Counter(text for text in spied.embedded if text in CAPTIONS) == Counter(CAPTIONS)
    assert sorted(spied.translated) == sorted(CAPTIONS * 2)

    spied.embedded.clear()
    spied.translated.clear()
    assert folder.score("score.teacher_prefix='query: '") == 0
    assert Counter(text for text in spied.embedded if text in CAPTIONS) == Counter(CAPTIONS)
    assert spied.translated == []
    assert len(folder.similarities()) == 8  # two units, two languages, two teachers


def test_scores_do_not_depend_on_what_was_done_before(converted: Path, tmp_path: Path) -> None:
    """A language scored alone, as after a crash, has the bits it has when another one went before it in its unit."""
    together, one_by_one = Folder(tmp_path / "together", converted), Folder(tmp_path / "one-by-one", converted)
    for folder in (together, one_by_one):
        # So that German lacks other texts than Czech.
        assert folder.score("languages=[de]", captions=CAPTIONS[::3]) == 0
    assert together.score() == 0
    assert one_by_one.score("languages=[de]") == 0
    assert one_by_one.score() == 0
    assert together.similarities() == one_by_one.similarities()
    assert len(together.similarities()) == 5


def test_similarities_are_cosines(converted: Path, tmp_path: Path) -> None:
    """Between -1 and 1 for each caption and language; they differ from caption to caption."""
    folder = Folder(tmp_path / "project", converted)
    assert folder.score() == 0
    found = [similarity for part in folder.similarities().values() for similarity in part.values()]
    assert len(found) == 48
    assert all(-1 <= similarity <= 1 for similarity in found)
    assert len(set(found)) > 24


def test_a_teacher_that_does_not_load(converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run fails in one line that names it."""
    broken = shutil.copytree(converted, tmp_path / "broken")
    (broken / "tokenizer.json").write_text("{}")
    assert Folder(tmp_path / "project", broken).score() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"EncoderError: teacher '{broken}' does not load from {broken}: " in line
