import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import margin
from filters.margin import ratio_margin
from filters.similarity import cosine, load_teacher

CAPTIONS = [
    ("Two dogs run through the snow.", "Zwei Hunde rennen durch den Schnee."),
    ("A man is riding a horse.", "Ein Mann reitet auf einem Pferd."),
    ("A child eats an apple.", "Ein Kind isst einen Apfel."),
    ("A woman in a red dress is dancing.", "Eine Frau in einem roten Kleid tanzt."),
    ("A boy jumps into a pool.", "Ein Junge springt in ein Schwimmbecken."),
    ("Three girls sit on a bench.", "Drei Mädchen sitzen auf einer Bank."),
    ("A cat sleeps on the sofa.", "Eine Katze schläft auf dem Sofa."),
    ("People are waiting for the bus.", "Leute warten auf den Bus."),
    ("A cyclist crosses the bridge.", "Ein Radfahrer überquert die Brücke."),
    ("An old man is reading a newspaper.", "Ein alter Mann liest eine Zeitung."),
    ("The team plays football in the rain.", "Die Mannschaft spielt im Regen Fußball."),
    ("A black bird sits on a branch.", "Ein schwarzer Vogel sitzt auf einem Ast."),
    ("A waiter carries two glasses.", "Ein Kellner trägt zwei Gläser."),
    ("Children build a castle of sand.", "Kinder bauen eine Burg aus Sand."),
    ("A surfer rides a big wave.", "Ein Surfer reitet eine große Welle."),
    ("A woman paints the wall white.", "Eine Frau streicht die Wand weiß."),
]


def texts(*names):
    """Return texts as an Arrow array."""
    return pa.array(names, pa.string())


def distinct(rows):
    """Return sources and targets of which no two are the same text."""
    return tuple(texts(*(f"{side}{row}" for row in range(rows))) for side in "st")


def around(rows, dimension, own=0.6, next_one=0.8):
    """Return sources, each along an axis, and targets between that and the next one; the axes come around."""
    axes = np.eye(dimension, dtype=np.float32)[np.arange(rows) % dimension]
    return axes, (own * axes + next_one * np.roll(axes, -1, axis=0)).astype(np.float32)


def rounded(found):
    """Return values rounded to three decimals."""
    return [None if value is None else round(value, 3) for value in found.to_pylist()]


def test_the_margin_is_the_cosine_over_that_to_the_four_nearest_on_both_sides():
    """Own 0.6; the four nearest have 0.8, 0, 0 and 0, on either side: 0.6 / 0.2."""
    found = ratio_margin(*around(16, 16), distinct(16))
    assert found.type == pa.float32()
    assert rounded(found) == [3.0] * 16


def test_a_pair_like_any_other_has_a_margin_of_one():
    """Where all sources are one point and all targets another."""
    sources, targets = np.tile(np.float32([1, 0]), (16, 1)), np.tile(np.float32([0.8, 0.6]), (16, 1))
    assert rounded(ratio_margin(sources, targets, distinct(16))) == [1.0] * 16


def test_a_pair_with_another_ones_target_has_a_low_margin():
    """Sources along axes with targets of their own, two of which changed places: cosine 0, and 1 among the others."""
    axes = np.eye(16, dtype=np.float32)
    targets = axes[[1, 0, *range(2, 16)]]
    assert rounded(ratio_margin(axes, targets, distinct(16))) == [0.0, 0.0] + [100.0] * 14


def test_copies_of_a_pair_are_no_neighbours_of_it():
    """Of two copies of eight pairs each has 0.8, 0.8, 0 and 0 around it, its own texts aside: 0.6 / 0.4."""
    names = [*range(8)] * 2
    copies = texts(*(f"s{name}" for name in names)), texts(*(f"t{name}" for name in names))
    assert rounded(ratio_margin(*around(16, 8), copies)) == [1.5] * 16


def test_the_same_text_elsewhere_is_masked_on_its_own_side_only():
    """With sources that differ the source of a copy's target stays a neighbour: 0.4 one way, 0.55 the other."""
    sources, (_, targets) = distinct(16)[0], around(16, 8)
    shared = texts(*(f"t{name}" for name in [*range(8)] * 2))
    # To the target, the other source along its first axis has 0.6: (0.8 + 0.8 + 0.6 + 0) / 4 = 0.55.
    assert rounded(ratio_margin(around(16, 8)[0], targets, (sources, shared))) == [round(0.6 / 0.475, 3)] * 16


@pytest.mark.parametrize("rows", [0, 1, 15])
def test_few_pairs_have_no_margin(rows):
    """Below 16 pairs every one is null."""
    found = ratio_margin(*around(rows, 16), distinct(rows))
    assert found.type == pa.float32()
    assert found.to_pylist() == [None] * rows


