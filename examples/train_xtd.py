"""Train an image branch into a multilingual sentence encoder's space from English captions alone, as XTD does.

    python -m examples.flickr8k --data ../shared/data --out flickr8k
    captionloom build flickr8k/photos.yaml --out flickr8k/photos
    python -m examples.train_xtd flickr8k/photos --tests flickr8k/tests

The setting is that of Aggarwal and Kale 2020, "Towards Zero-shot Cross-lingual Image Retrieval" (arXiv:2012.05107): the
text side is a frozen multilingual sentence encoder (theirs and ours: ``muse``), images are projected into its space,
and no language but English is trained on, so that every other one which the encoder knows is tested zero-shot. Shards
come from `shards.loader.embeddings`: photos' features and the embeddings of their captions, so that nothing is embedded
here but the tests.

Losses (``--loss``), of photos and captions in a batch, all of which a caption does not belong to being its negatives:

- ``contrastive``: InfoNCE, both ways;
- ``ratio``: metric learning by a ratio of distances, of the kind that the paper proposes;
- ``regression``: a photo is pulled to its caption, and pushed from nothing.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (as everyone calls it)

from examples.retrieval import line, recalls
from examples.train_cl2cm import Embed, ImageBranch, Photos, contrastive, draw, read_photos
from filters.similarity import load_teacher

LANGUAGES: Final = {"en": "English", "de": "German", "fr": "French", "zh": "Chinese"}
"""Of the tests; those that the teacher knows are tested."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def regression(images: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
    """Return the mean cosine distance of rows that belong together."""
    return (1 - F.cosine_similarity(images, captions)).mean()


def ratio(images: torch.Tensor, captions: torch.Tensor, power: float = 2.0) -> torch.Tensor:
    """Return the mean ratio of the distance of what belongs together to that of the image from every other caption.

    Distances are cosine distances to the ``power``; with one row there is nothing to be compared with, and it is 0.
    """
    distances = (1 - images @ captions.T).clamp(min=1e-3) ** power
    others = ~torch.eye(len(images), dtype=torch.bool)
    ratios = (distances.diag()[:, None] / distances)[others]
    return ratios.mean() if len(ratios) else distances.sum() * 0


def infonce(images: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
    """Return the symmetric InfoNCE loss."""
    return contrastive(images, captions, torch.ones(len(images)))


LOSSES: Final[Mapping[str, Loss]] = {"contrastive": infonce, "ratio": ratio, "regression": regression}


def train(
    photos: Photos, loss: Loss, *, steps: int = 600, batch: int = 128, rate: float = 1e-3, seed: int = 0
) -> ImageBranch:
    """Return a trained image branch; a step takes ``batch`` photos with one caption each. ``rate`` falls to 0."""
    torch.manual_seed(seed)
    branch = ImageBranch(photos.features, photos.captions[0].shape[1])
    optimizer = torch.optim.Adam(branch.parameters(), rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        rows = torch.randperm(len(photos.keys))[:batch]
        captions = torch.stack([draw(photos.captions[i]) for i in rows.tolist()])
        optimizer.zero_grad()
        loss(branch(photos.features[rows]), captions).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    branch.eval()
    return branch


def evaluate(
    branch: ImageBranch, tests: Path, embed: Embed, languages: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Return for each of ``languages`` the recalls of its human captions, over the photos that have one.

    ``tests`` is what `examples.flickr8k` writes.
    """
    rows = [json.loads(row) for row in (tests / "photos.jsonl").read_text("utf-8").splitlines()]
    with torch.no_grad():
        images = branch(torch.from_numpy(np.load(tests / "features.npy").astype(np.float32)))
    found = {}
    for code in languages:
        there = [i for i, row in enumerate(rows) if row.get(code)]
        if there:
            found[code] = recalls(torch.from_numpy(embed([rows[i][code] for i in there])), images[there])
    return found


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", help="a run with shards.embeddings: true, or its shards")
    parser.add_argument("--tests", type=Path, required=True, metavar="DIR", help="what examples.flickr8k wrote")
    parser.add_argument("--loss", choices=LOSSES, default="contrastive")
    parser.add_argument("--teacher", default="muse", help="the bundled teacher that the shards' embeddings are of")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    teacher = load_teacher(options.teacher)
    photos = read_photos(options.shards)
    print(f"{len(photos.keys):,} photos and {sum(map(len, photos.captions)):,} English captions; {options.loss}")
    branch = train(photos, LOSSES[options.loss], steps=options.steps, seed=options.seed)
    known = {code: name for code, name in LANGUAGES.items() if teacher.knows(code)}
    for code, found in evaluate(branch, options.tests, teacher.embed, known).items():
        print(line(known[code], found))


if __name__ == "__main__":
    main()
