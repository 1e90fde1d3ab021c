"""Where predictions go: what the user names, else new files beside the weights, which replace nothing."""

import glob
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from ..config import PredictConfig
from ..errors import ConfigError
from ..files import is_too_long, unwritable

ENDINGS = (".csv", ".json")


def output_folder(config: PredictConfig, weights: Path) -> Path:
    """Where what has no name of its own goes: to the folder of config.output, else to `predictions` beside the weights.

    Raises ConfigError, before anything is read, if what is to be written there, or elsewhere, could not be.
    """
    if config.embed:
        check_output(config.embed, "embed", (".npz",))
    if config.sort_into:
        check_sort_into(config)
    if config.output:
        check_output(config.output)
        return Path(config.output).parent
    folder = weights.parent / "predictions"
    if os.path.isfile(weights) and (problem := unwritable(folder)):
        raise ConfigError("output", [f"cannot write beside the weights, {problem}; set output, a csv or json file"])
    return folder


def check_output(path: str | Path, key: str = "output", endings: Sequence[str] = ENDINGS) -> None:
    """Raises ConfigError if no such file can be written: another ending, a folder, or none that takes a file."""
    path = Path(path)
    if os.path.isdir(path):
        example = str(path / f"all{endings[0]}")
        raise ConfigError(key, [f"{str(path)!r} is a folder; expected a file, such as {example!r}"])
    if path.suffix not in endings:
        raise ConfigError(key, [f"expected a name ending in {' or '.join(endings)}, got {str(path)!r}"])
    if is_too_long(path.name):
        raise ConfigError(key, [f"{path.name!r} is too long for the name of a file"])
    if not os.path.isdir(path.parent):
        raise ConfigError(key, [f"no folder {str(path.parent)!r} to write {path.name} into"])
    if problem := unwritable(path.parent):
        raise ConfigError(key, [f"cannot write {path.name}, {problem}; name a file in another folder"])


def check_sort_into(config: PredictConfig) -> None:
    """Raises ConfigError if the folder takes no file, or lies where the next prediction would find the copies."""
    folder = os.path.realpath(config.sort_into)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise ConfigError("sort_into", [f"{config.sort_into!r} is a file; expected a folder"])
    if any(map(is_too_long, Path(folder).parts)):
        raise ConfigError("sort_into", [f"{config.sort_into!r} has a name that is too long for a folder"])
    for pattern in config.patterns:
        if _would_find(pattern, Path(folder)):
            problem = f"{config.sort_into!r} lies in {pattern!r}, which is read; name a folder outside of it"
            raise ConfigError("sort_into", [problem])
    if unfit := unwritable(Path(folder)):
        raise ConfigError("sort_into", [f"cannot write {unfit}; name a folder elsewhere"])


def _would_find(pattern: str, folder: Path) -> bool:
    """Whether the pattern may find <class>/<image> in `folder`, which has no links on its way."""
    start = Path(os.path.realpath(folder_of(pattern)))
    if os.path.isfile(pattern) or not folder.is_relative_to(start):
        return False
    behind = list(itertools.dropwhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    levels = len(folder.relative_to(start).parts) + 2
    return os.path.isdir(pattern) or "**" in behind or len(behind) == levels


def shared_folder(patterns: Sequence[str]) -> Path:
    """The folder that the patterns of predict_img_path have in common; the root, where they are on different disks."""
    try:
        return Path(os.path.commonpath([folder_of(pattern) for pattern in patterns]))
    except ValueError:
        return Path(os.path.abspath(os.sep))


def folder_of(pattern: str) -> Path:
    """The folder that a pattern means: itself, or that of a file, or what a glob has in front of its signs."""
    if os.path.isdir(pattern):
        return Path(os.path.abspath(pattern))
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    path = Path(os.path.abspath(os.path.join(*fixed) if fixed else "."))
    return path if os.path.isdir(path) else path.parent
