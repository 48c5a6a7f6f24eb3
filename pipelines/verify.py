"""Verify: re-read a finished run and check every promise that its manifest makes."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
import orjson
import pyarrow.compute as pc
from webdataset.tariterators import group_by_keys, tar_file_expander

from pipelines import files
from pipelines.run import Run
from pipelines.runner import RunFailed
from shards.keys import escape_key, pair_name
from shards.manifest import Manifest, ManifestError, Shard, read_manifest

_PAIR_COLUMNS: Final = ["key", "n", "language", "target", "keep", "reasons", "weight"]
_MOST: Final = 20
"""Problems of one shard that are named; the rest are counted."""


_OURS = frozenset(["__key__", "__url__", "__local_path__", "json", "txt", "npy"])
"""What webdataset and we put in every sample; anything else is its media."""

_UNIT: Final = 0.01
"""How far the length of an embedding may be from 1: float16 rounds each number to three digits."""


@dataclass
class _Found:
    """What one shard turned out to hold."""

    media: int = 0
    captions: set[tuple[str, int]] = field(default_factory=set)
    translations: dict[tuple[str, int, str], str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    sources: int = 0
    """Samples of source captions, in layout ``pair``."""


def verify(run: Run) -> tuple[list[str], str]:
    """Return (every broken promise as a sentence, the counts as a phrase); raises `RunFailed` where there is no run."""
    if not files.exists(run.manifest):
        raise RunFailed(f"{run.manifest} is not there: this is no finished run")
    try:
        manifest = read_manifest(files.read_bytes(run.manifest))
    except ManifestError as error:
        return [f"{run.manifest}: {error}"], ""
    problems = [f"manifest.json: {problem}" for problem in manifest.problems()]
    problems += _strays(run, manifest)
    problems += _check_sizes(run, manifest)
    pairs = rejects = 0
    seen: dict[str, str] = {}
    for shard in manifest.shards:
        found, broken = _Found(), []
        path = files.join(run.shards, shard.name)
        for problem in _check_tar(path, shard, manifest, found):
            broken.append(problem)
        for key in sorted(found.keys & seen.keys()):
            broken.append(f"key {key!r} is in {seen[key]} too")
        seen |= dict.fromkeys(found.keys, shard.name)
        rows, mismatches = _check_pairs(run, shard, manifest, found)
        pairs += rows
        broken += mismatches
        problems += [f"{shard.name}: {problem}" for problem in broken[:_MOST]]
        if len(broken) > _MOST:
            problems.append(f"{shard.name}: and {len(broken) - _MOST:,} more")
    for part in files.listing(run.rejects, suffix=".parquet"):
        try:
            rejects += files.read_parquet(part.path, ["reason"]).num_rows
        except (OSError, ValueError) as error:
            problems.append(f"rejects/{PurePosixPath(part.path).name} cannot be read: {error}")
    for name, promised, there in (
        ("pairs", manifest.pairs_made, pairs),
        ("rejects", manifest.captions_rejected, rejects),
    ):
        if promised != there:
            problems.append(f"{name}/ holds {there:,} rows, the manifest promises {promised:,}")
    counts = (
        f"{len(manifest.shards):,} shards, {len(seen):,} samples, {manifest.captions_in_shards:,} captions, "
        f"{manifest.pairs_kept:,} kept pairs of {manifest.pairs_made:,}, {rejects:,} rejects"
    )
    return problems, counts


def _strays(run: Run, manifest: Manifest) -> Iterator[str]:
    """Yield the tars and pairs that belong to no shard: somebody would train on them."""
    names = {PurePosixPath(shard.name).stem for shard in manifest.shards}
    for folder, suffix in ((run.shards, ".tar"), (run.pairs, ".parquet")):
        for file in files.listing(folder, suffix=suffix):
            name = PurePosixPath(file.path)
            if name.stem not in names:
                yield f"{name.parent.name}/{name.name} is not in the manifest"


def _check_sizes(run: Run, manifest: Manifest) -> Iterator[str]:
    if not files.exists(run.sizes):
        yield "shards/sizes.json is missing"
        return
    try:
        same = orjson.loads(files.read_bytes(run.sizes)) == manifest.sizes()
    except orjson.JSONDecodeError:
        same = False
    if not same:
        yield "shards/sizes.json does not say how many samples the manifest promises"


def _check_tar(path: str, shard: Shard, manifest: Manifest, found: _Found) -> Iterator[str]:
    """Yield what is wrong with one tar, and collect what is in it."""
    if not files.exists(path):
        yield "the file is missing"
        return
    size, digest = _digest(path)
    if size != shard.bytes:
        yield f"{size:,} bytes, the manifest promises {shard.bytes:,}"
    if digest != shard.sha256:
        yield f"SHA-256 is {digest}, the manifest promises {shard.sha256}"
    samples = 0
    check = _check_pair if manifest.layout == "pair" else _check_item
    try:
        with files.open_raw(path) as stream:
            # The steps of webdataset's own reader, so that what it cannot read is found here.
            for sample in group_by_keys(tar_file_expander([{"url": path, "stream": stream}])):
                samples += 1
                try:
                    yield from check(sample, shard, manifest, found)
                except (KeyError, ValueError, IndexError, StopIteration, TypeError, AttributeError) as error:
                    yield f"sample {sample['__key__']} is not readable: {error!r}"
    except Exception as error:  # noqa: BLE001  whatever the reader raises on a broken tar is the finding
        yield f"webdataset cannot read it: {error}"
    for name, promised, there in (
        ("samples", shard.samples, samples),
        ("media files", shard.media, found.media),
        # Where source captions are left out of the pairs, what has no translation is in no sample.
        ("captions", shard.captions if manifest.source_pairs else len(found.captions), len(found.captions)),
        ("pairs", shard.pairs, len(found.translations)),
        ("source captions", len(found.captions) if _sources_apart(manifest) else 0, found.sources),
    ):
        if promised != there:
            yield f"{there:,} {name}, the manifest promises {promised:,}"


def _sources_apart(manifest: Manifest) -> bool:
    """Return whether each source caption is a sample of its own."""
    return manifest.layout == "pair" and manifest.source_pairs


def _digest(path: str) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with files.open_raw(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _check_item(sample: dict[str, Any], shard: Shard, manifest: Manifest, found: _Found) -> Iterator[str]:
    """Yield what is wrong with a sample of layout ``item``, and collect what is in it."""
    name, described = sample["__key__"], orjson.loads(sample["json"])
    key, captions = described["key"], described["captions"]
    yield from _check_head(sample, described, shard, escape_key(key))
    if sample["txt"].decode() != captions[0][manifest.source_language]:
        yield f"sample {name}: .txt is not the first caption"
    if key in found.keys:
        yield f"key {key!r} is there twice"
    found.keys.add(key)
    found.media += _has_media(sample)
    for caption in captions:
        found.captions.add((key, int(caption["n"])))
        for language, translation in caption["translations"].items():
            found.translations[key, int(caption["n"]), language] = translation["text"]
    yield from _check_embeddings(sample, manifest, captions=len(captions))


def _check_pair(sample: dict[str, Any], shard: Shard, manifest: Manifest, found: _Found) -> Iterator[str]:
    """Yield what is wrong with a sample of layout ``pair``, and collect what is in it."""
    name, described = sample["__key__"], orjson.loads(sample["json"])
    key, n, language, text = described["key"], int(described["n"]), described["language"], described["text"]
    yield from _check_head(sample, described, shard, pair_name(key, n, language))
    if sample["txt"].decode() != text:
        yield f"sample {name}: .txt is not its text"
    found.keys.add(key)
    found.captions.add((key, n))
    found.media += _has_media(sample)
    if language != manifest.source_language:
        if (key, n, language) in found.translations:
            yield f"{language} of caption {n} of {key!r} is there twice"
        found.translations[key, n, language] = text
    elif not manifest.source_pairs:
        yield f"sample {name} is a source caption, which the manifest says are left out"
    elif text != described["source"]:
        yield f"sample {name}: its text is not its source"
    else:
        found.sources += 1


def _check_head(sample: dict[str, Any], described: dict[str, Any], shard: Shard, expected: str) -> Iterator[str]:
    name = sample["__key__"]
    if name != expected:
        yield f"sample {name} says that its key is {described['key']!r}"
    if described["split"] != shard.split:
        yield f"sample {name} is of split {described['split']!r}, the shard of {shard.split!r}"


def _has_media(sample: dict[str, Any]) -> bool:
    return any(field_name not in _OURS for field_name in sample)


def _check_embeddings(sample: dict[str, Any], manifest: Manifest, *, captions: int) -> Iterator[str]:
    name, made = sample["__key__"], manifest.embeddings
    if made is None:
        if "npy" in sample:
            yield f"sample {name} has embeddings, which the manifest does not name"
        return
    if "npy" not in sample:
        yield f"sample {name} has no embeddings"
        return
    vectors = np.load(io.BytesIO(sample["npy"]), allow_pickle=False)
    if vectors.dtype != made.dtype or vectors.shape != (captions, made.dim):
        shape = f"{vectors.dtype} {list(vectors.shape)}"
        yield f"sample {name}: its embeddings are {shape}, the manifest promises {made.dtype} {[captions, made.dim]}"
    elif not (np.abs(np.linalg.norm(vectors.astype(np.float32), axis=1) - 1) < _UNIT).all():
        yield f"sample {name} has embeddings whose length is not 1"


def _check_pairs(run: Run, shard: Shard, manifest: Manifest, found: _Found) -> tuple[int, list[str]]:
    """Return (rows of the shard's pairs, what is wrong with them)."""
    path = files.join(run.pairs, f"{PurePosixPath(shard.name).stem}.parquet")
    if not files.exists(path):
        return 0, ["its file in pairs/ is missing"]
    try:
        pairs = files.read_parquet(path).select(_PAIR_COLUMNS)
    except (OSError, ValueError, KeyError) as error:
        return 0, [f"its file in pairs/ cannot be read: {error}"]
    problems = []
    if pairs.num_rows != shard.captions * len(manifest.languages):
        problems.append(
            f"{pairs.num_rows:,} pairs of {shard.captions:,} captions in {len(manifest.languages)} languages"
        )
    contradicts = pc.not_equal(pairs["keep"], pc.equal(pc.list_value_length(pairs["reasons"]), 0))
    if pc.any(pc.fill_null(contradicts, True)).as_py():
        problems.append("pairs/ has pairs that are kept with a reason against it, or dropped without one")
    inside = pc.and_(pc.greater_equal(pairs["weight"], 0), pc.less_equal(pairs["weight"], 1))
    if not pc.all(pc.fill_null(inside, False)).as_py():
        problems.append("pairs/ has weights outside [0, 1]")
    kept = pairs.filter(pairs["keep"])
    columns = [kept[name].to_pylist() for name in ("key", "n", "language", "target")]
    promised = {(key, n, language): target for key, n, language, target in zip(*columns, strict=True)}
    if len(promised) != kept.num_rows:
        problems.append("pairs/ has the same key, caption and language twice")
    for key, n, language in sorted(found.translations.keys() - promised.keys()):
        problems.append(f"{language} of caption {n} of {key!r} is in the tar, but not kept in pairs/")
    for key, n, language in sorted(promised.keys() - found.translations.keys()):
        problems.append(f"{language} of caption {n} of {key!r} is kept in pairs/, but not in the tar")
    for pair in sorted(promised.keys() & found.translations.keys()):
        if promised[pair] != found.translations[pair]:
            problems.append(f"{pair[2]} of caption {pair[1]} of {pair[0]!r} differs between the tar and pairs/")
    return pairs.num_rows, problems
