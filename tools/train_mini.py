"""Train a small translation model of captions, as the bundled `mini` was, from line-aligned text.

    python tools/train_mini.py --data DATA --out OUT [--recipe tools/mini.yaml]

Needs the extra ``torch``. The files that the recipe names are relative to DATA. Run it again after an
interrupt: it goes on where it stopped. At the end OUT/model holds the model in Hugging Face's and in
CTranslate2's layout, and OUT/scores.md what it scores on the recipe's test texts.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
"""glibc shall keep what a step frees for the next one.

Otherwise each step's large blocks are fresh pages to the system, and clearing them costs half of the time.
"""


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that the recipe's files are relative to")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint, the model and the scores")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("mini.yaml"))
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    arguments = parser.parse_args()
    if any(name not in os.environ for name in KEEP_FREED_MEMORY):
        # glibc reads these when a process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**KEEP_FREED_MEMORY, **os.environ})  # noqa: S606
    import torch

    from training.recipe import read_recipe
    from training.run import train

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        train(arguments.data, arguments.out, read_recipe(arguments.recipe), device)
    except (OSError, ValueError) as error:
        print(f"train_mini: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
