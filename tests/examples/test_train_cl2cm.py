"""The losses by hand, bags of words, and a toy corpus that is learnt."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from examples.train_cl2cm import (
    Bags,
    ImageBranch,
    Pairs,
    Photos,
    TextEncoder,
    contrastive,
    distillation,
    tokens,
    train,
    weighted_mean,
)

ONES = torch.ones(2)


def test_contrastive_is_the_mean_cross_entropy_of_both_ways() -> None:
    """Logits [[1, 0], [0.8, 0.6]]: -ln of each softmax, over rows and over columns, by hand."""
    first = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    second = torch.eye(2)
    rows = math.log(math.e + 1) - 1, math.log(math.exp(0.8) + math.exp(0.6)) - 0.6
    columns = math.log(math.e + math.exp(0.8)) - 1, math.log(1 + math.exp(0.6)) - 0.6
    expected = (sum(rows) + sum(columns)) / 4
    assert contrastive(first, second, ONES, temperature=1.0).item() == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(0.53676, abs=1e-5)


def test_contrastive_at_a_temperature() -> None:
    """Two pairs at right angles: ln(1 + e^-20) at a temperature of 0.05, next to nothing."""
    assert contrastive(torch.eye(2), torch.eye(2), ONES, temperature=0.5).item() == pytest.approx(0.126928, abs=1e-5)
    assert contrastive(torch.eye(2), torch.eye(2), ONES).item() == pytest.approx(math.log1p(math.exp(-20)), abs=1e-8)


def test_a_pair_of_no_weight_adds_nothing_but_is_a_negative() -> None:
    """The second pair is the wrong way round and weighs nothing: what is left is the first one's own loss."""
    first = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    second = torch.eye(2)
    expected = (math.log(math.e + 1) - 1 + math.log(math.e + math.exp(0.8)) - 1) / 2
    found = contrastive(first, second, torch.tensor([0.5, 0.0]), temperature=1.0)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_weighted_mean_of_weights_that_are_all_zero_is_zero() -> None:
    """Nothing is divided by nothing."""
    assert weighted_mean(torch.tensor([3.0, 4.0]), torch.zeros(2)).item() == 0.0
    assert weighted_mean(torch.tensor([3.0, 4.0]), torch.tensor([0.25, 0.75])).item() == pytest.approx(3.75)


def test_distillation_is_the_divergence_from_the_teacher() -> None:
    """The teacher says 3/4 and 1/4, the student one half each: 3/4 ln 3/2 + 1/4 ln 1/2."""
    student, teacher = torch.zeros(1, 2), torch.tensor([[math.log(3), 0.0]])
    found = distillation(student, teacher, torch.ones(1), temperature=1.0)
    assert found.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-6)
    assert distillation(teacher, teacher, torch.ones(1)).item() == pytest.approx(0.0, abs=1e-7)


def test_no_gradient_reaches_the_teacher_of_the_distillation() -> None:
    """Soft targets are fixed."""
    teacher = torch.tensor([[1.0, 0.0]], requires_grad=True)
    student = torch.zeros(1, 2, requires_grad=True)
    distillation(student, teacher, torch.ones(1)).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0


def test_tokens_are_words_and_of_chinese_characters() -> None:
    """Case and punctuation tell nothing; a text without a word has one token all the same."""
    assert tokens("Ein Hund!") == tokens("ein  hund")
    assert len(tokens("Ein Hund rennt.")) == 3
    assert len(tokens("一只狗 in Rot")) == 5
    assert len(tokens("?")) == len(tokens("")) == 1


def test_bags_give_the_tokens_of_the_rows_asked_for() -> None:
    """Of three texts the third and the first: their tokens and where each begins."""
    bags = Bags.of(["ein Hund", "eine kleine Katze", "Vögel"])
    ids, offsets = bags.of_rows(torch.tensor([2, 0]))
    assert len(bags) == 3
    assert ids.tolist() == [*tokens("Vögel"), *tokens("ein Hund")]
    assert offsets.tolist() == [0, 1]


