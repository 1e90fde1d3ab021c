"""What a checkpoint must hold before anyone relies on it: it may come from elsewhere."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from models import create_model, native_img_size

from ..config.keys import AUTO_KEYS, PAIR, TrainConfig
from ..config.schema import Kind, check, choice, integer, number, plain_values
from ..errors import WeightsError
from ..text import shown
from ..training.known import are_known
from .best import Best
from .files import check_fit
from .preprocess_schema import read_preprocess

LARGE_SIDE = 1024  # pixels
MOST = 2**53  # no count of ours comes near


def validated(payload: dict[str, Any], path: Any) -> dict[str, Any]:
    """The checkpoint `payload`, read from `path`, with every entry of the right type and range.

    What best.pth does not hold is None. Keys that config lacks are as they were before. dist_url becomes the default:
    processes meet where the user says, not where a file does. Raises WeightsError naming the entries at fault.
    """
    weights_alone = "weights_of" in payload
    entries = {**CONTENT, **({"weights_of": WEIGHTS_OF} if weights_alone else STATE_OF_A_RUN)}
    entries |= {name: kind for name, kind in LATER.items() if name in payload}
    problems = [problem for name, kind in entries.items() if (problem := _problem(payload, name, kind))]
    values: dict[str, Any] = {}  # of config
    if isinstance(payload.get("config"), dict):
        saved = {k: v for k, v in payload["config"].items() if k in _KEYS}
        values, found = check(TrainConfig, {**plain_values(TrainConfig), **saved})
        found += [f"{name}: 'auto' in the checkpoint of a run, which has found a value" for name in _waiting(values)]
        problems += [f"config: {sentence}" for sentence in [*found, *_network_problems(payload["config"])]]
    if problems := problems or _size_problems(payload, {**values, **payload["config"]}):
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(f"{path}: no sound checkpoint: {'; '.join(problems[:3])}{more}")
    ignored = dict.fromkeys(STATE_OF_A_RUN) if weights_alone else {}
    return {**BEFORE, **payload, **ignored, "config": {**values, **payload["config"], "dist_url": "env://"}}


def check_state(checkpoint: dict[str, Any], state: Any, path: Any) -> None:
    """Raises WeightsError unless weights, optimizer, scheduler and scaler of `checkpoint` fit a new TrainState."""
    models = {"net": state.model, "net_ema": state.ema and state.ema.model}
    try:
        for name, model in models.items():
            if model is not None:
                check_fit(model.state_dict(), checkpoint[name] or {})
        name = "scheduler"
        _check_alike(checkpoint[name], state.scheduler.state_dict(), needed=("last_epoch", "base_lrs", "lr_lambdas"))
        COUNT.convert(checkpoint[name]["last_epoch"])
        name, scaler = "scaler", state.scaler.state_dict()
        if scaler and checkpoint[name]:  # empty without mixed precision
            _check_alike(checkpoint[name], scaler, needed=tuple(scaler))
        name = "optimizer"
        _check_optimizer(checkpoint[name], state.optimizer)
    except ValueError as error:
        raise WeightsError(f"{path}: {name}: {error}") from None


def _check_alike(saved: dict[str, Any], fresh: dict[str, Any], *, needed: tuple[str, ...]) -> None:
    if not (set(needed) <= saved.keys() <= fresh.keys() and _alike(saved, fresh)):
        raise ValueError(f"expected values like {shown(fresh)}, got {shown(saved)}")


def _check_optimizer(saved: dict, optimizer: Optimizer) -> None:
    groups = optimizer.state_dict()["param_groups"]
    places = [group["params"] for group in groups]
    if not (
        saved.keys() == {"state", "param_groups"}
        and _alike(saved["param_groups"], groups)
        and [group.get("params") for group in saved["param_groups"]] == places
    ):
        raise ValueError(f"expected groups like {shown(groups)}, got {shown(saved.get('param_groups', saved))}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not isinstance(saved["state"], dict) or not all(
        isinstance(place, int) and 0 <= place < len(parameters) and _belongs(values, parameters[place])
        for place, values in saved["state"].items()
    ):
        raise ValueError(f"its state does not fit the {len(parameters)} parameters of the network")


def _belongs(values: Any, parameter: Tensor) -> bool:
    """Whether `values` can be what an optimizer remembers of `parameter`: a number, or a tensor of its shape, each."""
    return isinstance(values, dict) and all(
        isinstance(name, str) and (value.shape in (parameter.shape, torch.Size()) if isinstance(value, Tensor)
                                   else value is None or _is_number(value))
        for name, value in values.items()
    )  # fmt: skip


def _alike(saved: Any, fresh: Any) -> bool:
    """Whether two nested values have the same types, lengths and shapes, keys that only one has aside."""
    if isinstance(fresh, dict):
        return isinstance(saved, dict) and all(_alike(saved[key], fresh[key]) for key in saved.keys() & fresh.keys())
    if isinstance(fresh, (list, tuple)):
        return isinstance(saved, (list, tuple)) and len(saved) == len(fresh) and all(map(_alike, saved, fresh))
    if isinstance(fresh, Tensor):
        return isinstance(saved, Tensor) and saved.shape == fresh.shape
    if _is_number(fresh):
        return _is_number(saved)
    return type(saved) is type(fresh)


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < MOST)


def _problem(payload: dict[str, Any], name: str, kind: Kind) -> str | None:
    if name not in payload:
        return f"no entry {name!r}"
    try:
        kind.convert(payload[name])
    except Exception:  # values of any type
        return f"{name}: expected {kind.expects}, got {shown(payload[name])}"
    return None


def _network_problems(config: dict[Any, Any]) -> list[str]:
    prefix = config.get("model_prefix")
    suffix = config.get("model_suffix")
    if not (isinstance(prefix, str) and isinstance(suffix, str)):
        return [f"expected model_prefix and model_suffix, got {shown([prefix, suffix])}"]
    try:
        native_img_size(prefix, suffix)
    except ValueError as error:
        return [str(error)]
    return []


def _kind(expects: str, holds: Callable[[Any], Any]) -> Kind:
    """A kind that takes what `holds` says True of."""

    def convert(value: Any) -> Any:
        if not holds(value):
            raise ValueError
        return value

    return Kind(expects, convert)


def _waiting(values: dict[str, Any]) -> list[str]:
    """The keys that are 'auto' though they were not before there were rules."""
    plain = plain_values(TrainConfig)
    return [name for name in AUTO_KEYS if values.get(name) == "auto" != plain[name]]


def _size_problems(payload: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """What is wrong with the size of images; tables of positions that follow it could fill the memory."""
    size, names = tuple(payload["preprocess"]["img_size"]), (config["model_prefix"], config["model_suffix"])
    if tuple(PAIR.convert(config["img_size"])) != size:
        return [f"img_size: {shown(config['img_size'])} in config, but {shown(size)} in preprocess"]
    if max(size) <= LARGE_SIDE:
        return []
    with torch.device("meta"):  # shapes without memory
        state = create_model(*names, len(payload["classes"]), img_size=size).state_dict()
    try:
        check_fit(state, payload["net"])
    except ValueError as error:
        return [f"net: {error}"]
    return []


def is_class_name(name: Any) -> bool:
    """Whether a folder could have this name: names of classes become parts of paths and cells of tables."""
    if not isinstance(name, str) or not name or name in (".", "..") or set(name) & set("/\0"):
        return False
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeError:  # half of a character
        return False
    return True


def are_classes(names: Any) -> bool:
    """Whether this is a list of different names that folders can have."""
    return isinstance(names, list) and bool(names) and all(map(is_class_name, names)) and len(set(names)) == len(names)


def _is_state(tensors: Any) -> bool:
    return isinstance(tensors, dict) and bool(tensors) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
    )  # fmt: skip


def _is_row(row: Any) -> bool:
    """Of history: numbers under names that may head a table."""
    return isinstance(row, dict) and all(
        isinstance(name, str) and name.isidentifier() and _is_number(value) for name, value in row.items()
    )


def _is_best(plain: Any) -> bool:
    if not isinstance(plain, dict):
        return False
    best = Best.from_plain(plain)
    return best is None or COUNT.convert(best.epoch) >= 1


def _is_patience(patience: Any) -> bool:
    if not isinstance(patience, dict) or not patience.keys() <= {"value", "waited"}:
        return False
    value = patience.get("value")
    return COUNT.convert(patience.get("waited", 0)) >= 0 and (value is None or _is_number(value))


def _is_progress(progress: Any) -> bool:
    bad = progress["bad"] if isinstance(progress, dict) else None
    return (
        isinstance(bad, list)
        and all(isinstance(name, str) and _is_number(value) for name, value in progress.items() if name != "bad")
        and all(len(pair) == 2 and COUNT.convert(pair[0]) >= 0 and isinstance(pair[1], str) for pair in bad)
    )


def _are_fingerprints(prints: Any) -> bool:
    return (
        isinstance(prints, dict)
        and prints.keys() == {"train", "val"}
        and all(isinstance(each, list) and each and all(type(n) is int and 0 <= n < MOST for n in each)
                for each in prints.values())
    )  # fmt: skip


_KEYS = {field.name for field in fields(TrainConfig)}
COUNT = integer(0, high=MOST)
STATE = "tensors by name"
WEIGHTS_OF = choice("raw", "averaged")
CONTENT: dict[str, Kind] = {
    "net": _kind(STATE, _is_state),
    "epoch": COUNT,
    "step": COUNT,
    "best": _kind("{} or {'epoch', 'accuracy', 'val_loss', 'weights'}", _is_best),
    "history": _kind("a list of rows of numbers", lambda value: isinstance(value, list) and all(map(_is_row, value))),
    "config": _kind("a dict", lambda value: isinstance(value, dict)),
    "classes": _kind("a list of different names that folders can have", are_classes),
    "preprocess": _kind("img_size, val_resize, mean, std and interpolation", read_preprocess),
    "world_size": integer(1, high=MOST),
    "train_images": COUNT,
}
TEMPERATURE = number(above=0)
LATER: dict[str, Kind] = {  # entries that older checkpoints lack; best.pth gets a temperature as its run ends
    "temperature": TEMPERATURE,
    "patience": _kind("{'value', 'waited'}", _is_patience),
    "fingerprints": _kind("{'train', 'val'}, of integers", _are_fingerprints),
    "known": _kind("features of train, a neighbour, a distance and a confidence, or None", are_known),
}
BEFORE = {"temperature": 1.0, "patience": {}, "known": None, "fingerprints": None}
STATE_OF_A_RUN: dict[str, Kind] = {  # which a resume needs, and best.pth does not hold
    "net_ema": _kind(f"{STATE}, or None", lambda value: value is None or _is_state(value)),
    "optimizer": _kind("a dict", lambda value: isinstance(value, dict)),
    "scheduler": _kind("a dict", lambda value: isinstance(value, dict)),
    "scaler": _kind("a dict", lambda value: isinstance(value, dict)),
    "progress": _kind("figures of the epoch under way", _is_progress),
}
