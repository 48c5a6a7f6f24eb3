"""Train an image branch and a light text encoder for a language that has translations only, as NRCCR and CL2CM do.

    python -m examples.flickr8k --data ../shared/data --out flickr8k
    captionloom build flickr8k/photos.yaml --out flickr8k/photos
    captionloom build flickr8k/text.yaml --out flickr8k/text
    python -m examples.train_cl2cm flickr8k/photos flickr8k/text --language de --tests flickr8k/tests

The idea is that of NRCCR (Wang et al. 2022, "Cross-Lingual Cross-Modal Retrieval with Noise-Robust Learning",
arXiv:2208.12526) and CL2CM (Wang et al. 2024, "CL2CM: Improving Cross-Lingual Cross-Modal Retrieval via Cross-Lingual
Knowledge Transfer", arXiv:2312.08984), on a small scale and without their encoders:

- a frozen sentence encoder, the teacher, embeds English; images are projected into its space;
- an encoder of the target language, trained from nothing, is pulled towards the source caption, the back-translation (a
  second view of the same caption) and the photo, by a contrastive loss in which each pair counts with its weight;
- the similarities of the English captions and the photos of a batch are soft targets for those of the translations and
  the photos (distillation), which are kinder to a wrong translation than the one photo it is said to belong to.

Shards come from `shards.loader`: the photos with the teacher's embeddings of their captions through ``embeddings``, the
pairs through ``triplets``. They are small, and are read once; larger ones are read anew in each epoch.
"""

import argparse
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812  (as everyone calls it)
from torch import nn

from examples.retrieval import line, recalls
from filters.similarity import load_teacher
from shards.loader import embeddings, triplets

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts → float32 [texts, d], rows of length 1."""

BUCKETS: Final = 2**15
TEMPERATURE: Final = 0.05

_TOKEN: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
"""A word; of Chinese and Japanese, a character."""


def tokens(text: str) -> list[int]:
    """Return the buckets of the words of ``text``; never none."""
    return [zlib.crc32(word.encode()) % BUCKETS for word in _TOKEN.findall(text.lower()) or [""]]


@dataclass(frozen=True)
class Bags:
    """The tokens of many texts, one after the other; ``ends`` [texts + 1] says where each ends, from 0 on."""

    ids: torch.Tensor
    ends: torch.Tensor

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Return the bags of ``texts``."""
        found = [tokens(text) for text in texts]
        ends = np.cumsum([0, *map(len, found)])
        return cls(torch.tensor([one for ids in found for one in ids], dtype=torch.long), torch.from_numpy(ends))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def of_rows(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what ``nn.EmbeddingBag`` takes, ids and the offset of each of ``rows`` in them."""
        starts, lengths = self.ends[rows], self.ends[rows + 1] - self.ends[rows]
        offsets = lengths.cumsum(0) - lengths
        places = torch.arange(int(lengths.sum())) + (starts - offsets).repeat_interleave(lengths)
        return self.ids[places], offsets


class TextEncoder(nn.Module):
    """A bag of hashed words → float [texts, ``dimension``], rows of length 1."""

    def __init__(self, dimension: int, width: int = 256) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(BUCKETS, width, mode="mean", sparse=True)
        nn.init.normal_(self.words.weight, std=0.1)
        self.head = nn.Sequential(nn.Linear(width, 512), nn.ReLU(), nn.Linear(512, dimension))

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of the texts whose tokens begin at ``offsets`` in ``ids``."""
        return F.normalize(self.head(self.words(ids, offsets)), dim=1)

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the embeddings of ``texts``, without dropout."""
        training = self.training
        self.eval()
        bags = Bags.of(texts)
        found: torch.Tensor = self(bags.ids, bags.ends[:-1])
        self.train(training)
        return found


class ImageBranch(nn.Module):
    """Visual features → float [images, ``dimension``], rows of length 1."""

    def __init__(self, features: torch.Tensor, dimension: int) -> None:
        """Take the scale of each feature from the training photos' ``features`` [photos, features]."""
        super().__init__()
        self.mean = nn.Buffer(features.mean(0))
        self.scale = nn.Buffer(1 / (features.std(0, correction=0) + 1e-3))
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(features.shape[1], dimension))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of the photos of ``features``."""
        return F.normalize(self.head((features - self.mean) * self.scale), dim=1)


@dataclass(frozen=True)
class Photos:
    """Photos and the teacher's embeddings of their English captions: what noise in translations does not touch."""

    keys: tuple[str, ...]
    features: torch.Tensor
    """Float [photos, features]."""
    captions: tuple[torch.Tensor, ...]
    """For each photo float [captions, d]."""


