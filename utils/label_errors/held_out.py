"""The table of predictions that label errors are looked for in; only of networks that never saw the images."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError, UserError
from ..report.answer_tables import MOST_COLUMNS
from ..report.file_names import CONFIG, FOLDS
from ..report.saved_answers import SavedAnswers, from_here, read_answers, split_of
from ..report.saved_run import read_config
from ..text import shown

INSTEAD = "tools/cross_validate.py and tools/probe.py --folds give each image a network that never saw it"
WHY = "a network knows by heart what it was trained on, so that it agrees with wrong labels too"


def read_held_out(path: Path, *, vouched: bool = False) -> SavedAnswers:
    """A predictions.csv. Raises DataError for another table, and for one of images that the network was trained on.

    vouched: the user says that it was not, for a table that no results of a run lie beside.
    """
    found = read_answers(path)
    if not found.paths:
        raise DataError(f"{path}: no rows; expected one for each image")
    if found.probabilities is None or len(found.classes) < 2:
        why = f"no columns p(<class>), which are written of up to {MOST_COLUMNS} classes; expected two or more"
        raise DataError(f"{path}: {why}")
    check_held_out(path, found.paths, vouched=vouched)
    return found


def check_held_out(path: Path, images: Sequence[str], *, vouched: bool = False) -> None:
    """Raises DataError for images that the network was trained on, or may have been trained on.

    What is known is read from the files beside the table: which split it is of, by <split>_results.json, and which
    folder the network was trained on, by train_config.py, that of only_val by the run of its load_from.
    """
    if (path.parent / FOLDS).is_file():
        return
    trained = training_folder(path.parent)
    split = split_of(path)
    seen = [name for name in images if trained is not None and _is_below(name, trained)]
    if seen:
        which = f"{len(seen):,} of its {len(images):,} images, {shown(seen[0])} for one, lie in {trained}"
        raise DataError(f"{path}: {which}, which the network was trained on: {WHY}; {INSTEAD}")
    if split == "train":
        raise DataError(f"{path}: predictions of train, by train_results.json beside it: {WHY}; {INSTEAD}")
    if split is None and not vouched:
        lacking = "nothing beside it says that the network was not trained on these images"
        known = f"expected {' or '.join(f'{name}_results.json' for name in ('val', 'test'))} or {FOLDS} there"
        raise DataError(f"{path}: {lacking}; {known}; --held-out says so yourself")


def training_folder(run: Path) -> Path | None:
    """What the network of a run was trained on; None where that is not known."""
    try:
        config = read_config(run) if (run / CONFIG).is_file() else None
        if config is not None and config.only_val:
            [weights] = map(Path, from_here([config.load_from], run))
            run = weights if weights.is_dir() else weights.parent
            config = read_config(run) if (run / CONFIG).is_file() else None
    except (UserError, OSError):
        return None
    if config is None:
        return None
    [img_path] = from_here([config.img_path], run)
    return Path(img_path) / "train"


def _is_below(name: str, folder: Path) -> bool:
    return os.path.abspath(name).startswith(os.path.join(os.path.abspath(folder), ""))
