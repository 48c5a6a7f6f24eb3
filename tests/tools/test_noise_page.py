"""The page about noise: every kind and every score has its place and its examples in all languages."""

import re
import sys
from pathlib import Path

import pytest

from filters.features import FEATURES
from filters.noise import KINDS

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from noise_page import DETECTORS, EXAMPLES, LANGUAGES, Bench, Example, demo_captions, filled, shown, tables, value

PAGE = (Path(__file__).parents[2] / "docs" / "noise.md").read_text("utf-8")


def rows(name: str) -> list[list[str]]:
    """Return the cells of the rows of the page's table ``name``, without its two lines of header."""
    [table] = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", PAGE, re.DOTALL)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_section_with_an_example_in_every_language(kind: str) -> None:
    """A heading, and a row for each language whose noisy cell is not the clean one."""
    found = rows(kind)

    assert f"\n### {kind}\n" in PAGE
    assert [row[0] for row in found] == ["de", "fr", "cs", "zh"]
    assert all(source and clean and noisy and clean != noisy for _, source, clean, noisy in found)


def test_every_score_has_a_row_in_both_tables() -> None:
    """In the order of the features, with a known kind of noise that it tells best."""
    names = [f"`{name}`" for name in FEATURES]

    assert tuple(DETECTORS) == FEATURES
    assert [row[0] for row in rows("detectors")] == names
    assert [row[0] for row in rows("values")] == names
    assert {row[3].strip("`") for row in rows("detectors")} <= set(KINDS)


def test_every_score_has_a_value_in_every_language_but_for_the_teacher_in_czech() -> None:
    """The only dashes are those of what `muse` measures, which does not know Czech."""
    dashes = [(row[0], i) for row in rows("values") for i, cell in enumerate(row[2:]) if "→" not in cell]

    assert dashes == [("`similarity`", 2), ("`margin`", 2), ("`back_similarity`", 2)]


def test_the_captions_of_the_examples_are_the_demos_and_two_more() -> None:
    """What is shown may be passed on: it is bundled, or written for the page."""
    own = {"A man wears the number 25 on a white shirt.", 'A man with a shirt that says "dog".'}

    assert {row[1] for name in EXAMPLES for row in rows(name)} <= {*demo_captions()} | own


def test_examples_are_made_again_in_one_language() -> None:
    """With the real models, each differs from the clean pair, and every score of it is there."""
    found = Bench().examples("fr")

    assert list(found) == list(EXAMPLES)
    assert all(one.noisy != one.clean for one in found.values())
    assert all(tuple(one.scores) == FEATURES for one in found.values())
    assert found["digits"].scores["numbers_differ"] == (False, True)
    assert found["quotes"].scores["unbalanced"] == (0, 1)
    clean, noisy = found["misaligned"].scores["similarity"]
    assert clean > 0.6 > 0.4 > noisy


def test_tables_are_put_in_their_places_and_nothing_else_changes() -> None:
    """A place that is marked only is filled, one that is full is filled anew."""
    scores = dict.fromkeys(FEATURES, (0.5, None))
    one = Example("A cat.", "Eine Katze.", "Ein\xadHund |.", 0, scores)
    found = tables({code: dict.fromkeys(EXAMPLES, one) for code in LANGUAGES})
    page = filled("before\n<!-- truncated -->\nbetween\n<!-- empty -->\nold\n<!-- end of empty -->\nafter\n", found)
    row = "| {} | A cat. | Eine Katze. | Ein\\xadHund \\|. |"
    table = "\n".join(["| | caption | clean | with noise |", "|---|---|---|---|", *map(row.format, LANGUAGES)])

    assert page == (
        f"before\n<!-- truncated -->\n{table}\n<!-- end of truncated -->\nbetween\n"
        f"<!-- empty -->\n{table}\n<!-- end of empty -->\nafter\n"
    )
    assert "| `similarity` | `misaligned` | 0.50 → – | 0.50 → – | 0.50 → – | 0.50 → – |" in found["values"].splitlines()


@pytest.mark.parametrize(
    ("text", "cell"),
    [("", "(nothing)"), ("  ", "(white space)"), ("a|b", "a\\|b"), ("pos\xad", "pos\\xad"), ("<b>", "&lt;b>")],
)
def test_what_cannot_be_seen_is_named(text: str, cell: str) -> None:
    """Nothing, white space and invisible characters are, and nothing breaks the table."""
    assert shown(text) == cell


@pytest.mark.parametrize(
    ("found", "decimals", "cell"),
    [(None, 2, "–"), (True, 2, "yes"), (False, 2, "no"), (-0.001, 2, "0.00"), (82.4, 0, "82"), (3, 0, "3")],
)
def test_values_are_short(found: object, decimals: int, cell: str) -> None:
    """With as many decimals as asked for, and no negative zero."""
    assert value(found, decimals) == cell
