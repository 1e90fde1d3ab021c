"""Time of an epoch of train.py's loader alone with cache = 'ram', against torchvision's ImageFolder and DataLoader.

The data are 32x32 PNGs in ten classes. Both sides crop at random, flip half of the images and make batches of 128 on
two workers; theirs normalises in the workers, ours on the batch, which is counted too. A round is an epoch after the
first. `--workers 0` loads within the process on both sides.

python benchmarks/small_images.py --rounds 9
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.config import train_config_from
from utils.data.batches import read
from utils.data.cache import ImageCache
from utils.data.listing import scan
from utils.data.loaders import train_loader
from utils.training.engine import training_input
from utils.training.state import Recipe

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.common import compare, comparison, print_header, print_row

SIDE, BATCH, HALF = 32, 128, (0.5, 0.5, 0.5)


def write_images(folder: Path, count: int) -> None:
    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"class{number % 10}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)


class Ours:
    """Each call is an epoch."""

    def __init__(self, folder: str, workers: int) -> None:
        changes = {"img_size": [SIDE, SIDE], "val_resize": [SIDE, SIDE], "augment": "simple", "horizontal_flip": 0.5}
        config = train_config_from({**changes, "batch_size": BATCH, "device": "cpu"}, "benchmark")
        images = scan(folder)
        common = {"rank": 0, "world_size": 1, "workers": workers, "pin": False}
        self.loader = train_loader(config, images, **common, cache=ImageCache(images, budget=2**32))
        self.recipe, self.epoch = Recipe(torch.device("cpu"), HALF, HALF, channels_last=True), 0

    def __call__(self) -> None:
        self.loader.batch_sampler.set_epoch(self.epoch)
        for batch in read(self.loader):
            training_input(batch, self.recipe, None, step=0, part=0)
        self.epoch += 1


class Theirs:
    def __init__(self, folder: str, workers: int) -> None:
        steps = [transforms.RandomResizedCrop(SIDE, antialias=True), transforms.RandomHorizontalFlip(0.5)]
        steps += [transforms.PILToTensor(), transforms.ConvertImageDtype(torch.float), transforms.Normalize(HALF, HALF)]
        images = ImageFolder(folder, transforms.Compose(steps))
        self.loader = DataLoader(images, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)

    def __call__(self) -> None:
        for _ in self.loader:
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), given.images)
        sides = {"theirs": partial(Theirs, folder, given.workers), "ours": partial(Ours, folder, given.workers)}
        seconds = compare(sides, rounds=given.rounds, threads=1, warmup=1)
    print_header(f"an epoch of {given.images} images", "torchvision", threads=1, rounds=given.rounds)
    print_row(comparison(f"{SIDE}x{SIDE} PNG, {given.workers} workers", seconds))


if __name__ == "__main__":
    main()
