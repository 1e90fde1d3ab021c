"""Lines on the console and in train.log; only rank 0 writes."""

import contextlib
import logging
import logging.handlers
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from . import distributed
from .console import discard
from .text import one_line

log = logging.getLogger("train")


class _Line(logging.Formatter):
    """A record is a line, whatever the names in it hold."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


class _Console(logging.Handler):
    """To standard output, around progress bars; one that cannot be written to does not end the run."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the first of record.shorter, which gets ever shorter, that a terminal has room for."""
        text = super().format(record)
        shorter = getattr(record, "shorter", ())
        if not shorter or not sys.stdout.isatty():
            return text
        columns = shutil.get_terminal_size().columns
        return next((line for line in (text, *shorter) if len(line) <= columns), shorter[-1])

    def emit(self, record: logging.LogRecord) -> None:
        try:
            tqdm.write(self.format(record).encode(errors="replace").decode(), file=sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader is gone for good, as after `| head`
            discard(sys.stdout)
        except (OSError, ValueError):
            pass  # a full disk may have room for the next line; train.log has this one


class _File(logging.FileHandler):
    """To train.log; a full disk must neither end the run nor print a traceback for each line."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def unsaid() -> Iterator[None]:
    """Nothing is logged within: what is done for a trial is done, and said, again."""
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


class RunLog:
    """Logs on the console at once; lines from before the run folder exists are kept for its train.log."""

    def __init__(self) -> None:
        log.setLevel(logging.INFO)
        log.propagate = False
        self.early = logging.handlers.MemoryHandler(10_000, flushLevel=logging.CRITICAL + 1)
        self.handlers: list[logging.Handler] = (
            [_Console(), self.early] if distributed.is_main() else [logging.NullHandler()]
        )
        for handler in self.handlers:
            handler.setFormatter(_Line("%(message)s"))
            log.addHandler(handler)

    def write_to(self, folder: Path) -> None:
        """Add to train.log in `folder`: all that was said so far and whatever follows."""
        if not distributed.is_main():
            return
        file = _File(folder / "train.log", encoding="utf-8", errors="backslashreplace")
        file.setFormatter(_Line("%(asctime)s %(levelname)s %(message)s"))
        self.early.setTarget(file)
        self.early.flush()
        log.removeHandler(self.early)
        log.addHandler(file)
        self.handlers.append(file)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        for handler in self.handlers:
            log.removeHandler(handler)
            handler.close()
