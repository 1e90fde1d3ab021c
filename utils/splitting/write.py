"""The divided images as files: copied, linked, or only listed."""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..distinct_names import DistinctNames, folded
from ..errors import DataError
from ..tables import write_rows
from ..thread_pool import in_threads
from .sources import LabelledFiles


def write_files(
    draft: Path,
    source: LabelledFiles,
    parts: Mapping[str, Sequence[int]],
    copies: Mapping[int, str],
    mode: str,
    instead: str = "use --copy",
) -> None:
    """draft/<part>/<class>/<file> for the images of each part.

    copies: image -> path of the smaller copy that goes there in its place.  mode: "copy" or "link".
    instead: the advice where links are not possible.
    Raises DataError if a file cannot be read or written.
    """
    names = distinct_names(source, copies)
    jobs = [
        (copies.get(i, source.paths[i]), draft / part / source.label(i) / names[i])
        for part, images in parts.items()
        for i in images
    ]
    for folder in {target.parent for _, target in jobs}:
        _attempt(partial(folder.mkdir, parents=True, exist_ok=True), folder)
    place = _copy if mode == "copy" else partial(_link, instead=instead)
    for _ in in_threads(place, jobs, {"copy": "copying", "link": "linking"}[mode]):
        pass


def write_manifests(draft: Path, source: LabelledFiles, parts: Mapping[str, Sequence[int]]) -> None:
    """draft/<part>.csv with columns path and label; paths are relative to the csv.

    Names are written unchanged, since programs read these files: a spreadsheet may take a label such as +1 for a
    formula.
    """
    for part, images in parts.items():
        path = draft / f"{part}.csv"
        rows = [(_relative(source.paths[i], path.parent), source.label(i)) for i in images]
        path.parent.mkdir(exist_ok=True)
        write_rows(path, [("path", "label"), *sorted(rows)])


def distinct_names(source: LabelledFiles, copies: Mapping[int, str]) -> list[str]:
    """The file of each image below its class folder: its own name, with the ending of its smaller copy, and _2, _3 ...
    where names of a class would be the same, also on systems to which A.png and a.png are one, and the classes Cat and
    cat one folder."""
    names = [""] * len(source)
    folders = [folded(name) for name in source.classes]
    of_folder: dict[str, DistinctNames] = defaultdict(DistinctNames)
    for i in sorted(range(len(source)), key=lambda i: (source.targets[i], source.files[i], source.names[i])):
        stem, ending = os.path.splitext(source.files[i])
        ending = os.path.splitext(copies[i])[1] if i in copies else ending
        names[i] = of_folder[folders[source.targets[i]]].add(stem, ending)
    return names


def _relative(path: str, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # another drive of Windows
        return os.path.abspath(path)


def _copy(job: tuple[str, Path]) -> None:
    source, target = job
    _attempt(partial(shutil.copyfile, source, target), target)


def _link(job: tuple[str, Path], instead: str) -> None:
    """A hard link; a symbolic one where that cannot be, across file systems for one."""
    source, target = os.path.realpath(job[0]), job[1]
    try:
        os.link(source, target)
    except OSError:
        _attempt(partial(os.symlink, source, target), target, hint=f"; links are not possible here, {instead}")


def _attempt(action: Callable[[], object], path: Path, hint: str = "") -> None:
    try:
        action()
    except OSError as error:
        raise DataError(f"{error.filename or path}: {error.strerror or error}{hint}") from None
