"""The parts of a divided data set, under whatever names people give their folders."""

import os
import shlex
import subprocess
from pathlib import Path

from ..errors import DataError
from ..text import listed
from .traversal import class_folders, holds_image, list_classes

SYNONYMS = {  # the name that training reads -> all, in lower case
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev", "eval", "evaluation"),
    "test": ("test", "testing", "tst"),
}
SPLIT_OF = {name: split for split, names in SYNONYMS.items() for name in names}


def split_folders(root: Path) -> dict[str, str]:
    """Split -> name of the folder below `root` that is called so in some way and holds class folders with images.

    In the order of SYNONYMS. Raises DataError where two folders could be the same split.
    """
    found: dict[str, list[str]] = {split: [] for split in SYNONYMS}
    for name in class_folders(root, {})[0]:
        if name.lower() in SPLIT_OF and list_classes(root / name):
            found[SPLIT_OF[name.lower()]].append(name)
    for split, names in found.items():
        if len(names) > 1:
            raise DataError(f"{root}: folders {listed(names)} could all be {split}; keep one, named {split!r}")
    return {split: names[0] for split, names in found.items() if names}


def is_divided(root: Path, classes: tuple[str, ...]) -> bool:
    """Whether the folders `classes` below `root` are splits, or folds with splits in them, rather than classes."""
    if classes and all(name.lower() in SPLIT_OF for name in classes):
        return True
    splits = split_folders(root)
    are_folds = bool(classes) and all("train" in split_folders(root / name) for name in classes)
    return are_folds or ("train" in splits and len(splits) > 1)


def renaming(root: Path, split: str) -> str:
    """How to give the folder that is `split` under another name the one that training reads; empty if there is none."""
    name = split_folders(root).get(split, split)
    if name == split:
        return ""
    line = ["mv", str(root / name), str(root / split)]
    return f"{name!r} seems to be {split}, rename it: " + (
        f'ren "{line[1]}" {split}' if os.name == "nt" else shlex.join(line)
    )


def direct_images(root: Path) -> str:
    """A sentence for a folder that holds images, and no folders of classes; empty for any other."""
    if not os.path.isdir(root) or list_classes(root) or not holds_image(str(root)):
        return ""
    return f"{root} holds images itself, so its classes may be the folders in {Path(os.path.abspath(root)).parent}"


def dividing(root: Path) -> str:
    """What to name or do where a folder holds classes or images directly, or is one part; empty for any other."""
    classes = list_classes(root) if os.path.isdir(root) else []
    above = Path(os.path.abspath(root)).parent
    if not classes and (found := direct_images(root)):
        return found
    if classes and SPLIT_OF.get(Path(os.path.abspath(root)).name.lower()) in split_folders(above):
        return f"{root} seems to be a part of a divided data set, so name the folder above it: {above}"
    if not classes or is_divided(root, tuple(classes)) or split_folders(root):
        return ""
    whole = os.path.normpath(root)
    line = ["python", "tools/create_data.py", whole, f"{whole}_divided", "--val", "0.2"]
    return (
        f"{whole} holds folders of classes ({listed(classes)}), which are to be divided into train and val: "
        f"{command_line(line)}; then img_path={line[3]}"
    )


def command_line(words: list[str]) -> str:
    """As it is typed, in quotes where that is needed."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
