"""Files and folders that appear whole or not at all, and checks of the paths to write them to."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .errors import DataError

UMASK = os.umask(0)  # can only be read by being set, which another thread would notice: once, before there are any
os.umask(UMASK)
# what file systems answer that cannot synchronise a folder
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EBADF)


class DraftFolder:
    """`with DraftFolder(target) as draft`: write into the folder `draft`, which takes the name `target` at the end.

    The draft is a hidden folder beside `target`. After an error or Ctrl-C it is removed, as are the folders above it
    that were made for it. Raises DataError if `target` exists, unless it is an empty folder.
    """

    def __init__(self, target: str | Path) -> None:
        self.target = Path(target).resolve()

    def __enter__(self) -> Path:
        check_free(self.target)
        self._made = [parent for parent in self.target.parents if not parent.exists()]
        self._draft = self.target.parent / f".{self.target.name}-{uuid.uuid4().hex[:8]}"
        try:
            self._draft.mkdir(parents=True)
        except BaseException as error:
            self._clear()
            if isinstance(error, OSError):
                raise DataError(f"{self.target}: cannot be made: {error.strerror}") from None
            raise
        return self._draft

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                self._rename()
        finally:
            self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self._draft, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: where the target now is, or another command has been
            for parent in self._made:
                parent.rmdir()

    def _rename(self) -> None:
        check_free(self.target)
        with contextlib.suppress(FileNotFoundError):
            self.target.rmdir()  # Windows replaces no folder, not even an empty one
        os.replace(self._draft, self.target)


def check_free(target: Path) -> None:
    """Raises DataError if `target` exists and is more than an empty folder."""
    if target.is_dir() and not any(target.iterdir()):
        return
    if os.path.lexists(target):
        what = "is not empty" if target.is_dir() else "exists already"
        raise DataError(f"{target}: {what}; nothing is overwritten: name another folder or remove this one")


class atomic_file:
    """`with atomic_file(path) as file`: bytes go to a file beside `path`, are flushed to disk, then take its name.

    keep: a path in the same folder, which the previous file at `path` gets.  private: for nobody but this user.
    """

    def __init__(self, path: str | Path, *, keep: str | Path | None = None, private: bool = False) -> None:
        self.path, self.private = Path(path), private
        self.keep = keep and Path(keep)

    def __enter__(self) -> Any:
        prefix = hidden_beside(self.path, "-", behind=8).name
        descriptor, self.draft = tempfile.mkstemp(dir=self.path.parent, prefix=prefix)
        self.file = os.fdopen(descriptor, "wb")
        return self.file

    def __exit__(self, kind: type | None, *_: Any) -> None:
        try:
            with self.file:  # closing may fail too: it writes what is left
                if kind is None:
                    self.file.flush()
                    os.fsync(self.file.fileno())
            if kind is None:
                if not self.private:  # as mkstemp makes them
                    os.chmod(self.draft, 0o666 & ~UMASK)
                if self.keep and self.path.exists():
                    _second_name(self.path, self.keep)
                os.replace(self.draft, self.path)
                _sync_folder(self.path.parent)
        finally:
            Path(self.draft).unlink(missing_ok=True)


def _second_name(path: Path, name: Path) -> None:
    """Give the file `path` the name `name` too, so that at no moment either is missing."""
    spare = path.with_name(f".{path.name}-previous")
    spare.unlink(missing_ok=True)
    try:
        os.link(path, spare)
    except OSError:  # no second names on this file system: the file is missing for a moment
        os.replace(path, name)
    else:
        os.replace(spare, name)
        spare.unlink(missing_ok=True)  # which is left where `name` was one of the file's names already


def remove_drafts(folder: Path) -> None:
    """Delete what atomic_file left in `folder` where a process was killed; nobody else may be writing there."""
    for path in folder.iterdir():
        if re.fullmatch(r"\..+\.\w+-[a-z0-9_]{8}", path.name):
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where folders can be synchronised: not on Windows, nor on some network file systems."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def write_text(path: str | Path, text: str) -> None:
    """Replace a text file as a whole, in UTF-8."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def write_json(path: str | Path, content: Any, *, indent: int = 1) -> None:
    """Replace a file of JSON as a whole: as every reader takes it, whatever bytes are in a name.

    Raises ValueError for numbers that JSON does not have, nan and infinity.
    """
    write_text(path, _json_text(content, indent) + "\n")


