"""Near-duplicates: nothing below the threshold, everything that is equal, and nearly all between."""

import random
from itertools import pairwise

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from pipelines.exclusion.near import PERMUTATIONS, NearDuplicates, gram_hashes, grams, jaccard, signatures

TEXTS = st.text(st.sampled_from("ab é一"), min_size=1, max_size=14)


def test_grams() -> None:
    """Five characters in a row, each once; a shorter text is its own."""
    assert grams("abcdefg") == {"abcde", "bcdef", "cdefg"}
    assert grams("aaaaaaa") == {"aaaaa"}
    assert grams("一个人") == {"一个人"}


def test_similarity_is_exact_at_the_threshold() -> None:
    """Four of five in common are enough, as 0.8 rounds; a little less is not."""
    five = frozenset("abcde")
    assert jaccard(five, frozenset("abcd")) == 0.8
    assert jaccard(frozenset(map(str, range(100))), frozenset(map(str, range(80)))) == 0.8
    assert jaccard(frozenset(map(str, range(100))), frozenset(map(str, range(79)))) is None
    assert jaccard(five, five) == 1


def test_signatures_are_those_of_datasketch() -> None:
    """Of each text alone, given the same hashes, one at a time; short texts and repeated grams included."""
    texts = ["a man rides a horse", "a", "abcde", "aaaaaaaaaa", "两个男人在说话", "𝒳 man rides a horse"]
    hashes, starts = gram_hashes(texts)
    permutations = MinHash(num_perm=PERMUTATIONS).permutations
    made = signatures(texts, permutations)
    bounds = [*starts.tolist(), len(hashes)]
    assert np.diff(bounds).tolist() == [max(1, len(text) - 4) for text in texts]
    for row, (start, end) in enumerate(pairwise(bounds)):
        expected = MinHash(num_perm=PERMUTATIONS, permutations=permutations, scheme="affine32", hashfunc=int)
        expected.update_batch(hashes[start:end])
        assert made[row].tolist() == expected.hashvalues.tolist()


@given(st.lists(TEXTS, min_size=1, max_size=12), st.lists(TEXTS, max_size=12))
def test_nothing_below_the_threshold_is_found_and_everything_equal_is(index: list[str], texts: list[str]) -> None:
    """Whatever is found has a true similarity of 0.8 or more, and is the nearest that was found; equal texts have 1."""
    near = NearDuplicates(index)
    for text, found in zip([*texts, *index], near.find([*texts, *index]), strict=True):
        if text in index:
            assert found == (index.index(next(other for other in index if grams(other) == grams(text))), 1.0)
        elif found is not None:
            mine, theirs = grams(text), grams(index[found[0]])
            assert found[1] == len(mine & theirs) / len(mine | theirs)
            assert 5 * len(mine & theirs) >= 4 * len(mine | theirs)


def _spoilt(rng: random.Random, text: str) -> str:
    """Return ``text`` with one letter changed, not one of the first or last, to one that no text has."""
    place = rng.randrange(4, len(text) - 4)
    return text[:place] + "_" + text[place + 1 :]


@pytest.mark.parametrize(("length", "similarity", "found"), [(52, 0.811, 2998), (100, 0.901, 3000)])
def test_nearly_all_near_duplicates_are_found(length: int, similarity: float, found: int) -> None:
    """Of 3,000 texts with one letter changed: all but two at a similarity of 0.81, and all at one of 0.90."""
    rng = random.Random(6)
    index = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length)) for _ in range(3000)]
    spoilt = [_spoilt(rng, text) for text in index]
    assert round(jaccard(grams(index[0]), grams(spoilt[0])) or 0, 3) == similarity
    nearest = list(NearDuplicates(index).find(spoilt))
    assert sum(one is not None and one[0] == i for i, one in enumerate(nearest)) == found
    assert sum(one is None for one in nearest) == 3000 - found


@pytest.mark.parametrize("texts", [[], ["a dog runs"]])
def test_an_empty_index_or_question_finds_nothing(texts: list[str]) -> None:
    """There is nothing to compare."""
    assert list(NearDuplicates(texts).find([])) == []
    assert list(NearDuplicates([]).find(texts)) == [None] * len(texts)
