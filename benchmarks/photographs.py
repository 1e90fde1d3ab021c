"""Photographs to measure with: scikit-learn's two sample images, cut and scaled to JPEGs of any size, quality 92."""

from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_images


def write_photographs(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """`count` photographs of (width, height) `size`, in two class folders below `folder`; a part of its own each."""
    paths = []
    for number in range(count):
        source = Image.fromarray(load_sample_images().images[number % 2])
        width, height = source.width - 64, source.height - 40
        left, top = number * 7 % 64, number * 5 % 40
        part = source.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.BICUBIC)
        path = folder / f"class{number % 2}" / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path, quality=92)
        paths.append(path)
    return paths
