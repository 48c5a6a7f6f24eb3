"""Speed and peak memory of reading captions, by format, and that memory does not grow with the file.

    python -m benchmarks.ingest_speed [--captions 200000] [--megabytes 250 1000] [--json FILE]

Each row is one run of ingest (read, check, normalise, write the caption parts, count) in a process of its own: first
the same ``--captions`` captions in every format, as JSON Lines also with COCO val2017's 25,014 captions and 5,000 keys
kept out (``input.exclude``), then JSON Lines files of the sizes ``--megabytes``; all in a temporary folder.
Captions are Multi30k's, with the number of the item in each so that all are distinct; an item has five, as a list where
the format has lists. COCO and Karpathy files are one JSON document each and are held in memory whole; a ``.gz``, CSV or
tar is read by one worker, the rest by all.
"""

import argparse
import csv
import gzip
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.material import CAPTIONS_A_KEY, parallel_lines
from benchmarks.material import coco as coco_captions
from benchmarks.measuring import Report, Stopwatch, alone, arguments
from pipelines.config import InputConfig, RunnerConfig
from pipelines.ingest import Ingested, ingest
from pipelines.run import Run
from pipelines.runner import Launcher

COLUMNS = {
    "format": "s",
    "MB": ",.0f",
    "captions": ",",
    "seconds": ",.1f",
    "CPU s": ",.1f",
    "captions/s": ",.0f",
    "before MB": ",.0f",
    "peak MB": ",.0f",
}

Item = tuple[str, list[str]]


def items(lines: list[str]) -> Iterator[Item]:
    """Yield (key, its captions) without end, all captions distinct."""
    source = cycle(lines)
    number = 0
    while True:
        key = f"item{number:09d}"
        yield key, [f"{text} {number}" for text in islice(source, CAPTIONS_A_KEY)]
        number += 1


def jsonl(found: Iterator[Item], path: Path) -> None:
    """Write JSON Lines."""
    with path.open("wb") as sink:
        sink.writelines(orjson.dumps({"key": key, "captions": texts}) + b"\n" for key, texts in found)


def jsonl_gz(found: Iterator[Item], path: Path) -> None:
    """Write JSON Lines, compressed."""
    with gzip.open(path, "wb", compresslevel=3) as sink:
        sink.writelines(orjson.dumps({"key": key, "captions": texts}) + b"\n" for key, texts in found)


def table(found: Iterator[Item], path: Path) -> None:
    """Write a line for each caption, as CSV or TSV by the extension."""
    with path.open("w", encoding="utf-8", newline="") as sink:
        write = csv.writer(sink, "excel" if path.suffix == ".csv" else "excel-tab", lineterminator="\n").writerow
        write(("key", "caption"))
        for key, texts in found:
            for text in texts:
                write((key, text))


def flickr(found: Iterator[Item], path: Path) -> None:
    """Write ``file#n<TAB>caption``."""
    with path.open("w", encoding="utf-8") as sink:
        for key, texts in found:
            sink.writelines(f"{key}.jpg#{n}\t{text}\n" for n, text in enumerate(texts))


def coco(found: Iterator[Item], path: Path) -> None:
    """Write COCO's document."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, (key, texts) in enumerate(found):
        images.append({"id": number, "file_name": f"{key}.jpg"})
        for text in texts:
            annotations.append({"id": len(annotations), "image_id": number, "caption": text})
    path.write_bytes(orjson.dumps({"images": images, "annotations": annotations}))


def karpathy(found: Iterator[Item], path: Path) -> None:
    """Write Karpathy's document."""
    images = [
        {"filename": f"{key}.jpg", "split": "train", "imgid": number, "sentences": [{"raw": text} for text in texts]}
        for number, (key, texts) in enumerate(found)
    ]
    path.write_bytes(orjson.dumps({"images": images}))


def parquet(found: Iterator[Item], path: Path) -> None:
    """Write a row for each item."""
    keys, texts = zip(*found, strict=True)
    pq.write_table(pa.table({"key": keys, "captions": texts}), path, row_group_size=20_000)


def webdataset(found: Iterator[Item], path: Path) -> None:
    """Write a tar of tiny images and their JSON."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, texts in found:
            for ext, content in (("jpg", b"\xff\xd8"), ("json", json.dumps({"captions": texts}).encode())):
                member = tarfile.TarInfo(f"{key}.{ext}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


FORMATS: dict[str, tuple[str, Callable[[Iterator[Item], Path], None]]] = {
    "jsonl": ("captions.jsonl", jsonl),
    "jsonl, .gz": ("captions.jsonl.gz", jsonl_gz),
    "csv": ("captions.csv", table),
    "tsv": ("captions.tsv", table),
    "flickr": ("captions.token", flickr),
    "coco": ("captions.json", coco),
    "karpathy": ("dataset.json", karpathy),
    "parquet": ("captions.parquet", parquet),
    "webdataset": ("captions.tar", webdataset),
}


def make(data: Path, name: str, path: Path, captions: int) -> None:
    """Write ``captions`` captions to ``path`` in the format ``name``."""
    lines = [line for (line,) in parallel_lines(data, ["en"])]
    FORMATS[name][1](islice(items(lines), captions // CAPTIONS_A_KEY), path)


def make_jsonl(data: Path, path: Path, size: int) -> None:
    """Write a JSON Lines file of ``size`` bytes or a line more."""
    found = items([line for (line,) in parallel_lines(data, ["en"])])
    written = 0
    with path.open("wb") as sink:
        while written < size:
            lines = b"".join(
                orjson.dumps({"key": key, "captions": texts}) + b"\n" for key, texts in islice(found, 1000)
            )
            written += sink.write(lines)


def read(kind: str, path: str, root: str, exclude: str | None) -> tuple[Stopwatch, Ingested]:
    """Time one ingest, which keeps the COCO file ``exclude`` out."""
    excluded = [{"path": exclude, "format": "coco"}] if exclude else []
    config = InputConfig.model_validate({"format": kind, "path": path, "exclude": excluded})
    with Stopwatch() as watch:
        ingested = ingest(Run(root), config, Launcher(RunnerConfig()))
    return watch, ingested


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--captions", type=int, default=200_000, help="of the file in each format; 0: none")
    parser.add_argument("--megabytes", type=int, nargs="*", default=[250, 1000], help="sizes of the large files")
    options: argparse.Namespace = parser.parse_args(given)
    report = Report("Speed of reading captions", COLUMNS)

    def measure(title: str, kind: str, path: Path, folder: str, exclude: Path | None = None) -> None:
        root = os.path.join(folder, "run")  # noqa: PTH118
        (watch, ingested), used = alone(read, kind, str(path), root, exclude and str(exclude))
        if ingested.rejects.keys() - {"evaluation_overlap"}:
            raise AssertionError(f"{path.name}: {ingested.rejects}")
        size = path.stat().st_size / 1e6
        speed = ingested.read / watch.seconds
        report.add(title, size, ingested.read, watch.seconds, watch.cpu, speed, used.before, used.peak)

    for name, (file, _) in FORMATS.items() if options.captions else ():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file
            alone(make, options.data, name, path, options.captions)
            measure(name, name.split(",")[0], path, folder)
            if name == "jsonl":
                measure("jsonl, COCO kept out", name, path, folder, coco_captions(options.data))
    for megabytes in options.megabytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "captions.jsonl"
            alone(make_jsonl, options.data, path, megabytes * 1_000_000)
            measure(f"jsonl, {megabytes:,} MB", "jsonl", path, folder)
    report.show(options.json)


if __name__ == "__main__":
    main()
