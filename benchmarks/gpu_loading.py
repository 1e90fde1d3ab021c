"""Photographs to a GPU: loaders alone, and whole epochs beside the steps that they feed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from utils.threads import reading_threads

import torch
from PIL import Image

from benchmarks.gpu_process import Side
from benchmarks.gpu_row import Loading, Row
from benchmarks.gpu_steps import Scale
from benchmarks.gpu_tables import Journal, Table

SIZE = (500, 375)  # width, height: what photographs of ImageNet have on average


def write_photographs(folder: Path, count: int) -> None:
    """JPEGs in two class folders: parts of scikit-learn's sample images or, without it, of clouds of noise."""
    sources = sample_images()

    def write(number: int) -> None:
        source = sources[number % 2]
        left, top = number * 7 % 64, number * 5 % 40
        part = source.crop((left, top, left + source.width - 64, top + source.height - 40))
        path = folder / f"class{number % 2}" / f"{number:05d}.jpg"
        part.resize(SIZE, Image.Resampling.BICUBIC).save(path, quality=92)

    for name in ("class0", "class1"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(reading_threads()) as pool:  # Pillow leaves the interpreter free while it computes
        list(pool.map(write, range(count)))


def sample_images() -> list[Image.Image]:
    try:
        from sklearn.datasets import load_sample_images
    except ImportError:
        return [clouds(seed) for seed in range(2)]
    return [Image.fromarray(image) for image in load_sample_images().images]


def clouds(seed: int) -> Image.Image:
    """Noise of many scales, 640x427, which as a JPEG takes about as many bytes as a photograph."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, 427, 640)
    for cells in (4, 16, 64, 256):
        noise = torch.randn(1, 3, cells, cells, generator=generator)
        total += torch.nn.functional.interpolate(noise, size=(427, 640), mode="bilinear") * (64 / cells**0.5)
    return Image.fromarray((total[0] + 128).clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy())


class LoaderTable:
    """Loaders alone, up to normalised images on the device."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        columns = ["loader", "augmentation", "workers", "images/s"]
        self.table = Table(f"Loaders alone, JPEGs of {SIZE[0]}x{SIZE[1]}", columns)

    def measure(self, side: Side, loading: Loading, timeout: float) -> None:
        """One row. Raises SideError."""
        rate = side.call("loader", loading, timeout=timeout)
        words = "crop, flip, trivial_augment" if loading.augment == "tawide" else "crop, flip"
        self.table.add([side.name, words, str(loading.workers), f"{rate:.0f}"])
        about = dict(side=side.name, augment=loading.augment, workers=loading.workers)
        self.journal.add("loader", **about, images_per_s=rate)


class EpochTable:
    """Our whole epochs beside the same steps with images that are on the device already."""

    def __init__(self, journal: Journal, scale: Scale) -> None:
        self.journal, self.scale = journal, scale
        columns = [
            "network",
            "batch",
            "workers",
            "GPU alone, images/s",
            "epoch, images/s",
            "of GPU alone",
            "waits for data",
        ]
        self.table = Table("Epochs with our loader, TrivialAugmentWide", columns)

    def measure(self, ours: Side, row: Row, loading: Loading, timeout: float) -> None:
        """One row. Raises SideError."""
        ours.call("build", row, timeout=timeout)
        alone = row.batch_size / ours.call("turn", *self.scale.turn, timeout=timeout)["seconds"]
        found = ours.call("epoch", row, loading, timeout=timeout)
        cells = [row.network, str(row.batch_size), str(loading.workers), f"{alone:.0f}", f"{found['images_per_s']:.0f}"]
        self.table.add([*cells, f"{found['images_per_s'] / alone:.1%}", f"{found['waited']:.1%}"])
        about = dict(network=row.network, batch_size=row.batch_size, workers=loading.workers)
        self.journal.add("epoch", **about, alone_images_per_s=alone, **found)
