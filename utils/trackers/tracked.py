"""What a tracker is given of a run, and what it must be able to do."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers see it."""

    folder: Path
    project: str
    name: str
    hyperparameters: Mapping[str, Any]  # the keys of the config, as plain types
    id: str = ""  # by which the tracker knows the run already; '' for one that is new to it
    epoch: int = 0  # the last that it was sent before


class Tracker(Protocol):
    """Its methods may raise whatever they like and take any time: utils/trackers/worker.py puts up with it.

    id: by which it finds the run again.  epoch: the last that it has, to which nothing may be added.
    """

    id: str
    epoch: int

    def __init__(self, run: TrackedRun) -> None:
        """Begin, or go on with `run.id`. The package is imported here."""

    def add(self, epoch: int, figures: Mapping[str, float], when: float) -> None:
        """A point for each of the figures of an epoch. when: it ended, in seconds since 1970."""

    def conclude(self, epoch: int, figures: Mapping[str, float], pictures: Sequence[Path]) -> None:
        """What there is at the end of the run, whose last epoch is `epoch`."""

    def close(self, *, finished: bool) -> None:
        """Return when everything has arrived. finished: whether the run has; otherwise it was stopped."""


def new_id() -> str:
    """As W&B and SwanLab take it: 21 lower-case letters and digits."""
    return uuid.uuid4().hex[:21]
