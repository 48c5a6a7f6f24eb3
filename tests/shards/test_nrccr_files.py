"""NRCCR's flat files: what is written is what its reader reads."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrccr_reader import captions_in, ids_in, media_id

from shards.export_nrccr import Names, caption_lines, caption_problems, id_lines, key_problems, weight_lines

KEYS = pa.array(["1000092795", "video0_000010"])
NUMBERS = pa.array([0, 12], pa.int32())


def test_a_line_is_an_id_a_space_and_the_caption() -> None:
    """The lines are those of NRCCR's own files, in UTF-8, white space around a caption left out."""
    written = caption_lines(KEYS, NUMBERS, pa.array(["Zwei junge Männer.", " 一只 猫\u3000"]), marker="enc2de")

    assert bytes(written).decode() == "1000092795#enc2de#0 Zwei junge Männer.\nvideo0_000010#enc2de#12 一只 猫\n"


def test_weights_have_the_lines_of_captions() -> None:
    """A weight stands behind the id of its translation, with four decimals."""
    written = weight_lines(KEYS, NUMBERS, pa.array([1, 0.06254], pa.float32()), marker="enc2de")

    assert bytes(written) == b"1000092795#enc2de#0 1.0000\nvideo0_000010#enc2de#12 0.0625\n"


def test_no_rows_are_no_lines() -> None:
    """Nothing is written of nothing."""
    none = pa.array([], pa.string())

    assert bytes(caption_lines(none, pa.array([], pa.int32()), none, marker="enc")) == b""
    assert bytes(weight_lines(none, pa.array([], pa.int32()), pa.array([], pa.float32()), marker="enc")) == b""
    assert bytes(id_lines(none)) == b""


def test_names_of_the_files() -> None:
    """They are those that trainer_img.py and trainer_vid.py put together."""
    names = Names("multi30k", "de")

    assert names.train == (
        "TextData/multi30ktrain_enc.caption.txt",
        "TextData/multi30ktrain_google_enc2de.caption.txt",
        "TextData/multi30ktrain_google_enc2de2enc.caption.txt",
    )
    assert names.weights == "TextData/multi30ktrain_google_enc2de.weights.txt"
    assert names.evaluation("val") == (
        "TextData/multi30kval_de.caption.txt",
        "TextData/multi30kval_google_de2enc.caption.txt",
    )
    assert names.ids("test") == "FeatureData/test_id.txt"
    assert Names("vatex", "zh", "opus").train[1] == "TextData/vatextrain_opus_enc2zh.caption.txt"


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "is empty"),
        ("a b", "holds white space"),
        ("a\u3000", "holds white space"),
        ("a\n", "holds white space"),
        ("a#1", "holds #"),
        ("a.jpg", "ends in .jpg or .mp4"),
        ("a.mp4", "ends in .jpg or .mp4"),
        ("a.jpg.png", None),
        ("jpg", None),
        ("dog.1/ä-_", None),
    ],
)
def test_keys_that_the_reader_would_misread(key: str, problem: str | None) -> None:
    """Each has its reason; dots, slashes and letters of any script are no harm."""
    assert key_problems(pa.array([key])).to_pylist() == [problem]


def test_captions_that_make_no_line() -> None:
    """One that is missing, blank or of several lines has its reason; a # or a tab inside is no harm."""
    captions = pa.array(["A #1 dog.", "a\tb", None, "", " \u3000", "a\nb", "a\rb", "a\n"])

    problems = [None, None, "is missing", "is empty", "is empty", "holds a line break", "holds a line break", None]
    assert caption_problems(captions).to_pylist() == problems


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(
    st.dictionaries(st.tuples(TEXT, st.integers(0, 2**30)), TEXT, max_size=8), st.sampled_from(["enc", "enc2de2enc"])
)
def test_what_has_no_problem_is_read_back(captions: dict[tuple[str, int], str], marker: str) -> None:
    """Whatever the keys and captions: what is not refused, the reader reads as it was, but for space at the ends."""
    rows = [(key, n, caption) for (key, n), caption in captions.items()]
    keys, numbers, texts = (pa.array([row[i] for row in rows], kind) for i, kind in enumerate(_KINDS))
    wrong = zip(key_problems(keys).to_pylist(), caption_problems(texts).to_pylist(), strict=True)
    fit = pa.array([not any(problems) for problems in wrong], pa.bool_())
    keys, numbers, texts = keys.filter(fit), numbers.filter(fit), texts.filter(fit)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "captions.txt"
        path.write_bytes(caption_lines(keys, numbers, texts, marker=marker))
        read = captions_in(path)
        path.write_bytes(id_lines(keys.unique()))
        listed = ids_in(path)

    expected = [(f"{key}#{marker}#{n}", text.strip()) for key, n, text in _rows(keys, numbers, texts)]
    assert [(one, caption.strip()) for one, caption in read.items()] == expected
    assert [media_id(one) for one in read] == keys.to_pylist()
    assert [one.split("#")[2] for one in read] == [str(n) for n in numbers.to_pylist()]
    assert listed == keys.unique().to_pylist()


@given(st.floats(0, 1, width=32))
def test_a_weight_is_read_back(weight: float) -> None:
    """To four decimals, whatever it is."""
    written = weight_lines(KEYS[:1], NUMBERS[:1], pa.array([weight], pa.float32()), marker="enc")

    assert abs(float(bytes(written).split()[1]) - np.float32(weight)) <= 0.00005001


_KINDS = (pa.string(), pa.int32(), pa.string())


def _rows(*columns: pa.Array) -> list[tuple[str, int, str]]:
    return list(zip(*(column.to_pylist() for column in columns), strict=True))
