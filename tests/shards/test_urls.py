"""Which shards are meant by what a user writes, and what is refused."""

from pathlib import Path

import pytest
from small_shards import sample, write_shards

from shards.urls import LoaderError, find_shards


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run directory with two shards of ``train`` and one of a split whose name has to be escaped."""
    groups = {"train": [[sample(0)], [sample(1)]], "val 2": [[sample(2)]]}
    write_shards(tmp_path / "run" / "shards", groups)
    return tmp_path / "run"


def names(*arguments: object, **options: str) -> list[str]:
    """Return the names of the shards that are found."""
    return [Path(url).name for url in find_shards(*arguments, **options).urls]  # type: ignore[arg-type]


def test_a_run_and_its_shards(run: Path) -> None:
    """A run directory is as good as the folder of its shards; a split selects among them."""
    for folder in (run, run / "shards", str(run)):
        assert names(folder, split="train") == ["train-000000.tar", "train-000001.tar"]
    assert names(run, split="val 2") == ["val%202-000000.tar"]


def test_only_what_the_manifest_has(run: Path) -> None:
    """A tar that lies beside the shards of a run is none of them."""
    (run / "shards" / "train-000002.tar").write_bytes(b"")
    assert names(run, split="train") == ["train-000000.tar", "train-000001.tar"]


def test_patterns_and_lists(run: Path) -> None:
    """Braces, globs and lists of them, in the order given; a split goes by the names."""
    folder = f"{run}/shards"
    assert names(f"{folder}/train-{{000000..000001}}.tar") == ["train-000000.tar", "train-000001.tar"]
    assert names(f"{folder}/*.tar", split="val 2") == ["val%202-000000.tar"]
    assert names([f"{folder}/train-000001.tar", Path(folder) / "train-000000.tar"]) == [
        "train-000001.tar",
        "train-000000.tar",
    ]
    assert names(f"{folder}/train-000000.tar::{folder}/train-000000.tar") == ["train-000000.tar"] * 2


def test_a_relative_folder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path from where one stands is understood, with its manifest."""
    monkeypatch.chdir(run)
    found = find_shards("shards/train-000000.tar")
    assert found.described[0] is not None
    assert found.described[0].languages == {"de": 2, "fr": 1}
    assert found.urls == ("shards/train-000000.tar",)


def test_other_protocols_are_left_to_webdataset() -> None:
    """Whether a remote shard is there is known when it is opened; nothing is known of what is in it."""
    found = find_shards("https://example.org/train-{000000..000002}.tar")
    assert found.urls == tuple(f"https://example.org/train-{i:06d}.tar" for i in range(3))
    assert found.described == (None, None, None)
    assert find_shards("pipe:cat /no/such/file").urls == ("pipe:cat /no/such/file",)


@pytest.mark.parametrize(
    ("urls", "split", "message"),
    [
        ("{run}", None, "{run}/shards has the splits train, val 2: name one with split="),
        ("{run}", "test", "{run}/shards has no split 'test'; it has train, val 2"),
        ("{run}/..", None, "{run}/.. holds no manifest.json, so it is no finished run: give the paths of the shards"),
        ("{run}/shards/val-*.tar", None, "no shards: urls is '{run}/shards/val-*.tar'"),
        ("{run}/shards/*.tar", "test", "no shards: urls is '{run}/shards/*.tar' and split is 'test'"),
        ([], None, "no shards: urls is []"),
        (
            "{run}/shards/train-{{000000..000006}}.tar",
            None,
            "5 of 7 shards are not there: {run}/shards/train-000002.tar, {run}/shards/train-000003.tar, "
            "{run}/shards/train-000004.tar and 2 more",
        ),
        ("${{CAPTIONLOOM_NO_SUCH}}/a.tar", None, "missing environment variable wds_WDS_CAPTIONLOOM_NO_SUCH"),
    ],
)
def test_refused(urls: str | list[str], split: str | None, message: str, run: Path) -> None:
    """What matches nothing is said, with what there is."""
    given = urls.format(run=run) if isinstance(urls, str) else urls
    with pytest.raises(LoaderError) as refused:
        find_shards(given, split=split)
    assert str(refused.value).endswith(message.format(run=run))


def test_an_unreadable_manifest(run: Path) -> None:
    """A manifest that is none is named."""
    (run / "shards" / "manifest.json").write_text("{")
    with pytest.raises(LoaderError, match=r"manifest\.json: not a manifest: not JSON"):
        find_shards(run)
