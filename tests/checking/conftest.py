"""Photographs to check, and the check with what it printed and wrote."""

import csv

import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from tests.helpers.crops import HEIGHT, WIDTH
from tools.check_data import main


@pytest.fixture(scope="session")
def crops():
    """24 pieces of two photographs, none overlapping another."""
    photos = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    corners = [(x, y) for y in range(0, 360, HEIGHT) for x in range(0, 360, WIDTH)]
    return [photo.crop((x, y, x + WIDTH, y + HEIGHT)) for photo in photos for x, y in corners]


@pytest.fixture
def photos(tmp_path, crops):
    """Two classes with 8 crops each in train and 4 in val, as PNG; sound in every way."""
    for i, crop in enumerate(crops):
        folder = tmp_path / "photos" / ("val" if i % 3 == 0 else "train") / ("temple" if i < 12 else "flower")
        folder.mkdir(parents=True, exist_ok=True)
        crop.save(folder / f"{i:02d}.png")
    return tmp_path / "photos"


@pytest.fixture
def check(tmp_path, capsys):
    """check(root, *options) -> (exit status, standard output, standard error, rows of files.csv, of duplicates.csv)."""

    def run(root, *options):
        capsys.readouterr()
        status = main([str(root), *map(str, options)])
        printed = capsys.readouterr()
        output = root.with_name(f"{root.name}_check")
        tables = [rows(output / name) if output.exists() else [] for name in ("files.csv", "duplicates.csv")]
        return status, printed.out, printed.err, *tables

    return run


def rows(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))
