"""Observers: who is given the figures of a run while it goes on. The tables of the run folder are one of them.

Trackers are behind another, in tracking.py. One of your own is a class with these methods in the list that
`train.run(observers=...)` takes. On every rank each is called; rank 0 alone should write.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from .. import distributed
from ..config.keys import TrainConfig
from ..log import log
from ..training.metrics import COLUMNS as COLUMNS_OF_MONITORS
from ..training.metrics import Metrics
from ..training.state import Progress
from .folder import RunFolder
from .hints import waiting_hint


@dataclass(frozen=True)
class Epoch:
    """A finished epoch."""

    history: list[dict[str, Any]]  # rows of results.csv so far, this epoch's last
    metrics: Metrics  # of the raw weights, class by class
    classes: list[str]
    progress: Progress  # of the training, over all ranks
    best_weights: str  # 'raw' or 'averaged': those of this epoch that are the best of the run so far; '' for none
    epochs: int  # that the run is to have

    @property
    def is_best(self) -> bool:
        return bool(self.best_weights)

    @property
    def row(self) -> dict[str, Any]:
        return self.history[-1]


class Observer(Protocol):
    """every: steps between two calls of on_step; 0 for none. After a kill, an epoch may be observed a second time."""

    every: int

    def on_step(self, step: int, figures: dict[str, float]) -> None:
        """step: counted over the whole run.  figures: train_loss (mean of the epoch so far, this rank) and lr."""

    def on_epoch(self, epoch: Epoch) -> None: ...


class RunTables:
    """results.csv and results.txt; what finds no room is written later."""

    every = 0

    def __init__(self, folder: RunFolder, write: Callable[[str, Callable[[], None]], None]) -> None:
        """write: called with a name and what writes, which may be called later, when there is room."""
        self.folder, self.write = folder, write

    def on_step(self, step: int, figures: dict[str, float]) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None:
        rows = list(epoch.history)
        self.write(f"the row of epoch {len(rows)}", partial(self.folder.record, rows, epoch.metrics, epoch.classes))


class Lines:
    """A line an epoch in the log, and a hint where training waits for its data."""

    every = 0
    NAMES = {"train_loss": "train loss", "val_loss": "val loss", "f1": "F1", "macro_auc": "AUC"}
    COLUMNS = ("train_loss", "val_loss", "accuracy", "precision", "recall", "f1", "ema_accuracy")
    LEAST = ("precision", "recall", "data_wait", "images_per_second", "lr", "f1", "seconds")  # dropped in this order

    def __init__(self, config: TrainConfig, workers: int) -> None:
        self.config, self.workers = config, workers
        self.monitor = COLUMNS_OF_MONITORS.get(config.monitor, config.monitor)
        self.epochs, self.hinted = 0, False

    def on_step(self, step: int, figures: dict[str, float]) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None:
        parts, shorter = self._parts(epoch), []
        line = "  ".join(parts.values())
        for name in self.LEAST:
            del parts[name]
            shorter.append("  ".join(parts.values()))
        log.info(line, extra={"shorter": shorter})
        self._hint(epoch.row["data_wait"])

    def _in_words(self, column: str) -> str:
        name = column.removeprefix("ema_")
        words = self.NAMES.get(name, name.replace("_", " "))
        return words if name == column else f"EMA {words}"

    def _parts(self, epoch: Epoch) -> dict[str, str]:
        """Of the line, by what they are, in order."""
        row, progress = epoch.row, epoch.progress
        parts = {"epoch": f"epoch {row['epoch']}/{epoch.epochs}"}
        names = dict.fromkeys((*self.COLUMNS, self.monitor, f"ema_{self.monitor}"))
        parts |= {name: f"{self._in_words(name)} {row[name]:.4f}" for name in names if name in row}
        parts |= {"lr": f"lr {row['lr']:.3g}", "images_per_second": f"{row['images_per_second']:.0f} images/s"}
        parts |= {"data_wait": f"waiting {row['data_wait']:.0%}", "seconds": f"{row['seconds']:.1f} s"}
        if progress.non_finite:
            parts["non_finite"] = f"{progress.non_finite} steps skipped"
        if progress.bad:
            parts["bad"] = f"{len(progress.bad)} unreadable"
        if progress.lone:
            parts["lone"] = f"{progress.lone} left alone"
        if epoch.best_weights:
            parts["best"] = f"* best ({epoch.best_weights} weights)" if "ema_accuracy" in row else "* best"
        return parts

    def _hint(self, waited: float) -> None:
        """Once a run, and not after its first epoch, in which the loading processes start."""
        self.epochs += 1
        if self.hinted or self.epochs == 1:
            return
        hint = waiting_hint(
            waited,
            workers=self.workers,
            local_world_size=distributed.local_world_size(),
            cache=self.config.cache,
            img_size=self.config.img_size,
        )
        if hint:
            self.hinted = True
            log.warning(hint)
