"""The runs of a comparison: what was reached, and in which order they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import run_tables
from .best_of_run import row_of_best
from .saved_run import describe_runs, read_config


@dataclass(frozen=True)
class Run:
    label: str  # its name, and the keys in which its config differs from the others'
    results: dict[str, np.ndarray]  # columns of results.csv
    best: tuple[int, str] | None  # row of the best epoch, and prefix of the columns of its weights

    @property
    def trained(self) -> bool:
        """Whether it has epochs; a run that was only validated has one row without a loss of training."""
        return "train_loss" in self.results

    @property
    def averaged(self) -> bool:
        """Whether the weights that scored best are averaged ones."""
        return self.best is not None and self.best[1] != ""

    def figure_of_best(self, column: str) -> float:
        """nan without a best epoch."""
        return float(self.column(column)[self.best[0]]) if self.best else np.nan

    def column(self, name: str) -> np.ndarray:
        """Over the epochs, of the weights that scored best."""
        whole = ("ema_" if self.averaged else "") + name
        return self.results[whole if whole in self.results else name]

    def cells(self) -> tuple[str, ...]:
        """What the table says: best accuracy, its epoch, which weights, their F1 and loss; the label."""
        if self.best is None:
            why = "no epoch with finite figures" if self.results else "no epoch finished yet"
            return why, "", "", "", "", self.label
        epochs = self.results["epoch"]
        accuracy, f1, loss = map(self.figure_of_best, ("accuracy", "f1", "val_loss"))
        when = f"{epochs[self.best[0]]:.0f} of {epochs[-1]:.0f}" if self.trained else "only validated"
        weights = "averaged" if self.averaged else "raw" if self.trained else ""
        return f"{accuracy:.2%}", when, weights, f"{f1:.2%}", f"{loss:.4f}", self.label


def ranked(folders: Sequence[Path]) -> list[Run]:
    """The runs by their best accuracy, those that have none last."""
    tables = [run_tables.read_results(folder) for folder in folders]
    best = [row_of_best(folder, table, read_config(folder).monitor) for folder, table in zip(folders, tables)]
    runs = [Run(*each) for each in zip(describe_runs(folders), tables, best)]
    return sorted(runs, key=lambda run: -run.figure_of_best("accuracy") if run.best else np.inf)
