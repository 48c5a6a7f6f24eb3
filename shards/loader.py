"""Loaders for training, on the webdataset library: triplets of one language, captions of several, embeddings.

Each is a `Loader`: iterate over it as it is, hand it to torch's ``DataLoader``, or go on with webdataset's own steps.
None of them needs torch.

Equal (seed, epoch) give equal items and draws whatever the number of workers and nodes; only their order differs. The
shards are dealt out over all workers of all nodes; where there are fewer shards than workers, several share a shard
between them, by the number of the sample, so that none idles and nothing comes twice (`shards.stream.parts_of`).
"""

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from webdataset import DataPipeline, detshuffle
from webdataset.compat import FluidInterface
from webdataset.handlers import reraise_exception

from shards.items import (
    SOURCE,
    Captions,
    Decode,
    Embeddings,
    Maker,
    Scores,
    Triplets,
    Wanted,
    decoder_of,
    number_of,
)
from shards.stream import Epoch, Handler, Place, ShardError, parts_of, read_parts
from shards.urls import LoaderError, ShardSet, Urls, find_shards

__all__ = ["Loader", "LoaderError", "ShardError", "captions", "embeddings", "triplets"]

_NO_MEDIA: Final = frozenset({"json", "txt", "npy"})
"""What a sample has beside its media; a media file that is an ``.npy`` is called ``features.npy``."""


class Loader(DataPipeline, FluidInterface):
    """A webdataset pipeline whose epoch can be set; ``compose``, ``map``, ``batched`` and the like return another."""

    def __init__(self, epoch: Epoch, *stages: Any) -> None:
        super().__init__(*stages)
        self._epoch = epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration reads, as torch's ``DistributedSampler`` does it.

        It reaches the workers of a ``DataLoader`` too, persistent ones included. Without it every iteration reads the
        same epoch again.
        """
        self._epoch.value = epoch

    def iterator(self) -> Iterator[Any]:
        """Yield the epoch's samples; with ``repeat`` or ``with_epoch``, those of the epochs after it too."""
        for repetition in range(self.repetitions):
            self._epoch.repetition = repetition
            empty = True
            for sample in self.iterator1():
                empty = False
                yield sample
            if empty:
                return


def triplets(
    urls: Urls,
    *,
    language: str,
    split: str | None = None,
    seed: int = 0,
    epoch: int = 0,
    shuffle: int = 0,
    min_weight: float = 0.0,
    scores: Scores | None = None,
    decode: Decode | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    handler: Handler = reraise_exception,
) -> Loader:
    """Load source caption, translation and back-translation: what CL2CM and NRCCR train on.

    An item for each caption that has a kept translation into ``language`` (BCP-47): a dict of ``key``, ``n`` (the
    caption's index), ``language``, ``media`` (bytes as they came, or what ``decode`` makes of them; None in text-only
    shards), ``ext`` (of the media; empty without), ``source``, ``translation``, ``back`` (None where there is none),
    ``weight`` in [0, 1] and ``scores`` (name → value; None where this pair has none).

    ``urls`` and ``split`` say which shards (see `shards.urls.find_shards`). ``seed`` and ``epoch`` determine all that
    is random. ``shuffle`` is the number of items that wait to be drawn from; above 0 the order of the shards is
    shuffled too. Only pairs of at least ``min_weight`` that pass ``scores`` come: name → (lowest, highest), each a
    number or None, or a function of a pair's scores; a pair that lacks a score does not pass a bound on it.

    ``decode`` is one of webdataset's image specifications (``pil``, ``rgb8``, ``torchrgb``, …), ``npy``, or a function
    of (bytes, extension); it comes after the shuffle. ``rank`` and ``world_size`` say which node this is, by default as
    torch.distributed or the environment (``RANK``, ``WORLD_SIZE``) does. ``handler`` is one of webdataset's: by default
    a broken shard raises `ShardError`.

    Raises `LoaderError` for what can be known before anything is read.
    """
    found = find_shards(urls, split=split)
    _check_languages(found, [language])
    wanted = Wanted(min_weight, scores)
    return _loader(
        found, Triplets(language, wanted), Epoch(epoch), seed, shuffle, decode, Place(rank, world_size), handler
    )