def test_a_pair_without_four_others_has_no_margin():
    """Where all but three targets are one text, a pair of it has nothing to be compared with, and the others have."""
    sources, targets = around(16, 16)
    shared = texts(*["the same"] * 13, "a", "b", "c")
    found = rounded(ratio_margin(sources, targets, (distinct(16)[0], shared)))
    assert found[:13] == [None] * 13
    assert None not in found[13:]


def test_a_null_text_is_no_neighbour_of_another_null():
    """Translations that are missing are copies of each other."""
    sources, targets = around(16, 8)
    missing = pa.array([None, *"abcdefg", None, *"hijklmn"], pa.string())
    named = texts("same", *"abcdefg", "same", *"hijklmn")
    assert ratio_margin(sources, targets, (distinct(16)[0], missing)) == ratio_margin(
        sources, targets, (distinct(16)[0], named)
    )


def by_hand(sources, targets, names):
    """Return the margin of each pair, by comparing every two."""
    found = []
    for i, (source, target) in enumerate(zip(sources, targets, strict=True)):
        own = sum(a * b for a, b in zip(source, target, strict=True))
        means = []
        for one, others, side in ((source, targets, 1), (target, sources, 0)):
            cosines = []
            for j, other in enumerate(others):
                if j != i and names[side][j] != names[side][i]:
                    cosines.append(sum(a * b for a, b in zip(one, other, strict=True)))
            means.append(sum(sorted(cosines)[-4:]) / 4 if len(cosines) >= 4 else None)
        found.append(None if None in means else own / max(sum(means) / 2, 0.01))
    return found


@given(st.integers(16, 24), st.integers(2, 6), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_margins_are_those_of_comparing_every_two(rows, dimension, names, seed):
    """Of random embeddings, with texts that come more than once, the margins are those of a plain loop, and finite."""
    draw = np.random.default_rng(seed)
    sources, targets = draw.normal(size=(2, rows, dimension))
    sources, targets = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (sources, targets))
    ids = draw.integers(names, size=(2, rows)).tolist()
    found = ratio_margin(
        sources.astype(np.float32), targets.astype(np.float32), tuple(texts(*map(str, side)) for side in ids)
    ).to_pylist()
    wanted = by_hand(sources.tolist(), targets.tolist(), ids)
    assert [value is None for value in found] == [value is None for value in wanted]
    told = [(value, want) for value, want in zip(found, wanted, strict=True) if value is not None]
    assert [value for value, _ in told] == pytest.approx([want for _, want in told], rel=1e-3, abs=1e-3)
    assert all(-100.001 <= value <= 100.001 for value, _ in told)


def test_neighbours_are_looked_for_in_blocks(monkeypatch):
    """Of more pairs than a block has, the parts have the margins that each has alone; copies too are seen in it."""
    draw = np.random.default_rng(0)
    embeddings = draw.normal(size=(2, 50, 8)).astype(np.float32)
    sources, targets = embeddings / np.linalg.norm(embeddings, axis=2, keepdims=True)
    names = texts(*(f"s{row}" for row in range(50))), texts(*(f"t{row % 23}" for row in range(50)))
    whole = ratio_margin(sources, targets, names)
    monkeypatch.setattr(margin, "_BLOCK", 25)
    parts = [
        ratio_margin(sources[part], targets[part], (names[0][part], names[1][part]))
        for part in (slice(0, 25), slice(25, 50))
    ]
    assert ratio_margin(sources, targets, names).to_pylist() == pa.concat_arrays(parts).to_pylist()
    assert whole.to_pylist() != pa.concat_arrays(parts).to_pylist()


@pytest.mark.parametrize(
    ("row", "near_miss"),
    [
        (0, "Zwei Katzen rennen durch den Schnee."),
        (2, "Ein Kind wirft einen Apfel."),
        (4, "Ein Junge springt aus einem Schwimmbecken in ein Boot."),
        (12, "Ein Kellner trägt zwei Stühle."),
    ],
)
def test_a_near_miss_has_a_lower_margin_than_the_translation(row, near_miss):
    """By the real teacher, among 16 pairs; a translation is nearer than the others, a random pair is not."""
    teacher = load_teacher("muse")
    english, german = (list(side) for side in zip(*CAPTIONS, strict=True))

    def margins(german):
        return ratio_margin(
            teacher.embed(english), teacher.embed(german), (texts(*english), texts(*german))
        ).to_pylist()

    right, wrong = margins(german), margins([*german[:row], near_miss, *german[row + 1 :]])
    moved = margins(german[1:] + german[:1])
    assert wrong[row] < right[row]
    assert min(right) > 1.5
    assert max(moved) < 1.1
    assert cosine(teacher.embed([english[row]]), teacher.embed([near_miss]))[0].as_py() > 0.45  # not by similarity
