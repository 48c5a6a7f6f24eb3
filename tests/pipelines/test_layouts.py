"""``shards.layout``: what a sample is, what it costs, and that every promise holds in both."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import webdataset as wds

from pipelines.run import Run
from pipelines.verify import verify
from shards.loader import triplets


def cut(config: Path, ledger: Path, out: Path, *settings: str) -> "subprocess.CompletedProcess[str]":
    """Cut the small input from a full ledger, with these settings over its own."""
    given = [part for setting in (f"ledger={ledger}", *settings) for part in ("--set", setting)]
    command = [sys.executable, "-m", "pipelines.cli", "cut", str(config), "--out", str(out), *given]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def paired(input_config: Path, built_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Return the small run in layout ``pair``, with source captions and without; do not change it."""
    made = {}
    for source_pairs in (True, False):
        made[source_pairs] = tmp_path_factory.mktemp("paired") / "run"
        settings = ("shards.layout=pair", f"shards.source_pairs={str(source_pairs).lower()}")
        done = cut(input_config, built_run / "ledger", made[source_pairs], *settings)
        assert done.returncode == 0, done.stderr
    return made


def kept(run: Path) -> set[tuple[str, int, str]]:
    """Return (key, n, language) of every kept pair, as ``pairs/`` says."""
    rows = pq.read_table(run / "pairs").to_pylist()
    return {(row["key"], row["n"], row["language"]) for row in rows if row["keep"]}


def samples(run: Path) -> list[dict[str, Any]]:
    """Return webdataset's samples of all shards, their JSON read."""
    tars = sorted(str(path) for path in (run / "shards").glob("*.tar"))
    return [
        {**one, "json": json.loads(one["json"])} for one in wds.WebDataset(tars, shardshuffle=False, empty_check=False)
    ]


@pytest.mark.parametrize("source_pairs", [True, False])
def test_every_promise_holds(source_pairs: bool, paired: dict[bool, Path], built_run: Path) -> None:
    """It verifies; the same pairs are kept as in layout ``item``, and each is a sample with the item's own media."""
    run = paired[source_pairs]
    assert verify(Run(str(run)))[0] == []
    found = samples(run)
    described = [one["json"] for one in found]
    sources = {(one["key"], one["n"]) for one in described if one["language"] == "en"}
    translations = {(one["key"], one["n"], one["language"]) for one in described if one["language"] != "en"}
    assert len(sources) == (13 if source_pairs else 0)
    assert len(found) == len(sources) + len(translations)
    assert translations == kept(run) == kept(built_run)
    assert len(translations) < 26  # some were dropped
    media = {one["__key__"]: one["jpg"] for one in samples(built_run)}
    assert all(one["jpg"] == media[one["__key__"].rsplit("-", 2)[0]] for one in found)
    assert all(one["txt"].decode() == one["json"]["text"] for one in found)


def test_captions_without_a_sample_are_counted(paired: dict[bool, Path]) -> None:
    """Without source captions what has no translation is in no tar, and the sums come out all the same."""
    manifest = json.loads((paired[False] / "shards" / "manifest.json").read_text())
    assert (manifest["layout"], manifest["source_pairs"]) == ("pair", False)
    assert sum(shard["captions"] for shard in manifest["shards"]) == 13
    assert sum(shard["samples"] for shard in manifest["shards"]) == sum(shard["pairs"] for shard in manifest["shards"])


def test_shards_of_which_nothing_is_kept(input_config: Path, built_run: Path, tmp_path: Path) -> None:
    """Where every pair is dropped the tars are empty, and the run is whole."""
    settings = ("shards.layout=pair", "shards.source_pairs=false", "judge.thresholds.min_logprob=-0.001")
    done = cut(input_config, built_run / "ledger", tmp_path / "run", *settings, "judge.thresholds.full_logprob=0")
    assert done.returncode == 0, done.stderr
    assert verify(Run(str(tmp_path / "run")))[0] == []
    assert samples(tmp_path / "run") == []


def test_triplets_are_those_of_the_other_layout(paired: dict[bool, Path], built_run: Path) -> None:
    """Whoever trains on triplets need not know the layout."""
    for split in ("train", "val"):
        expected = sorted(repr(item) for item in triplets(built_run, language="de", split=split))
        for run in paired.values():
            assert sorted(repr(item) for item in triplets(run, language="de", split=split)) == expected


