"""Mixed precision: one dtype (or none) and one scaler (enabled for float16 alone) from two words of the config."""

import torch
from torch import nn

from models import family_of
from models.registry import is_registered


def amp_dtype(device: torch.device, model: nn.Module, *, use_apex: bool, name: str) -> torch.dtype | None:
    """The dtype that autocast computes `model` in, or None for plain float32.

    'auto' means bfloat16 on GPUs that compute in it (compute capability 8 on), float16 on older ones, and none on
    a CPU or mps, where mixed precision has to be asked for by name. A network whose gradients do not grow with the
    loss (its family says loss_scaling=False) is never computed in float16, which needs that.
    """
    if not use_apex:
        return None
    dtype = {"auto": _suited_to(device), "float16": torch.float16, "bfloat16": torch.bfloat16}[name]
    scalable = not is_registered(model) or family_of(model).loss_scaling
    return None if dtype == torch.float16 and not scalable else dtype


def _suited_to(device: torch.device) -> torch.dtype | None:
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16


def make_scaler(device: torch.device, dtype: torch.dtype | None) -> torch.amp.GradScaler:
    """A loss scaler; a disabled one, which is the identity, unless gradients are float16."""
    return torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
