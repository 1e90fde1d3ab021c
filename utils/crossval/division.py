"""The folders that the folds are trained in: those of create_data.py, or links to the images of another set."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.copies import copies_between
from ..data.listing import scan
from ..data.made_folds import made_folds, made_manifests
from ..data.split_folders import split_folders
from ..errors import DataError
from ..files import DraftFolder
from ..report.file_names import DIVISION
from ..report.saved_answers import from_here
from ..signals import terminations_raise
from ..splitting.create import Request, divide, grouped, splits_of
from ..splitting.sources import LabelledFiles, read_together, read_whole
from ..splitting.summary import summary
from ..splitting.write import distinct_names, write_files
from ..tables import read_csv, write_csv
from ..text import listed
from .plan import Division, FoldRequest

DATA = "data"
NAMED = 3  # copies
SAME_DRIVE = "expected log_root on the drive of the pictures"


def divided(request: FoldRequest, folder: Path) -> Division:
    """The folds of request.img_path; links are made in `folder`, unless an earlier call has done so.

    Raises DataError for images that cannot be divided so.
    """
    if made := made_folds(Path(request.img_path)):
        _check_made(request, len(made))
        if not (folder / DIVISION).is_file():
            _record_made(made, folder / DIVISION)
        return Division([made], {}, [f"{request.img_path}: {len(made)} folds, as they were made"])
    manifests = made_manifests(Path(request.img_path))
    if manifests:
        _check_made(request, len(manifests))
    elif request.folds is None:
        raise DataError(f"{request.img_path}: no folders fold0/train, fold0/val ... in it; expected --folds K")
    targets = [folder / DATA / f"repeat{repeat}" for repeat in range(request.repeats)]
    folders = [[target / f"fold{k}" for k in range(request.folds or len(manifests))] for target in targets]
    notes: list[str] = []
    if not (folder / DIVISION).is_file():  # which is written last
        shutil.rmtree(folder / DATA, ignore_errors=True)
        with terminations_raise():
            notes = _divide(request, manifests, targets, folder / DIVISION)
    return Division(folders, _originals(folder / DIVISION, folders), notes)


def _check_made(request: FoldRequest, folds: int) -> None:
    if folds < 2 or request.folds not in (None, folds):
        asked = f"--folds {request.folds}" if request.folds else "two or more"
        raise DataError(f"{request.img_path}: has {folds} folds, fold0 to fold{folds - 1}; expected {asked}")
    if request.repeats > 1 or request.group:
        option = "--group" if request.group else "--repeats"
        raise DataError(f"{request.img_path}: is divided into folds already, so that {option} has nothing to divide")


def _record_made(folds: Sequence[Path], table: Path) -> None:
    """Write which image is in which fold. Raises DataError for one that its network would be trained on, too."""
    rows = []
    for k, fold in enumerate(folds):
        splits = split_folders(fold)
        train, val = (scan(fold / splits[name]) for name in ("train", "val"))
        judged, trained = ([part.name(i) for i in range(len(part))] for part in (val, train))
        rows += [(os.path.abspath(name), val.classes[c], "", k) for name, c in zip(judged, val.targets)]
        if pairs := copies_between(judged, trained):
            named = "; ".join(f"{one} = {other}" for one, other in pairs[:NAMED])
            more = f" and {len(pairs) - NAMED:,} more" if len(pairs) > NAMED else ""
            raise DataError(f"{fold}: {len(pairs):,} images of val are in train, too: {named}{more}")
    write_csv(table, ("path", "true", "link", "fold_0"), rows)


def _divide(request: FoldRequest, manifests: Sequence[Path], targets: Sequence[Path], table: Path) -> list[str]:
    """Link the images into the folds of every repeat, and write which image is in which fold."""
    if manifests:
        source, places = read_together(request.img_path, manifests)
        by_repeat = [{f"fold{k}": images for k, images in enumerate(places)}]
        notes = [f"{request.img_path}: {len(manifests)} folds of {len(source):,} images, as their lists have them"]
    else:
        source = read_whole(request.img_path)
        by_repeat, notes = _anew(request, source)
    fold_of = np.zeros((len(targets), len(source)), dtype=np.int64)
    for repeat, (target, parts) in enumerate(zip(targets, by_repeat)):
        for k, images in enumerate(parts.values()):
            fold_of[repeat, images] = k
        _check_classes(source, fold_of[repeat])
        with DraftFolder(target) as draft:
            write_files(draft, source, splits_of(parts, len(parts)), {}, "link", SAME_DRIVE)
    files = distinct_names(source, {})
    rows = [
        (os.path.abspath(source.paths[i]), source.label(i), files[i], *fold_of[:, i].tolist())
        for i in range(len(source))
    ]
    write_csv(table, ("path", "true", "link", *(f"fold_{repeat}" for repeat in range(len(targets)))), rows)
    return notes


def _anew(request: FoldRequest, source: LabelledFiles) -> tuple[list[dict[str, list[int]]], list[str]]:
    """(fold -> its images, for every repeat; what was done, in words)"""
    pattern = re.compile(request.group) if request.group else None
    by_repeat: list[dict[str, list[int]]] = []
    notes: list[str] = []
    for seed in range(request.seed, request.seed + request.repeats):
        root = Path(request.img_path)
        asked = Request(root, root, folds=request.folds or 0, seed=seed, pattern=pattern)
        grouping = grouped(source, asked)
        by_repeat.append(divide(source, grouping, asked))
        notes = notes or summary(source, grouping, by_repeat[0], asked.shares, with_groups=pattern is not None)
    return by_repeat, notes


def _check_classes(source: LabelledFiles, fold_of: np.ndarray) -> None:
    """Raises DataError for a class that the network of a fold would not know."""
    folds = [np.unique(fold_of[source.targets == c]) for c in range(len(source.classes))]
    if alone := [name for name, found in zip(source.classes, folds) if len(found) == 1]:
        few = "too few images or groups of it: its network would not know the class"
        raise DataError(f"{source.root}: class {listed(alone)}: all images in one fold, {few}")


def _originals(table: Path, folders: Sequence[Sequence[Path]]) -> dict[str, str]:
    """Absolute paths, of links and of images, which may have moved together."""
    rows, found = read_csv(table), {}
    images = from_here([row["path"] for row in rows], table.parent)
    for image, row in zip(map(os.path.abspath, images), rows):
        for repeat, folds in enumerate(folders):
            link = os.path.join(folds[int(row[f"fold_{repeat}"])], "val", row["true"], row["link"])
            found[os.path.abspath(link)] = image
    return found
