"""How good a network's frozen body is for some pictures: seconds of logistic regression, not minutes of training.

probe.py photos --model-prefix mobilenetv2 --model-suffix 1.0 --weights mobilenet_v2.pth
probe.py photos --weights logs/resnet_18/exp1 --folds 5
probe.py photos --networks resnet:18=resnet18.pth mobilenetv2:1.0=mobilenet_v2.pth     several, the best first

The network sees each picture of photos/train and photos/val once, without augmentation; what its head is given is kept
in the user's cache folder and used again. On it scikit-learn fits a logistic regression; its strength is the one that
is best on val or, with --folds, over folds of train and val together. Beside it are the nearest neighbours. With
--folds the folder `folds` of the run has the tables of tools/cross_validate.py, predictions.csv among them.

The network with the fitted head becomes best.pth of a run folder, logs/<prefix>_<suffix>/probeN, with the tables of a
validation: predict.py, only_val, grad_cam.py and export.py take it, and load_from trains on from it.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, add_max_image_pixels, integer_in, run_command, say
from utils.config import ConfigError, TrainConfig, train_config_from
from utils.config.schema import plain_values
from utils.data.source import Source, Splits
from utils.errors import DataError, UserError, WeightsError
from utils.files import check_writable
from utils.log import RunLog, log
from utils.probing.cost import seconds_of_an_epoch
from utils.probing.features import Features, features_of
from utils.probing.fit import (
    Labelled,
    as_head,
    best_on,
    check_finite,
    fit_path,
    judged_by_folds,
    most_folds,
    neighbours,
)
from utils.probing.folds import FOLDER, write_by_folds
from utils.recipe.expected import expected_by
from utils.report.fold_tables import in_words
from utils.rng import seed_network
from utils.run.head_start import warn_of_absent
from utils.run.probe_run import write_run
from utils.run.splits import read_data
from utils.text import aligned, listed, shown
from utils.weights.networks import LoadedNetwork, load_network
from utils.weights.options import add_network_options, network_options, pick_device, read_network_options
from utils.weights.run_folder import weights_path
from utils.weights.spec import NetworkOptions
from utils.weights.weights_file import WeightsFile

import numpy as np
import torch


@dataclass(frozen=True)
class Found:
    """A network's row of the table."""

    name: str
    size: int  # features
    strength: float
    accuracy: float
    f1: float  # macro
    nearest: float  # accuracy of the nearest neighbours
    seconds: float
    epoch: float  # seconds of an epoch of training the whole network, as far as computing goes
    folder: Path

    def cells(self) -> tuple[str, ...]:
        figures = f"{self.accuracy:.4f}", f"{self.f1:.4f}", f"{self.nearest:.4f}", f"{self.strength:.3g}"
        return self.name, str(self.size), *figures, f"{self.seconds:.1f} s", f"{self.epoch:.1f} s"


HEADINGS = ("network", "features", "accuracy", "macro F1", "neighbours", "strength", "took", "an epoch of training")


def probe(
    options: NetworkOptions, config: TrainConfig, splits: Splits, given: argparse.Namespace, device: torch.device
) -> Found:
    """Fit, report and write one network. Raises WeightsError or DataError."""
    start = time.perf_counter()
    seed_network(torch.device("cpu"), "init", config.seed)  # of a network without weights
    network = with_options(as_expected(options, config, splits.training, device), given)
    log.info(network.description)
    (train, names), (val, more) = (
        labelled(network, images, config, device) for images in (splits.training, splits.val)
    )
    classes = len(splits.classes)
    for images, part in ((splits.training, train), (splits.val, val)):
        if not len(part.y):
            raise DataError(f"{images.root}: none of its images can be read")
    if len(np.unique(train.y)) < 2:
        raise DataError(f"{splits.training.root}: one class only: nothing to tell apart")
    warn_of_absent(splits.training, train.y)
    if given.folds:
        both = Labelled(np.concatenate((train.x, val.x)), np.concatenate((train.y, val.y)))
        check_folds(both.y, given.folds, "readable images")
        warn_of_single(both.y, splits.classes)
        by_folds = judged_by_folds(both, classes, given.folds, config.seed)
        [classifier] = fit_path(train, classes, [by_folds.strength])
    else:
        classifier, by_folds = best_on(train, val, classes)[0], None
    name = f"{network.spec}, {Path(*options.weights.parts[-2:]) if options.weights else 'no weights'}"
    config = replace(config, **keys_of(network))
    folder, on_val = write_run(config, splits, network, as_head(classifier, train), device)
    if by_folds:
        summary = write_by_folds(folder, by_folds, [*names, *more], both.y, splits.classes)
        say(["", *in_words(summary), f"tables: {folder / FOLDER}"])
    figures_of = by_folds.score.metrics if by_folds else on_val
    seconds = time.perf_counter() - start
    figures = classifier.strength, figures_of.accuracy, figures_of.f1, neighbours(train, val), seconds
    return Found(name, train.x.shape[1], *figures, seconds_of_an_epoch(config, len(train.y), device), folder)


