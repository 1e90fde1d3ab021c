"""Train on all folds of a data set but one, in turn, so that every image is judged by a network that never saw it.

cross_validate.py photos --folds 5                             photos/<class>/*, or train and val of photos together
cross_validate.py scans --folds 5 --group "(patient\\d+)_"      all images of a patient in one fold
cross_validate.py data/folds                                   fold0/train, fold0/val ... of create_data.py --folds
cross_validate.py --resume logs/resnet_18/cv0                  go on after an interruption

Images are not copied: the folds are links. Each fold is a run of train.py, under the config and the --set that are
given, in logs/<model>/cvN/<model>/foldK. In logs/<model>/cvN are predictions.csv (a row for each image),
cross_validation.txt and cross_validation.json (each fold, mean, standard deviation, and all images with the interval
of the accuracy), and report.html, the page of all images. tools/find_label_errors.py reads predictions.csv.
"""

import argparse
import os
import re
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import (
    OptionParser,
    add_config_options,
    integer_in,
    leave,
    read_options,
    run_command,
    say,
    with_shortcuts,
)
from utils.config import ConfigError, TrainConfig, load_train_config, parse_overrides
from utils.config.schema import plain_values
from utils.crossval.division import divided
from utils.crossval.plan import MOST, FoldRequest
from utils.crossval.run import begin, go_on
from utils.report.file_names import CONFIG
from utils.report.saved_run import read_config
from utils.run.folder import check_place, next_run_folder
from utils.run.page import at_the_end
from utils.run.tracking import check_trackers
from utils.run_page.folds import write_fold_report
from utils.run_page.shell import REPORT
from utils.signals import Stopped
from utils.text import one_line, shown

import train

EXP_NAME = "cv"


def regular_expression(text: str) -> str:
    try:
        re.compile(text)
        return text
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = OptionParser(description=__doc__)
    add = parser.add_argument
    images = "folder of class folders, a csv with columns path,label, a folder with train and val, or one with folds"
    add("first", nargs="?", type=os.path.expanduser, metavar="IMG_PATH", help=images)
    add("--folds", type=integer_in(2, MOST), metavar="K", help="how many; needed unless IMG_PATH has them")
    repeats = "times that the images are divided anew; predictions.csv has the mean of an image's probabilities"
    add("--repeats", type=integer_in(1, MOST), default=1, metavar="R", help=repeats)
    group = "regular expression; images whose first group, or whole match, is the same stay in one fold"
    add("--group", type=regular_expression, default="", metavar="REGEX", help=group)
    add_config_options(parser, TrainConfig, train.CONFIG)
    add("--resume", type=os.path.expanduser, metavar="FOLDER", help="go on with the cross-validation in this folder")
    given = read_options(parser, arguments)
    if (given.first is None) == (given.resume is None):
        parser.error("expected IMG_PATH, or --resume FOLDER alone")
    if given.resume is not None and any((given.set, given.folds, given.repeats > 1, given.group, given.weights)):
        parser.error("--resume goes on as FOLDER says: expected no other option")
    return given


def config_of(given: argparse.Namespace) -> TrainConfig:
    """The config of all folds. Raises ConfigError."""
    if not os.path.exists(given.first):
        raise ConfigError("command line", [f"IMG_PATH: {shown(given.first)}: no such folder or csv file"])
    overrides = with_shortcuts(parse_overrides(given.set), "load_from", {"--weights": given.weights})
    folder = given.first if os.path.isdir(given.first) else os.path.dirname(given.first) or "."
    overrides = with_shortcuts(overrides, "img_path", {"IMG_PATH": folder})
    config = load_train_config(given.config, {"keep": "best", **overrides})
    if config.only_val or config.resume:
        name = "only_val" if config.only_val else "resume"
        raise ConfigError("config", [f"{name} = True: every fold trains from the start; expected False"])
    return config


def cross_validate(given: argparse.Namespace) -> None:
    if given.resume is not None:
        folder = Path(given.resume)
        if not folder.is_dir():
            wanted = "expected the folder of a cross-validation, such as logs/resnet_18/cv0"
            what = "a file" if folder.is_file() else "no such folder"
            raise ConfigError("command line", [f"--resume: {shown(given.resume)}: {what}; {wanted}"])
    else:
        config = config_of(given)
        check_trackers(config)
        check_place(config)
        name = EXP_NAME if config.exp_name == plain_values(TrainConfig)["exp_name"] else config.exp_name
        request = FoldRequest(given.first, given.folds, given.repeats, given.group, config.seed)
        folder = next_run_folder(config.log_root, f"{config.model_prefix}_{config.model_suffix}", name)
        say(begin(folder, config, request, divided))
    begun = time.monotonic()
    try:
        go_on(folder, partial(train.run, source=str(folder / CONFIG)), say, divided)
    except (KeyboardInterrupt, Stopped):
        say([f"stopped; tools/cross_validate.py --resume {folder} goes on"])
        raise
    say([write_page(folder, time.monotonic() - begun)])


def write_page(folder: Path, seconds: float) -> str:
    """The page of a cross-validation that took so many seconds; what came of it, in words: the tables count more."""
    limits = at_the_end(seconds, read_config(folder).max_image_pixels)
    try:
        notes = write_fold_report(folder, limits)
    except Exception as error:  # of a disk, of a file that somebody has changed
        return one_line(f"cannot write {folder / REPORT}: {type(error).__name__}: {error}")
    return one_line("; ".join([f"report: {folder / REPORT}", *notes]))


def main(arguments: list[str] | None = None) -> int:
    given = parse_arguments(arguments)
    return run_command(lambda: cross_validate(given))


if __name__ == "__main__":
    leave(main())
