"""keep = 'best': what a run deletes when it has ended well, and what is said of one that has."""

import contextlib
from pathlib import Path

from .. import distributed
from ..config.read import read_literals
from ..errors import ConfigError, WeightsError
from ..log import log
from ..report.file_names import CONFIG
from ..weights.best import Best
from ..weights.checkpoint import load_checkpoint
from ..weights.checkpoint_schema import validated
from ..weights.run_folder import BEST, LAST, PREVIOUS
from .folder import RunFolder

STATES = (PREVIOUS, LAST)  # in the order of deletion: a run that is killed in between is resumed from last.pth


def delete_states(folder: RunFolder, best: Best | None) -> None:
    """Delete last.pth and previous.pth, once every rank has ended well, unless best.pth is not what it is to be.

    best: of the run.
    """
    distributed.barrier()
    if not folder.writes:
        return
    if problem := _problem_of_best(folder.path / BEST, best):
        log.warning(f"keep = 'best': {LAST} and {PREVIOUS} stay: {problem}")
        return
    try:
        freed = folder.delete(STATES)
    except OSError as error:
        log.warning(f"keep = 'best': cannot delete {error.filename}: {error.strerror}")
        return
    log.info(
        f"keep = 'best': deleted {LAST} and {PREVIOUS}, {freed / 1e6:.1f} MB; more epochs cannot be added to this run, "
        f"load_from={folder.path / BEST} starts another from its weights"
    )


def _problem_of_best(path: Path, best: Best | None) -> str:
    """Why the file is no whole best.pth of its run; '' where it is."""
    if best is None:
        return "no epoch was the best"
    try:
        held = Best.from_plain(validated(load_checkpoint(path), path)["best"])
    except WeightsError as error:
        return str(error)
    # its metric may be another since a resume with another `monitor`, which compares the same epoch by it
    same = held is not None and (held.epoch, held.weights) == (best.epoch, best.weights)
    return "" if same else f"{path}: is not of epoch {best.epoch}, which was the best"


def states_deleted(folder: Path) -> str:
    """A sentence for the folder of a run that has deleted what it could be resumed from; '' for all others."""
    if any((folder / name).exists() for name in STATES) or not (folder / BEST).exists():
        return ""
    with contextlib.suppress(ConfigError):  # a folder without its config, or with another's
        if read_literals(folder / CONFIG).get("keep") == "best":
            return (
                f"{folder}: cannot be resumed: the run has ended, and as keep = 'best' asks for, deleted {LAST} and "
                f"{PREVIOUS}; train.py --set load_from={folder / BEST} starts a new run from its best weights"
            )
    return ""
