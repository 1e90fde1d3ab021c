"""Whether a data set of a million images lets memory grow: python benchmarks/memory.py

No file is read: each image is the same few pixels, so that what is left is the traffic of paths, targets and indices
between the loader and its workers. Memory is the proportional set size (pages that processes share count once) of
this process and its workers, from /proc/PID/smaps_rollup, which only Linux has. What counts is the part that belongs to
them alone; the share of libraries' files grows whenever another program that uses them ends.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.config import TrainConfig
from utils.data.dataset import ImageDataset
from utils.data.loaders import make_loader
from utils.data.samplers import TrainBatches, shuffled
from utils.data.source import ImageList, PackedPaths, pack_paths

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

ALLOWED = 0.05  # growth from the first epoch to the last
CLASSES = 1000
SAMPLES = 20  # measurements of an epoch


@dataclass(frozen=True)
class Epoch:
    peak: int  # bytes, without the libraries' files
    whole: int  # bytes with them, at the same moment
    wait: float  # seconds until its first batch
    seconds: float


class NoFiles:
    """In the place of an ImageCache: finds the path of an image, but opens nothing."""

    def __init__(self, images: ImageList) -> None:
        self.images, self.picture = images, Image.new("RGB", (8, 8))

    def __getitem__(self, index: int) -> Image.Image:
        if not self.images.name(index).endswith(".jpg"):
            raise IndexError(index)
        return self.picture


class Pixels:
    """The transform: the same pixels always."""

    def __init__(self) -> None:
        self.pixels = torch.zeros(8, 8, 3, dtype=torch.uint8)
        self.box = torch.zeros(4, dtype=torch.int64)

    def __call__(self, picture: Image.Image, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        return self.pixels, self.box


def make_images(count: int) -> ImageList:
    """`count` images in 1000 classes, with names of the length of ImageNet's."""
    targets = np.sort(np.arange(count) % CLASSES)
    names = (f"n{target:08d}/n{target:08d}_{index:07d}.jpg" for index, target in enumerate(targets.tolist()))
    classes = tuple(f"n{target:08d}" for target in range(CLASSES))
    return ImageList("/data/train", classes, PackedPaths(pack_paths(names)), targets)


def make_train_loader(count: int, batch_size: int, workers: int) -> DataLoader:
    images = make_images(count)
    dataset = ImageDataset(images, Pixels(), cache=NoFiles(images))
    batches = TrainBatches(shuffled(count), batch_size, seed=0)
    return make_loader(dataset, batches, TrainConfig.plain(), workers=workers, pin=False)


def run_epoch(loader: DataLoader, epoch: int) -> Epoch:
    """Go through all batches, and measure now and then."""
    loader.batch_sampler.set_epoch(epoch)
    every, peak, wait, seen = max(1, len(loader) // SAMPLES), (0, 0), 0.0, 0
    start = time.perf_counter()
    for number, batch in enumerate(loader):
        wait = wait or time.perf_counter() - start
        seen += len(batch.indices)
        if number % every == every - 1:
            peak = max(peak, proportional_set_size(1 + loader.num_workers))
    if seen != len(loader.dataset):
        raise RuntimeError(f"{seen} images came, not {len(loader.dataset)}")
    return Epoch(*peak, wait, time.perf_counter() - start)


def proportional_set_size(processes: int) -> tuple[int, int]:
    """(bytes of memory, bytes with mapped files) of this process and its children, which must be so many in all."""
    found = [Path("/proc/self"), *children()]
    if len(found) < processes:
        raise RuntimeError(f"expected {processes} processes, found {len(found)}")
    lines = [line for path in found for line in (path / "smaps_rollup").read_text(encoding="ascii").splitlines()]
    whole, files = (
        1024 * sum(int(line.split()[1]) for line in lines if line.startswith(name)) for name in ("Pss:", "Pss_File:")
    )
    return whole - files, whole


def children() -> list[Path]:
    """/proc folders of the processes that the threads of this one have started."""
    listed = [path.read_text(encoding="ascii").split() for path in Path("/proc/self/task").glob("*/children")]
    return [Path("/proc") / pid for pids in listed for pid in pids]


def report(epochs: list[Epoch]) -> float:
    """Print a row for each epoch, and return the growth of the peak from the first to the last."""
    print(f"{'epoch':>5}  {'peak MiB':>9}  {'growth':>7}  {'with files':>10}  {'first batch':>11}  {'seconds':>7}")
    for number, epoch in enumerate(epochs, 1):
        growth = epoch.peak / epochs[0].peak - 1
        memory = f"{epoch.peak / 2**20:>9.1f}  {growth:>7.2%}  {epoch.whole / 2**20:>10.1f}"
        print(f"{number:>5}  {memory}  {epoch.wait:>9.2f} s  {epoch.seconds:>7.1f}")
    return epochs[-1].peak / epochs[0].peak - 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000, help="entries of the data set (default: 1,000,000)")
    parser.add_argument("--workers", type=int, default=4, help="loading processes (default: 4)")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the data set (default: 5)")
    parser.add_argument("--batch-size", type=int, default=256, help="images a batch (default: 256)")
    given = parser.parse_args(arguments)
    loader = make_train_loader(given.images, given.batch_size, given.workers)
    print(f"{given.images:,} images, {given.workers} workers, batches of {given.batch_size}")
    growth = report([run_epoch(loader, epoch) for epoch in range(given.epochs)])
    print(f"grown by {growth:.2%} from the first epoch to the last; at most {ALLOWED:.0%} is allowed")
    return int(growth > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
