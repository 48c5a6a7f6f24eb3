"""What every test may ask for: the shared real data, and models made of the bundled one."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from translate.models import MINI

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the checkout; skip where it is absent."""
    if not (_SHARED / "data").is_dir():
        pytest.skip("../shared/data is not beside this checkout")
    return _SHARED / "data"


@pytest.fixture
def mini_copy(tmp_path: Path) -> Path:
    """Return a copy of the bundled model, to be damaged at will."""
    return shutil.copytree(MINI, tmp_path / "mini-copy")


@pytest.fixture(scope="session")
def one_way_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that translates from English only, as OPUS-MT's ``en-mul`` says it; do not change it.

    It is the bundled one without its token for English and its list of directions.
    """
    model = shutil.copytree(MINI, tmp_path_factory.mktemp("models") / "en-mul")
    vocabulary = json.loads((model / "shared_vocabulary.json").read_text("utf-8"))
    renamed = ["unused" if token == ">>eng<<" else token for token in vocabulary]
    (model / "shared_vocabulary.json").write_text(json.dumps(renamed), "utf-8")
    settings = json.loads((model / "tokenizer_config.json").read_text("utf-8"))
    del settings["directions"]
    (model / "tokenizer_config.json").write_text(json.dumps({**settings, "source_lang": "eng"}), "utf-8")
    return model


@pytest.fixture(scope="session")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny random Marian model in Hugging Face's layout, with a model card; do not change it."""
    from tiny_models import save_tiny

    from translate.families import Family

    folder = tmp_path_factory.mktemp("opus") / "saved"
    save_tiny(Family.MARIAN, folder)
    (folder / "README.md").write_text("---\nlanguage: de\nlicense: cc-by-4.0\n---\n# A model\n")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache of models, which is the one in use."""
    monkeypatch.setenv("CAPTIONLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
