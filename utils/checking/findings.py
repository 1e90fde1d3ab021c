"""All files of a data set inspected and compared, and what that means for a training."""

import os
import shlex
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from ..data.listing import named_as, scan
from ..data.made_folds import MADE, lists_in, made_folds
from ..data.source import ImageList
from ..data.split_folders import command_line, direct_images, renaming, split_folders
from ..data.traversal import list_classes
from ..errors import DataError
from ..text import listed
from ..thread_pool import in_threads
from .inspect import UNREADABLE, Inspected, Limits, inspect
from .similar import find_alike

IMBALANCE = 10  # images of the most frequent class for one of the rarest, from which on it is reported
ON_LOOKALIKES = (  # what may be as it should be, and how to go on then
    "look-alikes by nature, such as frames of a video or photographs of one face, belong in one split: "
    "tools/create_data.py --group keeps them together; --exact-only looks for equal pictures alone"
)
KINDS = ((True, "picture"), (False, "set of look-alikes"))  # whether all in a set are equal -> how to call one


@dataclass(frozen=True)
class File:
    """An image file of the set."""

    path: str  # relative to the root, / between folders
    split: str  # "train", "val", "test", "fold0" ..., or "" where the class folders lie in the root itself
    label: str
    found: Inspected


@dataclass(frozen=True)
class Alike:
    """Files with the same picture, or with pictures that look alike."""

    files: list[File]
    exact: bool  # equal pixels in all of them

    @property
    def leaks(self) -> bool:
        return len({file.split for file in self.files}) > 1

    @property
    def conflicts(self) -> bool:
        return len({file.label for file in self.files}) > 1


@dataclass(frozen=True)
class Findings:
    root: Path
    splits: tuple[str, ...]
    files: list[File]
    alike: list[Alike]
    notes: list[str]  # what was left out
    limits: Limits

    @cached_property
    def classes(self) -> list[str]:
        return sorted({file.label for file in self.files})

    @cached_property
    def counts(self) -> dict[str, np.ndarray]:
        """Split -> images of each class, (classes,) int64; unreadable ones included."""
        place = {label: i for i, label in enumerate(self.classes)}
        counts = {split: np.zeros(len(place), dtype=np.int64) for split in self.splits}
        for file in self.files:
            counts[file.split][place[file.label]] += 1
        return counts

    def with_problem(self, kind: str) -> list[File]:
        return [file for file in self.files if kind in file.found.problems]

    def problem_counts(self) -> Counter:
        return Counter(kind for file in self.files for kind in file.found.problems)

    @property
    def part(self) -> str:
        """What `splits` are called."""
        return "fold" if self.splits and all(map(MADE.fullmatch, self.splits)) else "split"

    @property
    def balanced(self) -> str:
        """What `imbalance` is of: "train", or "" for all."""
        return "" if self.part == "fold" else self.splits[0]

    def imbalance(self) -> float:
        """Images of the most frequent class for one of the rarest, in train; over all folds where there are some."""
        splits = self.splits if self.part == "fold" else self.splits[:1]
        present = [count for count in np.sum([self.counts[split] for split in splits], axis=0).tolist() if count]
        return max(present) / min(present)


