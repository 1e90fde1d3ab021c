"""One command at a time in a folder. The lock is the system's: it ends with the process, however that ends.

filelock, which comes with torch, would lose what users see of it: who holds the lock, and a folder that is clean after.
"""

import errno
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import distributed
from .errors import ConfigError
from .log import log

NAME = ".lock"
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)  # a link would have the file made elsewhere
BYTE = 1 << 30  # which byte is locked: far behind the text, which Windows would otherwise keep others from reading


@contextmanager
def held(folder: Path, kind: str = "run") -> Iterator[None]:
    """Keep others out of `folder` for the duration; rank 0 holds the lock for all its ranks.

    kind: of what writes there, in a word.
    Raises ConfigError on every rank if another process holds it, or something that is no file has the name of the lock.
    Where the file system has no locks, there is none.
    """
    lock, refusal = None, None
    if distributed.is_main():
        try:
            lock = _acquire(folder / NAME, kind)
        except ConfigError as error:
            refusal = error.problems
    if refusal := distributed.from_main(refusal):
        raise ConfigError(str(folder), refusal)
    try:
        yield
    finally:
        if lock is not None:
            _release(folder / NAME, lock)


def _acquire(path: Path, kind: str) -> int | None:
    """The descriptor of the locked file, None where there are no locks."""
    while True:
        descriptor = _opened(path)
        try:
            _lock(descriptor)
            if _is_at(path, descriptor):
                break
        except OSError as error:
            holder = os.read(descriptor, 200).decode(errors="replace")
            os.close(descriptor)
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                log.warning(f"{path.parent}: not locked against a second command: {error.strerror}")
                return None
            hint = "wait until it has ended, or stop it"
            raise ConfigError(
                str(path.parent), [f"another {kind} is writing here ({holder or 'unknown'}); {hint}"]
            ) from None
        os.close(descriptor)  # the run that held it has just ended and taken its file away
    with suppress(OSError):  # a full disk has no room for the name, but locks
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
    return descriptor


def _opened(path: Path) -> int:
    """Its descriptor. A folder that a command has just removed, as a prediction does with its own, is made again.

    Raises ConfigError where a link or a folder is in its place.
    """
    try:
        try:
            return os.open(path, FLAGS, 0o666)
        except FileNotFoundError:
            path.parent.mkdir(exist_ok=True)
            return os.open(path, FLAGS, 0o666)
    except OSError:  # of different kinds: ELOOP, EMLINK, EISDIR, EACCES
        what = "link" if path.is_symlink() else "folder" if path.is_dir() else ""
        if not what:
            raise
        problem = f"{path} is a {what} in place of the file that keeps a second command out; remove it"
        raise ConfigError(str(path.parent), [problem]) from None


def _lock(descriptor: int) -> None:
    """Raises OSError if another process has it. Child processes, such as loading workers, do not inherit it."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, BYTE)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(path: Path, descriptor: int) -> None:
    """The file goes first, while it is locked, so that nobody locks one that is about to go."""
    if os.name != "nt":
        path.unlink(missing_ok=True)
    os.close(descriptor)
    if os.name == "nt":  # which deletes no open file, nor one that another process has opened meanwhile
        with suppress(PermissionError):
            path.unlink(missing_ok=True)