def as_expected(options: NetworkOptions, config: TrainConfig, images: Source, device: torch.device) -> LoadedNetwork:
    """The network, with the preprocessing that its weights expect where they are no checkpoint of ours."""
    file = WeightsFile(options.weights) if options.weights else None
    network = load_network(replace(options, new_head=True), device, file)
    if file is None or file.checkpoint:
        return network
    names = {"model_prefix": network.spec.prefix, "model_suffix": network.spec.suffix}
    expected = expected_by(replace(config, **names), file, images)
    size = network.spec.img_size
    steps = replace(expected.preprocess, img_size=size, val_resize=size, resize_mode="squash")  # as train.py finds it
    log.info(f"mean {list(steps.mean)}, std {list(steps.std)}: {expected.mean_by}")
    return replace(network, preprocess=steps)


def labelled(
    network: LoadedNetwork, images: Source, config: TrainConfig, device: torch.device
) -> tuple[Labelled, list[str]]:
    """Features with classes, and the names of the images."""
    start = time.perf_counter()
    found: Features = features_of(network, images, config, device)
    source = "from the cache" if found.kept else f"in {time.perf_counter() - start:.1f} s"
    log.info(f"{images.root}: {len(found.indices)} x {found.values.shape[1]} features {source}")
    check_finite(found.values, network.description)
    for index, reason in found.bad:
        log.warning(f"left out, cannot be read: {images.name(index)}: {reason}")
    return Labelled(found.values, found.targets(images)), [images.name(index) for index in found.indices.tolist()]


def with_options(network: LoadedNetwork, given: argparse.Namespace) -> LoadedNetwork:
    """With the mean and std of the command line, where it has them."""
    changes = {name: tuple(value) for name in ("mean", "std") if (value := getattr(given, name)) is not None}
    return replace(network, preprocess=replace(network.preprocess, **changes))


def keys_of(network: LoadedNetwork) -> dict[str, object]:
    """The keys of a config that are the network's."""
    steps = network.preprocess
    modes = {name: getattr(steps, name) for name in ("resize_mode", "interpolation", "pad_value")}
    sizes = {"img_size": steps.img_size, "val_resize": steps.val_resize, "mean": steps.mean, "std": steps.std}
    return {"model_prefix": network.spec.prefix, "model_suffix": network.spec.suffix, **sizes, **modes}


def networks_of(given: argparse.Namespace) -> list[NetworkOptions]:
    """Raises ConfigError where the options name none, or two ways at once."""
    if given.networks is None:
        return [network_options(given)]
    if given.model_prefix or given.model_suffix or given.weights or given.num_classes:
        text = "--networks goes without --model-prefix, --model-suffix, --num-classes and --weights"
        raise ConfigError("command line", [text])
    return [_network_of(text, given.img_size) for text in given.networks]


def _network_of(text: str, img_size: Sequence[int] | None) -> NetworkOptions:
    """'PREFIX:SUFFIX=FILE', 'PREFIX:SUFFIX' or 'FILE', which may be the folder of a run."""
    names, equals, file = text.partition("=")
    size = None if img_size is None else (img_size[0], img_size[1])
    if os.path.exists(text):
        return NetworkOptions(weights=weights_path(text), img_size=size)
    prefix, colon, suffix = names.partition(":")
    if not colon:
        problem = f"--networks: expected a file, PREFIX:SUFFIX or PREFIX:SUFFIX=FILE; there is no file {shown(text)}"
        raise ConfigError("command line", [problem])
    weights = weights_path(os.path.expanduser(file)) if equals else None
    return NetworkOptions(prefix, suffix, weights=weights, img_size=size)


