"""Small shards with a manifest, written by the real writer."""

import hashlib
import io
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from shards.keys import shard_name
from shards.manifest import Embeddings, Manifest, Shard
from shards.sample import Caption, Sample, Translation
from shards.writer import ShardWriter


def sample(i: int, split: str = "train", *, embedded: bool = True) -> Sample:
    """Return the ``i``-th item: two captions, German of both but for every fourth item's second, French of the first.

    The weight of a German pair is a tenth of the item's number (1 at most), its similarity a hundredth; the last item's
    French has no back-translation and no similarity.
    """
    picture = io.BytesIO()
    Image.new("RGB", (4, 3), (20 * i, 0, 0)).save(picture, "PNG")
    weight, similarity = min(1.0, i / 10), i / 100
    french = {"fr": Translation(f"fr {i}.0", 0.5, None, {"similarity": None})}
    german = [
        {"de": Translation(f"de {i}.{n}", weight, f"back {i}.{n}", {"similarity": similarity, "lid_label": "de"})}
        for n in range(1 if i % 4 == 3 else 2)
    ]
    captions = (
        Caption(0, f"en {i}.0", {**german[0], **french}),
        Caption(1, f"en {i}.1", german[1] if len(german) > 1 else {}),
    )
    rows = np.zeros((2, 4), np.float16)
    rows[0, i % 4], rows[1, (i + 1) % 4] = 1, 1
    return Sample(f"key.{i}", split, captions, "en", picture.getvalue(), "png", rows if embedded else None)


def write_shards(folder: Path, groups: dict[str, list[list[Sample]]], *, embedded: bool = True) -> Path:
    """Write a shard for each list of samples of each split, and their manifest; return ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for split, lists in groups.items():
        for number, samples in enumerate(lists):
            path = folder / f"{shard_name(split, number)}.tar"
            with path.open("wb") as sink, ShardWriter(sink) as writer:
                for one in samples:
                    writer.write(one)
            pairs = Counter(code for one in samples for caption in one.captions for code in caption.translations)
            captions = sum(len(one.captions) for one in samples)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            shards.append(
                Shard(
                    path.name,
                    split,
                    samples=len(samples),
                    media=len(samples),
                    captions=captions,
                    pairs=pairs.total(),
                    bytes=writer.size,
                    sha256=digest,
                    languages={"de": pairs["de"], "fr": pairs["fr"]},
                )
            )
    captions, kept = sum(shard.captions for shard in shards), sum(shard.pairs for shard in shards)
    manifest = Manifest(
        shards=tuple(shards),
        captions_read=captions,
        captions_rejected=0,
        pairs_made=2 * captions,
        pairs_kept=kept,
        pairs_dropped=2 * captions - kept,
        languages={"de": {}, "fr": {}},
        embeddings=Embeddings("muse", "muse-0", 4) if embedded else None,
    )
    assert manifest.problems() == []
    (folder / "manifest.json").write_bytes(manifest.to_json())
    return folder
