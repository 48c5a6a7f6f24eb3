"""What the documentation says is what the code does."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.cli import _parser
from pipelines.config import FORMATS
from pipelines.load import load_config

ROOT = Path(__file__).parents[2]


def block(page: str, name: str) -> str:
    """Return the fenced block behind the mark ``name`` of a page."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert found, name
    return found[1]


def without_numbers(lines: list[str]) -> list[str]:
    """Return ``lines`` with numbers and everything that depends on them masked: engines round differently."""
    return [re.sub(r"; most dropped for.*|; dropped for.*|\d[\d,.]*", "#", line) for line in lines]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder that a demo ran in, and what it printed."""
    folder = tmp_path_factory.mktemp("readme")
    command = [sys.executable, "-m", "pipelines.cli", "demo", "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return folder, done.stdout


def test_readme_shows_what_the_demo_prints(demo: tuple[Path, str]) -> None:
    """The lines of the README are those of the demo, but for the figures."""
    folder, printed = demo
    shown = block("README.md", "demo").splitlines()

    assert without_numbers(printed.replace(f"{folder}/", "").splitlines()) == without_numbers(shown)


def test_readme_shows_what_show_prints(demo: tuple[Path, str]) -> None:
    """The lines of the README begin what ``show`` prints, but for the figures."""
    command = [sys.executable, "-m", "pipelines.cli", "show", "demo-run", "astronaut"]
    done = subprocess.run(command, cwd=demo[0], capture_output=True, text=True, check=True)
    shown = block("README.md", "show").splitlines()

    assert without_numbers(done.stdout.splitlines()[: len(shown)]) == without_numbers(shown)


_LOADING = """
import json, sys
found = {}
for name in ("triplets", "captions", "embeddings", "huggingface"):
    space = {}
    exec(open(f"{name}.py").read(), space)
    found[name] = space
item, batch = found["triplets"]["item"], found["captions"]["batch"]
rows = found["huggingface"]["rows"]
print(json.dumps({
    "triplet": [item["media"].mode, bool(item["translation"]), bool(item["back"]), item["weight"] >= 0.5],
    "texts": [len(found["captions"]["texts"]) == len(batch) > 0, batch[0]["language"] in ("en", "de", "fr", "cs")],
    "embedding": [len(found["embeddings"]["pixels"].shape), list(found["embeddings"]["target"].shape)],
    "rows": [len(rows), sorted(rows[0]), len(rows[0]["json"]["captions"])],
}))
"""


def test_examples_of_loading_run(demo: tuple[Path, str]) -> None:
    """Every example of docs/loading.md does what it says on the demo's shards, in about ten lines."""
    for name in ("triplets", "captions", "embeddings", "huggingface"):
        example = block("docs/loading.md", name)
        assert len(example.splitlines()) <= 11
        (demo[0] / f"{name}.py").write_text(example)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(demo[0] / "hf")}
    command = [sys.executable, "-c", _LOADING]
    done = subprocess.run(command, cwd=demo[0], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "triplet": ["RGB", True, True, True],
        "texts": [True, True],
        "embedding": [3, [512]],
        "rows": [18, ["jpg", "json", "txt"], 5],
    }


def test_the_configuration_of_embeddings_is_one(tmp_path: Path) -> None:
    """It is accepted with nothing said of the teacher."""
    (tmp_path / "config.yaml").write_text(
        block("README.md", "config") + block("docs/loading.md", "embeddings configuration")
    )
    config, problems = load_config(str(tmp_path / "config.yaml"))
    assert problems == []
    assert config is not None
    assert (config.shards.embeddings, config.score.teacher) == (True, "muse")


def test_readme_configuration_is_one(tmp_path: Path) -> None:
    """The example loads without a problem, and names every format there is."""
    text = block("README.md", "config")
    (tmp_path / "config.yaml").write_text(text)

    config, problems = load_config(str(tmp_path / "config.yaml"))

    assert problems == []
    assert config is not None
    assert config.languages == ["de", "fr", "cs"]
    assert yaml.safe_load(text)["input"]["media"] == "photos/{key}.jpg"
    assert re.findall(r"\w+", text.splitlines()[1].split("#")[1]) == list(FORMATS)


def test_the_example_of_evaluation_sets_is_one(tmp_path: Path) -> None:
    """It goes under ``input`` and names a set by two files, and one by its own."""
    text = block("README.md", "config").replace("languages:", block("docs/using.md", "exclude") + "languages:")
    (tmp_path / "config.yaml").write_text(text)

    config, problems = load_config(str(tmp_path / "config.yaml"))

    assert problems == []
    assert config is not None
    names = [entry.set_name for entry in config.input.exclude]
    assert names == ["XTD10", "XTD10", "COCO val2017", "own-test", "flickr30k-test"]


