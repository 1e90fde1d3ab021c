"""Photographs to measure with: scikit-learn's two sample images, cut and scaled to JPEGs of any size, quality 92."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from utils.threads import available_cores

from PIL import Image
from sklearn.datasets import load_sample_images


def write_photographs(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """`count` photographs of (width, height) `size`, in two class folders below `folder`; a part of its own each."""
    sources = [Image.fromarray(image) for image in load_sample_images().images]

    def write(number: int) -> Path:
        source = sources[number % 2]
        width, height = source.width - 64, source.height - 40
        left, top = number * 7 % 64, number * 5 % 40
        part = source.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.BICUBIC)
        path = folder / f"class{number % 2}" / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path, quality=92)
        return path

    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(write, range(count)))
