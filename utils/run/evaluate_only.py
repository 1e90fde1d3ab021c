"""only_val: the figures of a checkpoint on val, in a run folder of their own."""

from pathlib import Path
from typing import Any

import torch

from ..config import TrainConfig
from ..data.listing import Splits
from ..data.loaders import make_loaders
from ..data.preprocess import Preprocess
from ..errors import WeightsError
from ..log import RunLog, log
from ..training.build import make_model, make_recipe
from ..training.engine import evaluate
from ..training.metrics import metrics_from
from ..weights.checkpoint import is_checkpoint
from ..weights.load import fill_whole, load_weights
from ..weights.networks import read_payload
from .environment import environment
from .folder import open_run_folder
from .splits import read_data


def validate(config: TrainConfig, device: torch.device, run_log: RunLog) -> Path:
    """Evaluate config.load_from on val and write tables and plots; returns the run folder.

    A checkpoint of ours brings its classes and preprocessing; other weights take the config's, and the class folders
    of train. Where averaged weights are there, they are evaluated too.
    """
    payload = read_checkpoint(config)
    splits = read_data(config, payload["classes"] if payload else None)
    splits = Splits(None, splits.val)
    preprocess = Preprocess.from_plain(payload["preprocess"]) if payload else Preprocess.from_config(config)
    models = [make_model(config, device, len(splits.classes))]
    recipe = make_recipe(config, models[0], device, preprocess)
    _, loader = make_loaders(config, splits, preprocess, device)
    if payload is None:
        log.info(str(load_weights(models[0], config.load_from)))
    else:
        models += [make_model(config, device, len(splits.classes))] if payload["net_ema"] else []
        for model, name in zip(models, ("net", "net_ema")):
            fill_whole(model, payload[name], f"{config.load_from}: {name}")
    folder = open_run_folder(config)
    run_log.write_to(folder.path)
    folder.begin(config, splits, environment(device, config.num_threads), 0)
    evaluations = evaluate(models, loader, recipe, len(splits.classes))
    row: dict[str, Any] = {"epoch": payload["epoch"] if payload else 0}
    for prefix, evaluation in zip(("", "ema_"), evaluations):
        metrics = metrics_from(evaluation.confusion.numpy())
        row |= {f"{prefix}{name}": value for name, value in metrics.summary(evaluation.loss).items()}
    for index, reason in evaluations[0].bad:
        log.warning(f"left out, cannot be read: {splits.val.path(index)}: {reason}")
    log.info("  ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch") + f"  in {folder.path}")
    metrics = metrics_from(evaluations[0].confusion.numpy())
    folder.record([row], metrics, splits.classes)
    folder.record_best(evaluations[0], metrics, splits.classes)
    folder.draw()
    return folder.path


def read_checkpoint(config: TrainConfig) -> dict[str, Any] | None:
    """The checkpoint config.load_from, None if it is none of ours. Raises WeightsError for another network's."""
    payload = read_payload(Path(config.load_from))
    if not is_checkpoint(payload):
        return None
    saved = payload["config"]["model_prefix"], payload["config"]["model_suffix"]
    if saved != (config.model_prefix, config.model_suffix):
        raise WeightsError(
            f"{config.load_from}: holds {' '.join(saved)}, but the config names {config.model_prefix} "
            f"{config.model_suffix}; set model_prefix = {saved[0]!r} and model_suffix = {saved[1]!r}"
        )
    return payload
