"""The folds of create_data.py --folds, as folders or as lists of images: which there are, and which tools take them."""

import re
from collections.abc import Callable
from pathlib import Path

from ..errors import DataError
from ..text import listed
from .split_folders import command_line, split_folders

MANIFEST = "val.csv"
MADE = re.compile(r"fold(\d+)")  # how create_data.py calls a fold


def made_folds(root: Path) -> list[Path]:
    """fold0, fold1 ... of create_data.py in `root`; none where it holds others. Raises DataError if one is missing."""
    return _complete(root, lambda fold: {"train", "val"} <= split_folders(fold).keys(), "train and val")


def made_manifests(root: Path) -> list[Path]:
    """fold0/val.csv, fold1/val.csv ... of create_data.py --manifest in `root`, as `made_folds`."""
    found = _complete(root, lambda fold: (fold / MANIFEST).is_file(), MANIFEST)
    return [fold / MANIFEST for fold in found]


def _complete(root: Path, has: Callable[[Path], bool], what: str) -> list[Path]:
    """fold0, fold1 ... that have it. Raises DataError if one between them has not."""
    names = [entry.name for entry in root.iterdir()] if root.is_dir() else []
    found = {int(match[1]): root / name for name in names if (match := MADE.fullmatch(name)) and has(root / name)}
    if missing := [f"fold{k}" for k in range(max(found, default=-1)) if k not in found]:
        raise DataError(f"{root}: no {listed(missing)} beside fold{max(found)}; expected {what} in each fold")
    return [found[k] for k in sorted(found)]


def training_on_folds(root: Path) -> str:
    """How to train where `root` holds folds, in place of train and val; empty for any other.

    Raises DataError where a fold is missing.
    """
    folders = made_folds(root)
    if not folders and not made_manifests(root):
        return ""
    whole = command_line(["python", "tools/cross_validate.py", str(root)])
    one = f"; to train on one fold alone, name its folder: {folders[0]}" if folders else ""
    return f"{root} is divided into folds: {whole} trains on all of them but one, in turn{one}"


def lists_in(root: Path) -> str:
    """What `root` is where it holds the lists of create_data.py --manifest in place of images; empty for any other.

    Raises DataError where a fold is missing.
    """
    found = [*made_manifests(root), *(path for name in ("train.csv", MANIFEST) if (path := root / name).is_file())]
    if not found:
        return ""
    return f"holds lists of images ({found[0].relative_to(root)} ...), of create_data.py --manifest, and no images"
