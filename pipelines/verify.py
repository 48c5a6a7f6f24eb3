"""Verify: re-read a finished run and check every promise that its manifest makes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

import orjson
import pyarrow.compute as pc
from webdataset.tariterators import group_by_keys, tar_file_expander

from pipelines import files
from pipelines.run import Run
from pipelines.runner import RunFailed
from shards.keys import escape_key
from shards.manifest import Manifest, ManifestError, Shard, read_manifest

_PAIR_COLUMNS: Final = ["key", "n", "language", "target", "keep", "reasons", "weight"]
_MOST: Final = 20
"""Problems of one shard that are named; the rest are counted."""


_OURS = frozenset(["__key__", "__url__", "__local_path__", "json", "txt"])
"""What webdataset and we put in every sample; anything else is its media."""


@dataclass
class _Found:
    """What one shard turned out to hold."""

    media: int = 0
    captions: int = 0
    translations: dict[tuple[str, int, str], str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


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
    pairs = rejects = 0
    seen: dict[str, str] = {}
    for shard in manifest.shards:
        found, broken = _Found(), []
        path = files.join(run.shards, shard.name)
        for problem in _check_tar(path, shard, found):
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


def _check_tar(path: str, shard: Shard, found: _Found) -> Iterator[str]:
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
    try:
        with files.open_raw(path) as stream:
            # The steps of webdataset's own reader, so that what it cannot read is found here.
            for sample in group_by_keys(tar_file_expander([{"url": path, "stream": stream}])):
                samples += 1
                yield from _check_sample(sample, shard, found)
    except Exception as error:  # noqa: BLE001  whatever the reader raises on a broken tar is the finding
        yield f"webdataset cannot read it: {error}"
    for name, promised, there in (
        ("samples", shard.samples, samples),
        ("media files", shard.media, found.media),
        ("captions", shard.captions, found.captions),
        ("pairs", shard.pairs, len(found.translations)),
    ):
        if promised != there:
            yield f"{there:,} {name}, the manifest promises {promised:,}"


def _digest(path: str) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with files.open_raw(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _check_sample(sample: dict[str, Any], shard: Shard, found: _Found) -> Iterator[str]:
    name = sample["__key__"]
    try:
        described = orjson.loads(sample["json"])
        key, captions = described["key"], described["captions"]
        first = next(text for field_name, text in captions[0].items() if field_name not in ("n", "translations"))
        if escape_key(key) != name:
            yield f"sample {name} says that its key is {key!r}"
        if described["split"] != shard.split:
            yield f"sample {name} is of split {described['split']!r}, the shard of {shard.split!r}"
        if sample["txt"].decode() != first:
            yield f"sample {name}: .txt is not the first caption"
        if key in found.keys:
            yield f"key {key!r} is there twice"
        found.keys.add(key)
        found.media += any(field_name not in _OURS for field_name in sample)
        found.captions += len(captions)
        for caption in captions:
            for language, translation in caption["translations"].items():
                found.translations[key, int(caption["n"]), language] = translation["text"]
    except (KeyError, ValueError, IndexError, StopIteration, TypeError, AttributeError) as error:
        yield f"sample {name} is not readable: {error!r}"


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