def write_json_list(path: str | Path, items: Iterable[Any]) -> None:
    """What write_json writes of a list of these; one item after the other, so that there may be many."""
    with atomic_file(path) as file:
        lead = "[\n "
        for item in items:
            file.write((lead + _json_text(item, 1).replace("\n", "\n ")).encode())
            lead = ",\n "
        file.write(b"[]\n" if lead[0] == "[" else b"\n]\n")


def _json_text(content: Any, indent: int) -> str:
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    return HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


HALVES = re.compile("[\ud800-\udfff]")  # of characters, and bytes of a name that are no text: no UTF-8
PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")


def picture_path(requested: Path | None, default: Path, *, overwrite: bool) -> Path:
    """`requested`, else `default`, which bears a tool's own name and may be replaced.

    Raises DataError if `requested` is no name for a picture, has no folder to go to, or exists and may not be replaced,
    and if neither can be written.
    """
    if requested is None:
        check_writable(default.parent, "--output")
        return default
    check_new_file(requested, PICTURE_ENDINGS, overwrite=overwrite)
    return requested


def check_new_file(path: Path, endings: tuple[str, ...], *, overwrite: bool) -> None:
    """Raises DataError if `path` has another ending, no folder that takes it, or exists and is not to be replaced."""
    if path.suffix.lower() not in endings:
        raise DataError(f"--output: expected a file ending in one of {', '.join(endings)}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise DataError(f"--output: there is no folder {str(path.parent)!r}")
    if path.is_dir() or (path.exists() and not overwrite):
        raise DataError(f"--output: {path} exists already" + ("" if path.is_dir() else "; --overwrite replaces it"))
    check_writable(path.parent, "--output")


def unwritable(folder: Path) -> str | None:
    """Why no file can be made in `folder` or, where that is still to be made, in what it is to be made in.

    A file without a name is tried, as nothing else asks a disk that is read-only, or a folder of another system.
    """
    place = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    try:
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as error:
        reason = "it is no folder" if not os.path.isdir(place) else error.strerror or str(error)
        return f"in {str(place)!r}: {reason}"


def check_writable(folder: Path, asked: str) -> None:
    """Raises DataError, which begins with what the user was `asked` for, if no file can be made in `folder`."""
    if problem := unwritable(folder):
        raise DataError(f"{asked}: cannot write {problem}; name another place")


def is_too_long(name: str) -> bool:
    """Whether file systems take no file of this name: the most is 255 bytes, on Windows 255 units of UTF-16."""
    units = len(name.encode("utf-16-le", "surrogatepass")) // 2 if sys.platform == "win32" else len(os.fsencode(name))
    return units > 255


def hidden_beside(path: Path, ending: str, *, behind: int = 0) -> Path:
    """`.NAME` + ending, in the same folder. Where that would be too long, a hash takes the place of the name's end.

    behind: letters that the caller will add.
    """
    name = f".{path.name}{ending}"
    if is_too_long(name + "x" * behind) and not is_too_long(path.name):  # one that is has no file to lie beside
        name = f".{_cut(path.name)}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}{ending}"
    return path.with_name(name)


OF_NO_RUN = Path("logs", "other")  # where what a tool makes goes that belongs to no run and was given no name
MOST_BYTES = 200  # of a name's stem, of the 255 that file systems take: a number and an ending come behind it


@contextlib.contextmanager
def new_file(folder: Path, stem: str, *endings: str) -> Iterator[Path]:
    """A path in `folder` that no file has had: stem + the first ending, or with a number behind the stem.

    It is taken at once by an empty file, which is to be replaced, and goes if that does not happen. Under the other
    endings there is no file either. Raises DataError where none can be made.
    """
    stem = _cut(stem)
    with writing(folder / f"{stem}{endings[0]}"):
        folder.mkdir(parents=True, exist_ok=True)
        path = _first_free(folder, stem, endings)
    try:
        with writing(path):
            yield path
    finally:
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()


def _cut(stem: str) -> str:
    while len(os.fsencode(stem)) > MOST_BYTES:
        stem = stem[:-1]
    return stem


def _first_free(folder: Path, stem: str, endings: tuple[str, ...]) -> Path:
    for number in itertools.count():
        name = f"{stem}_{number}" if number else stem
        path, *others = (folder / f"{name}{ending}" for ending in endings)
        if not any(map(os.path.lexists, others)):
            with contextlib.suppress(FileExistsError):  # or another command was quicker
                path.touch(exist_ok=False)
                return path
    raise AssertionError("numbers do not end")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write to `path` into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None
