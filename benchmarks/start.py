"""Time from the folders of a data set to the request for the first batch, against torchvision's ImageFolder.

Empty files in folders of a thousand classes. Ours: listing, checks of the list, the loader's order of the first epoch.
Theirs: ImageFolder and a shuffling DataLoader. Neither reads a file. Each round lists anew; the system's own cache of
folders is warm on both sides. With list_cache = 'auto' the first start writes an index of the folders, which the second
one reads. Also: how much memory a process of each kind takes more, at its peak, for a file. Listing alone, without
looking at what was found, shows how little of the time is left to save.

python benchmarks/start.py --files 1000000 --rounds 5
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.config import train_config_from
from utils.costs.peak_memory import peak_growth
from utils.data.list_index import SETTLED, index_path, remembered
from utils.data.listing import Listing, list_folder, scan
from utils.data.loaders import train_loader
from utils.timing import Spread

from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from benchmarks.common import compare, comparison, print_header, print_row

CLASSES = 1000


def write_files(root: Path, count: int) -> None:
    for label in range(CLASSES):
        folder = root / f"n{label:08d}"
        folder.mkdir()
        for number in range(label, count, CLASSES):
            (folder / f"n{label:08d}_{number}.JPEG").touch()


def ours(root: str, listing: Callable[[str], Listing] = list_folder) -> list:
    images = scan(root, listing=listing)
    images.counts()
    config = train_config_from({"batch_size": 256, "device": "cpu"}, "benchmark")
    loader = train_loader(config, images, rank=0, world_size=1, workers=0, pin=False)
    return [loader, next(iter(loader.batch_sampler))]


def first(root: str) -> list:
    """As ours, at a start that writes the index."""
    path = index_path(root)
    assert path is not None
    path.unlink(missing_ok=True)
    return ours(root, listing=remembered)


def again(root: str) -> list:
    """As ours, at a second start: the listing is remembered."""
    return ours(root, listing=remembered)


def theirs(root: str) -> list:
    loader = DataLoader(ImageFolder(root), 256, shuffle=True)
    return [loader, next(iter(loader.batch_sampler))]


def listing(root: str) -> list:
    return [os.listdir(os.path.join(root, name)) for name in os.listdir(root)]


def building(function: Callable[[str], list], root: str) -> Callable[[], list]:
    """What `compare` wants: something that gives the call."""
    return partial(function, root)


def growth(function: Callable[[str], list], root: str) -> int | None:
    return peak_growth(partial(function, root))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = os.environ["LOCALAPPDATA"] = cache  # on macOS the user's own is used
        write_files(Path(root), given.files)
        time.sleep(1 + SETTLED / 1e9)  # what has just changed is not remembered
        compared = partial(compare, rounds=given.rounds, threads=1, warmup=1)
        functions = {"theirs": theirs, "ours": ours, "first": first, "listing": listing}
        seconds = compared({name: partial(building, function, root) for name, function in functions.items()})
        # apart, as an index may still be being written when the start that writes it is over
        second = compared({"theirs": partial(building, theirs, root), "ours": partial(building, again, root)})
        with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            grown = {name: pool.apply(growth, (functions[name], root)) for name in ("theirs", "ours")}
    print_header(f"{given.files} files", "torchvision", threads=1, rounds=given.rounds)
    print_row(comparison("until the first batch is asked for", seconds))
    with_index = {"theirs": seconds["theirs"], "ours": seconds["first"]}
    print_row(comparison("the same with list_cache = 'auto', which writes an index", with_index))
    print_row(comparison("the same at a second start, which reads it", second))
    print(f"\nlisting alone: {Spread.of(seconds['listing'])}")
    for name, size in grown.items():
        if size is not None:
            print(f"memory, {name}: {size / given.files:.0f} bytes a file at the peak")


if __name__ == "__main__":
    main()
