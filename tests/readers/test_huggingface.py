"""Hugging Face datasets reads the shards, offline, streaming and not."""

import io
from pathlib import Path
from typing import Any

import pytest

from shards.sample import Caption, PairSample, Sample, Translation
from shards.writer import ShardWriter

datasets: Any = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (datasets.config, __import__("huggingface_hub").constants):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def loaded(tars: list[str], cache: Path, *, streaming: bool, features: Any = None) -> list[dict[str, Any]]:
    """Return the rows that ``load_dataset`` makes of ``tars``."""
    rows = datasets.load_dataset(
        "webdataset",
        data_files={"train": tars},
        split="train",
        streaming=streaming,
        features=features,
        cache_dir=str(cache),
    )
    return list(rows)


@pytest.mark.parametrize("streaming", [True, False])
def test_as_it_is(layout: str, tars: list[str], streaming: bool, tmp_path: Path) -> None:
    """Pictures, texts and all that the JSON says are columns of their own types."""
    rows = loaded(tars, tmp_path, streaming=streaming)

    assert len(rows) == {"item": 20, "pair": 200}[layout]
    assert {"jpg", "json", "txt"} <= rows[0].keys()
    assert all(row["jpg"].size[0] > 1 for row in rows)
    if layout == "item":
        assert all(len(row["json"]["captions"]) == len(row["npy"]) == 5 for row in rows)
        assert all(caption["translations"]["de"]["text"] for row in rows for caption in row["json"]["captions"])
    else:
        assert sorted({row["json"]["language"] for row in rows}) == ["de", "en"]


def translation(text: str, **scores: float | None) -> Translation:
    """Return a translation with ``scores``."""
    return Translation(text, 1.0, None, dict(scores))


LATE = {
    "item": [
        *(Sample(f"k{i}", "train", (Caption(0, "en", {"de": translation("de", similarity=None)}),)) for i in range(8)),
        Sample("z", "train", (Caption(0, "en", {c: translation(c, similarity=0.5) for c in ("de", "cs")}),)),
    ],
    "pair": [
        *(PairSample(f"k{i}", "train", 0, "en", "en", translation("en")) for i in range(8)),
        PairSample("z", "train", 0, "de", "en", translation("de", similarity=0.5)),
    ],
}
"""What the first five samples lack: a score, a language; in layout ``pair``, all scores."""


@pytest.mark.parametrize("streaming", [True, False])
def test_features_that_lose_nothing(layout: str, streaming: bool, tmp_path: Path) -> None:
    """With the JSON's column given as JSON, as the documentation says, what only later samples have is there too."""
    path = tmp_path / "late.tar"
    sink = io.BytesIO()
    with ShardWriter(sink) as writer:  # type: ignore[arg-type]
        for sample in LATE[layout]:
            writer.write(sample)
    path.write_bytes(sink.getvalue())
    features = datasets.Features({"json": datasets.Json(), "txt": datasets.Value("string")})

    last = loaded([str(path)], tmp_path, streaming=streaming, features=features)[-1]["json"]

    if layout == "item":
        translations = last["captions"][0]["translations"]
        assert {code: found["scores"] for code, found in translations.items()} == {
            "de": {"similarity": 0.5},
            "cs": {"similarity": 0.5},
        }
    else:
        assert last["scores"] == {"similarity": 0.5}
