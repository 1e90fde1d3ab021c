"""Which mean and std a network's weights were trained with, where nothing says so: by its first BatchNorm.

That layer remembers mean and variance of what it was given in training. Pictures of the same tones give it the same
again only if they are normalised as then.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Three = tuple[float, float, float]
TONES = (0.485, 0.456, 0.406), (0.28, 0.27, 0.28)  # mean and deviation of all pixels of ImageNet, about
LEAST_DEVIATION = 0.02  # of the pixels of a channel, so that flat pictures do not become noise
CLEAR = 1.5  # times as far the second best has to be


class Normalisation(NamedTuple):
    mean: Three
    std: Three


USUAL = (  # timm's and torchvision's; Keras' and TensorFlow's of Inception, MobileNet and ViT; none
    Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
)


def normalisation_of(
    network: nn.Module, pixels: Tensor, candidates: Sequence[Normalisation] = USUAL
) -> Normalisation | None:
    """The one of the candidates that fits best; None where none is clearly better, or there is no BatchNorm.

    network: in eval mode, with its weights.  pixels: (N, 3, H, W) in 0..1, of any pictures.
    """
    toned = with_tones(pixels)
    distances = []
    for candidate in candidates:
        found = given_to_first_norm(network, (toned - column(candidate.mean)) / column(candidate.std))
        if found is None:
            return None
        distances.append(distance(*found))
    order = sorted(range(len(candidates)), key=distances.__getitem__)
    return candidates[order[0]] if distances[order[0]] * CLEAR < distances[order[1]] else None


def column(values: Three) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def with_tones(pixels: Tensor) -> Tensor:
    """With ImageNet's mean and deviation in each channel: other pictures may be lighter, or of fewer colours."""
    mean, std = (column(values) for values in TONES)
    deviation = pixels.std((0, 2, 3), keepdim=True).clamp_min(LEAST_DEVIATION)
    return (pixels - pixels.mean((0, 2, 3), keepdim=True)) / deviation * std + mean


class _Reached(Exception):
    """The first BatchNorm has been reached."""


@torch.inference_mode()
def given_to_first_norm(network: nn.Module, images: Tensor) -> tuple[_BatchNorm, Tensor] | None:
    """The first BatchNorm of the forward pass, and its input; None where there is none."""
    found: list[tuple[_BatchNorm, Tensor]] = []

    def stop(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, _BatchNorm)
        found.append((norm, given[0]))
        raise _Reached

    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    hooks = [norm.register_forward_pre_hook(stop) for norm in norms]
    try:
        if norms:
            network(images)
    except _Reached:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def distance(norm: _BatchNorm, given: Tensor) -> float:
    """Median over the channels of the divergence, Kullback-Leibler of normal distributions, from what is remembered."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    axes = [axis for axis in range(given.ndim) if axis != 1]
    mean = given.mean(axes)
    variance = given.var(axes) + norm.eps
    expected = norm.running_var + norm.eps
    ratio = variance / expected
    divergence = ((mean - norm.running_mean) ** 2 / expected + ratio - 1 - torch.log(ratio)) / 2
    alive = norm.running_var > norm.running_var.median() / 1000  # some filters are dead
    return float(divergence[alive].median())
