"""A sample's files: their names, their order, their exact bytes."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.sample import Caption, Sample, Translation, npy_bytes, pair_samples

DOG = Caption(
    n=0,
    text="A dog — “Rex” — runs.",
    translations={
        "de": Translation(
            text="Ein Hund rennt.",
            weight=0.1235,
            back="A dog runs.",
            scores={
                "mt_logprob": -0.1181,
                "mt_tokens": 5,
                "lid_label": "de",
                "lid_prob": 1.0,
                "numbers_differ": False,
            },
        ),
        "cs": Translation(text="Pes běží.", weight=1.0, back=None, scores={}),
    },
)
UNTRANSLATED = Caption(n=3, text="Two\tdogs.")


def test_json_written_out() -> None:
    """The JSON has its fields in their order, and numbers and characters as they are."""
    sample = Sample(key="a.b/c d.é", split="train", captions=(DOG, UNTRANSLATED))
    assert sample.to_json().decode() == (
        '{"key":"a.b/c d.é","split":"train","captions":['
        '{"n":0,"en":"A dog — “Rex” — runs.","translations":{'
        '"de":{"text":"Ein Hund rennt.","weight":0.1235,"back":"A dog runs.","scores":{'
        '"mt_logprob":-0.1181,"mt_tokens":5,"lid_label":"de","lid_prob":1.0,"numbers_differ":false}},'
        '"cs":{"text":"Pes běží.","weight":1.0,"scores":{}}}},'
        '{"n":3,"en":"Two\\tdogs.","translations":{}}]}'
    )


def test_source_language() -> None:
    """A caption's own text stands under its language's code."""
    sample = Sample(key="k", split="val", captions=(Caption(n=0, text="Ein Hund."),), source_language="de")
    assert sample.to_json() == b'{"key":"k","split":"val","captions":[{"n":0,"de":"Ein Hund.","translations":{}}]}'


def test_files_with_media() -> None:
    """Media, JSON and text stand in this order, under the escaped key; the text is the first caption."""
    sample = Sample(key="a.b", split="train", captions=(DOG, UNTRANSLATED), media=b"\xff\xd8", ext="jpg")
    files = dict(sample.files())
    assert list(files) == ["a%2Eb.jpg", "a%2Eb.json", "a%2Eb.txt"]
    assert files["a%2Eb.jpg"] == b"\xff\xd8"
    assert files["a%2Eb.json"] == sample.to_json()
    assert files["a%2Eb.txt"] == "A dog — “Rex” — runs.".encode()


def test_files_without_media() -> None:
    """A text-only sample has no media file."""
    sample = Sample(key="k", split="train", captions=(UNTRANSLATED,))
    assert [name for name, _ in sample.files()] == ["k.json", "k.txt"]


def test_empty_media_are_media() -> None:
    """No bytes are not the same as no media."""
    sample = Sample(key="k", split="train", captions=(UNTRANSLATED,), media=b"", ext="jpg")
    assert next(sample.files()) == ("k.jpg", b"")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats(-100, 100, width=32))
def test_any_text_and_score_survive(text: str, score: float) -> None:
    """Any text and score come back from the JSON as they were."""
    translation = Translation(text=text, weight=0.5, back=text, scores={"mt_logprob": score})
    sample = Sample(key=text, split="train", captions=(Caption(0, text, {"de": translation}),))
    read = json.loads(sample.to_json())
    assert read["key"] == text
    assert read["captions"][0]["en"] == text
    assert read["captions"][0]["translations"]["de"]["back"] == text
    assert read["captions"][0]["translations"]["de"]["scores"]["mt_logprob"] == score


def test_embeddings_come_last() -> None:
    """``.npy`` stands behind the text: NumPy's format, float16, a row for each caption."""
    rows = np.array([[1, 0], [0.5, -0.25]], np.float16)
    sample = Sample(key="a.b", split="train", captions=(DOG, UNTRANSLATED), media=b"x", ext="jpg", embeddings=rows)
    files = dict(sample.files())
    assert list(files) == ["a%2Eb.jpg", "a%2Eb.json", "a%2Eb.txt", "a%2Eb.npy"]
    assert files["a%2Eb.npy"] == (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }".ljust(127) + b"\n"
        b"\x00\x3c\x00\x00\x00\x38\x00\xb4"
    )
    assert npy_bytes(np.asfortranarray(rows)) == files["a%2Eb.npy"]


def test_features_have_a_name_of_their_own() -> None:
    """Media that are an ``.npy`` are called ``features.npy``, with embeddings beside them or not."""
    sample = Sample(key="a", split="train", captions=(DOG,), media=b"x", ext="npy")
    assert list(dict(sample.files())) == ["a.features.npy", "a.json", "a.txt"]
    (pair, *_) = pair_samples(sample, source_pairs=True)
    assert next(iter(pair.files()))[0] == "a-0-en.features.npy"


def test_pairs_of_a_sample() -> None:
    """By caption, the source first where it is wanted, then the translations; media, JSON and the text of each."""
    sample = Sample(key="a.b", split="val", captions=(DOG, UNTRANSLATED), media=b"x", ext="jpg")
    pairs = list(pair_samples(sample, source_pairs=True))
    assert [pair.translation.text for pair in pairs] == [DOG.text, "Ein Hund rennt.", "Pes běží.", UNTRANSLATED.text]
    english, german, czech, _ = (dict(pair.files()) for pair in pairs)
    assert list(german) == ["a%2Eb-0-de.jpg", "a%2Eb-0-de.json", "a%2Eb-0-de.txt"]
    assert german["a%2Eb-0-de.jpg"] == b"x"
    assert german["a%2Eb-0-de.txt"] == b"Ein Hund rennt."
    assert german["a%2Eb-0-de.json"].decode() == (
        '{"key":"a.b","split":"val","n":0,"language":"de","source":"A dog — “Rex” — runs.","text":"Ein Hund rennt.",'
        '"weight":0.1235,"back":"A dog runs.","scores":{"mt_logprob":-0.1181,"mt_tokens":5,"lid_label":"de",'
        '"lid_prob":1.0,"numbers_differ":false}}'
    )
    assert english["a%2Eb-0-en.json"].decode() == (
        '{"key":"a.b","split":"val","n":0,"language":"en","source":"A dog — “Rex” — runs.",'
        '"text":"A dog — “Rex” — runs.","weight":1.0,"scores":{}}'
    )
    assert czech["a%2Eb-0-cs.txt"] == "Pes běží.".encode()
    without = pair_samples(sample, source_pairs=False)
    assert [(pair.n, pair.language) for pair in without] == [(0, "de"), (0, "cs")]