def captions(
    urls: Urls,
    *,
    languages: Sequence[str],
    temperature: float = 1.0,
    source: bool = True,
    sizes: Mapping[str, int] | None = None,
    split: str | None = None,
    seed: int = 0,
    epoch: int = 0,
    shuffle: int = 0,
    min_weight: float = 0.0,
    scores: Scores | None = None,
    decode: Decode | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    handler: Handler = reraise_exception,
) -> Loader:
    """Load media with one caption each, drawn anew in each epoch over languages and captions: multilingual CLIP.

    An item for each media item with any caption to draw: a dict of ``key``, ``n``, ``language``, ``text`` (in that
    language), ``source`` (the caption it was translated from), ``weight`` (1 for a source caption), ``scores`` (none
    for a source caption), ``media`` and ``ext``.

    First the language is drawn, among those that the item has a caption in, with probability proportional to
    ``size ** (1 / temperature)``; then one of its captions in that language, each as likely. A language's size is the
    number of its kept pairs in these shards, that of the source language the number of captions: from the manifests
    beside the shards, or as ``sizes`` says (BCP-47 → number). 1 follows the sizes; the higher the temperature, up to
    ``math.inf``, the more evenly languages are drawn (Arivazhagan et al. 2019, arXiv:1907.05019, who settle on 5).
    ``source`` says whether source captions are drawn too. The filters are for translations alone. All other parameters
    are those of `triplets`.
    """
    found = find_shards(urls, split=split)
    _check_languages(found, languages)
    _check_layout(found, "captions")
    if not temperature > 0:
        raise LoaderError(f"temperature is {temperature}; it must be above 0 (math.inf: all languages alike)")
    if not languages and not source:
        raise LoaderError("no languages, and source=False: there is nothing to draw")
    counted = _sizes(found, languages, source=source, given=sizes)
    largest = max(counted.values())
    # As shares of the largest, so that no temperature is too low; not 0, or an item with nothing else would be lost.
    odds = {
        code: max((size / largest) ** (1 / temperature), sys.float_info.min) for code, size in counted.items() if size
    }
    draw = Captions(odds, Wanted(min_weight, scores), seed)
    return _loader(found, draw, Epoch(epoch), seed, shuffle, decode, Place(rank, world_size), handler)


def embeddings(
    urls: Urls,
    *,
    dtype: Literal["float32", "float16"] = "float32",
    split: str | None = None,
    seed: int = 0,
    epoch: int = 0,
    shuffle: int = 0,
    decode: Decode | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    handler: Handler = reraise_exception,
) -> Loader:
    """Load media with the teacher's embeddings of their source captions: an image branch is trained into its space.

    An item for each media item: a dict of ``key``, ``n`` (the captions' indexes), ``captions`` (their texts),
    ``embeddings`` (``dtype`` [captions, dim], rows of length 1 within float16's precision), ``media`` and ``ext``. The
    shards must have been made with ``shards.embeddings: true``; the manifest names the teacher. All other parameters
    are those of `triplets`.
    """
    found = find_shards(urls, split=split)
    _check_layout(found, "embeddings")
    if dtype not in ("float32", "float16"):
        raise LoaderError(f"dtype is {dtype!r}; it is float32 or float16")
    if any(manifest.embeddings is None for manifest in found.manifests):
        raise LoaderError("the shards have no embeddings: make them with shards.embeddings: true")
    make = Embeddings(dtype)
    return _loader(found, make, Epoch(epoch), seed, shuffle, decode, Place(rank, world_size), handler)


def _loader(
    found: ShardSet,
    maker: Maker,
    epoch: Epoch,
    seed: int,
    shuffle: int,
    decode: Decode | None,
    place: Place,
    handler: Handler,
) -> Loader:
    if shuffle < 0:
        raise LoaderError(f"shuffle is {shuffle}; it is a number of items from 0")
    if (place.rank is None) != (place.world_size is None):
        raise LoaderError("give rank and world_size both, or neither")
    if place.rank is not None and place.world_size is not None and not 0 <= place.rank < place.world_size:
        raise LoaderError(f"rank is {place.rank} of {place.world_size}; ranks count from 0")
    stages: list[Any] = [_Read(found.urls, seed, epoch, shuffle > 0, place, handler), _Make(maker, epoch, handler)]
    if shuffle > 0:
        stages.append(_Shuffle(shuffle, seed, epoch, place))
    if decode is not None:
        stages.append(_Decode(decoder_of(decode), handler))
    return Loader(epoch, *stages, _drop_url)


