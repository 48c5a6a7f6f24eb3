"""Near-duplicates of captions: MinHash and LSH find candidates, and their true Jaccard similarity decides.

The permutations and the banding are datasketch's. Its signatures are made one text at a time in Python; here those of
thousands are made at once, equal to what `datasketch.MinHash` would make of the same hashes.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

THRESHOLD: Final = (4, 5)
"""Numerator and denominator of the least Jaccard similarity of near-duplicates: whole numbers compare exactly."""

GRAM: Final = 5
"""Characters."""

PERMUTATIONS: Final = 96
BANDS: Final = 16
"""Of six values each: of pairs with a similarity of 0.8 they find 99.2 %, of 0.9 all but one in 10,000."""

_TEXTS: Final = 20_000
"""Texts whose signatures are made together: some 50 MB."""

U32 = npt.NDArray[np.uint32]


def available() -> bool:
    """Say whether datasketch is installed: the extra ``exclude``."""
    return importlib.util.find_spec("datasketch") is not None


class NearDuplicates:
    """An index of texts that finds those nearly equal to others. Some 4 KB a text; reading it is safe in threads."""

    def __init__(self, texts: Sequence[str]) -> None:
        # An extra, and scipy comes with it.
        from datasketch import MinHash, MinHashLSH

        self._texts = texts
        self._probe = MinHash(num_perm=PERMUTATIONS)
        self._index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, PERMUTATIONS // BANDS))
        for i, signature in enumerate(self._signatures(texts)):
            self._probe.hashvalues = signature
            self._index.insert(i, self._probe, check_duplication=False)

    def find(self, texts: Sequence[str]) -> Iterator[tuple[int, float] | None]:
        """Yield for each of ``texts`` (number in the index, Jaccard similarity) of its nearest near-duplicate, or None.

        The similarity is that of the sets of character 5-grams and at least 0.8; a text shorter than that is its own
        only gram. Of several equally near texts it is the first in the index.
        """
        probe = self._probe.copy()
        for text, signature in zip(texts, self._signatures(texts), strict=True):
            probe.hashvalues = signature
            candidates = self._index.query(probe)
            yield self._nearest(text, candidates) if candidates else None

    def _nearest(self, text: str, candidates: list[int]) -> tuple[int, float] | None:
        mine = grams(text)
        best = None
        for i in sorted(candidates):
            similarity = jaccard(mine, grams(self._texts[i]))
            if similarity is not None and (best is None or similarity > best[1]):
                best = i, similarity
        return best

    def _signatures(self, texts: Sequence[str]) -> Iterator[U32]:
        for start in range(0, len(texts), _TEXTS):
            yield from signatures(texts[start : start + _TEXTS], self._probe.permutations)


def grams(text: str) -> frozenset[str]:
    """Return the character 5-grams of ``text``; of a shorter one the text itself."""
    return frozenset(text[i : i + GRAM] for i in range(max(1, len(text) - GRAM + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float | None:
    """Return the Jaccard similarity of two sets; None where it is below `THRESHOLD`."""
    common = len(one & other)
    union = len(one) + len(other) - common
    least, of = THRESHOLD
    return common / union if of * common >= least * union else None


def signatures(texts: Sequence[str], permutations: U32) -> U32:
    """Return the MinHash of the 5-grams of each text, uint32 [texts, permutations].

    ``permutations`` are those of a `datasketch.MinHash` of its scheme ``affine32``: uint32 [2, permutations].
    """
    hashes, starts = gram_hashes(texts)
    mixed = _finalised(hashes)
    found = np.empty((len(texts), permutations.shape[1]), dtype=np.uint32)
    for i, (factor, offset) in enumerate(permutations.T):
        found[:, i] = np.minimum.reduceat(mixed * factor + offset, starts)
    return found


def gram_hashes(texts: Sequence[str]) -> tuple[U32, npt.NDArray[np.int64]]:
    """Return a hash for each 5-gram of ``texts``, one text after the other, and where each text's begin."""
    padded = [text.ljust(GRAM, "\0") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    windows = np.zeros(len(codes) - GRAM + 1, dtype=np.uint64)
    for i in range(GRAM):
        windows = windows * np.uint64(0x9E3779B97F4A7C15) + codes[i : len(windows) + i]
    # A window that begins in the last four characters of a text reaches into the next.
    ends = np.cumsum(lengths)
    inside = np.ones(len(codes), dtype=bool)
    for i in range(1, GRAM):
        inside[ends - i] = False
    counts = lengths - GRAM + 1
    return (windows[inside[: len(windows)]] >> np.uint64(32)).astype(np.uint32), np.cumsum(counts) - counts


def _finalised(hashes: U32) -> U32:
    """Return ``hashes`` mixed as datasketch does before it permutes them: by MurmurHash3's finaliser."""
    mixed = hashes ^ (hashes >> np.uint32(16))
    mixed = mixed * np.uint32(0x85EBCA6B)
    mixed = mixed ^ (mixed >> np.uint32(13))
    mixed = mixed * np.uint32(0xC2B2AE35)
    return mixed ^ (mixed >> np.uint32(16))
