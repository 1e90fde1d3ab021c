"""A config file becomes a checked object. Knows the keys and what data can be read; nothing of networks or training."""

from ..errors import ConfigError
from .keys import PredictConfig, TrainConfig
from .read import (
    load_predict_config,
    load_train_config,
    parse_overrides,
    read_literals,
    run_config_from,
    to_plain,
    train_config_from,
)

__all__ = [
    "ConfigError",
    "PredictConfig",
    "TrainConfig",
    "load_predict_config",
    "load_train_config",
    "parse_overrides",
    "read_literals",
    "run_config_from",
    "to_plain",
    "train_config_from",
]
