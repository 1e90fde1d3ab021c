"""only_val: the figures of a checkpoint on val or another split, in a run folder of their own."""

import math
import os
import signal
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import distributed
from ..config.keys import TrainConfig
from ..config.schema import literal
from ..config.without_effect import OF_TRAINING, is_asked, overruled
from ..data.loaders import make_loaders
from ..data.preprocess import Preprocess
from ..data.source import Splits
from ..data.views import Views
from ..errors import ConfigError, WeightsError
from ..log import RunLog, log
from ..report import best_of_run
from ..signals import Stopped, StopRequest, terminations_raise
from ..text import listed, shown
from ..training.build import make_model, make_recipe
from ..training.views import MeanOfViews
from ..weights.best import KINDS, scored_weights
from ..weights.load import fill_from, fill_whole
from ..weights.preprocess_schema import read_preprocess
from ..weights.weights_file import WeightsFile
from .environment import environment
from .final import judge, name_unreadable
from .final import record as record_judgement
from .folder import RunFolder, check_place, open_run_folder
from .nothing import check_evaluated
from .page import Page
from .plan import planned_validation
from .scoring import Scored, score
from .splits import is_there, read_data
from .trained_on import warn_of_trained_images

OF_THE_CHECKPOINT = ("model_prefix", "model_suffix", "img_path")


def validate(config: TrainConfig, device: torch.device, run_log: RunLog, explicit: Collection[str] = ()) -> Path:
    """Evaluate config.load_from on the folder config.split and write tables and plots; returns the run folder.

    A checkpoint of ours brings its network, data, classes and preprocessing; other weights take the config's, and the
    class folders of train. Where averaged weights are there beside raw ones, both are evaluated, and the tables by
    class are of those that the checkpoint's figures are of. Raises Stopped, with no folder left, when a signal asks for
    it.
    explicit: keys that the user has set even where they have the values of the defaults.
    """
    file = WeightsFile(config.load_from)
    payload = file.checkpoint
    if payload is not None:
        config = as_trained(config, payload, explicit)
    check_network(config, payload)
    check_place(config)
    config = report_without_effect(config, payload)
    splits = read_data(config, payload["classes"] if payload else None)
    config = planned_validation(config, splits, device, file)
    splits = Splits(None, splits.val)
    preprocess = read_preprocess(payload["preprocess"]) if payload else Preprocess.from_config(config)
    models = load_models(config, file, device, len(splits.classes))
    recipe = make_recipe(config, models["net"], device, preprocess)
    views = Views(config.tta, preprocess)
    if config.tta != "none":
        temperature = payload["temperature"] if payload else 1.0
        models = {name: MeanOfViews(model, views, temperature) for name, model in models.items()}
    _, loader = make_loaders(config, splits, views.reads, device)
    with terminations_raise():
        folder = open_run_folder(config)
        with folder.removed_if_failed():
            run_log.write_to(folder.path)
            folder.begin(config, splits, environment(device, config.num_threads), 0)
            with StopRequest() as stop:
                scored = score(
                    models,
                    loader,
                    recipe,
                    len(splits.classes),
                    stop=lambda: leave_if_asked(stop, device),
                    answers=True,
                    name=config.split,
                )
            record(folder, scored, splits, payload, config)
            Page(folder, config.max_image_pixels).finish()
    if payload and distributed.is_main():
        warn_of_trained_images(config, payload, splits.val)
    return folder.path


def record(
    folder: RunFolder, scored: Sequence[Scored], splits: Splits, payload: dict[str, Any] | None, config: TrainConfig
) -> None:
    """Tables and plots. payload: the checkpoint that was evaluated, if it is one of ours.

    Raises DataError where no image could be read, WeightsError where the network's answers are no numbers.
    """
    key, kind = scored_weights(payload) if payload else ("net", "weights")
    row: dict[str, Any] = {"epoch": payload["epoch"] if payload else 0}
    for each in scored:
        row |= each.columns()
    [chosen] = [each for each in scored if each.weights == key]
    name_unreadable(splits.val, chosen.evaluation.bad)
    check_evaluated(splits.val, chosen.evaluation, config.split)
    if not math.isfinite(chosen.evaluation.loss):
        cause = "its weights may be of a training that diverged; expected weights whose answers are numbers"
        raise WeightsError(f"{config.load_from}: the loss is {chosen.evaluation.loss}: {cause}")
    figures = "  ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch")
    log.info(f"{figures}  (tables: {kind})  in {folder.path}")
    folder.record([row], chosen.metrics, splits.classes)
    if payload and len(scored) > 1 and folder.writes:  # so that a comparison of runs goes by the figures of the tables
        best_of_run.write(folder.path, payload["epoch"], KINDS[key], payload["best"].get("metric", "accuracy"))
    temperature, own = (payload["temperature"], is_own(config, payload)) if payload else (1.0, False)
    if (found := judge(config.split, splits.val, chosen.evaluation, temperature, own=own)) is not None:
        record_judgement(folder.path, found)
        log.info(found.sentence())
    folder.draw()


