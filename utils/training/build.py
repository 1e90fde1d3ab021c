"""What a run is made of: data, network and optimizer from a config, and their way into and out of a checkpoint."""

import platform
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import PIL
import torch
import torchvision
from torch import nn

from models import create_model

from .. import distributed
from ..config import TrainConfig, to_plain
from ..cpu.small_maps import speed_up_small_maps
from ..data.augment import Mixer
from ..data.cache import ImageCache, cache_budget
from ..data.loaders import train_loader, val_loader, worker_count
from ..data.preprocess import Preprocess
from ..rng import seed_network
from ..run.splits import Splits
from ..threads import threads_in_use
from .amp import amp_dtype, make_scaler
from .ema import ModelEma
from .engine import Progress, Recipe, TrainState
from .optim import make_optimizer
from .schedulers import make_scheduler


def make_recipe(config: TrainConfig, model: nn.Module, device: torch.device, preprocess: Preprocess) -> Recipe:
    """How batches become losses of `model`."""
    return Recipe(
        device,
        preprocess.mean,
        preprocess.std,
        label_smoothing=config.label_smoothing,
        amp_dtype=amp_dtype(device, model, use_apex=config.use_apex, name=config.amp_dtype),
        clip_norm=config.clip_norm,
        channels_last=config.channels_last,
        seed=config.seed,
    )


def make_model(config: TrainConfig, device: torch.device, num_classes: int) -> nn.Module:
    """The config's network on `device`, initialised from the config's seed."""
    seed_network(torch.device("cpu"), "init", config.seed)
    model = create_model(config.model_prefix, config.model_suffix, num_classes, img_size=config.img_size)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    return speed_up_small_maps(model.to(device))


def make_state(config: TrainConfig, model: nn.Module, recipe: Recipe, steps_per_epoch: int) -> TrainState:
    optimizer = make_optimizer(model, config)
    return TrainState(
        model,
        optimizer,
        make_scheduler(optimizer, config, steps_per_epoch),
        make_scaler(recipe.device, recipe.amp_dtype),
        ModelEma(model, decay=config.ema_decay, every=config.ema_steps) if config.use_ema else None,
    )


def make_mixer(config: TrainConfig, num_classes: int, epoch: int) -> Mixer | None:
    """The mixer of `epoch` (0, 1, ...), or None where nothing is mixed: never, or not in the last epochs."""
    chances = {"mixup_prob": config.mixup_prob, "cutmix_prob": config.cutmix_prob}
    if not any(chances.values()) or epoch >= config.epochs - config.mix_off_epochs:
        return None
    return Mixer(num_classes, seed=config.seed, **chances)


def make_loaders(config: TrainConfig, splits: Splits, preprocess: Preprocess, device: torch.device) -> tuple[Any, Any]:
    """(train loader or None, val loader) of this rank."""
    local = distributed.local_world_size()
    common = {
        "rank": distributed.rank() if distributed.world_size() > 1 else 0,
        "world_size": distributed.world_size(),
        "workers": worker_count(config.num_workers, device, local),
        "pin": config.pin_memory and device.type == "cuda",
    }
    train_cache = val_cache = None
    if config.cache == "ram":
        train_cache = ImageCache(splits.train, budget=cache_budget(local)) if splits.train else None
        val_cache = ImageCache(splits.val, budget=cache_budget(local), reduction=preprocess.reduction)
    train = train_loader(config, splits.train, **common, cache=train_cache) if splits.train else None
    return train, val_loader(config, splits.val, preprocess, **common, cache=val_cache)


@dataclass
class Standing:
    """How far a run has come, and what it has seen so far."""

    epoch: int  # epochs finished
    history: list[dict[str, Any]]
    best: dict[str, Any]  # epoch, accuracy, val_loss, weights ('net' or 'net_ema'); empty before the first epoch
    progress: Progress  # of the epoch under way


def pack(state: TrainState, standing: Standing, config: TrainConfig, splits: Splits, preprocess: Preprocess) -> dict:
    """A checkpoint: tensors and plain types alone. DESIGN.md, section 5."""
    return {
        "net": state.model.state_dict(),
        "net_ema": state.ema.model.state_dict() if state.ema else None,
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "scaler": state.scaler.state_dict(),
        "epoch": standing.epoch,
        "step": state.step,
        "best": standing.best,
        "history": standing.history,
        "progress": asdict(standing.progress),
        "config": to_plain(config),
        "classes": list(splits.classes),
        "preprocess": preprocess.to_plain(),
        "world_size": distributed.world_size(),
        "train_images": len(splits.train or ()),
    }


def environment(device: torch.device, num_threads: int | str) -> dict[str, Any]:
    """What the run ran on, for environment.json."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        **threads_in_use(num_threads),
        "processes": distributed.world_size(),
    }