@dataclass(frozen=True)
class _Read:
    """The first stage: samples of this process's part of the shards."""

    urls: tuple[str, ...]
    seed: int
    epoch: Epoch
    shuffled: bool
    place: Place
    handler: Handler

    def __call__(self) -> Iterator[dict[str, Any]]:
        urls = list(self.urls)
        if self.shuffled:
            random.Random(number_of("shards", self.seed, self.epoch.value)).shuffle(urls)  # noqa: S311
        yield from read_parts(parts_of(urls, self.place.slot()), self.handler)


@dataclass(frozen=True)
class _Make:
    """Samples → items."""

    maker: Maker
    epoch: Epoch
    handler: Handler

    def __call__(self, samples: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        epoch = self.epoch.value  # as this iteration begins; another may be set before it ends
        for sample in samples:
            try:
                described = orjson.loads(sample["json"])
                ext = next((name for name in sample if not name.startswith("__") and name not in _NO_MEDIA), None)
                media = {"media": sample[ext] if ext else None, "ext": (ext or "").rpartition(".")[2]}
                items = [
                    {**item, **media, "__url__": sample["__url__"]}
                    for item in self.maker.items(sample, described, epoch)
                ]
            except (KeyError, ValueError, TypeError, AttributeError, StopIteration) as error:
                if self.handler(_of_sample(sample["__url__"], sample["__key__"], error)):
                    continue
                return
            yield from items


@dataclass(frozen=True)
class _Shuffle:
    """A buffer from which items are drawn; each process draws for itself."""

    size: int
    seed: int
    epoch: Epoch
    place: Place

    def __call__(self, items: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        seed = number_of("buffer", self.seed, self.epoch.value, self.place.slot().index)
        # Its epoch counts up from -1 with every run, and is added to the seed.
        yield from detshuffle(bufsize=self.size, initial=self.size, seed=seed).run(items)


@dataclass(frozen=True)
class _Decode:
    """Media bytes → what the decoder makes of them."""

    decoder: Callable[[bytes, str], Any]
    handler: Handler

    def __call__(self, items: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for item in items:
            if item["media"] is not None:
                try:
                    item["media"] = self.decoder(item["media"], item["ext"])
                except Exception as error:  # noqa: BLE001  a decoder is the user's, or Pillow
                    if self.handler(_of_sample(item["__url__"], item["key"], error)):
                        continue
                    return
            yield item


def _drop_url(items: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        del item["__url__"]
        yield item


def _of_sample(url: str, key: str, error: Exception) -> ShardError:
    missing = f"it has no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    failure = ShardError(f"{url}: sample {key}: {missing}")
    failure.__cause__ = error
    return failure


def _check_languages(found: ShardSet, languages: Sequence[str]) -> None:
    if isinstance(languages, str):
        raise LoaderError(f"languages is {languages!r}; it is a list of codes")
    if not found.manifests or None in found.described:
        return
    known = sorted({code for manifest in found.manifests for code in manifest.languages})
    unknown = [code for code in languages if code not in known]
    if unknown:
        sources = sorted({manifest.source_language for manifest in found.manifests})
        raise LoaderError(
            f"the shards have no translations into {', '.join(unknown)}; they are from {', '.join(sources)} into "
            f"{', '.join(known)}"
        )


def _check_layout(found: ShardSet, loader: str) -> None:
    if any(manifest.layout != "item" for manifest in found.manifests):
        raise LoaderError(f"{loader} needs shards of layout item; these are of layout pair")


def _sizes(
    found: ShardSet, languages: Sequence[str], *, source: bool, given: Mapping[str, int] | None
) -> dict[str, int]:
    """Return the size of each language, that of the source language under `SOURCE`."""
    codes = [SOURCE, *languages] if source else list(languages)
    if given is not None:
        origin = next((manifest.source_language for manifest in found.manifests), "en")
        names = {code: origin if code == SOURCE else code for code in codes}
        unsized = [name for name in names.values() if given.get(name, -1) < 0]
        if unsized:
            raise LoaderError(f"sizes has no number from 0 for {', '.join(unsized)}")
        return {code: given[name] for code, name in names.items()}
    shards = [shard for shard in found.described if shard is not None]
    if len(shards) < len(found.urls):
        raise LoaderError(
            f"{len(found.urls) - len(shards):,} of {len(found.urls):,} shards have no manifest beside them that counts "
            "their captions: give sizes="
        )
    return {
        code: sum(shard.captions if code == SOURCE else shard.languages.get(code, 0) for shard in shards)
        for code in codes
    }
