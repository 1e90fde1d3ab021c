"""Network, recipe, optimizer and mixer from a config, of which only keys are read: config/ imports this folder."""

import inspect
from typing import Any

import torch
from torch import nn

from models import create_model, family_of

from .. import distributed
from ..cpu.small_maps import speed_up_small_maps
from ..data.mixing import Mixer
from ..data.preprocess import Preprocess
from ..rng import seed_network
from .amp import amp_dtype, make_scaler
from .ema import ModelEma
from .freezing import Freezing, freeze
from .objective import LOSSES
from .optim import make_optimizer
from .schedulers import make_scheduler
from .state import Recipe, TrainState


def make_recipe(config: Any, model: nn.Module, device: torch.device, preprocess: Preprocess) -> Recipe:
    """How batches become losses of `model`."""
    objective = LOSSES[config.loss_type](config)
    return Recipe(
        device,
        preprocess.mean,
        preprocess.std,
        objective=objective,
        amp_dtype=amp_dtype(device, model, use_apex=config.use_apex, name=config.amp_dtype),
        clip_norm=config.clip_norm,
        accumulate=config.accumulate_steps,
        channels_last=config.channels_last,
        freeze_bn=config.freeze_bn,
        seed=config.seed,
        weighs=not objective.even or (distributed.world_size() > 1 and config.on_bad_image == "skip"),
        img_size=preprocess.img_size,
    )


def make_model(config: Any, device: torch.device, num_classes: int) -> nn.Module:
    """The config's network on `device`, initialised from the config's seed."""
    seed_network(torch.device("cpu"), "init", config.seed)
    names = config.model_prefix, config.model_suffix
    model = create_model(*names, num_classes, img_size=config.img_size, **drop_rates(config))
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    return speed_up_small_maps(model.to(device))


def own_drop_rates(prefix: str, suffix: str) -> dict[str, float]:
    """Those of drop_path and dropout that a network has, at the rates that it has by itself."""
    family = family_of(prefix)
    accepted = inspect.signature(family.network).parameters
    names = [name for name in ("drop_path", "dropout") if name in accepted]
    return {name: family.variants[suffix].get(name, accepted[name].default) for name in names}


def drop_rates(config: Any) -> dict[str, Any]:
    """The config's drop_path and dropout where they are numbers, as far as its network takes them."""
    asked = {"drop_path": config.drop_path, "dropout": config.dropout}
    own = own_drop_rates(config.model_prefix, config.model_suffix)
    return {name: rate for name, rate in asked.items() if rate != "auto" and name in own}


def missing_drop_rates(config: Any) -> list[str]:
    """Those of drop_path and dropout that the config sets and its network does not have."""
    asked = {"drop_path": config.drop_path, "dropout": config.dropout}
    taken = drop_rates(config)
    return [name for name, rate in asked.items() if rate not in ("auto", 0) and name not in taken]


def make_freezing(config: Any, model: nn.Module) -> Freezing:
    """What of `model` is trained when. What never is takes no gradient from here on."""
    freezing = Freezing.of(model, config.freeze, config.freeze_epochs)
    freeze(model, freezing.always)
    return freezing


def make_state(config: Any, model: nn.Module, recipe: Recipe, steps_per_epoch: int) -> TrainState:
    optimizer = make_optimizer(model, config)
    return TrainState(
        model,
        optimizer,
        make_scheduler(optimizer, config, steps_per_epoch),
        make_scaler(recipe.device, recipe.amp_dtype),
        ModelEma(model, decay=config.ema_decay, every=config.ema_steps) if config.use_ema else None,
    )


def make_mixer(config: Any, num_classes: int, epoch: int) -> Mixer | None:
    """The mixer of `epoch` (0, 1, ...), or None where nothing is mixed: never, or not in the last epochs."""
    chances = {"mixup_prob": config.mixup_prob, "cutmix_prob": config.cutmix_prob}
    if not any(chances.values()) or epoch >= config.epochs - config.mix_off_epochs:
        return None
    return Mixer(num_classes, seed=config.seed, **chances)
