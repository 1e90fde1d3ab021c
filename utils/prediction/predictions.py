"""What was predicted for an image, and files of it."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, ImageError
from ..files import write_json
from ..tables import write_csv

NO_NUMBER = (
    "the network's answer is no number: its weights may be of a training that diverged; take those of another run"
)


@dataclass(frozen=True)
class Prediction:
    path: str
    ranked: list[tuple[str, float]]  # (class, probability in 0..1), the likeliest first; empty after an error
    error: str = ""

    def check(self) -> None:
        """Raises ImageError if the image could not be read, or got no answer."""
        if self.error:
            raise ImageError(f"{self.path}: {self.error}")


def check_some_classified(predictions: list[Prediction]) -> None:
    """Raises DataError with the first of the errors if every prediction has one."""
    if all(prediction.error for prediction in predictions):
        first = predictions[0]
        raise DataError(f"none of {len(predictions)} image(s) could be classified; {first.path}: {first.error}")


def in_words(predictions: list[Prediction]) -> str:
    """How many were classified, how many not, and why."""
    errors = [prediction.error for prediction in predictions if prediction.error]
    without = errors.count(NO_NUMBER)
    counted = f"{len(predictions) - len(errors)} classified, {len(errors) - without} unreadable"
    return counted + (f", {without} without an answer, as the network's is no number" if without else "")


def write_predictions(path: str | Path, predictions: list[Prediction], topk: int) -> None:
    """A csv of (path, class_1, probability_1, ..., error) or, by its ending, a json list of the same.

    A row for each image, whether it could be read or not. `path` ends in .csv or .json.
    """
    path = Path(path)
    if path.suffix == ".json":
        rows = [{"path": p.path, "classes": [list(pair) for pair in p.ranked], "error": p.error} for p in predictions]
        write_json(path, rows)
        return
    ranks = max((len(p.ranked) for p in predictions), default=0) or topk
    header = [f"{name}_{rank}" for rank in range(1, ranks + 1) for name in ("class", "probability")]
    write_csv(path, ["path", *header, "error"], [_row(prediction, ranks) for prediction in predictions])


def _row(prediction: Prediction, ranks: int) -> list[str]:
    cells = [cell for name, probability in prediction.ranked for cell in (name, f"{probability:.6f}")]
    return [prediction.path, *cells, *[""] * (2 * ranks - len(cells)), prediction.error]
