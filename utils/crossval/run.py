"""The folds one after the other: what is finished is not repeated, what was begun goes on."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..config import TrainConfig, run_config_from
from ..config.keys import TITLE_OF_A_RUN
from ..config.schema import render
from ..errors import DataError, RunError
from ..files import write_json, write_text
from ..lock import held
from ..report.file_names import CONFIG, FOLDS
from ..report.fold_tables import in_words
from ..report.saved_answers import PREDICTIONS, working_directory_of
from ..report.saved_run import read_config
from ..run.resume import find_checkpoint
from ..text import shown
from ..weights.run_folder import BEST, LAST, PREVIOUS
from .collect import FoldRun, collect
from .plan import Division, FoldRequest, request_from

NOTE = "of each network the epoch was taken that is best on its own fold, which flatters the figures a little"
Train = Callable[[TrainConfig], Path]  # trains under a config, and returns the folder of the run
Say = Callable[[list[str]], None]
Divide = Callable[[FoldRequest, Path], Division]  # division.divided


def begin(folder: Path, config: TrainConfig, request: FoldRequest, divide: Divide) -> list[str]:
    """What `go_on` needs, in a new folder, which goes where that fails; returns what was done, in words."""
    try:
        write_text(folder / CONFIG, render(config, TITLE_OF_A_RUN))
        _write_progress(folder, request, [], os.getcwd())
        return divide(request, folder).notes
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def go_on(folder: Path, train: Train, say: Say, divide: Divide) -> None:
    """All folds that are left, then the tables.

    Raises DataError; RunError for a fold without predictions, which stays to be done; Stopped, after which `go_on`
    goes on.
    """
    with held(folder):
        request, finished = read_progress(folder)
        start = working_directory_of(folder) or os.getcwd()
        config = read_config(folder)
        division = divide(request, folder)
        runs = []
        for each, img_path in _folds(folder, config, division):
            runs.append(each)
            if _name(each) in finished:
                continue
            say([f"{_words(each, division)}: {img_path}"])
            config_of_fold = replace(
                config,
                img_path=str(img_path),
                log_root=str(folder),
                exp_name=_stem(each, division),
                seed=config.seed + each.repeat,
            )
            _train(config_of_fold, each.run, train)
            finished.append(_name(each))
            _write_progress(folder, request, finished, start)
        facts = _progress(request, finished, start)
        say(["", *in_words(collect(folder, runs, division, facts)), "", f"tables: {folder}"])


def _progress(request: FoldRequest, finished: list[str], start: str) -> dict[str, Any]:
    """start: the working directory in which it was begun, for the paths of division.csv."""
    return {"request": asdict(request), "finished": finished, "note": NOTE, "working_directory": start}


def _write_progress(folder: Path, request: FoldRequest, finished: list[str], start: str) -> None:
    write_json(folder / FOLDS, _progress(request, finished, start), indent=2)


def read_progress(folder: Path) -> tuple[FoldRequest, list[str]]:
    """What was asked for, and the folds that are finished. Raises DataError where it is no such folder."""
    path = folder / FOLDS
    try:
        found = json.loads(path.read_bytes())
        request = request_from({**found["request"]}, path)
        finished = found["finished"]
        if not (isinstance(finished, list) and all(isinstance(name, str) for name in finished)):
            raise DataError(f"{path}: finished: expected a list of names, got {shown(finished)}")
        return request, finished
    except FileNotFoundError:
        raise DataError(f"{folder}: no {FOLDS} in it; expected the folder of a cross-validation") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {type(error).__name__}: {error}") from None


def _folds(folder: Path, config: TrainConfig, division: Division) -> Iterator[tuple[FoldRun, Path]]:
    """Every fold, with the folder of its run, which may be still to be made, and the folder of its images."""
    below = folder / f"{config.model_prefix}_{config.model_suffix}"
    for repeat, folds in enumerate(division.folders):
        for fold, img_path in enumerate(folds):
            each = FoldRun(repeat, fold, below)
            yield replace(each, run=below / f"{_stem(each, division)}{fold}"), img_path


def _stem(each: FoldRun, division: Division) -> str:
    """The exp_name of the fold's run, behind which its number comes."""
    return "fold" if len(division.folders) == 1 else f"repeat{each.repeat}_fold"


def _name(each: FoldRun) -> str:
    return each.run.name


def _words(each: FoldRun, division: Division) -> str:
    repeats = len(division.folders)
    folds = len(division.folders[each.repeat])
    behind = f", repeat {each.repeat + 1} of {repeats}" if repeats > 1 else ""
    return f"fold {each.fold + 1} of {folds}{behind}"


def _train(config: TrainConfig, run: Path, train: Train) -> None:
    """The fold's network: resumed where it was begun, and begun anew where it was killed before it had saved."""
    states = [name for name in (LAST, PREVIOUS) if (run / name).is_file()]
    if not states and (run / BEST).is_file() and (run / PREDICTIONS).is_file():
        return  # it has ended, and has deleted its states
    if states:
        _, checkpoint, _ = find_checkpoint(run / LAST)
        source = str(run / LAST)
        changes = {"resume": True, "load_from": source, "img_path": config.img_path}
        config = run_config_from(checkpoint["config"], source, changes)
    elif run.is_dir():
        shutil.rmtree(run)
    if (made := train(config)).resolve() != run.resolve():
        raise DataError(f"{made}: expected {run.name} in its place: remove what lies beside the folds")
    if not (run / PREDICTIONS).is_file():  # before the other folds are trained for nothing
        why = "" if (run / BEST).is_file() else f", as it has no {BEST}: the losses of no epoch were all finite"
        advice = "its train.log says more; a new cross-validation with a smaller init_lr may help"
        raise RunError(f"{run}: ended without a {PREDICTIONS}{why}; {advice}")
