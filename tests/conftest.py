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
def reverse_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that says it translates many languages to English; do not change it.

    It is the bundled one under another name for German, so what it says is German: the code path is real, the
    English is not.
    """
    model = shutil.copytree(MINI, tmp_path_factory.mktemp("models") / "mul-en")
    vocabulary = json.loads((model / "shared_vocabulary.json").read_text("utf-8"))
    renamed = [">>eng<<" if token == ">>deu<<" else token for token in vocabulary]
    (model / "shared_vocabulary.json").write_text(json.dumps(renamed), "utf-8")
    settings = json.loads((model / "tokenizer_config.json").read_text("utf-8"))
    del settings["source_lang"], settings["target_lang"]
    (model / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return model
