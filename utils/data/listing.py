"""Which images there are: class folders become a class list and a packed list of paths. Nothing is decoded here."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..text import listed, nearest
from .images import MAX_PIXELS
from .lookalikes import check_distinct, matched, same_look
from .source import ImageList, PackedPaths, pack_paths
from .traversal import AGAIN, EXTENSIONS, LOOSE, NO_FILE, Stamps, class_folders, images_below, left_out, matches


@dataclass(frozen=True)
class Listing:
    """What lies below a folder of class folders."""

    hidden: list[str]  # folders left out
    packed: dict[str, bytes]  # class folder -> its images, as pack_paths has them; empty ones too
    others: Counter[str]  # as images_below counts them
    stamps: Stamps  # of every folder that was read


def list_folder(root: str) -> Listing:
    """Raises DataError if `root` is missing or a folder below it cannot be read."""
    stamps: Stamps = {}
    others: Counter[str] = Counter()
    names, hidden = class_folders(root, stamps, others)
    packed = {name: pack_paths(images_below(os.path.join(root, name), others, stamps), below=name) for name in names}
    return Listing(hidden, packed, others, stamps)


def scan(
    root: str | Path,
    classes: Sequence[str] | None = None,
    *,
    listing: Callable[[str], Listing] = list_folder,
    max_pixels: int = MAX_PIXELS,
    of: str = "train",
) -> ImageList:
    """All images of root/<class>/**, in sorted order.

    classes: the fixed list that folder names are mapped to, those that look the same too; None takes the non-empty
    folders of `root`, sorted.
    listing: gives what lies below a folder, such as list_index.remembered.
    max_pixels: of an image, as `images.open_image` has it.
    of: what has the classes of the fixed list, in words.
    Hidden folders, those of systems and empty ones are left out; files with other endings are counted; `notes` says so.
    Raises DataError if `root` is missing, names of folders look the same or a non-empty one is not among `classes`.
    """
    listed_now = listing(str(root))
    found = listed_now.packed
    empty = [name for name in found if not found[name]]
    present = [name for name in found if found[name]]
    check_distinct(root, present)
    fixed = tuple(present if classes is None else classes)
    spelled = same_look(present, fixed)
    place = {name: i for i, name in enumerate(fixed)}
    place |= {name: place[known] for name, known in spelled.items()}
    if strangers := [name for name in present if name not in place]:
        raise _strange(root, strangers, fixed, of)
    targets = np.repeat([place[name] for name in present], [found[name].count(0) for name in present]).astype(np.int64)
    paths = PackedPaths(b"".join(found.values()))
    notes = (*matched(spelled, of), *_notes(listed_now, empty))
    return ImageList(str(root), fixed, paths, targets, notes, max_pixels)


def _strange(root: str | Path, strangers: Sequence[str], fixed: Sequence[str], of: str) -> DataError:
    near = nearest(strangers[0], fixed)
    letters = f" (spelled {strangers[0]!a})" if near and not strangers[0].isascii() else ""
    what, remedy = f"class {listed(strangers)}{letters} is", "rename or remove the folder"
    if len(strangers) > 1:
        what, remedy = f"classes {listed(strangers)}{letters} are", f"{remedy}s"
    return DataError(f"{root}: {what} not among the {len(fixed)} classes of {of}{near}; {remedy}")


def named_as(images: ImageList, known: Sequence[str]) -> ImageList:
    """`images` with its classes spelled as in `known` where they look the same."""
    spelled = same_look(images.classes, known)
    classes = tuple(spelled.get(name, name) for name in images.classes)
    return replace(images, classes=classes, notes=(*matched(spelled), *images.notes))


def find_images(pattern: str, asked: str = "predict_img_path", others: Counter[str] | None = None) -> list[str]:
    """The images that a path means: a file as it is, a folder with all below it, or a glob (** goes deep); sorted.

    asked: the key or argument that names them.  others: takes what of a folder is left out, as images_below counts it.
    Raises DataError if there is none.
    """
    others = Counter() if others is None else others
    if os.path.isfile(pattern):
        return [pattern]
    if os.path.isdir(pattern):
        found = [os.path.join(pattern, rest) for rest in images_below(pattern, others)]
    else:
        met = matches(pattern, others)
        found = sorted(path for path in met if os.path.splitext(path)[1].lower() in EXTENSIONS and os.path.isfile(path))
        if not found and any(map(os.path.isdir, met)):
            inside = os.path.join(pattern, "*")
            raise DataError(f"{asked}: {pattern!r} finds folders alone; {inside!r} would find what lies in them")
    if not found and os.path.exists(pattern) and not os.path.isdir(pattern):
        raise DataError(f"{asked}: {pattern!r} is no regular file, but a pipe or a device")
    if not found:
        raise DataError(f"{asked}: no image at {pattern!r}; expected an image, a folder or a glob")
    return found


def find_all_images(
    patterns: Sequence[str], asked: str = "predict_img_path", others: Counter[str] | None = None
) -> list[str]:
    """`find_images` of one pattern after the other; a file that an earlier one has found is not repeated."""
    found: list[str] = []
    seen: set[str] = set()
    for pattern in patterns:
        images = find_images(pattern, asked, others)
        files = [os.path.realpath(path) for path in images] if len(patterns) > 1 else images
        found += [path for path, file in zip(images, files) if file not in seen]
        seen.update(files)
    return found


def _notes(found: Listing, empty: list[str]) -> Iterator[str]:
    others = Counter(found.others)
    folders = Counter([f"{name}/" for name in (*found.hidden, *found.packed)])
    folders.update({name: others.pop(name) for name in list(others) if name.endswith("/")})
    yield from notes_of_folders(folders)
    if empty:
        yield f"left out folders without images: {listed(empty)}"
    for kind in (AGAIN, NO_FILE, LOOSE):
        if kind in others:
            yield f"left out: {others.pop(kind)} x {kind}"
    if others:
        yield note_of_others(others)


def notes_of_folders(others: Counter[str]) -> Iterator[str]:
    """The folders in it, as images_below counts them, that were left out or are named like images, in words."""
    folders = dict(sorted((name[:-1], count) for name, count in others.items() if name.endswith("/")))
    if hidden := {name: count for name, count in folders.items() if left_out(name)}:
        several = f", {sum(hidden.values()):,} in all" if sum(hidden.values()) > len(hidden) else ""
        yield f"left out hidden or system folders: {listed(list(hidden))}{several}"
    if alike := [name for name in folders if name not in hidden and name.lower().endswith(EXTENSIONS)]:
        yield f"folders named like images, read as folders all the same: {listed(alike)}"


def note_of_others(others: Counter) -> str:
    """Files that were left out, in words; others: ending -> files."""
    kinds = ", ".join(f"{count} x {ending}" for ending, count in sorted(others.items()))
    return f"left out files that are no images by their ending: {kinds}"
