"""Which epoch and weights the tables of a run folder are of: what the run has noted there, else what figures say."""

import json
from pathlib import Path

import numpy as np

from ..files import write_json
from ..text import shown
from ..training.metrics import COLUMNS, MONITORS
from .run_tables import expecting

NOTE = "best.json"
PREFIXES = {"raw": "", "averaged": "ema_"}  # weights -> of their columns of results.csv


def path_of(folder: Path) -> Path:
    return folder / NOTE


def write(folder: Path, epoch: int, weights: str, metric: str) -> None:
    """epoch: 1, 2, ..., or 0 within the first.  weights: of PREFIXES.  metric: by which it was chosen."""
    write_json(path_of(folder), {"epoch": epoch, "weights": weights, "metric": metric})


def read(folder: Path) -> tuple[int, str] | None:
    """(epoch, prefix of the columns); None in the folder of an older run. Raises DataError for a damaged file."""
    if not path_of(folder).is_file():
        return None
    with expecting(path_of(folder), f"an epoch, and weights among {', '.join(PREFIXES)}"):
        note = json.loads(path_of(folder).read_bytes())
        epoch, prefix = note["epoch"], PREFIXES[note["weights"]]
        if type(epoch) is not int or not 0 <= epoch < 2**53:
            raise ValueError(shown(epoch))
        return epoch, prefix


def row_of_best(folder: Path, results: dict[str, np.ndarray], monitor: str) -> tuple[int, str] | None:
    """(row of `results`, prefix of its columns) of the epoch that best.pth is of; None where there is none.

    That is as best.json has it, since the key `monitor` may have been changed when the run was resumed, and best.pth
    stays until an epoch is better. Without that file, or without such a row, `best_row`.
    """
    if (noted := read(folder)) is not None and f"{noted[1]}accuracy" in results:
        rows = np.flatnonzero(results["epoch"] == noted[0])
        if len(rows):
            return int(rows[0]), noted[1]
    return best_row(results, monitor)


def best_row(results: dict[str, np.ndarray], monitor: str = "accuracy") -> tuple[int, str] | None:
    """(row, prefix of its columns, "" or "ema_" of averaged weights) of the best epoch.

    That has the best figure `monitor`, one of MONITORS, among equal ones the lowest val_loss, then comes the earliest.
    None where no row has both.
    """
    column, sign = COLUMNS.get(monitor, monitor), -1 if MONITORS[monitor] == "max" else 1
    candidates = [
        (sign * value, loss, row, prefix)
        for prefix in ("", "ema_")
        if f"{prefix}{column}" in results and f"{prefix}val_loss" in results
        for row, (value, loss) in enumerate(zip(results[f"{prefix}{column}"], results[f"{prefix}val_loss"]))
        if np.isfinite(value) and np.isfinite(loss)
    ]
    return min(candidates)[2:] if candidates else None
