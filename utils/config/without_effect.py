"""Keys that a user sets though something else decides: none is passed over in silence, and what holds is said."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .keys import TrainConfig
from .schema import literal


def is_asked(config: Any, name: str, explicit: Collection[str] = ()) -> bool:
    """Whether the user has set a key: it is none of the defaults, or among those `explicit` on the command line."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return name in explicit or getattr(config, name) != defaults[name]


def overruled(config: Any, holding: Mapping[str, Any], source: str, explicit: Collection[str] = ()) -> Iterator[str]:
    """A sentence for each key that is set otherwise than `source` has it.

    holding: key -> the value that holds; '' where there is more of it than fits into a line.
    """
    for name, held in holding.items():
        value = getattr(config, name)
        held = tuple(held) if isinstance(held, list) else held
        if is_asked(config, name, explicit) and value != held:
            what = f": {literal(held)}" if held != "" else ""
            yield f"{name}: {literal(value)} is without effect, as {source} has its own{what}"


def sections(schema: type, *titles: str) -> list[str]:
    """The keys below these titles of the config file."""
    title, found = "", []
    for field in dataclasses.fields(schema):
        title = field.metadata["group"] or title
        found += [field.name] if title in titles else []
    return found


OF_TRAINING = (  # keys that only_val does not use
    *sections(TrainConfig, "Augmentation", "Fine-tuning", "Optimisation", "Learning rate"),
    *("pretrained", "weights_dir", "weights_mirror", "use_ema", "ema_decay", "ema_steps", "save_steps", "keep"),
    *("loggers", "project", "run_name"),
)


@dataclass(frozen=True)
class Condition:
    """Keys that do something only where another key has such a value."""

    names: tuple[str, ...]
    other: str
    holds: Callable[[Any], bool]


def _none_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: value not in values


CONDITIONS = (  # of a training whose keys are all resolved; optimizers and schedules that others add have all keys
    Condition(("split", "tta"), "only_val", bool),
    Condition(("project", "run_name"), "loggers", bool),
    Condition(("weights_dir", "weights_mirror"), "pretrained", bool),
    Condition(("ema_decay", "ema_steps"), "use_ema", bool),
    Condition(("val_resize",), "resize_mode", _none_of("letterbox")),
    Condition(("pad_value",), "resize_mode", _none_of("squash", "shortest")),
    Condition(("min_delta", "start_from_epoch"), "patience", bool),
    Condition(("momentum",), "optimizer_type", _none_of("adam", "adamw")),
    Condition(("betas",), "optimizer_type", _none_of("sgd", "rmsprop")),
    Condition(("eps",), "optimizer_type", _none_of("sgd")),
    Condition(("min_lr",), "scheduler_type", _none_of("step_lr", "exponential_lr")),
    Condition(("lr_gamma",), "scheduler_type", _none_of("cosine_lr")),
    Condition(("steps",), "scheduler_type", _none_of("cosine_lr", "exponential_lr")),
    Condition(("warmup_type",), "warmup_epochs", bool),
    Condition(("amp_dtype",), "use_apex", bool),
)


def idle(config: Any, asked: Iterable[str]) -> Iterator[str]:
    """A sentence for each of the keys `asked` that the other keys of `config` leave nothing to do."""
    asked = set(asked)
    for condition in CONDITIONS:
        other = getattr(config, condition.other)
        for name in condition.names if not condition.holds(other) else ():
            if name in asked:
                value = literal(getattr(config, name))
                yield f"{name}: {value} is without effect, as {condition.other} = {literal(other)}"
