"""Photographs to batches ready for a network, ours beside torchvision's references and timm, on one thread.

A round is all photographs once: read, cropped at random, resized to 224, flipped, with or without TrivialAugmentWide,
collated to batches of 32, normalised, erased with chance 0.25. Theirs: ImageFolder (Pillow) and torchvision's
transforms as its references/classification compose them, or timm's create_transform(color_jitter=None). Decoding alone
is Pillow's, whole and at 1/8 scale. Figures are medians of alternating rounds with their 10th and 90th percentile.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import run_command
from utils.data.augment import Augmentation, TrainTransform
from utils.data.crops import random_crop
from utils.data.dataset import ImageDataset
from utils.data.images import open_image, read_image
from utils.data.listing import scan
from utils.timing import Spread, interleaved, ratios, threads
from utils.training.engine import training_input
from utils.training.state import Recipe

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from timm.data import create_transform
from torch.utils.data import default_collate
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.common import print_row
from benchmarks.photographs import write_photographs

SIDE, MEAN, STD, ERASE = 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 0.25
BATCH = 32
BILINEAR = transforms.InterpolationMode.BILINEAR
Round = Callable[[], None]


def torchvision_transform(tawide: bool) -> Callable:
    """As references/classification/presets.py composes it for its PIL backend."""
    steps = [transforms.RandomResizedCrop(SIDE, interpolation=BILINEAR, antialias=True)]
    steps += [transforms.RandomHorizontalFlip(0.5)]
    steps += [transforms.TrivialAugmentWide(interpolation=BILINEAR)] if tawide else []
    steps += [transforms.PILToTensor(), transforms.ConvertImageDtype(torch.float), transforms.Normalize(MEAN, STD)]
    return transforms.Compose([*steps, transforms.RandomErasing(p=ERASE)])


def timm_transform() -> Callable:
    return create_transform(
        SIDE, is_training=True, color_jitter=None, interpolation="bilinear", re_prob=ERASE, mean=MEAN, std=STD
    )


def in_batches(count: int) -> list[range]:
    return [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]


class Theirs:
    def __init__(self, folder: Path, transform: Callable) -> None:
        self.images = ImageFolder(folder, transform)

    def __call__(self) -> None:
        for indices in in_batches(len(self.images)):
            default_collate([self.images[i] for i in indices])


class Ours:
    """Each round is an epoch of its own."""

    def __init__(self, folder: Path, augment: str) -> None:
        chances = {"horizontal_flip": 0.5, "random_erase_prob": ERASE}
        transform = TrainTransform(Augmentation(img_size=(SIDE, SIDE), augment=augment, **chances), seed=0)
        self.images, self.epoch = ImageDataset(scan(folder), transform), 0
        self.recipe = Recipe(torch.device("cpu"), MEAN, STD, channels_last=True)

    def __call__(self) -> None:
        for indices in in_batches(len(self.images)):
            batch = self.images.__getitems__([(self.epoch, i) for i in indices])
            training_input(batch, self.recipe, None, step=0, part=0)
        self.epoch += 1


def decode_all(paths: list[Path], scale: int) -> None:
    for path in paths:
        with Image.open(path) as picture:
            if scale > 1:
                picture.draft(None, (picture.width // scale, picture.height // scale))
            picture.load()


def sides(folder: Path, paths: list[Path]) -> dict[str, Round]:
    return {
        "torchvision, tawide": Theirs(folder, torchvision_transform(tawide=True)),
        "torchvision": Theirs(folder, torchvision_transform(tawide=False)),
        "timm": Theirs(folder, timm_transform()),
        "ours, tawide": Ours(folder, "tawide"),
        "ours": Ours(folder, "simple"),
        "decoding": partial(decode_all, paths, 1),
        "decoding at 1/8": partial(decode_all, paths, 8),
    }


COMPARED = [  # (what is faster, than what)
    ("ours, tawide", "torchvision, tawide"),
    ("ours", "torchvision"),
    ("ours", "timm"),
    ("ours", "decoding"),
    ("ours", "decoding at 1/8"),
]


def compare(size: tuple[int, int], count: int, rounds: int) -> None:
    """Print a row for each comparison on photographs of (width, height) `size`."""
    with tempfile.TemporaryDirectory() as name:
        paths = write_photographs(Path(name), size, count)
        seconds = interleaved(sides(Path(name), paths), rounds=rounds)
        found = difference(paths)
    for one, other in COMPARED:
        ratio = Spread.of(ratios(seconds[other], seconds[one]))
        speeds = [f"{count / Spread.of(seconds[name]).median:.0f}" for name in (other, one)]
        cells = [
            f"{size[0]}x{size[1]}",
            one,
            other,
            *speeds,
            f"{ratio.median:.2f} [{ratio.low:.2f} .. {ratio.high:.2f}]",
        ]
        print_row(cells)
    print(f"\nCrops of {size[0]}x{size[1]} beside those of the whole decoded photograph: {found}\n", flush=True)


def difference(paths: list[Path], draws: int = 10) -> str:
    """How far the pixels of random crops are from the same crops of whole decoded photographs."""
    found = []
    for number in range(draws):
        path = paths[number % len(paths)]
        ours, whole = (random_crop(read(path), (SIDE, SIDE), Random(number)) for read in (open_image, read_image))
        found.append((ours.int() - whole.int()).abs().float().mean().item())
    return f"mean absolute difference {np.mean(found):.2f} levels of 255, at most {max(found):.2f}"


def run(arguments: argparse.Namespace) -> None:
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}"
    print(f"{versions}, 1 thread, no workers, {arguments.rounds} rounds\n", flush=True)
    print(
        "| photographs | ours | beside | images/s beside | images/s ours | ratio |\n" + "| --- " * 6 + "|", flush=True
    )
    with threads(1):
        for size, count in (((500, 375), arguments.photographs), ((4032, 3024), max(2, arguments.photographs // 16))):
            compare(size, count, arguments.rounds)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, help="measurements of each side (default 11)")
    parser.add_argument("--photographs", type=int, default=128, help="small ones; large ones are 1/16 (default 128)")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
