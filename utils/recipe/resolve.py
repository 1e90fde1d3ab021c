"""Each key that is 'auto' gets its value, once, with the reason; what the user set stays as it is."""

from dataclasses import replace

from ..config.keys import AUTO_KEYS, TrainConfig
from ..config.rules import train_problems
from ..config.schema import literal
from ..errors import ConfigError
from ..text import aligned
from .facts import Facts
from .row import Row
from .rules import RULES


def waiting(config: TrainConfig) -> list[str]:
    """The keys that are still 'auto', in the order in which rules find their values."""
    return [name for name in RULES if getattr(config, name) == "auto"]


def resolve(config: TrainConfig, facts: Facts) -> tuple[TrainConfig, list[Row]]:
    """The config without a key that is 'auto', and a row of each that was.

    Raises ConfigError where what was found contradicts what the user set.
    """
    rows = []
    for name in waiting(config):
        value, why = RULES[name](facts, config)
        config = replace(config, **{name: value})
        rows.append(Row(name, value, why))
    if problems := train_problems(vars(config)):
        raise ConfigError("config, with its 'auto' keys found", problems)
    order = {name: place for place, name in enumerate(AUTO_KEYS)}
    return config, sorted(rows, key=lambda row: order[row.key])


def table(rows: list[Row]) -> list[str]:
    """Lines for the log."""
    cells = aligned([(row.key, literal(row.value)) for row in rows])
    return [f"  {cell}  {row.why}" for cell, row in zip(cells, rows)]