def test_examples_of_judging_are_accepted(tmp_path: Path) -> None:
    """Both pages have the bound that a calibration offers, over a configuration that is one."""
    for page in ("docs/using.md", "docs/noise.md"):
        (tmp_path / "config.yaml").write_text(block("README.md", "config") + block(page, "judge"))

        config, problems = load_config(str(tmp_path / "config.yaml"))

        assert problems == []
        assert config is not None
        assert config.judge.min_clean_probability == "learnt"
        assert config.judge.active_rules == ("too_long", "empty", "unfinished", "low_clean_probability")


@pytest.mark.parametrize("page", ["README.md", "docs/using.md"])
def test_commands_are_understood(page: str) -> None:
    """Every line ``$ captionloom …`` of a page is a command with options that exist."""
    lines = re.findall(r"^\$ captionloom (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    parsed = [_parser().parse_args(shlex.split(line, comments=True)) for line in lines]

    assert {"build", "verify", "pairs", "calibrate"} <= {options.name for options in parsed}


def test_commands_of_exports_are_understood() -> None:
    """Every line ``$ captionloom …`` of the page is an export with options that exist; each format has one."""
    lines = re.findall(r"^\$ captionloom (.*)$", (ROOT / "docs/exports.md").read_text(), re.MULTILINE)
    parsed = [_parser().parse_args(shlex.split(line, comments=True)) for line in lines]

    assert {options.name for options in parsed} == {"export"}
    assert {options.format for options in parsed} == {"nrccr", "hf", "parquet", "jsonl"}


def exported(demo: tuple[Path, str], *arguments: str) -> Path:
    """Run ``captionloom export`` on the demo's run; return the folder that it ran in."""
    command = [sys.executable, "-m", "pipelines.cli", "export", arguments[0], "demo-run", *arguments[1:]]
    subprocess.run([*command, "--overwrite"], cwd=demo[0], capture_output=True, check=True)
    return demo[0]


def test_lines_of_exports_are_real(demo: tuple[Path, str], tmp_path: Path) -> None:
    """Every file that docs/exports.md shows a line of has it: of the demo's run, and of a reference."""
    folder = exported(demo, "nrccr", "--language", "de", "--collection", "demo", "--out", "flat")
    (tmp_path / "val.tsv").write_text("kitchen\tEin Mann fährt Fahrrad.\n")
    exported(
        demo,
        "nrccr",
        "--language",
        "de",
        "--collection",
        "c",
        "--out",
        "flat",
        "--references",
        f"val={tmp_path}/val.tsv",
    )
    shown = (block("docs/exports.md", "nrccr") + block("docs/exports.md", "references")).splitlines()

    assert len(shown) == 16
    for name, line in zip(shown[::2], shown[1::2], strict=True):
        assert line.strip() in (folder / "flat" / name).read_text().splitlines()


def test_json_line_of_exports_is_real(demo: tuple[Path, str]) -> None:
    """A line of the demo's begins as docs/exports.md says."""
    folder = exported(demo, "jsonl", "--out", "pairs.jsonl")
    begins = block("docs/exports.md", "jsonl").strip().removesuffix("}")

    assert [line for line in (folder / "pairs.jsonl").read_text().splitlines() if line.startswith(begins)]


def test_example_of_datasets_runs(demo: tuple[Path, str], tmp_path: Path) -> None:
    """The code of docs/exports.md prints a pair of one split, and what the other, streamed, weighs; offline."""
    folder = exported(demo, "hf", "--out", "dataset")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", block("docs/exports.md", "datasets")]
    done = subprocess.run(command, cwd=folder, env=os.environ | offline, capture_output=True, text=True, check=True)

    assert len(done.stdout.splitlines()) == 2


def test_the_example_recipe_is_one() -> None:
    """The recipe in docs/training.md is accepted as it stands."""
    sys.path.insert(0, str(ROOT / "tools"))
    from training.recipe import Recipe

    recipe = Recipe.model_validate(yaml.safe_load(block("docs/training.md", "recipe")))

    assert (recipe.network.vocabulary, recipe.training.rounds) == (8000, [4000, 4000])


def test_tables_of_reasons_and_thresholds_are_those_of_the_code() -> None:
    """``tools/tables.py`` would change nothing."""
    page = ROOT / "docs" / "using.md"
    before = page.read_text()
    sys.path.insert(0, str(ROOT / "tools"))
    from tables import filled

    assert filled(before) == before


PAGES = [
    "README.md",
    "docs/using.md",
    "docs/loading.md",
    "docs/exports.md",
    "docs/noise.md",
    "docs/training.md",
    "docs/contributing.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    """Paths in code spans that begin with one of our folders exist."""
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:pipelines|translate|filters|shards|docs|benchmarks|tools|tests)/[\w./-]*)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []
