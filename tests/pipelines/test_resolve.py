"""One media item and one split a key, one text a caption index, whatever the order of the input."""

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.captions import CAPTIONS, REJECTS
from pipelines.media import Media
from pipelines.resolve import CaptionRow, Reject, caption_rows, in_order, reject_table, resolve

DOG, CAT = Media("/m/dog.jpg", "jpg"), Media("/m/cat.jpg", "jpg")


def row(key: str, n: int | None, text: str, **changes: Any) -> CaptionRow:
    """Return a caption from line 1 of a file."""
    return CaptionRow(key, n, text.encode().ljust(16, b"."), text, None, "train", "f@1")._replace(**changes)


def ordered(rows: list[CaptionRow]) -> pa.Table:
    """Return the caption table of ``rows``, in the order that `resolve` takes."""
    return in_order(table(rows))


def table(rows: list[CaptionRow]) -> pa.Table:
    """Return ``rows`` as ingest leaves them."""
    columns = {
        "key": [one.key for one in rows],
        "n": [one.n for one in rows],
        "text_id": [one.text_id for one in rows],
        "text": [one.text for one in rows],
        "media": [one.media and one.media._asdict() for one in rows],
        "split": [one.split for one in rows],
        "origin": [one.origin for one in rows],
    }
    return pa.table(columns, schema=CAPTIONS)


def resolved(*rows: CaptionRow, split: str = "train") -> tuple[list[tuple[Any, ...]], list[tuple[str, str, str]]]:
    """Return (key, n, text) of what is usable and (text, reason, detail) of what is not."""
    usable, rejects = resolve(caption_rows(ordered(list(rows))), split=split)
    return (
        [(one.key, one.n, one.text) for one in usable],
        [(reject.row.text, reject.reason, reject.detail) for reject in rejects],
    )


def test_rows_come_back_from_their_table() -> None:
    """Media and missing numbers survive the table."""
    rows = [row("a", 0, "x", media=Media("t.tar", "png", 512, 9)), row("a", None, "y"), row("b", 2, "z", media=DOG)]
    assert caption_rows(ordered(rows)) == rows


def test_rows_are_sorted() -> None:
    """By key, then number, those without one last, then text, then origin."""
    rows = [
        row("b", 0, "x"),
        row("a", None, "a"),
        row("a", 10, "x"),
        row("a", 2, "y"),
        row("a", 2, "x", origin="f@2"),
        row("a", 2, "x", origin="f@1"),
    ]
    order = [(one.key, one.n, one.text, one.origin) for one in caption_rows(ordered(rows))]
    assert order == [
        ("a", 2, "x", "f@1"),
        ("a", 2, "x", "f@2"),
        ("a", 2, "y", "f@1"),
        ("a", 10, "x", "f@1"),
        ("a", None, "a", "f@1"),
        ("b", 0, "x", "f@1"),
    ]


def test_nothing_to_resolve() -> None:
    """Captions that say one thing each are all usable, with the numbers they have."""
    assert resolved(row("a", 0, "One."), row("a", 4, "Two."), row("b", 0, "One.")) == (
        [("a", 0, "One."), ("a", 4, "Two."), ("b", 0, "One.")],
        [],
    )
    assert resolved() == ([], [])


def test_one_number_twice() -> None:
    """Of captions with one number the first by text is used; the same text twice is a duplicate too."""
    assert resolved(row("a", 0, "Zwei."), row("a", 0, "Eins."), row("a", 0, "Eins.", origin="f@9")) == (
        [("a", 0, "Eins.")],
        [
            ("Eins.", "duplicate_caption", "caption 0 of this key is there already"),
            ("Zwei.", "duplicate_caption", "caption 0 of this key is there already"),
        ],
    )


def test_one_text_under_two_numbers() -> None:
    """An annotator may say what another said."""
    assert resolved(row("a", 0, "A dog."), row("a", 1, "A dog."))[1] == []


def test_captions_without_a_number() -> None:
    """They get the numbers after the highest given one, by text; the same text twice is a duplicate."""
    assert resolved(row("a", None, "c"), row("a", 7, "x"), row("a", None, "b"), row("a", None, "c")) == (
        [("a", 7, "x"), ("a", 8, "b"), ("a", 9, "c")],
        [("c", "duplicate_caption", "this key has the same caption already")],
    )
    assert resolved(row("a", None, "b"), row("a", None, "a"))[0] == [("a", 0, "a"), ("a", 1, "b")]


def test_two_media() -> None:
    """Of media items the first by address counts; captions of another, and of none, are rejected."""
    assert resolved(row("a", 0, "x", media=DOG), row("a", 1, "y", media=CAT), row("a", 2, "z")) == (
        [("a", 1, "y")],
        [
            ("x", "conflicting_media", "/m/dog.jpg, not /m/cat.jpg"),
            ("z", "conflicting_media", "no media, not /m/cat.jpg"),
        ],
    )


def test_two_members_of_one_tar() -> None:
    """Members are told apart by where they lie."""
    first, second = Media("t.tar", "jpg", 512, 10), Media("t.tar", "jpg", 2048, 10)
    assert resolved(row("a", 0, "x", media=second), row("a", 1, "y", media=first))[0] == [("a", 1, "y")]


def test_two_splits() -> None:
    """Captions of the split that the key is not kept in are rejected, and their media do not count."""
    assert resolved(
        row("a", 0, "x", split="val", media=CAT), row("a", 1, "y", media=DOG), row("a", 2, "z", split="test")
    ) == (
        [("a", 1, "y")],
        [
            ("x", "conflicting_split", "split 'val', but the key is in 'train' too"),
            ("z", "conflicting_split", "split 'test', but the key is in 'train' too"),
        ],
    )


def test_a_rejected_caption_takes_no_number() -> None:
    """A caption that cannot be used does not make a duplicate of one that can."""
    assert resolved(row("a", 0, "x", media=DOG), row("a", 0, "y", media=CAT)) == (
        [("a", 0, "y")],
        [("x", "conflicting_media", "/m/dog.jpg, not /m/cat.jpg")],
    )


MEDIA = st.none() | st.builds(
    Media,
    uri=st.sampled_from(["a.tar", "b.tar"]),
    offset=st.none() | st.integers(0, 1),
    size=st.none() | st.integers(1, 2),
    ext=st.sampled_from(["jpg", "png"]),
)
ROWS = st.lists(
    st.builds(
        row,
        key=st.sampled_from("ab"),
        n=st.none() | st.integers(0, 2),
        text=st.sampled_from(["x", "y", "z"]),
        media=MEDIA | st.just(DOG),
        split=st.sampled_from(["train", "train", "val"]),
        origin=st.sampled_from(["f@1", "f@2"]),
    ),
    max_size=12,
)


@given(ROWS, st.randoms(use_true_random=False), st.sampled_from(["train", "val"]))
def test_the_order_of_the_input_does_not_matter(rows: list[CaptionRow], random: Any, split: str) -> None:
    """Shuffled rows from other lines give the same usable captions, and as many rejects for each reason."""

    def outcome(given: list[CaptionRow]) -> tuple[list[tuple[Any, ...]], list[str]]:
        usable, rejects = resolve(caption_rows(ordered(given)), split=split)
        assert len(usable) + len(rejects) == len(given)
        content = [(one.key, one.n, one.text, one.text_id, one.media, one.split) for one in usable]
        return content, sorted(reject.reason for reject in rejects)

    lines = list(range(len(rows)))
    random.shuffle(lines)
    moved = [one._replace(origin=f"f@{line}") for one, line in zip(rows, lines, strict=True)]
    random.shuffle(moved)
    assert outcome(moved) == outcome(rows)


@given(ROWS)
def test_what_is_usable_is_unambiguous(rows: list[CaptionRow]) -> None:
    """Every caption has a number, no two of a key the same, and a key has one media item."""
    usable, _ = resolve(caption_rows(ordered(rows)), split="train")
    numbers = [(one.key, one.n) for one in usable]
    assert all(n is not None for _, n in numbers)
    assert len(set(numbers)) == len(numbers)
    assert len({(one.key, one.media) for one in usable}) == len({one.key for one in usable})
    assert {one.split for one in usable} <= {"train"}


def test_reject_table() -> None:
    """Rejects are written with where they came from; a missing number is null."""
    rejects = [Reject(row("a", 3, "x"), "missing_media", "gone"), Reject(row("b", None, "y"), "bad_key", "")]
    made = reject_table(rejects)
    assert made.schema == REJECTS
    of_no_set = {"evaluation_set": None, "overlap": None}
    assert made.to_pylist() == [
        {"origin": "f@1", "reason": "missing_media", "detail": "gone", "key": "a", "n": 3, **of_no_set},
        {"origin": "f@1", "reason": "bad_key", "detail": "", "key": "b", "n": None, **of_no_set},
    ]
    assert reject_table([]).schema == REJECTS