def test_splits_are_shard_sets(paired: dict[bool, Path], built_run: Path) -> None:
    """Each split has shards of its own, numbered from 0, in both layouts."""
    for run in (built_run, paired[True]):
        names = sorted(path.name for path in (run / "shards").glob("*.tar"))
        assert "val-000000.tar" in names
        assert all(re.fullmatch(r"(train|val)-00000\d\.tar", name) for name in names)
        with tarfile.open(run / "shards" / "val-000000.tar") as tar:
            assert {re.split(r"[-.]", name)[0] for name in tar.getnames()} == {"boat"}


def test_the_same_bytes_again(paired: dict[bool, Path], input_config: Path, built_run: Path, tmp_path: Path) -> None:
    """Another cut by two workers is byte-identical."""
    again = cut(input_config, built_run / "ledger", tmp_path / "run", "shards.layout=pair", "runner.workers=2")
    assert again.returncode == 0, again.stderr
    names = [path.name for path in (tmp_path / "run" / "shards").iterdir()]
    assert len(names) > 3
    for name in names:
        assert (tmp_path / "run" / "shards" / name).read_bytes() == (paired[True] / "shards" / name).read_bytes()


def test_what_it_costs_is_said_first(input_config: Path, built_run: Path, tmp_path: Path) -> None:
    """13 captions of 6 pictures in two languages and English: 6.5 copies, in bytes by the size of each caption's."""
    sizes = {
        path.stem: path.stat().st_size for path in (input_config.parent / "photos").iterdir()
    }  # of picture i, by the conftest
    captions = [3, 2, 2, 2, 2, 2]
    total = 3 * sum(sizes[str(i)] * n for i, n in enumerate(captions)) / 1000
    done = cut(input_config, built_run / "ledger", tmp_path / "run", "shards.layout=pair")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("layout pair")]
    assert line == (
        "layout pair: up to 3 samples a caption (2 languages, and the source), so a media file is written up to 6.5 "
        f"times: about {total:.3g} kB of media at most, instead of {total / 6.5:.3g} kB in layout item"
    )


def test_text_only_costs_nothing(input_config: Path, built_run: Path, tmp_path: Path) -> None:
    """Where there are no media, none are repeated."""
    settings = ("shards.layout=pair", "shards.source_pairs=false", "input.media=null", "languages=[de]")
    done = cut(input_config, built_run / "ledger", tmp_path / "run", *settings)
    expected = "layout pair: up to 1 sample a caption (1 language); there are no media to be repeated"
    assert expected in done.stderr.splitlines()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("shards.layout=pairs",), "shards.layout: Input should be 'item' or 'pair' (got 'pairs')"),
        (("shards.source_pairs=false",), "shards.source_pairs: only layout pair can do without the source captions"),
    ],
)
def test_refused(settings: tuple[str, ...], message: str, input_config: Path, built_run: Path, tmp_path: Path) -> None:
    """What makes no sense is said before anything runs."""
    done = cut(input_config, built_run / "ledger", tmp_path / "run", *settings)
    assert done.returncode == 2
    assert message in done.stderr


def spoil(run: Path, tmp_path: Path, change: Any) -> list[str]:
    """Change the samples of a copy of ``run`` by a function of each, None to leave it out; return what verify says."""
    copy = shutil.copytree(run, tmp_path / "copy")
    for path in sorted((copy / "shards").glob("*.tar")):
        read = list(wds.WebDataset([str(path)], shardshuffle=False))
        with wds.TarWriter(str(path)) as sink:
            for one in read:
                plain = {name: value for name, value in one.items() if name not in ("__url__", "__local_path__")}
                for changed in change(plain):
                    sink.write(changed)
    return verify(Run(str(copy)))[0]


def test_verify_finds_what_is_wrong_with_pairs(paired: dict[bool, Path], tmp_path: Path) -> None:
    """A text that is another, a name that is another's, and a source caption that is missing are named."""

    def other_text(one: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**one, "txt": b"another"}] if one["__key__"] == "boat-0-en" else [one]

    def other_name(one: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**one, "__key__": "boat-7-en"}] if one["__key__"] == "boat-0-en" else [one]

    def left_out(one: dict[str, Any]) -> list[dict[str, Any]]:
        return [] if one["__key__"] == "boat-0-en" else [one]

    run = paired[True]
    assert "val-000000.tar: sample boat-0-en: .txt is not its text" in spoil(run, tmp_path / "1", other_text)
    assert "val-000000.tar: sample boat-7-en says that its key is 'boat'" in spoil(run, tmp_path / "2", other_name)
    missing = spoil(run, tmp_path / "3", left_out)
    assert any("source captions, the manifest promises" in problem for problem in missing)
