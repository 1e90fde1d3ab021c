"""Pictures into folders named like their classes, as copies or links; the originals stay, nothing is overwritten."""

import contextlib
import filecmp
import itertools
import os
import shutil
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from ..data.list_index import is_plain
from ..errors import ConfigError, DataError
from ..files import is_too_long
from ..text import listed
from .predictions import Prediction

UNKNOWN = "unknown"


def _copy(source: Path, draft: Path) -> None:
    shutil.copy2(source, draft)


def _link(source: Path, draft: Path) -> None:
    draft.symlink_to(source)


WAYS: dict[str, Callable[[Path, Path], None]] = {"copy": _copy, "link": _link}


def check_folders(folder: Path, classes: Collection[str], *, rejects: bool) -> None:
    """Raises ConfigError for classes that can have no folder in `folder`, be it for their name or for a file there.

    rejects: whether there may be pictures of no class.
    """
    if sys.platform == "win32" and (bad := [name for name in classes if not is_plain(name)]):  # lead out of the folder
        raise ConfigError("sort_into", [f"no folder can be named like the class {listed(bad)}"])
    if long := [name for name in classes if is_too_long(name)]:
        raise ConfigError("sort_into", [f"no folder can be named like the class {listed(long)}: the name is too long"])
    for place in (folder / name for name in (*classes, *([unknown_of(classes)] if rejects else []))):
        if os.path.lexists(place) and not os.path.isdir(place):
            problem = f"{str(place)!r} is a file where pictures of that class are to go; remove it"
            raise ConfigError("sort_into", [f"{problem}, or name another folder"])


def unknown_of(classes: Collection[str]) -> str:
    """The name of the folder of pictures without a class, which is that of no class."""
    lower = {name.lower() for name in classes}
    names = itertools.chain([UNKNOWN], (f"{UNKNOWN}_{number}" for number in itertools.count(1)))
    return next(name for name in names if name not in lower)


class Sorter:
    """Puts one picture after the other below `folder`: to its class, or to unknown/ where it was rejected.

    A name that is taken gets a number. A picture that an earlier, killed job has put there is not put there again,
    given that the pictures come in the same order.
    """

    def __init__(self, folder: Path, way: str, classes: Collection[str]) -> None:
        """way: one of WAYS.  classes: of which `check_folders` has found nothing to object to."""
        self.folder, self._put = folder, WAYS[way]
        self._taken: set[int] = set()  # hashes of the names that this job has used
        self._open: dict[int, list[int]] = {}  # hash of a name -> numbers it may still get: [2, 5] is 2, 5, 6, 7 ...
        self.counts: Counter[str] = Counter()  # folder -> pictures
        self.unknown = unknown_of(classes)

    def add(self, prediction: Prediction) -> None:
        """Raises DataError where the disk does not take it. A picture that could not be read is left where it is."""
        if prediction.error:
            return
        source = Path(os.path.abspath(prediction.path))
        place = self.folder / (prediction.answer or self.unknown)
        self.counts[place.name] += 1
        try:
            place.mkdir(parents=True, exist_ok=True)
            self._place(source, place)
        except OSError as error:
            raise DataError(f"{place}: {source.name} cannot be put there: {error.strerror or error}") from None

    def in_words(self) -> str:
        """How many pictures are in how many folders, and how many of no known class."""
        unknown = self.counts[self.unknown]
        known = self.counts.total() - unknown
        return f"{known} picture(s) to {len(+self.counts) - bool(unknown)} class(es), {unknown} to {self.unknown}"

    def _place(self, source: Path, place: Path) -> None:
        name = hash(os.fspath(place / source.name))
        *left, start = self._open.get(name, [0])
        draft = place / f".{uuid.uuid4().hex[:8]}-draft"
        others = []  # numbers of files that are not of this job; a later picture may be the same as one
        try:
            for number in itertools.chain(left, itertools.count(start)):
                target = place / (f"{source.stem}_{number}{source.suffix}" if number else source.name)
                key = hash(os.fspath(target))
                if key in self._taken:
                    continue
                if self._is_put(source, draft, target):
                    self._taken.add(key)
                    break
                others.append(number)
        finally:
            draft.unlink(missing_ok=True)
        if number or left:  # of names that come once nothing is kept, for the memory
            self._open[name] = [*others, *(each for each in left if each > number), max(start, number + 1)]

    def _is_put(self, source: Path, draft: Path, target: Path) -> bool:
        """Put the picture at `target` where nothing is there; False where something else is."""
        if os.path.lexists(target):
            return _is_same(source, target)
        if not os.path.lexists(draft):
            self._put(source, draft)
        return _renamed(draft, target)  # somebody may have been quicker


def _is_same(source: Path, target: Path) -> bool:
    """Whether `target` is a link to the picture, or a copy of it."""
    with contextlib.suppress(OSError):
        return os.path.samefile(source, target) or filecmp.cmp(source, target, shallow=False)
    return False


def _renamed(draft: Path, target: Path) -> bool:
    """Give the draft its name, unless there is a file of this name by now."""
    try:
        os.link(draft, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except (OSError, NotImplementedError):  # no second names on this file system
        if os.path.lexists(target):
            return False
        os.rename(draft, target)
    return True
