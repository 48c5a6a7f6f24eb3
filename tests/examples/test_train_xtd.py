"""The losses by hand, and a toy corpus that is learnt."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from examples.train_cl2cm import Photos
from examples.train_xtd import LOSSES, Loss, ratio, regression, train


def test_regression_is_the_mean_cosine_distance() -> None:
    """Cosines of 1 and 0.6."""
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert regression(images, torch.tensor([[1.0, 0.0], [1.0, 0.0]])).item() == pytest.approx(0.2, abs=1e-6)


def test_ratio_compares_with_every_other_caption() -> None:
    """Distances [[0.4, 0.2], [1, 0.5]]: (0.4/0.2)² and (0.5/1)², and their mean."""
    images = torch.eye(2)
    captions = torch.tensor([[0.6, 0.0], [0.8, 0.5]])
    assert ratio(images, captions).item() == pytest.approx((4 + 0.25) / 2, abs=1e-5)
    assert ratio(images, captions, power=1.0).item() == pytest.approx((2 + 0.5) / 2, abs=1e-5)


def test_ratio_of_a_lone_photo_is_nothing() -> None:
    """There is no other caption."""
    assert ratio(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])).item() == 0.0


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_learns_a_toy_corpus(name: str) -> None:
    """Ten photos of one thing each, with two captions: after training each is nearest to its own."""
    loss: Loss = LOSSES[name]
    generator = torch.Generator().manual_seed(0)
    space = F.normalize(torch.randn(10, 16, generator=generator), dim=1)
    captions = tuple(F.normalize(row + 0.05 * torch.randn(2, 16, generator=generator), dim=1) for row in space)
    photos = Photos(tuple("abcdefghij"), torch.eye(10), captions)
    branch = train(photos, loss, steps=200, batch=10, rate=1e-2)
    with torch.no_grad():
        nearest = (branch(photos.features) @ space.T).argmax(dim=1)
    assert nearest.tolist() == list(range(10))
