"""What the files of a run folder say, as far as they are there: of older runs many are not."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..config.keys import TrainConfig
from ..errors import DataError
from ..report import run_tables
from ..report.file_names import ENVIRONMENT, OUT_OF_FOLD, RECIPE
from ..report.run_tables import COUNTS, PER_CLASS, RESULTS, expecting
from ..report.saved_answers import PREDICTIONS
from ..report.saved_run import check_run, read_config
from ..tables import read_csv
from .answers import Answers, read_answers
from .run_files import SPLITS, RunFiles


def read_run(folder: Path, *, with_answers: bool = True) -> RunFiles:
    """with_answers: False for a run that goes on, whose predictions are those of an older run, if they are there.

    Raises DataError or ConfigError naming a file that is not what a run writes.
    """
    check_run(folder)
    summaries = {split: read_object(folder / f"{split}_results.json") for split in SPLITS} if with_answers else {}
    summaries = {split: found for split, found in summaries.items() if found}
    config = read_config(folder)
    split = config.split if config.only_val else "test" if "test" in summaries else "val"
    prefix = "test_" if split == "test" and not config.only_val else ""
    return _files(folder, config, folder, summaries, split, prefix, with_answers=with_answers)


def read_out_of_fold(folder: Path, run: Path) -> RunFiles:
    """Of a cross-validation.  run: the folder of a fold, for what is the same in all. Raises as `read_run`."""
    config = read_config(folder)
    check_run(run)
    name = f"{OUT_OF_FOLD}_results.json"
    if not (found := read_object(folder / name)):
        finish = f"python tools/cross_validate.py --resume {folder}"
        raise DataError(f"{folder}: no {name} in it: {finish} writes it, and the page")
    return _files(folder, config, run, {OUT_OF_FOLD: found}, OUT_OF_FOLD, "")


def _files(
    folder: Path,
    config: TrainConfig,
    run: Path,
    summaries: dict[str, dict[str, Any]],
    split: str,
    prefix: str,
    *,
    with_answers: bool = True,
) -> RunFiles:
    """run: the folder that says how a network was trained."""
    per_class = _rows(folder / f"{prefix}{PER_CLASS}", "class")
    classes = [row["class"] for row in per_class]
    answers = read_answers(folder / f"{prefix}{PREDICTIONS}", classes) if with_answers else None
    return RunFiles(
        folder,
        config,
        read_object(run / ENVIRONMENT),
        _rows(run / RECIPE, "key", "value", "why"),
        run_tables.read_results(folder) if (folder / RESULTS).is_file() else {},
        summaries,
        split,
        prefix,
        _confusion(folder, prefix, answers),
        per_class,
        {row["class"]: (row["train"], row["val"]) for row in _rows(folder / COUNTS, "class", "train", "val")},
        answers,
    )


def read_object(path: Path) -> dict[str, Any]:
    """Of a json file; empty where there is none. Raises DataError."""
    if not path.is_file():
        return {}
    with expecting(path, "a json object"):
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}")
        return found


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with expecting(path, f"columns {', '.join(columns)}"):
        rows = read_csv(path)
        for row in rows:
            for column in columns:
                row[column]
        return rows


def _confusion(folder: Path, prefix: str, answers: Answers | None) -> np.ndarray | None:
    if answers is not None:
        return answers.confusion()
    if not (folder / f"{prefix}{run_tables.CONFUSION}").is_file():
        return None
    return run_tables.read_confusion(folder, prefix)[1]