@dataclass(frozen=True)
class Pairs:
    """Translations, and the teacher's embeddings of what they were translated from and back into."""

    translations: Bags
    sources: torch.Tensor
    """Float [pairs, d]."""
    backs: torch.Tensor
    """Float [pairs, d]; the source's where there is no back-translation."""
    weights: torch.Tensor
    """Float [pairs], 0 to 1."""
    keys: tuple[str, ...]


def read_photos(urls: str) -> Photos:
    """Read photos' features and the embeddings of their captions from shards."""
    items = list(embeddings(urls, decode="npy"))
    return Photos(
        keys=tuple(item["key"] for item in items),
        features=torch.from_numpy(np.stack([item["media"] for item in items]).astype(np.float32)),
        captions=tuple(torch.from_numpy(item["embeddings"]) for item in items),
    )


def read_pairs(
    urls: Sequence[str], language: str, embed: Embed, *, wanted: Callable[[Mapping[str, Any]], bool] | None = None
) -> Pairs:
    """Read the pairs of one language from shards; with ``wanted``, those items of `triplets` of which it is true.

    ``embed`` is the teacher: what the shards hold are the embeddings of the sources, not of the back-translations.
    """
    sources = {
        (item["key"], n): vector
        for item in embeddings(urls)
        for n, vector in zip(item["n"], item["embeddings"], strict=True)
    }
    items = [item for item in triplets(urls, language=language) if wanted is None or wanted(item)]
    backs = np.stack([sources[item["key"], item["n"]] for item in items])
    there = [i for i, item in enumerate(items) if item["back"]]
    found = torch.from_numpy(backs.copy())
    if there:
        backs[there] = embed([items[i]["back"] for i in there])
    return Pairs(
        translations=Bags.of([item["translation"] for item in items]),
        sources=found,
        backs=torch.from_numpy(backs),
        weights=torch.tensor([float(item["weight"]) for item in items]),
        keys=tuple(item["key"] for item in items),
    )


def contrastive(
    first: torch.Tensor, second: torch.Tensor, weights: torch.Tensor, temperature: float = TEMPERATURE
) -> torch.Tensor:
    """Return the weighted symmetric InfoNCE loss of rows of length 1 that belong together, the others being negatives.

    The mean over the pairs of the cross entropies of both ways, each pair counting with its weight: one of weight 0 is
    still a negative for the others.
    """
    logits = first @ second.T / temperature
    right = torch.arange(len(logits))
    each = F.cross_entropy(logits, right, reduction="none") + F.cross_entropy(logits.T, right, reduction="none")
    return weighted_mean(each / 2, weights)


def distillation(
    student: torch.Tensor, teacher: torch.Tensor, weights: torch.Tensor, temperature: float = TEMPERATURE
) -> torch.Tensor:
    """Return the weighted mean Kullback-Leibler divergence of the rows' softmax from the teacher's, which is fixed.

    ``student`` and ``teacher`` are similarities [rows, items].
    """
    wanted = F.log_softmax(teacher.detach() / temperature, dim=1)
    found = F.log_softmax(student / temperature, dim=1)
    return weighted_mean((wanted.exp() * (wanted - found)).sum(dim=1), weights)


def weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean of ``values`` by ``weights``; 0 where nothing weighs anything."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)


@dataclass(frozen=True)
class Model:
    """What is trained; the teacher's space is where all meet."""

    image: ImageBranch
    text: TextEncoder


def train(
    photos: Photos,
    pairs: Pairs,
    *,
    steps: int = 400,
    batch: int = 256,
    batch_photos: int = 64,
    rate: float = 2e-3,
    back: float = 0.5,
    weighted: bool = True,
    seed: int = 0,
) -> Model:
    """Return a trained model; equal arguments give the same one on the same machine.

    A step takes ``batch`` of all ``pairs`` and ``batch_photos`` photos, each with one English caption and one
    translation of a caption of its own, where ``pairs`` has one. ``back`` is how much the back-translation counts
    beside the source; ``rate`` is Adam's, warmed up for 50 steps and then falling to 0. Unless ``weighted``, every pair
    weighs 1.
    """
    if not weighted:
        pairs = replace(pairs, weights=torch.ones_like(pairs.weights))
    torch.manual_seed(seed)
    dimension = pairs.sources.shape[1]
    model = Model(ImageBranch(photos.features, dimension), TextEncoder(dimension))
    dense = [*model.image.parameters(), *model.text.head.parameters()]
    optimizers = (torch.optim.SparseAdam(model.text.words.parameters(), rate), torch.optim.Adam(dense, rate))
    described = _rows_of(photos, pairs)
    batches = _batches(len(pairs.weights), batch)
    photo_batches = _batches(len(photos.keys), batch_photos)
    for step in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 50) * (1 - step / steps)
        loss = _text_loss(model, pairs, next(batches), back) + _photo_loss(
            model, photos, pairs, next(photo_batches), described
        )
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()  # type: ignore[no-untyped-call]
    model.image.eval()
    model.text.eval()
    return model


