"""The folder of a run in place of a file: wherever weights are asked for, it means a file in it."""

import os
from pathlib import Path

from ..absent import BEST, LAST, PREVIOUS
from ..errors import WeightsError

ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".tar", ".onnx", ".pt2")  # of weights and exported networks
CHECKPOINTS = (BEST, LAST, PREVIOUS)
BEFORE_THEM = ("train_config.py", "environment.json")  # which every run writes at its start


def is_run(folder: str | Path) -> bool:
    """Whether it is the folder of a run, which may have no checkpoint yet."""
    folder = Path(folder)
    if not os.path.isdir(folder):
        return False
    return _holds(folder, CHECKPOINTS) != [] or _holds(folder, BEFORE_THEM) == [*BEFORE_THEM]


def means_weights(path: str | Path) -> bool:
    """Whether a path on a command line means weights, there or not: a run's folder, or a file by its ending."""
    return is_run(path) or (not os.path.isdir(path) and Path(path).suffix.lower() in ENDINGS)


def weights_path(path: str | Path) -> Path:
    """The file of weights that is meant: `path` itself, or best.pth of a run's folder.

    Raises WeightsError for a folder without a best.pth.
    """
    path = Path(path)
    if not os.path.isdir(path):
        return path
    if _holds(path, (BEST,)):
        return path / BEST
    if not is_run(path):
        problem = f"it is a folder; expected a file of weights, or the folder of a run, with {BEST} in it"
        below = f"; the newest run in it is {newest}" if (newest := newest_run_below(path)) else ""
        raise WeightsError(f"{path}: {problem}{below}")
    if there := _holds(path, (LAST, PREVIOUS)):
        way = f"; {path / there[0]} has the last state of the run"
    else:
        way = ", nor another checkpoint: the run has saved none, or has only validated"
    raise WeightsError(f"{path}: the folder of a run without {BEST}{way}")


def state_path(path: str | Path) -> Path:
    """What a run is to be resumed from: the file itself, or last.pth of its folder, which another may have to replace.

    Raises WeightsError where nothing is there to resume from.
    """
    path = Path(path)
    if os.path.isfile(path):
        return path
    if not _holds(path, CHECKPOINTS):
        raise WeightsError(f"{path}: nothing to resume: expected the folder of a run with {LAST} in it, or that file")
    return path / LAST


def _holds(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if os.path.isfile(folder / name)]


def newest_run_below(folder: str | Path) -> Path | None:
    """The newest run in a folder of runs, or in one of such folders."""
    found = [*Path(folder).glob(f"*/{BEST}"), *Path(folder).glob(f"*/*/{BEST}")]
    return max(found, key=os.path.getmtime).parent if found else None
