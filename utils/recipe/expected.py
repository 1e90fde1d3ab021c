"""How the weights that a run starts from want pictures: by their checkpoint, the table of public ones, or a guess."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from models import native_img_size
from models.public_weights import WEIGHTS, Weights

from ..config.keys import TrainConfig
from ..data.images import decode, reduction_to, upright_size
from ..data.pixels import to_tensor
from ..data.source import Source
from ..errors import ImageError
from ..weights.load import fill_from
from ..weights.networks import find_network
from ..weights.preprocess_schema import read_preprocess
from ..weights.protocol import published, tested_with
from ..weights.public import pretrained_of
from ..weights.spec import NetworkOptions
from ..weights.weights_file import WeightsFile
from .facts import Expected
from .normalisation import normalisation_of
from .pictures import sample

COUNTER = "num_batches_tracked"
PICTURES = 48  # that are shown to the first BatchNorm
SHARE = 7 / 8  # of what public weights are tested on, their crop takes where nothing else is known


def expected_by(config: TrainConfig, file: WeightsFile, images: Source) -> Expected:
    """file: that the run starts from.  images: of train. Raises WeightsError where the file cannot be read."""
    if (weights := pretrained_of(config)) is not None:
        return Expected(tested_with(weights), f"as {weights.name} is published")
    if file.checkpoint:
        steps = read_preprocess(file.checkpoint["preprocess"])
        classes = tuple(file.checkpoint["classes"])
        return Expected(steps, "as the checkpoint was trained", classes=classes, batches=batches_of(file.state))
    names = config.model_prefix, config.model_suffix
    if (weights := published(*names, file.path)) is not None:
        return Expected(tested_with(weights), f"as {weights.name} is published")
    return guess(config, WEIGHTS.get(names[0], {}).get(names[1]), file, images)


def guess(config: TrainConfig, entry: Weights | None, file: WeightsFile, images: Source) -> Expected:
    """For weights of unknown origin: as the public ones of the network, else of ImageNet, at the size of its tables.

    mean and std are those that its first BatchNorm fits, where it has one.
    """
    names = config.model_prefix, config.model_suffix
    spec = find_network(NetworkOptions(*names, num_classes=1, weights=file.path), file)
    side = native_img_size(*names)
    usual = tested_with(entry or Weights("", 0, "", size=side, resize=round(side / SHARE))).resized(spec.img_size)
    source = "as the public weights of the network" if entry else "as most weights from ImageNet"
    network = spec.build()
    fill_from(network, file)
    pixels = [square(picture, side) for picture in sample(images, PICTURES)]
    found = normalisation_of(network, torch.stack(pixels)) if pixels else None
    batches = batches_of(file.state)
    if found is None:
        return Expected(usual, source, batches=batches)
    by_norm = "as the network's first BatchNorm remembers it"
    return Expected(replace(usual, mean=found.mean, std=found.std), source, by_norm, batches=batches)


def batches_of(state: Mapping[str, Tensor]) -> int | None:
    """The fewest that a BatchNorm has averaged over; None where no counter says so, as in older files, or all are 0."""
    counters = (int(tensor) for name, tensor in state.items() if name.endswith(COUNTER) and tensor.numel() == 1)
    return min((count for count in counters if count > 0), default=None)


def square(picture: Image.Image, side: int) -> Tensor:
    """(3, side, side) in 0..1, of an opened picture; grey where it cannot be decoded."""
    try:
        image = decode(picture, reduction_to(upright_size(picture), (side, side)))
    except ImageError:
        return torch.full((3, side, side), 0.5)
    return to_tensor(image.resize((side, side), Image.Resampling.BILINEAR)).permute(2, 0, 1) / 255
