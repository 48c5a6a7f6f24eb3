"""Recalls by hand."""

import torch

from examples.retrieval import line, recalls


def test_recalls_count_the_right_item_among_the_first_1_5_and_10() -> None:
    """Of twelve items in a circle the ranks of the right ones are 1 for all but two, which are each other's."""
    items = torch.eye(12)
    queries = torch.eye(12)[[1, 0, *range(2, 12)]]
    found = recalls(queries, items)
    expected = {"R@1": 1000 / 12, "R@5": 1000 / 12, "R@10": 1000 / 12}
    assert {name: round(found[name], 6) for name in expected} == {
        name: round(value, 6) for name, value in expected.items()
    }
    assert round(found["SumR"], 6) == round(6 * 1000 / 12, 6)


def test_recalls_of_the_way_back_are_those_of_the_items() -> None:
    """The first query is nearer to the second item; of the items each is nearest to its own query."""
    queries = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    items = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = recalls(queries, items)
    assert (found["R@1"], found["back R@1"]) == (50.0, 100.0)
    assert (found["R@5"], found["back R@10"], found["SumR"]) == (100.0, 100.0, 550.0)


def test_a_tie_counts_as_lost() -> None:
    """A model that says the same of everything finds nothing at rank 1."""
    same = torch.tensor([[1.0, 0.0]] * 3)
    assert recalls(same, same)["R@1"] == 0.0
    assert recalls(same, same)["R@5"] == 100.0


def test_a_line_names_what_it_says() -> None:
    """One decimal place."""
    assert line("German", {"R@1": 12.345, "SumR": 300.0}).split() == ["German", "R@1", "12.3", "SumR", "300.0"]