def _text_loss(model: Model, pairs: Pairs, rows: torch.Tensor, back: float) -> torch.Tensor:
    found = model.text(*pairs.translations.of_rows(rows))
    weights = pairs.weights[rows]
    loss = contrastive(found, pairs.sources[rows], weights)
    return loss + back * contrastive(found, pairs.backs[rows], weights) if back else loss


def _photo_loss(
    model: Model, photos: Photos, pairs: Pairs, chosen: torch.Tensor, described: Sequence[torch.Tensor]
) -> torch.Tensor:
    images = model.image(photos.features[chosen])
    english = torch.stack([draw(photos.captions[i]) for i in chosen.tolist()])
    loss = contrastive(images, english, torch.ones(len(chosen)))
    at = [place for place, i in enumerate(chosen.tolist()) if len(described[i])]
    if not at:
        return loss
    rows = torch.stack([draw(described[i]) for i in chosen[at].tolist()])
    weights = pairs.weights[rows]
    found = model.text(*pairs.translations.of_rows(rows))
    loss = loss + contrastive(found, images[at], weights)
    # Of the caption that was translated, not of another one of the same photo.
    return loss + distillation(found @ images.T, pairs.sources[rows] @ images.T, weights)


def _rows_of(photos: Photos, pairs: Pairs) -> list[torch.Tensor]:
    """Return for each photo the rows of the pairs that describe it."""
    rows: dict[str, list[int]] = {key: [] for key in photos.keys}
    for row, key in enumerate(pairs.keys):
        if key in rows:
            rows[key].append(row)
    return [torch.tensor(found, dtype=torch.long) for found in rows.values()]


def draw(rows: torch.Tensor) -> torch.Tensor:
    """Return one of ``rows``, each as likely."""
    return rows[int(torch.randint(len(rows), ()))]


def _batches(rows: int, size: int) -> Iterator[torch.Tensor]:
    """Yield batches of distinct rows for ever; each epoch in another order, its last few rows left out."""
    size = min(size, rows)
    while True:
        order = torch.randperm(rows)
        yield from (order[start : start + size] for start in range(0, rows - size + 1, size))


def evaluate(model: Model, tests: Path, language: str, embed: Embed) -> dict[str, dict[str, float]]:
    """Return the recalls of human captions in ``language``: to ``photos``, and to English captions (``captions``).

    ``tests`` is what `examples.flickr8k` writes: ``photos.jsonl`` with ``features.npy``, and ``captions.jsonl``.
    """
    photos = [json.loads(row) for row in (tests / "photos.jsonl").open(encoding="utf-8")]
    features = torch.from_numpy(np.load(tests / "features.npy").astype(np.float32))
    texts = [json.loads(row) for row in (tests / "captions.jsonl").open(encoding="utf-8")]
    with torch.no_grad():
        images = model.image(features)
    return {
        "photos": recalls(model.text.embed([row[language] for row in photos]), images),
        "captions": recalls(
            model.text.embed([row[language] for row in texts]), torch.from_numpy(embed([row["en"] for row in texts]))
        ),
    }


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="the run with the photos, or its shards")
    parser.add_argument("texts", nargs="*", help="further runs of the same teacher, with or without media")
    parser.add_argument("--language", required=True, help="to train an encoder for")
    parser.add_argument("--tests", type=Path, required=True, metavar="DIR", help="what examples.flickr8k wrote")
    parser.add_argument("--teacher", default="muse", help="the bundled teacher that the shards' embeddings are of")
    parser.add_argument("--unweighted", action="store_true", help="every pair weighs 1")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    teacher = load_teacher(options.teacher)
    pairs = read_pairs([options.photos, *options.texts], options.language, teacher.embed)
    photos = read_photos(options.photos)
    print(f"{len(photos.keys):,} photos and {len(pairs.keys):,} pairs; mean weight {pairs.weights.mean():.2f}")
    model = train(photos, pairs, steps=options.steps, seed=options.seed, weighted=not options.unweighted)
    for test, found in evaluate(model, options.tests, options.language, teacher.embed).items():
        print(line(f"{options.language} to {test}", found))


if __name__ == "__main__":
    main()
