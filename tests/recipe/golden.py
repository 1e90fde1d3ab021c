"""What the rules find over a grid of situations; python -m tests.recipe.golden writes golden.csv, which a test reads.

Look at what changes in it before it is committed: each cell is the default of somebody.
"""

import csv
import itertools
from pathlib import Path

from utils.config import TrainConfig
from utils.config.schema import literal
from utils.data.preprocess import Preprocess
from utils.recipe.facts import Expected, Facts
from utils.recipe.resolve import resolve

FILE = Path(__file__).with_name("golden.csv")
IMAGENET = Preprocess((224, 224), (256, 256), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), resize_mode="shortest")
CLASSES = {"names": ("bird", "cat"), "digits": ("0", "1"), "sides": ("left_hand", "right_hand")}
GRID = {
    "images": (40, 226, 1437, 5000, 50_000, 1_281_167),
    "weights": (False, True),
    "norm": ("batch", "layer", "none"),
}
OTHERS = (  # one change each of the first of the grid
    {"classes": "digits"},
    {"classes": "sides"},
    {"grey": True},
    {"side": 28},
    {"side": 3000},
    {"device": "cuda"},
    {"device": "cuda", "processes": 4},
    {"stages": 15, "weights": True, "norm": "layer"},
    {"linear_head": False, "weights": True},
    {"batches": 23, "weights": True},
    {"batches": 200, "weights": True},
)


def situations():
    """(name, facts) of each."""
    for values in itertools.product(*GRID.values()):
        given = dict(zip(GRID, values))
        yield " ".join(f"{name}={value}" for name, value in given.items()), facts(**given)
    for given in OTHERS:
        yield "other " + " ".join(f"{name}={value}" for name, value in given.items()), facts(**given)


def facts(*, images=5000, weights=False, norm="batch", classes="names", side=224, batches=None, **others):
    expected = Expected(IMAGENET, "the test", batches=batches) if weights else None
    others = {"size": (side, side), **others}
    return Facts(images=images, norm=norm, classes=CLASSES[classes], expected=expected, **others)


def rows(img_path):
    """One for each situation: its name, and each key that was 'auto'. img_path: any folder that there is."""
    config = TrainConfig(img_path=str(img_path))
    for name, found in situations():
        _, cells = resolve(config, found)
        yield {"situation": name, **{cell.key: literal(cell.value) for cell in cells}}


def main():
    table = list(rows(Path(__file__).parent))
    with open(FILE, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