def examine(root: Path, limits: Limits, near: int | None) -> Findings:
    """Decode and compare every image below `root`. Raises DataError if there is none.

    near: bits in which near duplicates may differ, as in `similar.find_alike`; None for equal pixels only.
    """
    lists = read_splits(root)
    rows = [(split, images, i) for split, images in lists.items() for i in range(len(images))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn without a file name; what matters is reported with one
        paths = [images.name(i) for _, images, i in rows]
        found = list(in_threads(partial(inspect, limits=limits), paths, "decoding"))
    files = [
        File(_below(root, path), split, images.classes[images.targets[i]], each)
        for (split, images, i), path, each in zip(rows, paths, found)
    ]
    likeness = find_alike([file.found.print for file in files], near)
    alike = [Alike([files[i] for i in indices], exact=True) for indices in likeness.same]
    alike += [Alike([files[i] for i in indices], exact=False) for indices in likeness.near]
    notes = [f"{split or root.name}: {note}" for split, images in lists.items() for note in images.notes]
    findings = Findings(root, tuple(lists), files, alike, notes, limits)
    if findings.part == "fold":
        notes.append("train of each fold: its images are those in val of the others, where each was looked at once")
    return findings


def read_splits(root: Path) -> dict[str, ImageList]:
    """Split -> its images, whatever synonym of train, val or test its folder is called.

    Of the folds of create_data.py, "fold0" ... -> val, which together are all images. A root without folds or
    train/<class> holds class folders itself and is one split, called "". Raises DataError where there are no images.
    """
    if root.is_file():
        way = command_line(["python", "tools/create_data.py", str(root), "DST", "--link"])
        raise DataError(
            f"{root}: is a file; expected a folder; of a csv of images, {way} makes one that can be checked"
        )
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected train/<class> and val/<class> in it, or <class> folders")
    folders = split_folders(root)
    if "train" not in folders:
        names = list(folders.values())
        if names and set(list_classes(root)) <= set(names):
            raise DataError(f"{root / 'train'}: no images found; expected train/<class> beside {listed(names)}")
        folders = _folds(root) or {"": ""}
    first, *_ = folders
    lists = {split: scan(root / name) for split, name in folders.items()}
    lists = {split: named_as(images, lists[first].classes) for split, images in lists.items()}
    if not sum(map(len, lists.values())):
        if found := lists_in(root):
            raise DataError(f"{root}: {found}; expected the folder that they lie in")
        found = direct_images(root) or "no images found"
        raise DataError(f"{root}: {found}; expected a folder with images in it for each class")
    return lists


def _folds(root: Path) -> dict[str, str]:
    """Fold -> the folder of its val below `root`; empty where there are none. Raises DataError for one fold alone."""
    folds = made_folds(root)
    if len(folds) == 1 and list_classes(root) == [folds[0].name]:
        raise DataError(f"{root}: holds one fold alone; expected two or more, or the folder of that one: {folds[0]}")
    return {fold.name: f"{fold.name}/{split_folders(fold)['val']}" for fold in folds} if len(folds) > 1 else {}


def _below(root: Path, path: str) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def spoilers(findings: Findings) -> Iterator[str]:
    """What would stop a training, or make its figures worthless; a sentence each."""
    if unreadable := len(findings.with_problem(UNREADABLE)):
        yield _many(unreadable, "unreadable file")
    for exact, what in KINDS:
        if sets := [each for each in findings.alike if each.exact == exact and each.leaks]:
            hint = "" if exact else f"; {ON_LOOKALIKES}"
            yield f"leakage: {_many(len(sets), what)} in more than one {findings.part} ({_extent(sets)}){hint}"
    if sets := [each for each in findings.alike if each.exact and each.conflicts]:
        yield f"labels in conflict: {_many(len(sets), 'picture')} in more than one class ({_extent(sets)})"
    if findings.part == "fold":
        present = np.sum([count > 0 for count in findings.counts.values()], axis=0)
        if alone := [label for label, folds in zip(findings.classes, present.tolist()) if folds == 1]:
            yield f"all images in one fold, whose train lacks the class: class {listed(alone)}"
        return
    train = set(findings.classes) - set(_missing(findings, findings.splits[0]))
    for split in findings.splits[1:]:
        if unknown := sorted({file.label for file in findings.files if file.split == split} - train):
            yield f"only in {split}, not in train: class {listed(unknown)}"


def concerns(findings: Findings) -> Iterator[str]:
    """What deserves a look, but may be as it should be; a sentence each."""
    for split in findings.splits:
        if how := split and renaming(findings.root, split):
            yield f"train.py looks for {findings.root / split}: {how}"
    if "train" in findings.splits and "val" not in findings.splits:
        way = shlex.join(["tools/create_data.py", str(findings.root / "train"), "DST"])
        yield f"no images in {findings.root / 'val'}, which train.py needs beside train; {way} divides those of train"
    for split in findings.splits[0 if findings.part == "fold" else 1 :]:
        if absent := _missing(findings, split):
            yield f"no images in {split}: class {listed(absent)}"
    if len(findings.classes) == 1:
        yield f"one class only: {findings.classes[0]!r}"
    if (ratio := findings.imbalance()) >= IMBALANCE:
        times = f"{ratio:.0f} times the images of the rarest (reported from {IMBALANCE} on)"
        yield f"imbalance: the most frequent class has {times}"
    if sets := [each for each in findings.alike if not each.exact and each.conflicts]:
        yield f"{_many(len(sets), KINDS[1][1])} in more than one class ({_extent(sets)}); {ON_LOOKALIKES}"
    for exact, what in KINDS:
        if sets := [each for each in findings.alike if each.exact == exact and not each.leaks and not each.conflicts]:
            yield f"{_many(len(sets), what)} within a class and {findings.part} ({_extent(sets)})"
    for kind, count in sorted(findings.problem_counts().items()):
        if kind != UNREADABLE:
            limit = findings.limits.in_words(kind)
            yield f"{kind}: {_many(count, 'file')}{limit and f', {limit}'}"


def by_weight(alike: Sequence[Alike]) -> list[Alike]:
    """Sorted: the sets that spoil a training come first."""
    return sorted(alike, key=lambda each: (not (each.exact and each.conflicts), not each.leaks, not each.exact))


def _missing(findings: Findings, split: str) -> list[str]:
    return [label for label, count in zip(findings.classes, findings.counts[split]) if not count]


def _extent(sets: Sequence[Alike]) -> str:
    return _many(sum(len(each.files) for each in sets), "file")


def _many(count: int, what: str) -> str:
    """1 file, 2 files, 3 sets of look-alikes."""
    noun, *rest = what.split(" of ")
    return " of ".join([f"{count:,} {noun}{'' if count == 1 else 's'}", *rest])
