"""What the sections of a page are made from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..config.keys import TrainConfig
from .answers import Answers

SPLITS = ("val", "test")  # that a run is judged by; the second has the say where it is there
PREFIXES = {"val": "", "test": "test_"}


@dataclass(frozen=True)
class RunFiles:
    """`split`: that the matrix, the classes and the pictures are of."""

    folder: Path
    config: TrainConfig
    environment: dict[str, Any]
    recipe: list[dict[str, str]]
    results: dict[str, np.ndarray]  # columns of results.csv
    summaries: dict[str, dict[str, Any]]  # <split>_results.json by split
    split: str
    confusion: np.ndarray | None  # (K, K) counts, rows true
    per_class: list[dict[str, str]]
    counts: dict[str, tuple[str, str]]  # images of each class in train and val
    answers: Answers | None

    @property
    def classes(self) -> list[str]:
        return [row["class"] for row in self.per_class]

    @property
    def prefix(self) -> str:
        """Of the names of the files of `split`."""
        return PREFIXES[self.split]

    @property
    def epochs(self) -> int:
        return len(self.results.get("epoch", ()))
