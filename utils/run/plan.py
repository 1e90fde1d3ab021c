"""A config whose 'auto' keys have their values, found for the data, the weights and the machine, and put in the log."""

from collections.abc import Callable, Collection
from dataclasses import replace

import torch

from .. import distributed
from ..config.keys import TrainConfig
from ..config.schema import plain_values
from ..config.without_effect import idle, is_asked
from ..data.samplers import steps_in_epoch
from ..data.source import Splits
from ..log import log
from ..recipe.expected import expected_by
from ..recipe.facts import Facts, facts_of
from ..recipe.length import side_for
from ..recipe.registry import RULES
from ..recipe.resolve import resolve, table, waiting
from ..recipe.row import Row
from ..training.objective import SMOOTHING
from ..weights.weights_file import WeightsFile

LEAST_STEPS = 4  # of the optimizer in an epoch, below which batches that the user has set are worth a warning
OF_VALIDATION = ("mean", "std", "img_size", "val_resize", "resize_mode", "interpolation")


def planned(
    config: TrainConfig,
    splits: Splits,
    device: torch.device,
    weights: WeightsFile | None,
    fitting: Callable[[TrainConfig], int],
    explicit: Collection[str] = (),
) -> tuple[TrainConfig, list[Row]]:
    """For a run that begins: the config without 'auto' keys, and a row of each that was one, which the log gets too.

    weights: to start from.  fitting: how many epochs of such a run max_minutes leaves time for.
    explicit: keys that the command line sets, whatever their values.
    Raises ConfigError where what was found contradicts what the user set, WeightsError for weights to start from that
    cannot be read.
    """
    if config.max_minutes and config.epochs != "auto":
        log.warning(f"max_minutes: without effect, as epochs = {config.epochs} says how long the run is")
        config = replace(config, max_minutes=0)
    if config.head_init == "probe" and weights is None:
        log.warning("head_init: without effect, as the run starts from no weights")
    if config.loss_type == "LabelSmoothCELoss" and config.smoothing == 0:
        log.warning(
            f"smoothing: 0 is taken for the {SMOOTHING} of LabelSmoothCELoss; loss_type = 'CELoss' smooths nothing"
        )
    if sentence := few_steps(config, len(splits.training), device, distributed.world_size()):
        log.warning(sentence)
    if not waiting(config):  # as a run has saved it, with values of keys that did nothing too
        report_idle(config, explicit)
        return config, []
    facts = facts_at(config, splits, device, weights)
    if config.max_minutes and config.epochs == "auto":
        facts = within_minutes(config, facts, fitting)
    found, rows = resolve(config, facts)
    log.info(f"{len(rows)} keys were 'auto':")
    for line in table(rows):
        log.info(line)
    usual = plain_values(TrainConfig)  # as files have it that were written before 'auto'
    asked = [name for name, value in vars(config).items() if is_asked(config, name) and value != usual[name]]
    report_idle(found, {*asked, *explicit})
    return found, rows


def report_idle(config: TrainConfig, asked: Collection[str]) -> None:
    """Name the keys `asked` that do nothing beside the others."""
    for sentence in idle(config, asked):
        log.warning(sentence)


def within_minutes(config: TrainConfig, facts: Facts, fitting: Callable[[TrainConfig], int]) -> Facts:
    """`facts` with what max_minutes leaves time for: epochs and, without weights, the size of pictures."""
    first, _ = resolve(config, facts)
    epochs = fitting(first)
    side = min(first.img_size)
    sizes = config.img_size, config.val_resize
    if facts.expected is None and sizes == ("auto", "auto") and (smaller := side_for(epochs, side)) < side:
        facts = replace(facts, affordable_side=smaller)
        first, _ = resolve(config, facts)
        epochs = fitting(first)
    return replace(facts, affordable_epochs=epochs)


def few_steps(config: TrainConfig, images: int, device: torch.device, processes: int) -> str:
    """What to set where the user's batches leave fewer than LEAST_STEPS optimizer steps an epoch; '' where they do not,
    or smaller ones would not help."""

    def steps(batch_size: int, accumulate_steps: int) -> int:
        return steps_in_epoch(images, batch_size, processes, accumulate_steps)

    size, accumulated = config.batch_size, config.accumulate_steps
    if size == "auto" or (found := steps(size, accumulated)) >= LEAST_STEPS:
        return ""
    usual, _ = RULES["batch_size"](Facts(images=images, classes=(), device=device.type, processes=processes), config)
    if usual < size:
        advice = f"batch_size = {usual}, which 'auto' would take, makes {steps(usual, accumulated)}"
    elif accumulated > 1:
        advice = f"accumulate_steps = 1 makes {steps(size, 1)}"
    else:
        return ""
    by = f"batch_size = {size}" + (f" with accumulate_steps = {accumulated}" if accumulated > 1 else "")
    by += f" in {processes} processes" if processes > 1 else ""
    made = f"{found} optimizer step{'' if found == 1 else 's'} an epoch of {images:,} images"
    return f"{by} makes only {made}, so the network learns little in each: {advice}"


def planned_validation(config: TrainConfig, splits: Splits, device: torch.device, weights: WeightsFile) -> TrainConfig:
    """For only_val of `weights`: what concerns the pictures is said where no checkpoint of ours decides over it."""
    if not waiting(config):
        return config
    facts = facts_at(config, splits, device, weights)
    found, rows = resolve(config, facts)
    for line in table([row for row in rows if row.key in OF_VALIDATION]):
        log.info(line)
    return found


def facts_at(config: TrainConfig, splits: Splits, device: torch.device, weights: WeightsFile | None = None) -> Facts:
    """weights: to start from."""
    images = splits.val if splits.train is None else splits.train
    expected = expected_by(config, weights, images) if weights else None
    return facts_of(config, images, expected, device, distributed.world_size())
