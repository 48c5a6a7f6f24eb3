"""The card of a dataset folder: a head that parses, and tables that hold whatever names there are."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shards.dataset_card import Card, CardLanguage, CardModel, ordered


def card(*, rows: int = 3, model: str = "mini") -> Card:
    """Return a card of German pairs."""
    german = CardLanguage("de", "German", 9, 7, {"train": rows, "dev2": 1}, {"dev2": ("data/b",), "train": ("data/a",)})
    models = (CardModel(model, "translated", None, "digest 12"),)
    columns = {"key": ("string", "names the image or video")}
    return Card("en", "English", 4, (german,), models, "muse", columns, "A pair was dropped by any rule.")


def parsed(markdown: str) -> dict[str, Any]:
    """Return the YAML head."""
    begin, head, _ = markdown.split("---\n", 2)
    assert begin == ""
    return yaml.safe_load(head)


def test_the_head_names_the_files_of_each_configuration() -> None:
    """Splits stand in the order that people expect, and only files of the export are named."""
    de = [{"split": "train", "path": ["data/a"]}, {"split": "dev2", "path": ["data/b"]}]

    assert parsed(card().to_markdown())["configs"] == [
        {"config_name": "default", "data_files": de},
        {"config_name": "de", "data_files": de},
    ]


@pytest.mark.parametrize(
    ("rows", "size"),
    [(998, "n<1K"), (999, "1K<n<10K"), (9_999_998, "1M<n<10M"), (9_999_999, "10M<n<100M"), (10**9, "1B<n<10B")],
)
def test_size_categories(rows: int, size: str) -> None:
    """They are Hugging Face's, of all rows (here one more than ``rows``)."""
    assert parsed(card(rows=rows).to_markdown())["size_categories"] == [size]


def test_the_body_has_counts_models_and_limits() -> None:
    """What is not known is said to be so."""
    text = card().to_markdown()

    assert "4 pairs of a caption in English and its machine translation, of 4 images or videos" in text
    assert "| `de` | German | 3 | 1 | 7 of 9 | not measured |" in text
    assert "| `mini` | translated | not stated | digest 12 |" in text
    assert "Teacher of the similarity: `muse`. A pair was dropped by any rule." in text
    assert "| `key` | string | names the image or video |" in text
    assert "- German: nothing was dropped, or no audit says why" in text
    assert "nobody read them" in text


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_name_is_one_cell(name: str) -> None:
    """A bar in a name does not begin another cell."""
    (row,) = [line for line in card(model=name).to_markdown().split("\n") if line.endswith("| digest 12 |")]

    assert row.replace("\\|", "").count("|") == 5


def test_splits_in_order() -> None:
    """Train, validation and test come first."""
    assert ordered(["b", "test", "a", "train", "validation"]) == ["train", "validation", "test", "a", "b"]
