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

    images: of train.  A copy of the network on the meta device, which knows shapes alone, takes such a batch.
    """
    processes = distributed.world_size()
    if min(config.batch_size, -(-images // processes)) > 1 or (config.sync_bn and processes > 1):
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
