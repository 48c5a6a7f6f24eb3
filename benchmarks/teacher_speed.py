"""Speed of teachers: sentences embedded each second, ours against transformers with the same weights.

    python -m benchmarks.teacher_speed [--teacher DIR] [--captions 1000] [--rounds 3] [--json FILE]

Captions of Multi30k test_2016_flickr in German, each distinct, on all cores of this machine:

muse          the bundled teacher, a call for each core (it has one thread);
transformers  the encoder of DIR in float32, mean pooling, batches of 32 as they come: what people do today;
ours          `filters.sentence_encoder`: the same weights by CTranslate2, int8, batches of equal length.

Each side has a process of its own in each round and loads its model before it is timed; the best round counts. Below:
the cosine between ours and transformers' embeddings of the same captions, in four languages.
"""

import argparse
import gzip
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Report, Stopwatch, alone, arguments, cores, needed

COLUMNS = {"what": "s", "sentences": ",.0f", "seconds": ",.2f", "sentences/s": ",.0f", "over transformers": ".2f"}
BATCH = 32
PREFIX = "query: "


def read(data: Path, language: str, count: int) -> list[str]:
    """Return the first ``count`` distinct captions of a language."""
    file = needed(data / "multi30k" / f"test_2016_flickr.{language}.gz")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return list(dict.fromkeys(line.strip() for line in lines))[:count]


def time_muse(teacher: str, texts: list[str]) -> tuple[float, Any]:
    """Return the seconds for ``texts``, and their embeddings."""
    from filters.similarity import load_teacher

    muse = load_teacher("muse")
    muse.embed(texts[:BATCH])
    parts = [texts[start :: cores()] for start in range(cores())]
    with ThreadPoolExecutor(cores()) as pool, Stopwatch() as timed:
        found = list(pool.map(muse.embed, parts))
    return timed.seconds, found


def time_transformers(teacher: str, texts: list[str]) -> tuple[float, Any]:
    """Return the same for the encoder in the Hugging Face directory ``teacher``."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(cores())
    tokenizer = AutoTokenizer.from_pretrained(teacher)
    network = AutoModel.from_pretrained(teacher, dtype=torch.float32).eval()

    def embed(batch: list[str]) -> Any:
        tokens = tokenizer([PREFIX + text for text in batch], return_tensors="pt", padding=True, truncation=True)
        with torch.inference_mode():
            states = network(**tokens).last_hidden_state
        mask = tokens["attention_mask"][:, :, None]
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)).numpy()

    embed(texts[:BATCH])
    with Stopwatch() as timed:
        found = [embed(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    return timed.seconds, np.concatenate(found)


def time_ours(teacher: str, texts: list[str]) -> tuple[float, Any]:
    """Return the same for our encoder."""
    from pipelines.config import ScoreConfig
    from pipelines.teachers import find_teacher
    from translate.decoding import Device

    found = find_teacher(ScoreConfig(teacher=teacher, teacher_prefix=PREFIX))
    assert found is not None
    encoder = found[0].load(Device(device="cpu"))
    encoder.embed(texts[:BATCH])
    with Stopwatch() as timed:
        embedded = encoder.embed(texts)
    return timed.seconds, embedded


SIDES = {
    "muse": ("muse", time_muse),
    "transformers": ("transformers, float32, batches of 32", time_transformers),
    "ours": ("ours, CTranslate2, int8", time_ours),
}


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--teacher", type=Path, metavar="DIR", help="default: multilingual-e5-small beside the data")
    parser.add_argument("--captions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options: argparse.Namespace = parser.parse_args(given)
    teacher = str(needed(options.teacher or options.data.parent / "models" / "multilingual-e5-small"))
    texts = read(options.data, "de", options.captions)
    mixed = [text for code in ("en", "de", "fr", "cs") for text in read(options.data, code, options.captions // 4)]
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for turn in range(options.rounds):
        for side in list(SIDES)[:: 1 if turn % 2 == 0 else -1]:
            seconds[side].append(alone(SIDES[side][1], teacher, texts)[0][0])
    ours, theirs = (alone(SIDES[side][1], teacher, mixed)[0][1] for side in ("ours", "transformers"))
    cosines = np.einsum("ij,ij->i", ours, theirs)
    report = Report("Speed of teachers, German captions", COLUMNS)
    for side, (title, _) in SIDES.items():
        best = min(seconds[side])
        report.add(title, len(texts), best, len(texts) / best, min(seconds["transformers"]) / best)
    report.notes.append(
        f"cosine of ours with transformers' in float32, {len(mixed):,} captions in 4 languages: "
        f"least {cosines.min():.4f}, mean {cosines.mean():.4f}; required: 0.995"
    )
    report.show(options.json)


if __name__ == "__main__":
    main()
