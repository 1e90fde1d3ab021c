"""A set with three wrong labels, and predictions that see them."""

import math

from utils.tables import write_csv

import pytest

from tests.helpers.image_files import noisy_image
from tools.find_label_errors import main

CLASSES = ("ant", "bee", "cow")
WRONG = {("ant", 0): "bee", ("ant", 1): "cow", ("cow", 2): "bee"}  # picture -> its true class


def contents(folder):
    """Path below `folder` -> bytes of every file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def pictures(tmp_path):
    """val/<class>/<number>.png, eight of each class; the true class has the colour."""
    for label in CLASSES:
        folder = tmp_path / "data" / "val" / label
        folder.mkdir(parents=True)
        for number in range(8):
            picture = noisy_image(WRONG.get((label, number), label), f"{label}{number}", (20, 20))
            picture.save(folder / f"{number}.png")
    return tmp_path / "data"


@pytest.fixture
def predictions(pictures, tmp_path):
    """predictions.csv of val, in a run's folder that says so."""
    rows = []
    for label in CLASSES:
        for number in range(8):
            true = WRONG.get((label, number), label)
            sure = (0.98 if (label, number) in WRONG else 0.8) + 0.005 * number
            chances = [sure if name == true else (1 - sure) / 2 for name in CLASSES]
            loss = -math.log(chances[CLASSES.index(label)])
            rows.append((str(pictures / "val" / label / f"{number}.png"), label, true, loss, *chances))
    run = tmp_path / "run"
    run.mkdir()
    header = ("path", "true", "predicted", "loss", *(f"p({name})" for name in CLASSES))
    write_csv(run / "predictions.csv", header, rows)
    (run / "val_results.json").write_text("{}")
    return run / "predictions.csv"


@pytest.fixture
def find(capsys):
    """find(*words) -> (exit status, standard output, standard error) of tools/find_label_errors.py."""

    def run(*words):
        capsys.readouterr()
        status = main([*map(str, words)])
        return status, *capsys.readouterr()

    return run