def test_a_text_is_embedded_alike_in_any_company() -> None:
    """Alone, or behind others; rows are of length 1."""
    torch.manual_seed(0)
    encoder = TextEncoder(8)
    alone, among = encoder.embed(["ein Hund"]), encoder.embed(["eine Katze im Gras", "ein Hund"])
    assert torch.allclose(alone[0], among[1], atol=1e-6)
    assert torch.allclose(among.norm(dim=1), torch.ones(2), atol=1e-5)


def test_the_image_branch_takes_the_scale_of_the_training_photos() -> None:
    """Features a thousand times as large make the same of the same photos."""
    features = torch.rand(20, 6, generator=torch.Generator().manual_seed(1)) + 1
    torch.manual_seed(0)
    one = ImageBranch(features, 4).eval()
    torch.manual_seed(0)
    other = ImageBranch(1000 * features, 4).eval()
    assert torch.allclose(one(features), other(1000 * features), atol=2e-2)


WORDS = ["hund", "katze", "vogel", "pferd", "auto", "boot", "kind", "ball", "baum", "haus", "berg", "see"]


def toy(wrong: int = 0) -> tuple[Photos, Pairs]:
    """Return twelve photos of one thing each, and a caption of each; the first ``wrong`` captions are turned round."""
    random = np.random.default_rng(0)
    space = F.normalize(torch.from_numpy(random.normal(size=(len(WORDS), 16)).astype(np.float32)), dim=1)
    keys = tuple(f"photo{i}" for i in range(len(WORDS)))
    # Each thing is seen in eight features, so that dropout hides none of them.
    features = torch.eye(len(WORDS)).repeat(1, 8)
    words = [*WORDS[:wrong][::-1], *WORDS[wrong:]]
    pairs = Pairs(Bags.of(words), space, space, torch.tensor([0.0] * wrong + [1.0] * (len(words) - wrong)), keys)
    return Photos(keys, features, tuple(row[None] for row in space)), pairs


def found_by(photos: Photos, pairs: Pairs, **settings: bool) -> list[str]:
    """Return for each photo the word that is nearest to it after training."""
    model = train(photos, pairs, steps=150, batch=12, batch_photos=12, seed=1, **settings)
    with torch.no_grad():
        similarities = model.image(photos.features) @ model.text.embed(WORDS).T
    return [WORDS[i] for i in similarities.argmax(dim=1).tolist()]


def test_a_toy_corpus_is_learnt() -> None:
    """After training each photo's own word is the nearest."""
    assert found_by(*toy()) == WORDS


def test_nothing_is_learnt_from_a_pair_that_weighs_nothing() -> None:
    """Six captions are turned round: where they weigh nothing, what they say is not believed; unweighted, it is."""
    photos, pairs = toy(wrong=6)
    turned = [*WORDS[:6][::-1], *WORDS[6:]]
    assert found_by(photos, pairs, weighted=False) == turned
    weighted = found_by(photos, pairs)
    assert weighted[6:] == WORDS[6:]
    assert sum(one == other for one, other in zip(weighted[:6], turned[:6], strict=True)) <= 2


def test_the_same_seed_trains_the_same_model() -> None:
    """Bit by bit on one machine."""
    photos, pairs = toy()
    first, second = (train(photos, pairs, steps=3, batch=6, batch_photos=6, seed=4) for _ in range(2))
    assert torch.equal(first.text.words.weight, second.text.words.weight)
    third = train(photos, pairs, steps=3, batch=6, batch_photos=6, seed=5)
    assert not torch.equal(first.text.words.weight, third.text.words.weight)


def test_photos_without_a_pair_train_the_image_branch_alone() -> None:
    """Where every translation of a photo was dropped, it still has its English captions."""
    photos, pairs = toy()
    elsewhere = Pairs(
        pairs.translations, pairs.sources, pairs.backs, pairs.weights, tuple(f"text{i}" for i in range(12))
    )
    model = train(photos, elsewhere, steps=150, batch=12, batch_photos=12)
    with torch.no_grad():
        nearest = (model.image(photos.features) @ pairs.sources.T).argmax(dim=1)
    assert nearest.tolist() == list(range(12))
