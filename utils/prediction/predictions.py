"""What was predicted for an image, and files of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ImageError
from ..files import write_json_list
from ..tables import write_csv

NO_NUMBER = (
    "the network's answer is no number: its weights may be of a training that diverged; take those of another run"
)


@dataclass(frozen=True)
class Prediction:
    path: str
    ranked: list[tuple[str, float]]  # (class, probability in 0..1), the likeliest first; empty after an error
    error: str = ""
    rejected: str = ""  # why none of the classes is named: the network does not know this picture

    def check(self) -> None:
        """Raises ImageError if the image could not be read, or got no answer."""
        if self.error:
            raise ImageError(f"{self.path}: {self.error}")

    @property
    def unread(self) -> bool:
        """Whether the network was not shown it."""
        return bool(self.error) and self.error != NO_NUMBER

    @property
    def answer(self) -> str:
        """The class; '' where there is none."""
        return "" if self.error or self.rejected else self.ranked[0][0]


@dataclass(frozen=True)
class Answered:
    """A batch."""

    predictions: list[Prediction]
    features: np.ndarray | None  # (n, D) float32 of those that could be read; None where nobody asked for them


def write_predictions(
    path: str | Path, predictions: Iterable[Prediction], ranks: int, *, rejects: bool = False
) -> None:
    """A csv of (path, class_1, probability_1, ..., error) or, by its ending, a json list of the same.

    A row for each image, whether it could be read or not; with no class where it was rejected.
    `path` ends in .csv or .json.  ranks: classes in a row.  rejects: whether there is a column of reasons to reject.
    """
    path = Path(path)
    if path.suffix == ".json":
        write_json_list(path, (_entry(prediction, rejects) for prediction in predictions))
        return
    header = [f"{name}_{rank}" for rank in range(1, ranks + 1) for name in ("class", "probability")]
    rows = (_row(prediction, ranks, rejects) for prediction in predictions)
    write_csv(path, ["path", *header, "error", *(["rejected"] if rejects else [])], rows)


def _entry(prediction: Prediction, rejects: bool) -> dict[str, Any]:
    classes = [] if prediction.rejected else [list(pair) for pair in prediction.ranked]
    entry = {"path": prediction.path, "classes": classes, "error": prediction.error}
    return {**entry, "rejected": prediction.rejected} if rejects else entry


def _row(prediction: Prediction, ranks: int, rejects: bool) -> list[str]:
    ranked = [] if prediction.rejected else prediction.ranked
    cells = [cell for name, probability in ranked for cell in (name, f"{probability:.6f}")]
    reasons = [prediction.error, *([prediction.rejected] if rejects else [])]
    return [prediction.path, *cells, *[""] * (2 * ranks - len(cells)), *reasons]
