"""Weights with which two networks can be compared, and networks made without the time that random ones take."""

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def damp(model: nn.Module) -> None:
    """Halve the scales of BatchNorm: deep networks of random weights blow a rounding up, and these keep it small."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.mul_(0.5)


def randomise(model: nn.Module, seed: int) -> None:
    """Give every floating tensor of the state dict values far from any initialisation, in place, the same each time.

    Matrices and filters keep the scale of a signal through ReLUs, so that the logits show what the images were; scales
    and variances lie around 1, the rest around 0.
    """
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if key.endswith("weight") and tensor.ndim > 1:
            tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif key.endswith(("weight", "running_var")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:
            tensor.uniform_(-0.5, 0.5, generator=generator)


class SkipRandomFill(TorchFunctionMode):
    """Random fills give zeros, in less time: for building networks that get other weights anyway."""

    FILLS = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return args[0].zero_() if func in self.FILLS else func(*args, **(kwargs or {}))
