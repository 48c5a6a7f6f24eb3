"""What is checked before anything runs: by the stages that shall run, and where they shall."""

import shutil
from pathlib import Path
from typing import Any

import ctranslate2
import pytest

from pipelines.config import Config
from pipelines.load import load_config
from pipelines.stages import check
from translate.models import MINI

NO_GPU = "translate.device: CUDA finds no GPU here; use cpu, or auto: a GPU where there is one"


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no GPU, on any machine."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)


def config(path: Path, **settings: Any) -> Config:
    """Return the small input's configuration with these settings of ``translate``."""
    made, problems = load_config(str(path), overrides=[f"translate.{name}={value}" for name, value in settings.items()])
    assert problems == []
    assert made is not None
    return made


def test_a_gpu_that_is_not_there(input_config: Path) -> None:
    """A stage that translates here is refused; cut needs none, and another machine may have one."""
    asked = config(input_config, device="cuda")
    assert check(asked)[1] == [NO_GPU]
    assert check(asked, ("score",))[1] == [NO_GPU]
    assert check(asked, ("cut",))[1] == []
    assert check(asked, here=False)[1] == []


def test_a_device_beside_a_model(input_config: Path) -> None:
    """What is wrong with the model is said too."""
    plan, problems = check(config(input_config, device="cuda", model="/nowhere"))
    assert plan is None
    assert [problem.split(":")[0] for problem in problems] == ["translate.model", "translate.device"]


@pytest.mark.parametrize("setting", ["model", "back_model"])
@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "INTERNAL: unk is not defined."), (b"spm", "INTERNAL: could not parse ModelProto from {file}")],
)
def test_a_broken_tokenizer(input_config: Path, mini_copy: Path, setting: str, content: bytes, why: str) -> None:
    """It is loaded before the run, and named by the setting, the model and the file; cut does without."""
    file = mini_copy / "target.spm"
    file.write_bytes(content)
    settings = {setting: mini_copy} if setting == "model" else {setting: mini_copy, "back_translation": "true"}
    asked = config(input_config, **settings)
    assert check(asked)[1] == [
        f"translate.{setting}: model '{mini_copy}': its tokenizer does not load: {file}: {why.format(file=file)}"
    ]
    assert check(asked, ("cut", "audit"))[1] == []


def test_a_model_that_is_there_twice(input_config: Path, tmp_path: Path) -> None:
    """Two models are checked, each once however many languages use it."""
    for name in ("de", "cs"):
        shutil.copytree(MINI, tmp_path / name)
        (tmp_path / name / "source.spm").write_bytes(b"")
    asked = config(input_config, model=f"{{de: {tmp_path}/de, cs: {tmp_path}/cs}}", back_translation="true")
    assert [problem.split(":")[1] for problem in check(asked)[1]] == [
        f" model '{tmp_path}/de'",
        f" model '{tmp_path}/cs'",
    ]
