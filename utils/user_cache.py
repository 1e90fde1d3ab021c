"""Files in the user's cache folder: what can be made again, kept because that takes long.

They are the user's alone. What lies there is read as data from a stranger by those who wrote it.
"""

import os
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path

KEPT = 90 * 24 * 3600  # seconds since a file was last of use, after which it may be removed


def cache_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where the system keeps what programs of this user can make again. Raises RuntimeError where there is no home."""
    base = environ.get("LOCALAPPDATA" if platform == "win32" else "XDG_CACHE_HOME", "")
    if platform == "darwin" or not os.path.isabs(base):
        home = Path.home()
        base = str(home / {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(platform, ".cache"))
    return Path(base) / "image-classification"


def cache_path(kind: str, name: str) -> Path | None:
    """Of a file among those of its kind; None for a user without a home."""
    try:
        return cache_folder() / kind / name
    except RuntimeError:
        return None


def make_folder(path: Path) -> None:
    """The folder of a file, for this user alone. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def read_own(path: Path) -> bytes:
    """Raises OSError if there is no file, ValueError if it is none of this user's, or a pipe or a device."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
            raise ValueError(path)
        return file.read()


def remove_forgotten(folder: Path) -> None:
    """Files and drafts that were of no use for long. Raises OSError."""
    for path in folder.iterdir():
        if path.stat().st_mtime < time.time() - KEPT:
            path.unlink()
