"""What is written while a run goes on, and what becomes of it when a disk is full.

A write that fails is told and made up for at the next one. Only what nothing could make up for ends the run: the state
of a run that is stopping, and whatever is still missing when it ends.
"""

import io
from collections.abc import Callable
from typing import Any

from ..errors import SaveError
from ..log import log
from ..training.engine import Evaluation
from ..training.metrics import Metrics
from ..weights.checkpoint import BEST, LAST, write_checkpoint
from .folder import RunFolder

Write = Callable[[], None]


class Saver:
    """Writes to `folder`; on ranks other than 0 nothing."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.owed: dict[str, Write] = {}  # what could not be written, in its order
        self.complaints: dict[str, str] = {}  # of the names that could not be written when last tried

    def write(self, name: str, write: Write) -> None:
        """Call `write`, after all that is owed. If it fails it is owed: what it writes must not change."""
        self.owed.pop(name, None)
        self.owed[name] = write
        self._settle()

    def best(self, checkpoint: dict[str, Any]) -> None:
        """best.pth. While it is owed it is kept in memory, since the weights move on."""
        self.write(BEST, lambda: self.folder.save(BEST, checkpoint))
        if BEST in self.owed:
            content = io.BytesIO()
            write_checkpoint(content, checkpoint)
            self.owed[BEST] = lambda: self.folder.save_bytes(BEST, content.getvalue())

    def last(self, checkpoint: dict[str, Any], *, final: bool = False, is_best: bool = False) -> None:
        """last.pth. final: no later one will make up for it if it fails, which raises SaveError then.

        is_best: best.pth holds the same, and to copy a file takes less than half the time of writing a checkpoint.
        """
        self._settle()
        write = (lambda: self.folder.copy(BEST, LAST)) if is_best else (lambda: self.folder.save(LAST, checkpoint))
        done = self._done(LAST, write, quiet=final)
        if final and not done:
            rest = "that of the save before is intact" if (self.folder.path / LAST).exists() else "there is none before"
            raise SaveError(f"{self.complaints[LAST]}; {rest}")

    def epoch(
        self, checkpoint: dict[str, Any], metrics: Metrics, best: tuple[Evaluation, Metrics] | None, *, final: bool
    ) -> None:
        """All that the end of an epoch leaves, last.pth at the end: a run that is killed before does all of it again.

        metrics: of the raw weights.  best: of the weights in `checkpoint` that are the best so far, if they are.
        """
        history, classes = list(checkpoint["history"]), checkpoint["classes"]
        if best is not None:
            self.best(checkpoint)
            self.write("the tables of best.pth", lambda: self.folder.record_best(*best, classes))
        self.write(f"the row of epoch {len(history)}", lambda: self.folder.record(history, metrics, classes))
        self.last(checkpoint, final=final, is_best=best is not None and BEST not in self.owed)

    def finish(self) -> None:
        """The pictures of the whole run. Raises SaveError if they or something else cannot be written."""
        self.owed["the pictures"] = self.folder.draw
        self._settle(quiet=True)
        if self.owed:
            raise SaveError("; ".join(self.complaints[name] for name in self.owed))

    def _settle(self, *, quiet: bool = False) -> None:
        self.owed = {name: write for name, write in self.owed.items() if not self._done(name, write, quiet=quiet)}

    def _done(self, name: str, write: Write, *, quiet: bool) -> bool:
        """Whether `write` went well; a new complaint is told."""
        before = self.complaints.pop(name, None)
        try:
            if self.folder.writes:
                write()
        except OSError as error:
            self.complaints[name] = f"{self.folder.path}: cannot write {name}: {error.strerror or error}"
            if self.complaints[name] != before and not quiet:
                log.warning(f"{self.complaints[name]}; training goes on, and the next save tries again")
            return False
        return True
