"""What a run is made of, put together from a config; a new run and one that is resumed differ in its state alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from .. import distributed
from ..config.keys import TrainConfig
from ..data.batches import ImageLoader
from ..data.loaders import make_loaders
from ..data.preprocess import Preprocess
from ..data.source import Splits
from ..errors import WeightsError
from ..log import log
from ..text import aligned, shown
from ..training.build import make_freezing, make_model, make_recipe, make_state, missing_drop_rates
from ..training.engine import steps_of
from ..training.freezing import Freezing
from ..training.groups import stage_rows
from ..training.state import Recipe, TrainState
from ..weights.load import fill_from
from ..weights.public import obtain_pretrained
from ..weights.run_folder import state_path, weights_path
from ..weights.weights_file import WeightsFile
from .head_start import start_at_probe
from .single_images import check_single_images, fewest_images


@dataclass(frozen=True)
class Parts:
    """All that a run needs but its state and its folder."""

    config: TrainConfig
    splits: Splits
    preprocess: Preprocess
    recipe: Recipe
    freezing: Freezing
    state: TrainState
    train_loader: ImageLoader
    val_loader: ImageLoader

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of this rank."""
        return steps_of(len(self.train_loader), self.recipe.accumulate)


def with_file(config: TrainConfig) -> TrainConfig:
    """`config` with the file that load_from means, where that is the folder of a run. Raises WeightsError."""
    if not config.load_from:
        return config
    path = state_path(config.load_from) if config.resume else weights_path(config.load_from)
    return replace(config, load_from=str(path))


def weights_to_start_from(config: TrainConfig) -> WeightsFile | None:
    """Those that the config names, on the disk. Raises DownloadError for public ones that cannot be had."""
    path = config.load_from or obtain_pretrained(config, log.info, log.warning)
    return WeightsFile(path) if path else None


def assemble(config: TrainConfig, splits: Splits, device: torch.device, weights: WeightsFile | None = None) -> Parts:
    """weights: to start from. Raises WeightsError where they do not fit, DataError where batches are too small."""
    preprocess = Preprocess.from_config(config)
    loaders = make_loaders(config, splits, preprocess, device)
    model = make_model(config, device, len(splits.classes))
    recipe = make_recipe(config, model, device, preprocess)
    if weights is not None:
        log.info(str(fill_from(model, weights)))
        check_finite(model, weights)
        report_other_classes(config, splits.classes, weights)
        if config.head_init == "probe":
            settled = replace(config, num_workers=loaders[0].num_workers)  # what limits them is said once
            start_at_probe(model, settled, splits.training, preprocess, recipe)
    if config.sync_bn and distributed.world_size() > 1:
        model = synchronised(model, device)
    freezing = make_freezing(config, model)
    check_single_images(model, freezing, config, len(splits.training))
    recipe = replace(recipe, least=fewest_images(model, freezing, config))
    state = make_state(config, model, recipe, steps_of(len(loaders[0]), recipe.accumulate))
    return Parts(config, splits, preprocess, recipe, freezing, state, *loaders)


def report_other_classes(config: TrainConfig, classes: Sequence[str], weights: WeightsFile) -> None:
    """Say that a head of as many classes, but of others, was loaded and is not made anew."""
    known = weights.checkpoint["classes"] if weights.checkpoint else classes
    if config.head_init != "probe" and len(known) == len(classes) and tuple(known) != tuple(classes):
        others = [name for name in known if name not in classes]
        kind = f"other classes, such as {shown(others[0])}" if others else "these classes in another order"
        log.warning(f"the head of {weights.path} is of {kind}, and begins as it is; head_init = 'probe' fits it anew")


def check_finite(model: nn.Module, weights: WeightsFile) -> None:
    """Raises WeightsError where not all values of a network that was filled from `weights` are numbers."""
    for name, value in model.state_dict().items():
        if not value.isfinite().all():
            cause = "they are of a training that diverged, or damaged; start from others"
            raise WeightsError(f"{weights.path}: not all values of {name} are numbers: {cause}")


def report_stages(parts: Parts) -> None:
    """A table of stages in the log where they are not all trained alike, and what the network does not have."""
    config = parts.config
    for name in missing_drop_rates(config):
        log.warning(f"{name}: {config.model_prefix} has none; left out")
    if not config.freeze and not config.freeze_epochs and config.layer_decay == config.head_lr_mult == 1:
        return
    lines = [("stage", "tensors", "learning rate", "weight decay", "trained")]
    for row in stage_rows(parts.state.model, config, parts.freezing):
        trained = "never" if not row.trained else "all" if row.trained == row.tensors else f"{row.trained} of them"
        when = f"{trained}, from epoch {row.from_epoch}" if row.from_epoch > 1 else trained
        decay = f"{config.weight_decay:g} on {row.decayed}" if row.decayed and config.weight_decay else "none"
        rate = f"{row.lr:.3g}" if row.trained else "-"
        lines.append((row.stage, str(row.tensors), rate, decay, when))
    for line in aligned(lines):
        log.info(line)


def synchronised(model: nn.Module, device: torch.device) -> nn.Module:
    """The network with BatchNorm statistics over all processes, which torch offers on CUDA alone."""
    if device.type != "cuda":
        log.warning(f"sync_bn: torch synchronises BatchNorm on CUDA only; left as it is on {device}")
        return model
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)
