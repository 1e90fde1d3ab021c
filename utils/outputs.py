"""Where a tool writes what was asked for."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from .errors import DataError

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")


def picture_path(asked: Path | None, default: Path, *, overwrite: bool) -> Path:
    """`asked`, else `default`, which bears a tool's own name and may be replaced.

    Raises DataError if `asked` is no name for a picture, has no folder to go to, or exists and is not to be replaced.
    """
    if asked is None:
        return default
    check_new_file(asked, PICTURE_ENDINGS, overwrite=overwrite)
    return asked


def check_new_file(asked: Path, endings: tuple[str, ...], *, overwrite: bool) -> None:
    """Raises DataError if `asked` has another ending, no folder to go to, or exists and is not to be replaced."""
    if asked.suffix.lower() not in endings:
        raise DataError(f"--output: expected a file ending in one of {', '.join(endings)}, got {str(asked)!r}")
    if not asked.parent.is_dir():
        raise DataError(f"--output: there is no folder {str(asked.parent)!r}")
    if asked.is_dir() or (asked.exists() and not overwrite):
        raise DataError(f"--output: {asked} exists already" + ("" if asked.is_dir() else "; --overwrite replaces it"))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write to `path` into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None
