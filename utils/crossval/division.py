"""The folders that the folds are trained in: those of create_data.py, or links to the images of an undivided set."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.split_folders import split_folders
from ..errors import DataError
from ..files import DraftFolder
from ..signals import terminations_raise
from ..splitting.create import Request, divide, grouped, splits_of
from ..splitting.sources import LabelledFiles, read_whole
from ..splitting.summary import summary
from ..splitting.write import distinct_names, write_files
from ..tables import read_csv, write_csv
from ..text import listed
from .plan import Division, FoldRequest

DATA, DIVISION = "data", "division.csv"
MADE = re.compile(r"fold(\d+)")  # how create_data.py calls a fold


def divided(request: FoldRequest, folder: Path) -> Division:
    """The folds of request.img_path; links are made in `folder`, unless an earlier call has done so.

    Raises DataError for images that cannot be divided so.
    """
    if made := made_folds(Path(request.img_path)):
        _check_made(request, len(made))
        return Division([made], {}, [f"{request.img_path}: {len(made)} folds, as they were made"])
    if request.folds is None:
        raise DataError(f"{request.img_path}: no folders fold0/train, fold0/val ... in it; expected --folds K")
    targets = [folder / DATA / f"repeat{repeat}" for repeat in range(request.repeats)]
    folders = [[target / f"fold{k}" for k in range(request.folds)] for target in targets]
    notes: list[str] = []
    if not (folder / DIVISION).is_file():  # which is written last
        shutil.rmtree(folder / DATA, ignore_errors=True)
        with terminations_raise():
            notes = _divide(request, targets, folder / DIVISION)
    return Division(folders, _originals(folder / DIVISION, folders), notes)


def made_folds(root: Path) -> list[Path]:
    """fold0, fold1 ... of create_data.py in `root`; none where it holds others. Raises DataError if one is missing."""
    names = [entry.name for entry in root.iterdir()] if root.is_dir() else []
    found = {int(match[1]): root / name for name in names if (match := MADE.fullmatch(name))}
    found = {k: path for k, path in found.items() if {"train", "val"} <= split_folders(path).keys()}
    if missing := [f"fold{k}" for k in range(max(found, default=-1)) if k not in found]:
        raise DataError(f"{root}: no {listed(missing)} beside fold{max(found)}; expected train and val in each fold")
    return [found[k] for k in sorted(found)]


def _check_made(request: FoldRequest, folds: int) -> None:
    if folds < 2 or request.folds not in (None, folds):
        asked = f"--folds {request.folds}" if request.folds else "two or more"
        raise DataError(f"{request.img_path}: has {folds} folds, fold0 to fold{folds - 1}; expected {asked}")
    if request.repeats > 1 or request.group:
        option = "--group" if request.group else "--repeats"
        raise DataError(f"{request.img_path}: is divided into folds already, so that {option} has nothing to divide")


def _divide(request: FoldRequest, targets: Sequence[Path], table: Path) -> list[str]:
    """Link the images into the folds of every repeat, and write which image is in which fold."""
    source = read_whole(request.img_path)
    pattern = re.compile(request.group) if request.group else None
    fold_of = np.zeros((len(targets), len(source)), dtype=np.int64)
    notes: list[str] = []
    for repeat, target in enumerate(targets):
        folds = request.folds or 0
        asked = Request(Path(request.img_path), target, folds=folds, seed=request.seed + repeat, pattern=pattern)
        grouping = grouped(source, asked)
        parts = divide(source, grouping, asked)
        for k, images in enumerate(parts.values()):
            fold_of[repeat, images] = k
        _check_classes(source, fold_of[repeat])
        with DraftFolder(target) as draft:
            write_files(draft, source, splits_of(parts, folds), {}, "link")
        notes = notes or summary(source, grouping, parts, with_groups=pattern is not None)
    files = distinct_names(source, {})
    rows = [
        (os.path.abspath(source.paths[i]), source.label(i), files[i], *fold_of[:, i].tolist())
        for i in range(len(source))
    ]
    write_csv(table, ("path", "true", "link", *(f"fold_{repeat}" for repeat in range(len(targets)))), rows)
    return notes


def _check_classes(source: LabelledFiles, fold_of: np.ndarray) -> None:
    """Raises DataError for a class that the network of a fold would not know."""
    folds = [np.unique(fold_of[source.targets == c]) for c in range(len(source.classes))]
    if alone := [name for name, found in zip(source.classes, folds) if len(found) == 1]:
        few = "too few images or groups of it: its network would not know the class"
        raise DataError(f"{source.root}: class {listed(alone)}: all images in one fold, {few}")


def _originals(table: Path, folders: Sequence[Sequence[Path]]) -> dict[str, str]:
    found = {}
    for row in read_csv(table):
        for repeat, folds in enumerate(folders):
            link = os.path.join(folds[int(row[f"fold_{repeat}"])], "val", row["true"], row["link"])
            found[os.path.abspath(link)] = row["path"]
    return found
