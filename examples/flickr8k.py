"""Lay out a small real corpus for the other examples: 800 photos of Flickr8k and Multi30k's training captions.

    python -m examples.flickr8k --data ../shared/data --out flickr8k

writes to the folder ``--out``:

- ``photos.jsonl``, ``features/KEY.npy`` and ``photos.yaml``: 800 photos with up to five English captions each, and
  their visual features (float16 [1280], EfficientNet-Lite2);
- ``text.jsonl`` and ``text.yaml``: English captions of Multi30k's training set, without photos;
- ``tests/``: ``photos.jsonl`` and ``features.npy``, 200 other photos with one human caption each in English, German and
  French, and some in Chinese; ``captions.jsonl``, Multi30k's test_2016_flickr in English, German, French and Czech.

Nothing of the tests is trained on: the 200 photos hold all that are in Multi30k's validation and test sets, so none of
these is among the 800; Multi30k's training captions of a tested photo are left out by its name, and those that say what
any caption of the tests says by their words.
"""

import argparse
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

TESTED: Final = 200

_CONFIG: Final = """\
input:
  format: jsonl
  path: {name}.jsonl
{media}languages: [{languages}]
ledger: {ledger}
translate:
  model: mini
  back_translation: true
shards:
  embeddings: true
"""


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds flickr8k_1k and multi30k")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--languages", default="de,fr", help="to translate into (default de,fr)")
    options = parser.parse_args()
    photos, texts = prepare(options.data, options.out, options.languages.split(","))
    print(f"{options.out}: {photos:,} photos and {texts:,} captions to train on")


def prepare(data: Path, out: Path, languages: Iterable[str], *, tested: int = TESTED) -> tuple[int, int]:
    """Write all files; return the numbers of photos and of text-only captions to train on."""
    captions = {row["key"]: row["captions"] for row in _rows(data / "flickr8k_1k" / "captions.jsonl")}
    references = {row["key"]: row for row in _rows(data / "flickr8k_1k" / "references.jsonl") if row["multi30k"]}
    with np.load(data / "flickr8k_1k" / "efficientnet_lite2.npz") as found:
        features = dict(zip(found["keys"].tolist(), found["features"], strict=True))
    chosen = tested_photos(references, tested)
    human = [dict(zip(("en", "de", "fr", "cs"), row, strict=True)) for row in _lines(data, "test_2016_flickr")]
    (out / "tests").mkdir(parents=True, exist_ok=True)
    (out / "features").mkdir(exist_ok=True)
    _write(out / "tests" / "photos.jsonl", (_test_photo(references[key]) for key in chosen))
    np.save(out / "tests" / "features.npy", np.stack([features[key] for key in chosen]))
    _write(out / "tests" / "captions.jsonl", human)

    train = [key for key in captions if key not in set(chosen)]
    for key in train:
        np.save(out / "features" / f"{key}.npy", features[key])
    said = {_words(text) for key in chosen for text in captions[key]} | {_words(row["en"]) for row in human}
    _write(
        out / "photos.jsonl",
        ({"key": key, "captions": [text for text in captions[key] if _words(text) not in said]} for key in train),
    )
    names = _gzipped(data / "multi30k" / "train.images.txt.gz")
    texts = [
        {"key": Path(name).stem, "caption": text}
        for name, text in zip(names, _gzipped(data / "multi30k" / "train.en.gz"), strict=True)
        if _photo(name) not in {_photo(key) for key in chosen} and _words(text) not in said
    ]
    _write(out / "text.jsonl", texts)
    for name, media in (("photos", "  media: features/{key}.npy\n"), ("text", "")):
        config = _CONFIG.format(
            name=name, media=media, languages=", ".join(languages), ledger=(out / "ledger").resolve()
        )
        (out / f"{name}.yaml").write_text(config, encoding="utf-8")
    return len(train), len(texts)


def tested_photos(references: Mapping[str, Mapping[str, Any]], number: int) -> list[str]:
    """Return the keys of ``number`` photos: those outside Multi30k's training set, and others drawn, always the same.

    ``references`` has the photos with captions in Multi30k, by key.
    """
    outside = [key for key, row in references.items() if row["multi30k"]["split"] != "train"]
    inside = [key for key, row in references.items() if row["multi30k"]["split"] == "train"]
    drawn = np.random.default_rng(0).permutation(len(inside))[: max(0, number - len(outside))]
    return sorted(outside + [inside[i] for i in drawn])


def _test_photo(row: Mapping[str, Any]) -> dict[str, str]:
    found = {"key": row["key"], **{code: row["multi30k"][code] for code in ("en", "de", "fr", "cs")}}
    return found | ({"zh": row["zh_human_written"][0]} if row["zh_human_written"] else {})


def _photo(name: str) -> str:
    """Return Flickr's number of a photo: Flickr8k's names have something behind it."""
    return Path(name).stem.partition("_")[0]


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as source:
        yield from map(json.loads, source)


def _lines(data: Path, name: str) -> Iterator[tuple[str, ...]]:
    yield from zip(
        *(_gzipped(data / "multi30k" / f"{name}.{code}.gz") for code in ("en", "de", "fr", "cs")), strict=True
    )


def _gzipped(path: Path) -> list[str]:
    return [line.strip() for line in gzip.decompress(path.read_bytes()).decode().rstrip("\n").split("\n")]


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
