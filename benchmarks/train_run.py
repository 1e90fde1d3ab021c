"""Images a second of whole epochs of `python train.py`, against a script in the manner of torchvision's references.

The same digits, network (resnet 18 at 32x32), optimizer (AdamW), batch and workers in both, no average of the weights.
An epoch is all from its predecessor's line to its own: loading, training, evaluation, figures, checkpoints. The first
epoch does not count; the images are those of train. The peer is benchmarks/peers/train_references.py.

python benchmarks/train_run.py --epochs 4 --rounds 3
"""

import argparse
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.data.demo import make_digits
from utils.timing import Spread, ratios

import torch

from benchmarks.common import moments, print_row


def ours(given: argparse.Namespace, data: Path, folder: Path) -> list[str]:
    settings = [f"img_path={data}", f"log_root={folder / 'logs'}", f"epochs={given.epochs}", "use_ema=False"]
    settings += [f"batch_size={given.batch_size}", f"num_workers={given.workers}", "device=cpu"]
    return ["train.py", *(word for setting in settings for word in ("--set", setting))]


def theirs(given: argparse.Namespace, data: Path, folder: Path) -> list[str]:
    words = ["--data", data, "--output", folder, "--epochs", given.epochs, "--batch-size", given.batch_size]
    return ["benchmarks/peers/train_references.py", *map(str, words), "--workers", str(given.workers)]


def speeds(command: list[str], marker: str, images: int) -> list[float]:
    """Images a second of each epoch after the first; marker: a text in the line of each."""
    *epochs, _ = moments(command, marker)
    return [images / (end - start) for start, end in pairwise(epochs)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turn")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    given, found = parser.parse_args(), {"theirs": [], "ours": []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        data = Path(place, "digits")
        make_digits(data)
        images = len(list(data.glob("train/*/*")))
        for _ in range(given.rounds):
            found["theirs"] += speeds(theirs(given, data, folder), "acc1", images)
            found["ours"] += speeds(ours(given, data, folder), "images/s", images)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {given.workers} workers, {given.rounds} runs\n"
    )
    print_row(["images/s", "median", "10th percentile", "90th percentile"])
    print_row(["---"] * 4)
    rows = {**found, "times faster": ratios(found["ours"], found["theirs"])}
    for name, values in rows.items():
        spread = Spread.of(values)
        print_row([name, *(f"{value:#.3g}" for value in (spread.median, spread.low, spread.high))])


if __name__ == "__main__":
    main()
