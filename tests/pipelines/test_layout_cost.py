"""What layout ``pair`` costs, as far as it can be known."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines import files, layout_cost
from pipelines.captions import CAPTIONS, text_ids
from pipelines.config import Config, InputConfig, ScoreConfig, ShardsConfig
from pipelines.ingest import Ingested
from pipelines.run import Run


def said(folder: Path, media: list[dict[str, Any] | None], *, parts: int = 1) -> str:
    """Return what is said of ten captions of two items whose media are these in turn, in German and French."""
    run = Run(str(folder / "run"))
    for part in range(parts):
        rows = [i for i in range(10) if i % parts == part]
        columns = {
            "key": [f"k{i % 2}" for i in rows],
            "n": [i // 2 for i in rows],
            "text_id": text_ids(pa.array([f"text {i}" for i in rows])),
            "text": [f"text {i}" for i in rows],
            "media": [media[i % len(media)] for i in rows],
            "split": ["train"] * len(rows),
            "origin": ["f"] * len(rows),
        }
        names = [field.name for field in CAPTIONS]
        table = pa.table({name: columns[name] for name in names if name in columns}, schema=CAPTIONS)
        files.write_parquet(files.join(run.captions, f"part-{part}.parquet"), table)
    config = Config(
        input=InputConfig(format="jsonl", path="none"),
        languages=["de", "fr"],
        score=ScoreConfig(teacher="none"),
        shards=ShardsConfig(layout="pair"),
    )
    ingested = Ingested(captions=10, texts=10, keys={"train": 2}, split_of={}, rejects={})
    return layout_cost.layout_cost(run, config, ingested)


HEAD = (
    "layout pair: up to 3 samples a caption (2 languages, and the source), so a media file is written up to 15.0 times"
)


@pytest.mark.parametrize("parts", [1, 3])
def test_media_in_tars(parts: int, tmp_path: Path) -> None:
    """Their sizes are known from the headers: five captions of 2 kB and five of 4 kB, three times each."""
    media = [{"uri": "gs://b/a.tar", "offset": 0, "size": size, "ext": "jpg"} for size in (2000, 4000)]
    assert (
        said(tmp_path, list(media), parts=parts)
        == f"{HEAD}: about 90 kB of media at most, instead of 6 kB in layout item"
    )


def test_not_every_caption_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten captions every second stands for all, also across parts: there three of 2 kB and two of 1 MB."""
    monkeypatch.setattr(layout_cost, "_LOOKED_AT", 5)
    media = [{"uri": "gs://b/a.tar", "offset": 0, "size": size, "ext": "jpg"} for size in (2000, 1_000_000)]
    assert said(tmp_path / "1", list(media)).startswith(f"{HEAD}: about 60 kB of media at most")
    assert said(tmp_path / "2", list(media), parts=2).startswith(f"{HEAD}: about 12 MB of media at most")


def test_remote_files(tmp_path: Path) -> None:
    """Nobody is asked for the size of every file on another machine: the factor is all that is said."""
    media = {"uri": "gs://b/a.jpg", "offset": None, "size": None, "ext": "jpg"}
    assert said(tmp_path, [media]) == f"{HEAD}; how large they are is not known here"
