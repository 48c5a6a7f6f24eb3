"""From a name to a directory: fetched at one revision, converted once, kept whole or not at all."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tiny_encoders import save_encoder

from filters.encoder_files import Dense, EncoderFiles, read_encoder
from translate.decoding import Decoding, Device
from translate.engine import Engine
from translate.hub import Origin, find, find_as, is_hub_id, resolve
from translate.languages import parse_language
from translate.models import MINI, ModelError

SHA = "4a5b6c" + "0" * 34
ENGLISH, GERMAN = parse_language("en"), parse_language("de")


class Hub(ThreadingHTTPServer):
    """Hugging Face's two ways: what a model consists of, and one file of it at a revision."""

    def __init__(self, models: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models = models
        self.gated: set[str] = set()
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(path)
        for model_id, folder in self.server.models.items():
            if path in (f"/api/models/{model_id}", f"/api/models/{model_id}/revision/{SHA}"):
                found = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
                files = [{"rfilename": name} for name in found]
                self._send(json.dumps({"id": model_id, "sha": SHA, "siblings": files}).encode(), body=body)
                return
            if path.startswith(f"/{model_id}/resolve/{SHA}/") and model_id in self.server.gated:
                self._refuse(403, "GatedRepo")
                return
            if path.startswith(f"/{model_id}/resolve/{SHA}/"):
                self._send((folder / path.split(f"/{SHA}/")[1]).read_bytes(), body=body)
                return
        self._refuse(404, "RepoNotFound")

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("ETag", f'"{hash(content)}"')
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(opus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve ``opus`` as ``Helsinki-NLP/opus-mt-en-mul`` on this machine, in the place of Hugging Face."""
    server = Hub({"Helsinki-NLP/opus-mt-en-mul": opus})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def nothing_left(cache: Path) -> bool:
    """Whether the cache holds nothing that a later run would look at."""
    models = list((cache / "models").glob("[!.]*")) if cache.exists() else []
    return not models and not list(cache.glob("names/[!.]*"))


def test_a_hugging_face_directory(opus: Path, cache: Path) -> None:
    """It is converted once, into the cache, under the digest of the conversion; the original stays as it is."""
    before = sorted(file.name for file in opus.iterdir())
    model, origin = find(str(opus))
    assert model.path == cache / "models" / model.digest
    assert (origin.source, origin.revision, origin.licence) == (str(opus), None, "cc-by-4.0")
    assert sorted(file.name for file in opus.iterdir()) == before
    written = (model.path / "model.bin").stat().st_mtime_ns
    assert resolve(str(opus)) == model
    assert (model.path / "model.bin").stat().st_mtime_ns == written
    engine = Engine(model, decoding=Decoding(), device=Device(device="cpu", inter_threads=1))
    assert engine.translate(["A dog."], ENGLISH, GERMAN).targets[0]


def test_a_cache_that_has_moved(opus: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose cache lies elsewhere finds there what was planned."""
    model = resolve(str(opus))
    cache.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("CAPTIONLOOM_CACHE", str(tmp_path / "elsewhere"))
    engine = Engine(model, decoding=Decoding(), device=Device(device="cpu", inter_threads=1))
    assert engine.translate(["A dog."], ENGLISH, GERMAN).targets[0]


def test_a_changed_directory_is_another_model(opus: Path, cache: Path, tmp_path: Path) -> None:
    """What was converted before is not taken for a directory whose content is another."""
    copy = shutil.copytree(opus, tmp_path / "copy")
    first = resolve(str(copy))
    config = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps({**config, "model_max_length": 32}))
    second = resolve(str(copy))
    assert (first.max_length, second.max_length) == (64, 32)
    assert first.digest != second.digest


def test_an_id_is_fetched_and_pinned(hub: Hub, cache: Path) -> None:
    """The newest revision is fetched, file by file; from then on nobody is asked, and the revision is known."""
    model, origin = find("Helsinki-NLP/opus-mt-en-mul")
    assert (origin.source, origin.revision, origin.licence) == ("Helsinki-NLP/opus-mt-en-mul", SHA, "cc-by-4.0")
    assert model.path == cache / "models" / model.digest
    fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert "model.safetensors" in fetched
    hub.asked.clear()
    assert find("Helsinki-NLP/opus-mt-en-mul") == (model, origin)
    assert hub.asked == []
    assert not list(cache.glob("models/.part*"))


def test_a_revision(hub: Hub, cache: Path) -> None:
    """A revision is asked for by name, and is another entry of the cache."""
    _, origin = find(f"Helsinki-NLP/opus-mt-en-mul@{SHA}")
    assert origin.revision == SHA
    assert f"/api/models/Helsinki-NLP/opus-mt-en-mul/revision/{SHA}" in hub.asked
    with pytest.raises(ModelError, match=r"no Helsinki-NLP/opus-mt-en-mul at revision v9 at Hugging Face"):
        resolve("Helsinki-NLP/opus-mt-en-mul@v9")


def test_a_converted_model_is_fetched_as_it_is(hub: Hub, cache: Path) -> None:
    """What lies at Hugging Face in CTranslate2's layout needs no conversion."""
    hub.models["someone/mini"] = MINI
    assert resolve("someone/mini").digest == resolve("mini").digest


def find_encoder(name: str, *, make: bool = True) -> tuple[EncoderFiles, Origin]:
    """Find a sentence encoder as a teacher is found."""
    return find_as(read_encoder, name, others=("muse",), example="sentence-transformers/LaBSE", make=make)


def test_a_sentence_encoder_is_fetched_with_its_modules(hub: Hub, cache: Path, tmp_path: Path) -> None:
    """Pooling and dense layers are, of a pickle the tensors alone are kept; other formats and programs are not."""
    saved = save_encoder(tmp_path / "saved", "bert", dense="pickle", card="language: [en, de]\nlicense: mit").folder
    for other in ("onnx/model.onnx", "openvino/openvino_model.bin", "2_Dense/run.py", "train.py", ".gitattributes"):
        (saved / other).parent.mkdir(exist_ok=True)
        (saved / other).write_text("something")
    hub.models["someone/encoder"] = saved
    files, origin = find_encoder("someone/encoder")
    assert (origin.source, origin.revision, origin.licence) == ("someone/encoder", SHA, "mit")
    assert sorted({path.split(f"/{SHA}/")[1] for path in hub.asked if "/resolve/" in path}) == [
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/pytorch_model.bin",
        "README.md",
        "config.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert files.path == cache / "models" / files.digest
    assert sorted(file.relative_to(files.path).as_posix() for file in files.path.rglob("*") if file.is_file()) == [
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "README.md",
        "config.json",
        "model.bin",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocabulary.json",
    ]
    assert files.dense == (Dense("2_Dense/model.safetensors", "Tanh"),)
    hub.asked.clear()
    assert find_encoder("someone/encoder", make=False) == (files, origin)
    assert hub.asked == []


def test_a_converted_encoder_is_fetched_as_it_is(hub: Hub, cache: Path, tmp_path: Path) -> None:
    """In CTranslate2's layout it needs no conversion, and its modules come with it."""
    saved = save_encoder(tmp_path / "saved", "bert", dense="safetensors").folder
    local, _ = find_encoder(str(saved))
    hub.models["someone/converted"] = shutil.copytree(local.path, tmp_path / "converted")
    shutil.rmtree(cache)
    assert find_encoder("someone/converted")[0].digest == local.digest


def test_a_changed_card_is_read_anew(cache: Path, tmp_path: Path) -> None:
    """Languages that were added to the card of a directory are known, as after any other change there."""
    saved = save_encoder(tmp_path / "saved", "bert", card="language: de").folder
    assert find_encoder(str(saved))[0].languages == {"de"}
    (saved / "README.md").write_text("---\nlanguage: [cs, de]\n---\n")
    assert find_encoder(str(saved))[0].languages == {"cs", "de"}
    (saved / "1_Pooling/config.json").write_text('{"pooling_mode": "cls"}')
    assert find_encoder(str(saved))[0].pooling == ("cls",)


def test_an_id_that_is_not_there(hub: Hub, cache: Path) -> None:
    """The message says where was looked."""
    with pytest.raises(ModelError) as refused:
        resolve("Helsinki-NLP/opus-mt-xx-yy")
    assert str(refused.value) == (
        "model 'Helsinki-NLP/opus-mt-xx-yy': there is no directory of that name, and no Helsinki-NLP/opus-mt-xx-yy at "
        "Hugging Face"
    )
    assert nothing_left(cache)


def test_a_gated_model(hub: Hub, cache: Path) -> None:
    """Whoever has not accepted its terms is told so, and nothing is kept."""
    hub.gated.add("Helsinki-NLP/opus-mt-en-mul")
    with pytest.raises(ModelError, match=r"is gated at Hugging Face: accept its terms .* and set HF_TOKEN") as raised:
        resolve("Helsinki-NLP/opus-mt-en-mul")
    assert "\n" not in str(raised.value)
    assert nothing_left(cache)


def test_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message names the id, what was looked for and how to provide it."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError) as refused:
        resolve("facebook/nllb-200-distilled-600M")
    assert str(refused.value) == (
        "model 'facebook/nllb-200-distilled-600M': there is no directory of that name, the cache "
        f"{cache} does not have it, and facebook/nllb-200-distilled-600M cannot be fetched from Hugging Face "
        "(ConnectError); to provide it without a network, run `captionloom models fetch CONFIG` where there is one and "
        f"copy {cache} here (CAPTIONLOOM_CACHE names another folder), or name a local directory"
    )
    assert nothing_left(cache)


def test_without_making(opus: Path, cache: Path) -> None:
    """A listing fetches and converts nothing."""
    with pytest.raises(
        ModelError, match=r"is not in the cache .* yet: `captionloom models fetch CONFIG` puts it there"
    ):
        find(str(opus), make=False)
    with pytest.raises(ModelError, match="is not in the cache"):
        find("Helsinki-NLP/opus-mt-en-mul", make=False)
    assert nothing_left(cache)


@pytest.mark.parametrize("moment", ["model.bin", "names"])
def test_a_killed_conversion_leaves_nothing_to_trust(opus: Path, cache: Path, moment: str) -> None:
    """Killed while the model is written, or before it is noted, the conversion starts anew the next time."""
    program = f"""
import os, signal
from pathlib import Path
import translate.hub
from translate import hub
if {moment!r} == "names":
    hub.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
else:
    from ctranslate2.specs import model_spec
    def half(self, path):
        Path(path).write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    model_spec.ModelSpec._serialize = half
    model_spec.LayerSpec.save = lambda self, folder: half(self, Path(folder) / "model.bin")
    model_spec.ModelSpec.save = lambda self, folder: half(self, Path(folder) / "model.bin")
translate.hub.resolve({str(opus)!r})
"""
    killed = subprocess.run([sys.executable, "-c", program], env=os.environ, cwd=MINI.parents[1], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(ModelError, match="is not in the cache"):
        find(str(opus), make=False)
    model = resolve(str(opus))
    assert Engine(model, decoding=Decoding(), device=Device(device="cpu")).translate(["A dog."], ENGLISH, GERMAN)


def test_a_damaged_entry_of_the_cache(opus: Path, cache: Path) -> None:
    """What has changed in the cache is refused, not believed."""
    model = resolve(str(opus))
    with (model.path / "model.bin").open("r+b") as content:
        content.seek(2000)
        content.write(b"\0\1\2\3")
    with pytest.raises(ModelError, match="has changed since it was made; delete it, and it is made anew"):
        resolve(str(opus))
    shutil.rmtree(model.path)
    assert resolve(str(opus)) == model


def test_a_pickle_that_runs_code_is_refused(opus: Path, cache: Path, tmp_path: Path) -> None:
    """Weights that are a program are not run."""
    evil = shutil.copytree(opus, tmp_path / "evil")
    (evil / "model.safetensors").unlink()

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    (evil / "pytorch_model.bin").write_bytes(pickle.dumps({"lm_head.weight": Bomb()}))
    with pytest.raises(ModelError, match="cannot be converted"):
        resolve(str(evil))
    assert not (tmp_path / "ran").exists()
    assert nothing_left(cache)


def test_a_dense_layer_that_runs_code_is_refused(cache: Path, tmp_path: Path) -> None:
    """Nor is a program in the place of a module's weights."""
    saved = save_encoder(tmp_path / "saved", "bert", dense="pickle").folder

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    (saved / "2_Dense/pytorch_model.bin").write_bytes(pickle.dumps({"linear.weight": Bomb()}, protocol=2))
    with pytest.raises(ModelError, match="cannot be converted: UnpicklingError"):
        find_encoder(str(saved))
    assert not (tmp_path / "ran").exists()
    assert nothing_left(cache)


def test_code_of_the_models_own_is_not_run(opus: Path, cache: Path, tmp_path: Path) -> None:
    """A configuration that asks for its own code is refused, or its code left alone."""
    evil = shutil.copytree(opus, tmp_path / "evil")
    config = json.loads((evil / "config.json").read_text())
    config |= {"auto_map": {"AutoConfig": "evil.Config", "AutoModelForSeq2SeqLM": "evil.Model"}}
    (evil / "config.json").write_text(json.dumps(config))
    (evil / "evil.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n")
    resolve(str(evil))
    assert not (tmp_path / "ran").exists()


def test_an_unknown_architecture(opus: Path, cache: Path, tmp_path: Path) -> None:
    """A model of another kind is refused by its kind."""
    other = shutil.copytree(opus, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "whisper"}))
    with pytest.raises(ModelError, match=r"holds a model of type 'whisper'; known are bert, m2m_100, marian, t5"):
        resolve(str(other))


def test_a_cache_that_cannot_be_written(opus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache in an impossible place is refused with the setting that moves it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CAPTIONLOOM_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot be written \(.*\); CAPTIONLOOM_CACHE names another"):
        resolve(str(opus))


@pytest.mark.parametrize(
    ("name", "is_id"),
    [
        ("Helsinki-NLP/opus-mt-en-de", True),
        ("facebook/nllb-200-distilled-600M@refs/pr/3", True),
        ("mini", False),
        ("./models/mine", False),
        ("../mine", False),
        ("/models/mine", False),
        ("a/b/c", False),
        ("models/", False),
    ],
)
def test_what_an_id_looks_like(name: str, *, is_id: bool) -> None:
    """An organisation and a model; what begins with a dot or a slash is a path."""
    assert is_hub_id(name) is is_id
