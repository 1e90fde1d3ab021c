"""Before anything is trained: which images there are, reported and checked."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from .. import distributed
from ..config.keys import TrainConfig
from ..config.rules import DIGITS_PATH
from ..data.demo import make_digits
from ..data.list_index import remembered
from ..data.listing import Listing, list_folder, scan
from ..data.made_folds import training_on_folds
from ..data.source import ImageList, Source, Splits
from ..data.split_folders import dividing, renaming
from ..errors import ConfigError, DataError
from ..log import log
from ..text import listed


def is_there(img_path: str) -> bool:
    """Whether a run can begin with this folder: the embedded digits are made where they are missing."""
    return os.path.isdir(img_path) or _is_of_digits(img_path)


def _is_of_digits(img_path: str | Path) -> bool:
    return Path(img_path).absolute() == Path(DIGITS_PATH).absolute()


def read_data(config: TrainConfig, classes: Sequence[str] | None = None) -> Splits:
    """The images of train, val and, where there is one, test, reported and checked; none of them is opened.

    The embedded digits are made where they are missing.
    classes: the list of a checkpoint that is to be validated, on the one folder that config.split names.
    Raises DataError or ConfigError for what cannot train.
    """
    root = Path(config.img_path)
    if not os.path.isdir(root) and _is_of_digits(root):
        if distributed.is_main():
            log.info(f"making the embedded digits in {root}")
            make_digits(root)
        distributed.barrier()
    of = "train" if classes is None else "the checkpoint"
    read = partial(scan, listing=listing_of(config), max_pixels=config.max_image_pixels, of=of)
    train = None if classes is not None else _read_split(root, "train", None, read)
    classes = train.classes if train is not None else classes
    val = _read_split(root, config.split if config.only_val else "val", classes, read)
    has_test = not config.only_val and os.path.isdir(root / "test")
    test = _read_split(root, "test", classes, read) if has_test else None
    _check_ranks([images for images in (train, val, test) if images is not None])
    splits = Splits(train, val, test)
    _report_and_check(config, splits)
    return splits


def listing_of(config: TrainConfig) -> Callable[[str], Listing]:
    """How folders are listed under the config's list_cache."""
    return remembered if config.list_cache == "auto" else list_folder


def _read_split(root: Path, split: str, classes: Sequence[str] | None, read: Callable[..., ImageList]) -> ImageList:
    """Raises DataError where there is none, with the line that mends it where its folder has another name."""
    if not os.path.isdir(root / split) and (how := renaming(root, split)):
        raise DataError(f"{root / split}: no such folder; {how}")
    if not os.path.isdir(root / split) and (how := dividing(root) or training_on_folds(root)):
        raise DataError(f"{root / split}: no such folder; {how}")
    images = read(root / split, classes)
    if not len(images):
        how = renaming(root, split) or "expected a folder with images in it for each class"
        raise DataError(f"{root / split}: no images found; {how}")
    return images


def _check_ranks(lists: Sequence[ImageList]) -> None:
    """Raises DataError, on every rank, where they see other images: they would wait for each other without end."""
    for images in lists:
        found = distributed.gather((len(images), images.fingerprint())) if distributed.world_size() > 1 else []
        if len(set(found)) > 1:
            counts = ", ".join(str(count) for count, _ in found)
            raise DataError(
                f"{images.root}: not the same on all processes, which find {counts} images; they must all read the "
                "same files (list_cache = 'none' lists them anew)"
            )


def _report_and_check(config: TrainConfig, splits: Splits) -> None:
    named = {"train": splits.train, config.split if config.only_val else "val": splits.val, "test": splits.test}
    for name, images in named.items():
        if images is not None:
            log.info(f"{name}: {len(images)} images of {len(images.classes)} classes in {images.root}")
            for note in images.notes:
                log.warning(f"{images.root}: {note}")
            absent = _absent(splits.classes, images) if name != "train" else []
            if absent:
                log.warning(f"{images.root}: no images of {', '.join(absent[:10])}: support 0 in the tables")
    if len(splits.classes) == 1:
        log.warning(f"one class only ({splits.classes[0]!r}): every network will be right all the time")
    if config.num_classes not in ("auto", len(splits.classes)):
        found = f"{config.num_classes}, but the data has {len(splits.classes)} classes; 'auto' would count them"
        raise ConfigError("config", [f"num_classes: {found}"])
    if config.monitor == "macro_auc" and not config.only_val and len(present := _present(splits.val)) < 2:
        found = f"'macro_auc' needs images of two classes, and {splits.val.root} has those of {listed(present)} alone"
        raise ConfigError("config", [f"monitor: {found}; 'val_loss' does not"])
    _report_counts(splits)


def _absent(classes: Sequence[str], images: Source) -> list[str]:
    """The classes that have no image."""
    present = set(_present(images))
    return [name for name in classes if name not in present]


def _present(images: Source) -> list[str]:
    """The classes that have images."""
    return [name for name, count in zip(images.classes, images.counts()) if count]


def _report_counts(splits: Splits, most: int = 12) -> None:
    """Counts of each class where the list is short, else of the rarest and the commonest."""
    images = splits.train or splits.val
    counts = images.counts().tolist()
    if len(counts) <= most:
        counted = ", ".join(f"{name} {count}" for name, count in zip(images.classes, counts))
    else:
        low, rare = min(zip(counts, images.classes))
        high, common = max(zip(counts, images.classes))
        counted = f"from {low} ({rare}) to {high} ({common})"
    log.info(f"images of each class in {images.root}: {counted}")