def run(given: argparse.Namespace) -> list[Found]:
    """Every network's row, the best first."""
    device = pick_device(given.device)
    asked = networks_of(given)
    check_writable(Path(given.log_root), "--log-root")
    keys = dict(img_path=given.images, log_root=given.log_root, exp_name="probe", device=given.device, seed=given.seed)
    keys |= {name: value for name in ("mean", "std") if (value := getattr(given, name)) is not None}
    keys |= dict(batch_size=given.batch_size, num_workers=given.num_workers, on_bad_image="skip", warmup_epochs=0)
    keys["max_image_pixels"] = given.max_image_pixels
    config = train_config_from({**plain_values(TrainConfig), **keys}, "command line")
    with RunLog():
        splits = read_data(config)
        check_folds(np.concatenate((splits.training.targets, splits.val.targets)), given.folds)
        found, failed = [], []
        for each in asked:
            try:
                found.append(probe(each, config, splits, given, device))
            except UserError as error:
                if len(asked) == 1:
                    raise
                failed.append(str(error))
    found.sort(key=lambda row: -row.accuracy)
    on = f"{given.folds} folds of train and val" if given.folds else "val, which chose the strength"
    say(["", *aligned([HEADINGS, *(row.cells() for row in found)]), "", f"accuracy and macro F1 on {on}"])
    say(f"{row.folder / 'best.pth'}: {row.name}" for row in found)
    if failed:
        raise WeightsError(f"{len(failed)} of {len(asked)} networks: {'; '.join(failed)}")
    return found


def check_folds(targets: np.ndarray, folds: int | None, images: str = "images") -> None:
    """Raises DataError where the images, of these classes, do not fill so many folds. images: what they are called."""
    most = most_folds(targets)
    if folds and folds > most:
        few = f"no class has more than {most} {images}" if most > 1 else f"fewer than two classes have two {images}"
        raise DataError(f"--folds: {folds}, but {few} in train and val together")


def warn_of_single(targets: np.ndarray, classes: Sequence[str]) -> None:
    """Name the classes that a fold leaves out of training."""
    counts = np.bincount(targets, minlength=len(classes))
    if single := [name for name, count in zip(classes, counts) if count == 1]:
        log.warning(f"one image of {listed(single)}: the classifier that judges it knows no such class")


def workers(text: str) -> int | str:
    """For argparse: 'auto' or an integer >= 0."""
    return text if text == "auto" else integer_in(0, 1000)(text)


def parser() -> argparse.ArgumentParser:
    made = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    images = "with train/<class>/* and val/<class>/*"
    made.add_argument("images", type=os.path.expanduser, metavar="FOLDER", help=images)
    add_network_options(made)
    add = made.add_argument
    several = "several: PREFIX:SUFFIX=FILE, PREFIX:SUFFIX, a file or a run's folder"
    add("--networks", type=os.path.expanduser, nargs="+", metavar="N", help=several)
    add("--folds", type=integer_in(2, 100), metavar="K", help="accuracy over K folds of train and val together")
    for name in ("--mean", "--std"):
        text = "default: the checkpoint's, or as the weights seem to expect"
        add(name, type=float, nargs=3, metavar=("R", "G", "B"), help=text)
    add("--batch-size", type=integer_in(1, 10**6), default=32, help="images at a time (default: 32)")
    add("--num-workers", type=workers, default="auto", metavar="N", help="loading processes (default: auto)")
    add_max_image_pixels(add)
    add("--log-root", type=os.path.expanduser, default="./logs", help="where run folders go (default: ./logs)")
    add("--seed", type=integer_in(0, 2**32 - 1), default=0, help="of the folds (default: 0)")
    return made


def main(arguments: list[str] | None = None) -> int:
    given = read_network_options(parser(), arguments)
    return run_command(lambda: run(given) and None)


if __name__ == "__main__":
    sys.exit(main())
