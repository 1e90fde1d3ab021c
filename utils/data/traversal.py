"""Going through folders that others filled: hidden ones are left out, links followed without going in circles."""

import contextlib
import glob
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".jfif", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
AGAIN = "link to a folder that was read already"
NO_FILE = "pipe, device or broken link"
LOOSE = "image beside the class folders"
# What systems and programs leave in folders of pictures, thumbnails and deleted ones among it; in lower case
SYSTEM_FOLDERS = {
    *("@eadir", "#recycle", "#snapshot", "@tmp"),  # Synology
    *("@recycle", "@recently-snapshot", "@transcode"),  # QNAP
    *("~snapshot", "_gsdata_", "lost+found", "__pycache__"),  # NetApp, GoodSync, file systems, Python
    *("$recycle.bin", "system volume information", "found.000"),  # Windows
    *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"),  # macOS and its file servers
}


Stamp = tuple[int, int, int, int]  # times of change of content and of anything in ns, inode, device
Stamps = dict[str, Stamp]  # folder -> its stamp from before it was read
OPEN = (2**63 - 1, 0, 0, 0)  # instead, of a folder whose links to files may lead elsewhere without a trace in it


def images_below(folder: str, others: Counter, stamps: Stamps | None = None) -> Iterable[str]:
    """Image files below `folder` in sorted order, relative to it.

    others: counts what is none, by its ending, and folders to be named, as name + "/": left out, or named like images.

    stamps: takes in each folder that is read.  Raises DataError for a folder that cannot be read.
    """
    stamps = {} if stamps is None else stamps
    names = _only_images(folder, stamps)
    return _images_among(_below(folder, others, stamps), others) if names is None else names


def stamp_of(folder: str) -> Stamp:
    """What changes when a file comes into the folder, leaves it or gets another name. Raises OSError."""
    return _stamp(os.stat(folder))


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


def _is_open(entries: Iterable[os.DirEntry]) -> bool:
    """Whether there is a link to a file, or to nothing, among the entries of a folder."""
    return any(entry.is_symlink() and not holds(entry.is_dir) for entry in entries)


def _images_among(files: Iterable[tuple[str, os.DirEntry]], others: Counter) -> Iterator[str]:
    for name, entry in files:
        ending = os.path.splitext(name)[1].lower()
        if holds(entry.is_dir):
            if ending in EXTENSIONS:
                others[f"{entry.name}/"] += 1
        elif ending not in EXTENSIONS:
            others[ending or "no ending"] += 1
        elif holds(entry.is_file):
            yield name
        else:
            others[NO_FILE] += 1


def _only_images(folder: str, stamps: Stamps) -> list[str] | None:
    """The sorted names in `folder` if all are of plain image files, as in most folders of large sets; else None.

    All at once, because a million files take seconds where each is asked several questions.
    """
    try:
        stamps[folder] = stamp_of(folder)
        with os.scandir(folder) as entries:
            found = list(entries)
            names = sorted([entry.name for entry in found if entry.is_file(follow_symlinks=False)])
            if len(names) < len(found):
                names = sorted([entry.name for entry in found if entry.is_file()])
                stamps[folder] = OPEN if _is_open(found) else stamps[folder]
    except OSError:  # reported by whoever looks at each
        return None
    first_hidden = bisect_left(names, ".")
    are_hidden = any(name.startswith(".") for name in names[first_hidden : first_hidden + 1])
    is_plain = len(names) == len(found) and not are_hidden and _have_endings(names)
    return names if is_plain else None


def _have_endings(names: list[str]) -> bool:
    """Whether all names end as images do."""
    together = "/".join([*names, ""]).lower()  # no name holds a slash
    count = len(names)
    for ending in EXTENSIONS:
        count -= together.count(ending + "/")
        if not count:
            return True
    return False


def matches(pattern: str, others: Counter | None = None) -> set[str]:
    """What a glob finds; ** matches any number of folders, none through a link that leads round in a circle.

    others: counts what is left out on the way, as images_below does.
    """
    others = Counter() if others is None else others
    parts = Path(pattern).parts
    if "**" not in parts:
        paths = {path: _system_folder(path, parts) for path in glob.glob(pattern)}  # which leaves out hidden ones
        others.update(f"{os.path.basename(folder)}/" for folder in set(filter(None, paths.values())))
        return {path for path, folder in paths.items() if not folder}
    first = parts.index("**")
    tail = os.path.join(*parts[first + 1 :] or "*")
    found: set[str] = set()
    for base in glob.glob(os.path.join(*parts[:first])) if first else [""]:
        if os.path.isdir(base or os.curdir):
            below = (name for name, entry in _below(base or os.curdir, others, {}) if holds(entry.is_dir))
            for folder in ("", *below):
                found |= matches(os.path.join(glob.escape(os.path.join(base, folder)), tail))
    return found


