"""Standard output and error, which may be closed, full or gone: no reason to end the work."""

import io
import os
import sys
from typing import TextIO


def prepare_streams() -> None:
    """A stream that is closed, as after `>&-`, leads nowhere; what a console cannot show is shown as escapes."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for good
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def put_line(line: str) -> None:
    """Print it at once. Where nobody takes it, as after `| head` or on a full disk, nothing more is printed."""
    try:
        print(line, flush=True)
    except OSError:
        discard(sys.stdout)


def finish_streams() -> None:
    """Discard what cannot be written: Python's last flush would fail on it and change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            discard(stream)


def discard(stream: TextIO) -> None:
    """From here on, `stream` goes nowhere: nobody reads it."""
    if stream.closed:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
