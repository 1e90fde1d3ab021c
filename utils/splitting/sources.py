"""The labelled images that are to be divided: from a folder of class folders, or from a csv of path and label."""

import csv
import io
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.listing import EXTENSIONS, note_of_others, scan
from ..data.lookalikes import check_distinct
from ..data.split_folders import direct_images, is_divided, split_folders
from ..data.traversal import left_out
from ..encoding import decoded
from ..errors import DataError
from ..text import listed, shown

NO_TEXT = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8, as surrogateescape has them
NO_FOLDER = re.compile(r"[/\0]")  # characters that no name of a folder holds
if os.name == "nt":
    NO_FOLDER = re.compile(r'[/\\<>:"|?*\0-\x1f]|[. ]$')


@dataclass(frozen=True)
class LabelledFiles:
    """Images in files that may lie anywhere."""

    root: str  # the folder or csv that they were read from
    classes: tuple[str, ...]  # sorted
    targets: np.ndarray  # (images,) int64; `targets[i]` is the place in `classes` of the class of image i
    paths: list[str]
    names: list[str]  # below the class folder, or as in the csv; / between folders on every platform
    files: list[str]  # where an image goes below its class folder; two may be alike where a csv named them
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    def counts(self) -> np.ndarray:
        """Images of each class, (classes,) int64."""
        return np.bincount(self.targets, minlength=len(self.classes))

    def label(self, index: int) -> str:
        return self.classes[self.targets[index]]

    def without(self, indices: Sequence[int]) -> "LabelledFiles":
        """The other images; classes that lose all of theirs go too."""
        kept = sorted(set(range(len(self))) - set(indices))
        labels = [self.label(i) for i in kept]
        paths, names, files = ([column[i] for i in kept] for column in (self.paths, self.names, self.files))
        return _source(self.root, labels, paths, names, files, self.notes)


def read_source(path: str | Path, encoding: str = "") -> LabelledFiles:
    """The images of a folder of class folders, or of a csv file. Raises DataError for what cannot be divided."""
    source = _from_csv(Path(path), encoding) if os.path.isfile(path) else _from_folders(Path(path))
    if not len(source):
        found = direct_images(Path(path)) or "no images found"
        raise DataError(f"{path}: {found}; expected a folder for each class with images in it, or a csv")
    return source


def read_whole(path: str | Path) -> LabelledFiles:
    """`read_source`, which also takes train and val of a divided folder together; its test is left out.

    A file of val whose name below the class folder one of train has is called `name (val)`. Raises DataError.
    """
    splits = split_folders(Path(path)) if os.path.isdir(path) else {}
    if not {"train", "val"} <= splits.keys():
        return read_source(path)
    train, val = (_from_folders(Path(path) / splits[name]) for name in ("train", "val"))
    taken = {(train.label(i), name) for i, name in enumerate(train.names)}
    labels = [part.label(i) for part in (train, val) for i in range(len(part))]
    here = [_named_apart(name) if (val.label(i), name) in taken else name for i, name in enumerate(val.names)]
    names = [*train.names, *here]
    notes = [*train.notes, *val.notes]
    if "test" in splits:
        notes.append(f"left out, as it is for the very end: {Path(path) / splits['test']}")
    check_distinct(path, dict.fromkeys(labels))
    return _source(str(path), labels, [*train.paths, *val.paths], names, names, notes)


def read_together(root: str | Path, manifests: Sequence[Path]) -> tuple[LabelledFiles, list[list[int]]]:
    """All images of several csv files, and which of them each csv has. Raises DataError for one that two of them name.

    root: what they are called together.
    """
    parts = [read_source(path) for path in manifests]
    paths, names, files = ([x for part in parts for x in getattr(part, key)] for key in ("paths", "names", "files"))
    labels = [part.label(i) for part in parts for i in range(len(part))]
    seen = Counter(map(os.path.realpath, paths))
    if twice := [path for path in paths if seen[os.path.realpath(path)] > 1]:
        raise DataError(f"{root}: {twice[0]}: is named by two of {listed(sorted(map(str, manifests)))}; expected one")
    check_distinct(root, dict.fromkeys(labels))
    ends = np.cumsum([len(part) for part in parts])
    notes = [note for part in parts for note in part.notes]
    places = [list(range(end - len(part), end)) for part, end in zip(parts, ends.tolist())]
    return _source(str(root), labels, paths, names, files, notes), places


def _named_apart(name: str) -> str:
    stem, ending = os.path.splitext(name)
    return f"{stem} (val){ending}"


