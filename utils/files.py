"""A folder that appears whole or not at all."""

import contextlib
import os
import shutil
import uuid
from pathlib import Path

from .errors import DataError


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
