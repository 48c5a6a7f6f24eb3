"""The forms in which keys and captions are compared."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.exclusion.forms import canonical_keys, folded


def canonical(*keys: str | None) -> list[str | None]:
    """Return the canonical forms as a list."""
    return canonical_keys(pa.array(keys, pa.string())).to_pylist()


def test_all_names_of_a_coco_image_are_one() -> None:
    """File name or stem of either release, in its folder or not, and the bare id."""
    assert set(
        canonical(
            "COCO_val2014_000000391895.jpg",
            "COCO_val2014_000000391895",
            "COCO_train2014_000000391895.jpg",
            "val2014/COCO_val2014_000000391895.jpg",
            "/data/coco/images/COCO_val2014_000000391895.JPG",
            "000000391895.jpg",
            "000000391895",
            "val2017/000000391895.jpg",
            "coco/train2017/000000391895",
            "391895",
            "391895.jpg",
        )
    ) == {"391895"}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("1000268201_693b08cb0e.jpg", "1000268201_693b08cb0e"),
        ("Ptf_2VRj-V0_000122_000132.mp4", "Ptf_2VRj-V0_000122_000132"),
        ("video7010.webm", "video7010"),
        ("video7010.npy", "video7010"),
        ("clip/v1.5", "clip/v1.5"),
        ("a/0012.jpg", "a/0012"),
        ("b/12.jpg", "b/12"),
        ("0000", "0"),
        ("1234567890123", "1234567890123"),
        ("12a", "12a"),
        ("-0012", "-0012"),
        ("COCO_val2014_x.jpg", "COCO_val2014_x"),
        ("", ""),
        (None, None),
    ],
)
def test_other_keys_lose_a_media_extension_and_no_more(key: str | None, expected: str | None) -> None:
    """A number in a folder of its own naming is not COCO's."""
    assert canonical(key) == [expected]


NUMBERS = st.integers(0, 10**12 - 1)


@given(NUMBERS, NUMBERS, st.sampled_from(["train", "val", "test"]))
def test_an_image_is_its_number_and_no_other(one: int, other: int, split: str) -> None:
    """Every form of a number has one canonical form, which no other number has; it is its own."""
    forms = canonical(str(one), f"{one:012d}.jpg", f"COCO_{split}2014_{one:012d}.jpg", f"COCO_{split}2014_{one:012d}")
    assert set(forms) == {str(one)}
    assert (canonical(f"{other:012d}") == [str(one)]) == (one == other)


@given(st.lists(st.text(st.sampled_from("0123COCO_val2014_/.jpgé "), max_size=30), max_size=5))
def test_canonical_forms_stay(keys: list[str]) -> None:
    """What holds no two extensions, taken twice, changes once."""
    once = [key for key in canonical(*keys) if key is not None and not key.lower().endswith(".jpg")]
    assert canonical(*once) == once


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A man's dog, running!", "a man s dog running"),
        ("  A  MAN\u2019S dog \u2014 running.  ", "a man s dog running"),
        ("Cafe\u0301 No. 5", "café no 5"),
        ("ÜBER straße", "über straße"),
        ("?!…", ""),
        ("两个男人在说话。", "两个男人在说话"),
    ],
)
def test_case_and_punctuation_are_folded(caption: str, expected: str) -> None:
    """Normalised as every text, then letters, marks and digits alone, in lower case."""
    assert folded(pa.array([caption])).to_pylist() == [expected]


@given(st.text(max_size=20))
def test_folding_twice_is_folding_once(caption: str) -> None:
    """For any text that is no control character's (such captions are rejected before)."""
    once = folded(pa.array([caption]))
    assert folded(once).to_pylist() == once.to_pylist()
