"""A fitted classifier as a run: a checkpoint of the network with that head, and the tables of a validation."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ..config.keys import TrainConfig
from ..config.read import to_plain
from ..data.loaders import make_loaders
from ..data.source import Splits
from ..probing.fit import LinearClassifier
from ..probing.head import set_head
from ..training.build import make_recipe
from ..training.metrics import Metrics
from ..weights.load import fill
from ..weights.networks import LoadedNetwork
from ..weights.run_folder import BEST
from .environment import environment
from .final import judge, record
from .folder import open_run_folder
from .scoring import score


def with_head(network: LoadedNetwork, classifier: LinearClassifier) -> nn.Module:
    """A copy of the network, whose head gives the classifier's logits."""
    model = replace(network.spec, num_classes=len(classifier.bias)).build()
    body = {name: tensor.cpu() for name, tensor in network.model.state_dict().items()}
    fill(model, body, "features")
    set_head(model, classifier)
    return model


def write_run(
    config: TrainConfig, splits: Splits, network: LoadedNetwork, classifier: LinearClassifier, device: torch.device
) -> tuple[Path, Metrics]:
    """The next run folder with best.pth, tables and plots, and the figures of val, by that network itself.

    config: with the network, the data and the preprocessing.
    """
    model = with_head(network, classifier)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    recipe = make_recipe(config, model, device, network.preprocess)
    _, loader = make_loaders(config, Splits(None, splits.val), network.preprocess, device)
    [found] = score({"net": model.to(device)}, loader, recipe, len(splits.classes), answers=True)
    row = {"epoch": 1, **found.columns()}
    folder = open_run_folder(config)
    repeat = replace(config, only_val=True, load_from=str(folder.path / BEST))
    folder.begin(repeat, splits, environment(device, config.num_threads), 0)
    folder.record([row], found.metrics, splits.classes)
    if (judgement := judge("val", splits.val, found.evaluation, 1.0, own=True)) is not None:
        record(folder.path, judgement)
    checkpoint = {
        "net": model.state_dict(),
        "weights_of": "raw",
        "epoch": 1,
        "step": 0,
        "best": found.best(1, "accuracy").to_plain(),
        "history": [row],
        "config": to_plain(config),
        "classes": list(splits.classes),
        "preprocess": network.preprocess.to_plain(),
        "world_size": 1,
        "train_images": len(splits.training),
    }
    folder.save(BEST, checkpoint)
    folder.draw()
    return folder.path, found.metrics
