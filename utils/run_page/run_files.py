"""What the sections of a page are made from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..config.keys import TrainConfig
from ..report.file_names import OUT_OF_FOLD
from .answers import Answers

SPLITS = {  # that a network is judged by, in English and Chinese; the page is of test where that is among them
    "val": ("val", "验证"),
    "test": ("test", "测试"),
    "train": ("train", "训练"),
    OUT_OF_FOLD: ("out-of-fold", "折外"),
}


@dataclass(frozen=True)
class RunFiles:
    """`split`: that the matrix, the classes and the pictures are of, in files whose names begin with `prefix`."""

    folder: Path
    config: TrainConfig
    environment: dict[str, Any]
    recipe: list[dict[str, str]]
    results: dict[str, np.ndarray]  # columns of results.csv
    summaries: dict[str, dict[str, Any]]  # <split>_results.json by split
    split: str
    prefix: str
    confusion: np.ndarray | None  # (K, K) counts, rows true
    per_class: list[dict[str, str]]
    counts: dict[str, tuple[str, str]]  # images of each class in train and val
    answers: Answers | None

    @property
    def classes(self) -> list[str]:
        return [row["class"] for row in self.per_class]

    @property
    def split_names(self) -> tuple[str, str]:
        """Of `split`, in English and Chinese."""
        return SPLITS[self.split]

    @property
    def chosen_on(self) -> bool:
        """Whether the epoch was chosen by the images of `split`; so it is in runs that do not say."""
        return bool(self.summaries.get(self.split, {}).get("chosen_on", self.split == "val"))

    @property
    def epochs(self) -> int:
        return len(self.results.get("epoch", ()))
