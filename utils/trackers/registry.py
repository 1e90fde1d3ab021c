"""The trackers by the words of the key `loggers`, which are the names of their packages too."""

from collections.abc import Sequence
from importlib.util import find_spec

from .clearml import ClearML
from .mlflow import MLflow
from .swanlab import SwanLab
from .tensorboard import TensorBoard
from .tracked import Tracker
from .wandb import WeightsAndBiases

TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "swanlab": SwanLab,
    "mlflow": MLflow,
    "clearml": ClearML,
}


def absent(names: Sequence[str]) -> list[str]:
    """Those whose package is not installed, found out without importing it."""
    return [name for name in names if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    spec = find_spec(name)
    return spec is not None and spec.origin is not None  # None: a mere folder of that name, as W&B makes it