def is_own(config: TrainConfig, checkpoint: dict[str, Any]) -> bool:
    """Whether the images are those of the checkpoint's run."""
    return os.path.abspath(checkpoint["config"]["img_path"]) == os.path.abspath(config.img_path)


def as_trained(config: TrainConfig, checkpoint: dict[str, Any], explicit: Collection[str]) -> TrainConfig:
    """`config` with the network and the data of the checkpoint where the user has set no others.

    Raises ConfigError where the data of the checkpoint are no longer there.
    """
    saved = checkpoint["config"]
    taken = {name: saved[name] for name in OF_THE_CHECKPOINT if not is_asked(config, name, explicit)}
    if not taken:
        return config
    said = ", ".join(f"{name} = {literal(value)}" for name, value in taken.items())
    log.info(f"taken from {config.load_from}, as not set otherwise: {said}")
    folder = taken.get("img_path", config.img_path)
    if not is_there(folder):
        problem = f"img_path: {config.load_from} was trained on {shown(folder)}, and no such folder is here"
        raise ConfigError("config", [f"{problem}; --set img_path=FOLDER names another with val/<class>/*"])
    return replace(config, **taken)


def report_without_effect(config: TrainConfig, checkpoint: dict[str, Any] | None) -> TrainConfig:
    """`config` with what holds; keys that are set otherwise than the checkpoint has them are named, and those that only
    a training asks for."""
    if checkpoint is not None:
        steps = vars(read_preprocess(checkpoint["preprocess"]))  # of older versions too, which lack some
        decided = {name: value for name, value in steps.items() if hasattr(config, name)}
        for sentence in overruled(config, decided, config.load_from):
            log.warning(sentence)
        config = replace(config, **{name: value for name, value in decided.items() if getattr(config, name) != "auto"})
    if names := [name for name in OF_TRAINING if is_asked(config, name)]:
        log.warning(f"only_val trains nothing, so these keys are without effect: {listed(names)}")
    return config


def load_models(config: TrainConfig, file: WeightsFile, device: torch.device, num_classes: int) -> dict[str, nn.Module]:
    """The networks of a file by their key in a checkpoint: raw weights and, where there are any, averaged ones."""
    names = ["net", "net_ema"] if file.checkpoint and file.checkpoint["net_ema"] else ["net"]
    if file.checkpoint:  # tables of the same shape can be for images of another size
        size = read_preprocess(file.checkpoint["preprocess"]).img_size
        config = replace(config, img_size=size)
    models = {name: make_model(config, device, num_classes) for name in names}
    if file.checkpoint is None:
        report = fill_from(models["net"], file)
        if report.missing:  # figures of tensors at random would say nothing
            expected = f"expected all tensors of a network for the {num_classes} classes of {config.img_path}"
            raise WeightsError(f"only_val: {report}; {expected}, or a training that starts from these, by load_from")
        log.info(str(report))
        return models
    for name, model in models.items():
        fill_whole(model, file.checkpoint[name], f"{file.path}: {name}")
    return models


def leave_if_asked(stop: StopRequest, device: torch.device) -> None:
    """End this rank, as all others do now, if a signal came to one of them."""
    if distributed.any_rank(bool(stop), device):
        log.info("stopped before the end of the evaluation: no tables are written")
        raise Stopped(max(distributed.gather(stop.signum)) or signal.SIGTERM)


def check_network(config: TrainConfig, checkpoint: dict[str, Any] | None) -> None:
    """Raises WeightsError where a checkpoint of ours is another network's."""
    if checkpoint is None:
        return
    saved = checkpoint["config"]["model_prefix"], checkpoint["config"]["model_suffix"]
    if saved != (config.model_prefix, config.model_suffix):
        raise WeightsError(
            f"{config.load_from}: holds {' '.join(saved)}, but the config names {config.model_prefix} "
            f"{config.model_suffix}; set model_prefix = {saved[0]!r} and model_suffix = {saved[1]!r}"
        )
