"""A disk that is read-only, for a process that may do anything: permissions do not bind root, who runs tests in CI."""

import errno
import os
from pathlib import Path


def make_read_only(monkeypatch, folder):
    """From now on, this process can neither open a file below `folder` for writing, nor make a folder there."""
    folder = Path(folder).resolve()
    opened, made = os.open, os.mkdir

    def check(path):
        if isinstance(path, (str, bytes, os.PathLike)) and Path(os.fsdecode(path)).resolve().is_relative_to(folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def open_file(path, flags, *args, **options):
        if flags & (os.O_WRONLY | os.O_RDWR):
            check(path)
        return opened(path, flags, *args, **options)

    def make_folder(path, *args, **options):
        check(path)
        return made(path, *args, **options)

    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(os, "mkdir", make_folder)
