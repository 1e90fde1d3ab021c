"""What is written while a run goes on, also where a disk is full.

A write that fails is reported and made up for at the next one. Only what nothing could make up for ends the run: the
state of a run that is stopping, and whatever is still missing when it ends.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

from .. import distributed
from ..errors import SaveError
from ..log import log
from ..training.metrics import Evaluation, Metrics
from ..weights.best import Best
from ..weights.checkpoint import weights_alone, write_checkpoint
from ..weights.run_folder import BEST, LAST
from .folder import RunFolder

Write = Callable[[], None]


class Saver:
    """Writes to `folder`; on ranks other than 0 nothing."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.pending: dict[str, Write] = {}  # what could not be written so far, in its order
        self.failed: dict[str, str] = {}  # name -> message, of what could not be written when last tried

    def write(self, name: str, write: Write) -> None:
        """Call `write`, after all that is pending. If it fails it is pending too: what it writes must not change."""
        self.pending.pop(name, None)
        self.pending[name] = write
        self._settle()

    def best(self, checkpoint: dict[str, Any], evaluation: Evaluation, metrics: Metrics) -> None:
        """best.pth and its tables. While it is pending it is kept in memory, since the weights move on.

        checkpoint: of the epoch that is the best now; evaluation, metrics: of the weights in it that scored.
        """
        content = weights_alone(checkpoint)
        self.write(BEST, lambda: self.folder.save(BEST, content))
        if BEST in self.pending:
            kept = io.BytesIO()
            write_checkpoint(kept, content)
            self.pending[BEST] = lambda: self.folder.save_bytes(BEST, kept.getvalue())
        if (best := Best.from_plain(checkpoint["best"])) is not None:
            tables = partial(self.folder.record_best, best, evaluation, metrics, checkpoint["classes"])
            self.write("the tables of best.pth", tables)

    def has_best(self) -> bool:
        """Whether best.pth is written and up to date; the same on every rank."""
        self._settle()
        return distributed.from_main(BEST not in self.pending and (self.folder.path / BEST).is_file())

    def last(self, checkpoint: dict[str, Any], *, final: bool = False) -> None:
        """last.pth. final: no later one will make up for it if it fails, which raises SaveError then."""
        self._settle()
        done = self._done(LAST, lambda: self.folder.save(LAST, checkpoint), quiet=final)
        if final and not done:
            rest = "that of the save before is intact" if (self.folder.path / LAST).exists() else "there is none before"
            raise SaveError(f"{self.failed[LAST]}; {rest}")

    def finish(self) -> None:
        """The pictures of the whole run. Raises SaveError if they or something else cannot be written."""
        self.pending["the pictures"] = self.folder.draw
        self._settle(quiet=True)
        if self.pending:
            raise SaveError("; ".join(self.failed[name] for name in self.pending))

    def _settle(self, *, quiet: bool = False) -> None:
        self.pending = {name: write for name, write in self.pending.items() if not self._done(name, write, quiet=quiet)}

    def _done(self, name: str, write: Write, *, quiet: bool) -> bool:
        """Whether `write` went well; a new failure is reported."""
        before = self.failed.pop(name, None)
        try:
            if self.folder.writes:
                write()
        except OSError as error:
            self.failed[name] = f"{self.folder.path}: cannot write {name}: {error.strerror or error}"
            if self.failed[name] != before and not quiet:
                log.warning(f"{self.failed[name]}; training goes on, and the next save tries again")
            return False
        return True
