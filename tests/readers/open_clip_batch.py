"""A child process: open_clip's own WebDataset pipeline takes a batch from shards; writes what it got as JSON.

Arguments: the brace patterns of train and val. open_clip and torchvision lie in a folder of their own on
PYTHONPATH. PyPI's torchvision is built for CUDA, and does not import beside a torch that is not: where its operators do
not load, those that it wants at import are declared here, since nothing of what is called needs them.
"""

import importlib.util
import json
import sys
from argparse import Namespace
from pathlib import Path

import torch

_OPERATORS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

spec = importlib.util.find_spec("torchvision")
assert spec is not None
assert spec.origin is not None
declared = []
try:
    torch.ops.load_library(str(Path(spec.origin).parent / "_C.so"))
except OSError:
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + _OPERATORS)
        declared.append(name)

from open_clip.tokenizer import SimpleTokenizer  # noqa: E402
from open_clip.transform import image_transform  # noqa: E402
from open_clip_train.data import get_wds_dataset  # noqa: E402

tokenizer = SimpleTokenizer()
arguments = Namespace(
    train_data=sys.argv[1],
    val_data=sys.argv[2],
    train_num_samples=None,  # from sizes.json
    val_num_samples=None,
    dataset_resampled=False,
    train_data_upsampling_factors=None,
    seed=0,
    batch_size=2,
    workers=1,
    world_size=1,
)
found: dict[str, object] = {"declared": declared}
for split in ("train", "val"):
    transform = image_transform(64, is_train=split == "train")
    data = get_wds_dataset(arguments, transform, split == "train", tokenizer=tokenizer)
    batches = list(data.dataloader)
    images, texts = batches[0]
    found[split] = {
        "images": list(images.shape),
        "texts": list(texts.shape),
        "decoded": [tokenizer.decode(row[row > 0].tolist()) for _, texts in batches for row in texts],
        "samples": data.dataloader.num_samples,
    }
sys.stdout.write(json.dumps(found) + "\n")
