"""Whether BatchNorm can learn from the batches of a run: asked before there is a run folder."""

import copy

import torch
from torch import nn

from .. import distributed
from ..config.keys import TrainConfig
from ..errors import DataError
from ..training.engine import batchnorm_explained
from ..training.freezing import Freezing, freeze, train_mode


def check_single_images(model: nn.Module, freezing: Freezing, config: TrainConfig, images: int) -> None:
    """Raises DataError where batches hold one image, and some BatchNorm that learns gets a single value a channel.

    images: of train.
    """
    if min(config.batch_size, -(-images // distributed.world_size())) == 1:
        _take_one(model, freezing, config)


def fewest_images(model: nn.Module, freezing: Freezing, config: TrainConfig) -> int:
    """How many images of a batch must be left, where unreadable ones are skipped, for it to be trained on: 1 or 2."""
    if config.on_bad_image == "error":
        return 1
    try:
        _take_one(model, freezing, config)
    except DataError:
        return 2
    return 1


def _take_one(model: nn.Module, freezing: Freezing, config: TrainConfig) -> None:
    """Show a single image to a copy of the network on the meta device, which knows shapes alone.

    Raises DataError where some BatchNorm that learns gets a single value a channel, and has no other rank's.
    """
    if any(isinstance(part, nn.SyncBatchNorm) for part in model.modules()):
        return
    network = copy.deepcopy(model).to("meta")
    freeze(network, freezing.names(config.epochs))  # of all epochs the last ones train most
    train_mode(network, freeze_bn=config.freeze_bn)
    try:
        with torch.no_grad(), batchnorm_explained():
            network(torch.empty(1, 3, *config.img_size, device="meta"))
    except DataError:
        raise
    except Exception:  # of many kinds: a network of the user's that needs values; its first step shows what is wrong
        return
