"""report.html while a run goes on and when it ends. A page that cannot be written is a warning, whatever the reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..log import log
from .folder import RunFolder
from .observers import Epoch

if TYPE_CHECKING:
    from ..run_page.look import Limits

SHARE = 0.02  # of the time, at most, goes into the pages of a run
LEAST_SECONDS = 1.0  # that the last one may take in any case, for each of its two parts
PICTURES, CAMS = 600, 12  # tools/report.py draws more


def at_the_end(seconds: float, max_pixels: int) -> Limits:
    """The work for the page of what took so many seconds."""
    from ..run_page.look import Limits

    return Limits(PICTURES, CAMS, max(LEAST_SECONDS, SHARE / 2 * seconds), max_pixels)


class Page:
    """An observer: after an epoch the page without pictures, which refreshes itself; at the end the whole one.

    On ranks other than 0 nothing is written.
    """

    every = 0

    def __init__(self, folder: RunFolder, max_pixels: int) -> None:
        """max_pixels: of an image; of a larger one there is no picture."""
        self.folder, self.max_pixels, self.begin = folder, max_pixels, time.monotonic()
        self.next, self.failed = self.begin, False

    def on_step(self, step: int, figures: dict[str, float]) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None:
        if not self.folder.writes or time.monotonic() < self.next:
            return
        from ..run_page.write import write_progress  # matplotlib takes a second to import

        start = time.monotonic()
        self._try(lambda: write_progress(self.folder.path))
        end = time.monotonic()
        self.next = end + (end - start) / SHARE

    def finish(self) -> None:
        """Of the run that has ended, by best.pth."""
        if not self.folder.writes:
            return
        from ..run_page.shell import REPORT
        from ..run_page.write import write_report

        limits = at_the_end(time.monotonic() - self.begin, self.max_pixels)
        self._try(lambda: write_report(self.folder.path, limits))
        if not self.failed:
            log.info(f"report: {self.folder.path / REPORT}")

    def _try(self, write: Callable[[], object]) -> None:
        """Report the first failure of several in a row."""
        before, self.failed = self.failed, False
        try:
            write()
        except Exception as error:  # of a disk, of a file that somebody has changed: the network is what counts
            self.failed = True
            if not before:
                log.warning(f"{self.folder.path}: cannot write report.html: {type(error).__name__}: {error}")