def _system_folder(path: str, asked: Collection[str]) -> str:
    """The uppermost part of a path that a system leaves, unless `asked` for by name; '' where there is none."""
    parts = Path(path).parts
    found = (i for i, name in enumerate(parts, 1) if name not in asked and _is_of_a_system(name))
    return next((os.path.join(*parts[:i]) for i in found), "")


def left_out(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a folder that is no user's."""
    return name.startswith(".") or _is_of_a_system(name)


def _is_of_a_system(name: str) -> bool:
    return name.lower() in SYSTEM_FOLDERS


def holds(question: Callable[[], bool]) -> bool:
    """The answer of a directory entry; a symbolic link to itself has none."""
    try:
        return question()
    except OSError:
        return False


@dataclass
class _Level:
    prefix: str  # the folder, relative to where the walk began
    identity: tuple[int, int]  # device and inode
    entries: Iterator[os.DirEntry]


def _below(folder: str, others: Counter, stamps: Stamps) -> Iterator[tuple[str, os.DirEntry]]:
    """(relative name, entry) of all files and folders below `folder`, depth first, sorted within each.

    A folder is entered once through links however many lead to it, so that neither circles nor ladders of links, whose
    ways double with each rung, take forever. (A list in place of recursion: folders nest deeper than Python's calls.)
    """
    levels = [_enter(folder, "", stamps)]
    seen = {levels[0].identity}
    while levels:
        entry = next(levels[-1].entries, None)
        if entry is None:
            levels.pop()
            continue
        if left_out(entry.name):
            if holds(entry.is_dir):
                others[f"{entry.name}/"] += 1
            continue
        name = os.path.join(levels[-1].prefix, entry.name)
        if holds(entry.is_dir):
            level = _enter(entry.path, name, stamps)
            is_again = level.identity in seen and holds(entry.is_symlink)
            if is_again or any(level.identity == above.identity for above in levels):
                others[AGAIN] += 1
                continue
            seen.add(level.identity)
            levels.append(level)
        yield name, entry


def _enter(folder: str, prefix: str, stamps: Stamps) -> _Level:
    try:
        status = os.stat(folder)
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        stamps[folder] = OPEN if _is_open(found) else _stamp(status)
        return _Level(prefix, (status.st_dev, status.st_ino), iter(found))
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from None


def list_classes(root: str | Path) -> list[str]:
    """Names of the folders below `root` that hold at least one image, sorted. Raises DataError if root is no folder."""
    names, _ = class_folders(root, {})
    return [name for name in names if holds_image(os.path.join(root, name))]


def holds_image(folder: str) -> bool:
    """Whether there is an image somewhere below; of a large folder that begins with one, the rest is not read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        if any(_is_image(entry) for entry in entries):
            return True
    return any(images_below(folder, Counter()))


def _is_image(entry: os.DirEntry) -> bool:
    named_so = os.path.splitext(entry.name)[1].lower() in EXTENSIONS
    return named_so and not left_out(entry.name) and holds(entry.is_file)


def class_folders(root: str | Path, stamps: Stamps, others: Counter | None = None) -> tuple[list[str], list[str]]:
    """(folders that may be classes, folders left out), each sorted; `stamps` takes in `root`, `others` loose images."""
    try:
        status = os.stat(root)
        with os.scandir(root) as entries:
            found = list(entries)
        stamps[str(root)] = OPEN if _is_open(found) else _stamp(status)
        names = sorted(entry.name for entry in found if holds(entry.is_dir))
        if others is not None and (loose := sum(_is_image(entry) for entry in found)):
            others[LOOSE] += loose
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{root}: no such folder; expected one folder a class in it") from None
    except PermissionError:
        raise DataError(f"{root}: no permission to read this folder") from None
    except OSError as error:
        raise DataError(f"{root}: {error.strerror}") from None
    return [name for name in names if not left_out(name)], [name for name in names if left_out(name)]
