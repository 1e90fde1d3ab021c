"""Keys that a user sets though something else decides: none is passed over in silence, and what holds is said."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
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