def _source(
    root: str, labels: Sequence[str], paths: list[str], names: list[str], files: list[str], notes: Sequence[str]
) -> LabelledFiles:
    classes = tuple(sorted(set(labels)))
    place = {label: i for i, label in enumerate(classes)}
    targets = np.array([place[label] for label in labels], dtype=np.int64)
    return LabelledFiles(root, classes, targets, paths, names, files, tuple(notes))


def _from_folders(root: Path) -> LabelledFiles:
    images = scan(root)
    if is_divided(root, images.classes):
        found = f"is divided already, into {listed(images.classes)}; expected one folder a class in it"
        raise DataError(f"{root}: {found}: train on it as it is, or gather the images of each class in one folder")
    names = [path.split(os.sep, 1)[1].replace(os.sep, "/") for path in images.paths]
    paths = [images.name(i) for i in range(len(images))]
    return LabelledFiles(str(root), images.classes, images.targets, paths, names, names, images.notes)


def _from_csv(path: Path, encoding: str) -> LabelledFiles:
    """Rows of path and label; a path is relative to the folder of the csv. Repeated rows count once."""
    rows = list(dict.fromkeys(_rows(path, encoding)))
    if bad := sorted({label for _, label in rows if not label or left_out(label) or NO_FOLDER.search(label)}):
        raise DataError(f"{path}: label {listed(bad)} cannot be the name of a class folder")
    others = Counter(kind for name, _ in rows if (kind := _kind_left_out(name)))
    images = [row for row in rows if not _kind_left_out(row[0])]
    check_distinct(path, dict.fromkeys(label for _, label in images))
    paths = [_on_disk(path.parent, name) for name, _ in images]
    if missing := [name for (name, _), file in zip(images, paths) if not os.path.isfile(file)]:
        raise DataError(f"{path}: no such file: {listed(missing)}; paths are relative to the folder of the csv")
    notes = (note_of_others(others),) if others else ()
    names = [name.replace("\\", "/") if os.sep == "\\" else name for name, _ in images]
    files = [os.path.basename(name) for name in names]
    return _source(str(path), [label for _, label in images], paths, names, files, notes)


def _on_disk(folder: Path, name: str) -> str:
    """The path of a file whose name may be spelled with other code points than in the csv, as macOS spells it."""
    forms = (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    paths = [os.path.join(folder, form) for form in forms]
    return next(filter(os.path.isfile, paths), paths[0])


def _kind_left_out(name: str) -> str:
    """Why training would not see a file of this name; empty if it would."""
    base = os.path.basename(name)
    ending = os.path.splitext(name)[1].lower()
    return "hidden" if base.startswith(".") else "" if ending in EXTENSIONS else ending or "no ending"


def _other_separator(names: Sequence[str]) -> str:
    """What to do about a header in one piece, as spreadsheets of some languages write it; '' for others."""
    used = next((sign for sign in ";\t|" if len(names) == 1 and sign in names[0]), "")
    return f"; {shown(used)} parts its columns: save it with commas" if used else ""


def _rows(path: Path, encoding: str) -> list[tuple[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(_text(path, encoding), newline=""))
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        if missing := {"path", "label"} - set(reader.fieldnames):
            found = f"found {listed(reader.fieldnames)}{_other_separator(reader.fieldnames)}"
            raise DataError(f"{path}: no column {listed(sorted(missing))}; expected path,label, {found}")
        rows = [(row["path"], row["label"], reader.line_num) for row in reader]
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a csv: {error}") from None
    for name, label, line in rows:
        if not name or label is None or "\0" in name:
            raise DataError(f"{path}: line {line}: expected a path and a label")
    return [(name, label.strip()) for name, label, _ in rows]


def _text(path: Path, encoding: str) -> str:
    content = path.read_bytes()
    try:
        return decoded(content, encoding)
    except ValueError as error:
        if not encoding and _names_files(path.parent, content):
            return content.decode("utf-8", "surrogateescape")
        hint = "" if encoding else ", or name its encoding with --encoding"
        raise DataError(f"{path}: {error}{hint}") from None


def _names_files(folder: Path, content: bytes) -> bool:
    """Whether each line that is no UTF-8 holds the name of a file in such bytes, as manifests on Linux may."""
    rows = csv.reader(io.StringIO(content.replace(b"\0", b"").decode("utf-8", "surrogateescape"), newline=""))
    odd = [cells for row in rows if (cells := [cell for cell in row if NO_TEXT.search(cell)])]
    return bool(odd) and all(any(os.path.isfile(os.path.join(folder, cell)) for cell in cells) for cells in odd)
