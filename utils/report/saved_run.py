"""A run folder read back without running code, for it may come from elsewhere."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..config import ConfigError, TrainConfig, read_literals
from ..config.schema import check, plain_values
from ..config.without_effect import OF_TRAINING
from ..errors import DataError
from ..text import shown
from .file_names import CONFIG, ENVIRONMENT

PLACES = {"config_path", "log_root", "exp_name"}  # keys that say where a run is, not what it is
MOST_CHANGES = 8  # keys shown of one run


def check_run(folder: Path) -> None:
    """Raises DataError naming what is missing unless `folder` holds what every run writes before its first epoch."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected the folder of a run, such as logs/resnet_18/exp0")
    if missing := [name for name in (CONFIG, ENVIRONMENT) if not (folder / name).is_file()]:
        below = [*folder.glob(f"*/{CONFIG}"), *folder.glob(f"*/*/{CONFIG}")]
        runs = sorted(path.parent.relative_to(folder).as_posix() for path in below)
        hint = f"; runs below it: {', '.join(runs[:5])}{' ...' if len(runs) > 5 else ''}" if runs else ""
        raise DataError(f"{folder}: not the folder of a run: no {' and no '.join(missing)} in it{hint}")


def read_config(folder: Path) -> TrainConfig:
    """The config of a run, each key checked by itself: neither data nor device have to be here any more."""
    path = folder / CONFIG
    values, problems = check(TrainConfig, {**plain_values(TrainConfig), **read_literals(path)})
    if problems:
        raise ConfigError(str(path), problems)
    return TrainConfig(**values)


def read_steps_per_epoch(folder: Path) -> int:
    """Optimizer steps of an epoch; 0 for a run that only validated, or is no further than that. Raises DataError."""
    path = folder / ENVIRONMENT
    if not path.is_file():
        return 0
    try:
        steps = json.loads(path.read_bytes())["steps_per_epoch"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: cannot read steps_per_epoch: {type(error).__name__}: {error}") from None
    if type(steps) is not int or not 0 <= steps < 2**53:
        raise DataError(f"{path}: steps_per_epoch: expected an integer >= 0, got {shown(steps)}")
    return steps


def describe_runs(folders: Sequence[Path]) -> list[str]:
    """A label for each run: its name, and the keys of its config in which the runs that use them differ."""
    configs = [_used(read_config(folder)) for folder in folders]
    found = {key.name: [config[key.name] for config in configs if key.name in config] for key in fields(TrainConfig)}
    differing = [key for key, values in found.items() if any(value != values[0] for value in values)]
    changes = [_changes(config, [key for key in differing if key in config]) for config in configs]
    return [f"{name}: {text}" if text else name for name, text in zip(names_of_runs(folders), changes)]


def _used(config: TrainConfig) -> dict[str, Any]:
    unused = {*PLACES, *(OF_TRAINING if config.only_val else ())}
    return {key: value for key, value in vars(config).items() if key not in unused}


def names_of_runs(folders: Sequence[Path]) -> list[str]:
    """The last part of each path, or as many parts as make the paths distinct."""
    paths = [folder.resolve().parts for folder in folders]
    longest = max(map(len, paths))
    length = next((n for n in range(1, longest) if len({path[-n:] for path in paths}) == len(set(paths))), longest)
    return ["/".join(path[-length:]) for path in paths]


def _changes(config: dict[str, Any], keys: Sequence[str]) -> str:
    text = ", ".join(f"{key} {_short(config[key])}" for key in keys[:MOST_CHANGES])
    return text + (f" and {len(keys) - MOST_CHANGES} more" if len(keys) > MOST_CHANGES else "")


def _short(value: Any, most: int = 32) -> str:
    """A value in few letters: of a long path its end."""
    text = " ".join(str(list(value) if isinstance(value, tuple) else value).split()) or "''"
    return text if len(text) <= most else f"...{text[3 - most :]}"
