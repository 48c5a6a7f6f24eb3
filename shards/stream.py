"""Shards as streams of samples: who reads what, in which epoch, and what happens where a tar is broken."""

import multiprocessing
import multiprocessing.context
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from webdataset.gopen import gopen
from webdataset.tariterators import group_by_keys
from webdataset.utils import pytorch_worker_info

Handler = Callable[[Exception], bool]
"""As webdataset's: raises, or returns whether to go on."""


class ShardError(ValueError):
    """A shard that is missing, broken or not what was asked for; the message begins with its name."""


class Epoch:
    """The number of the epoch, which every worker of this loader sees, also those that were started before.

    Workers that outlive an epoch (``persistent_workers``) hold a copy of the loader; the number is in shared memory.
    Pickled for anything but a child process, it is a plain number.
    """

    def __init__(self, value: int) -> None:
        self._shared: Any = multiprocessing.RawValue("q", value)
        self.repetition = 0
        """How many times this process has gone through the shards since the iteration began."""

    @property
    def value(self) -> int:
        """The epoch that is being read."""
        return int(self._shared.value) + self.repetition

    @value.setter
    def value(self, value: int) -> None:
        self._shared.value = value

    def __getstate__(self) -> Any:
        spawning = multiprocessing.context.get_spawning_popen() is not None
        return self._shared if spawning else int(self._shared.value)

    def __setstate__(self, state: Any) -> None:
        self.__init__(0)  # type: ignore[misc]
        if isinstance(state, int):
            self.value = state
        else:
            self._shared = state


@dataclass(frozen=True)
class Slot:
    """One reader among all: a worker of a node."""

    index: int
    count: int
    """Nodes x workers."""


@dataclass(frozen=True)
class Place:
    """Which node this is: as given, or as ``torch.distributed`` or the environment (``RANK``, ``WORLD_SIZE``) says."""

    rank: int | None = None
    world_size: int | None = None

    def __getstate__(self) -> dict[str, int | None]:
        # A worker that is spawned rather than forked knows nothing of its parent's torch.distributed.
        rank, world_size, _, _ = self._found()
        return {"rank": rank, "world_size": world_size} if world_size > 1 else dict(self.__dict__)

    def slot(self) -> Slot:
        """Return which reader this process is: a DataLoader's worker of this node, or the node itself."""
        rank, world_size, worker, workers = self._found()
        # Neighbouring slots are of different nodes, so that nodes come out even where slots do not.
        return Slot(worker * world_size + rank, world_size * workers)

    def _found(self) -> tuple[int, int, int, int]:
        rank, world_size, worker, workers = pytorch_worker_info()
        if self.rank is not None and self.world_size is not None:
            rank, world_size = self.rank, self.world_size
        return rank, world_size, worker, workers


class Part(NamedTuple):
    """Every ``step``-th sample of a shard, from ``first`` on."""

    url: str
    first: int = 0
    step: int = 1


def parts_of(urls: Sequence[str], slot: Slot) -> list[Part]:
    """Return what one reader reads; together all of them read every sample of every shard once.

    Whole shards, dealt out in turn, where there is one at least for each reader. Where there are fewer, several readers
    share a shard: each reads all of its bytes, and takes every so-many-th sample of it.
    """
    if len(urls) >= slot.count:
        return [Part(url) for url in urls[slot.index :: slot.count]]
    mine = slot.index % len(urls)
    return [Part(urls[mine], slot.index // len(urls), len(range(mine, slot.count, len(urls))))]


def read_parts(parts: Iterable[Part], handler: Handler) -> Iterator[dict[str, Any]]:
    """Yield webdataset's samples: extension → bytes, with ``__key__`` and ``__url__``.

    A shard that cannot be opened or read to its end mark is a `ShardError`, which ``handler`` gets; where that says so
    the next one follows.
    """
    for part in parts:
        try:
            for i, sample in enumerate(group_by_keys(_members(part.url))):
                if i % part.step == part.first:
                    yield sample
        except Exception as error:  # noqa: BLE001  whatever a protocol or tarfile raises is the shard's
            failure = ShardError(f"{part.url}: {error}")
            failure.__cause__ = error
            if not handler(failure):
                return


def _members(url: str) -> Iterator[dict[str, Any]]:
    """Yield the files of one tar as webdataset's readers pass them on.

    Not by its own reader, which takes a tar that breaks off between two files, or a broken header, for the end.
    """
    with gopen(url) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # it keeps every header it has seen
            content = tar.extractfile(member)
            if content is not None:
                yield {"fname": member.name, "data": content.read(), "__url__": url}


class _Header(tarfile.TarInfo):
    """A header of a tar that must end with its mark."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"it breaks off or is damaged at byte {tar.offset}: {error}") from None
