"""Which shards are meant: brace patterns, globs, lists and run directories, and what their manifests say."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from webdataset.shardlists import expand_urls

from shards.keys import unescape_key
from shards.manifest import Manifest, ManifestError, Shard, read_manifest

Urls = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

MANIFEST: Final = "manifest.json"

_NAMED: Final = 3
"""Missing files that a message names; the rest are counted."""


class LoaderError(ValueError):
    """Shards that cannot be loaded as asked: known before the first of them is read."""


@dataclass(frozen=True)
class ShardSet:
    """Shards, and the manifests that lie beside them."""

    urls: tuple[str, ...]
    manifests: tuple[Manifest, ...]
    described: tuple[Shard | None, ...]
    """For each of ``urls`` what its manifest says of it; None for a remote one, or where there is none."""


def find_shards(urls: Urls, *, split: str | None = None) -> ShardSet:
    """Return the shards that ``urls`` means, in the order given.

    ``urls`` is a brace pattern (``shards/train-{000000..000009}.tar``, or any URL that webdataset opens), a local
    glob, a run directory or its ``shards/``, or a list of these. Of a directory the shards of its manifest count, and
    where it has several splits one must be named. ``split`` also selects among the shards of patterns, by their names.
    Raises `LoaderError` where nothing is left, or a local file is missing.
    """
    given = [urls] if isinstance(urls, str | os.PathLike) else list(urls)
    found = [url for one in given for url in _expanded(os.fspath(one), split)]
    if not found:
        raise LoaderError(f"no shards: urls is {urls!r}" + (f" and split is {split!r}" if split is not None else ""))
    missing = [url for url in found if is_local(url) and not Path(url).is_file()]
    if missing:
        named = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else "")
        raise LoaderError(f"{len(missing):,} of {len(found):,} shards are not there: {named}")
    folders = {Path(url).parent: None for url in found if is_local(url)}
    manifests = {folder: _manifest(folder) for folder in folders}
    entries = {
        str(folder / shard.name): shard
        for folder, manifest in manifests.items()
        if manifest
        for shard in manifest.shards
    }
    return ShardSet(
        urls=tuple(found),
        manifests=tuple(manifest for manifest in manifests.values() if manifest),
        described=tuple(entries.get(str(Path(url))) if is_local(url) else None for url in found),
    )


def is_local(url: str) -> bool:
    """Say whether ``url`` is a path on this machine, rather than what webdataset has a protocol for."""
    return "://" not in url and not url.startswith(("pipe:", "file:"))


def _expanded(one: str, split: str | None) -> Iterator[str]:
    if is_local(one) and Path(one).is_dir():
        yield from _of_folder(Path(one), split)
        return
    try:
        patterns = expand_urls(one)
    except AssertionError as error:  # ${name} stands for the environment's WDS_name
        raise LoaderError(f"{one}: {error}") from None
    for pattern in patterns:
        is_glob = is_local(pattern) and any(sign in pattern for sign in "*?[")
        for url in sorted(glob.glob(pattern)) if is_glob else [pattern]:  # noqa: PTH207  it may be absolute
            if split is None or _split_of(url) == split:
                yield url


def _of_folder(folder: Path, split: str | None) -> list[str]:
    if not (folder / MANIFEST).is_file() and (folder / "shards" / MANIFEST).is_file():
        folder = folder / "shards"
    manifest = _manifest(folder)
    if manifest is None:
        raise LoaderError(f"{folder} holds no {MANIFEST}, so it is no finished run: give the paths of the shards")
    splits = sorted({shard.split for shard in manifest.shards})
    if split is None and len(splits) > 1:
        raise LoaderError(f"{folder} has the splits {', '.join(splits)}: name one with split=")
    if split is not None and split not in splits:
        raise LoaderError(f"{folder} has no split {split!r}; it has {', '.join(splits) or 'no shards at all'}")
    return [str(folder / shard.name) for shard in manifest.shards if split in (None, shard.split)]


def _split_of(url: str) -> str:
    """Return the split that the name of a shard tells, as `shards.keys.shard_name` writes it."""
    try:
        return unescape_key(url.rpartition("/")[2].partition(".")[0].rpartition("-")[0])
    except UnicodeError:
        return ""


def _manifest(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        return read_manifest(path.read_bytes())
    except ManifestError as error:
        raise LoaderError(f"{path}: {error}") from None
