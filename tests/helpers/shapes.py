"""Names and shapes of networks' weights, without the memory that they would take."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from benchmarks.peers.networks import REFERENCES
from tests.helpers.initialisation import SkipRandomFill


def on_meta(build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Names and shapes without memory; networks that compute with tensors while they are built are built and moved."""
    try:
        with torch.device("meta"):
            return build().state_dict()
    except NotImplementedError:
        with SkipRandomFill():
            return {name: tensor.to("meta") for name, tensor in build().state_dict().items()}


def shapes_of(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


@cache
def expected_of(prefix: str, suffix: str) -> dict[str, torch.Size]:
    return shapes_of(on_meta(REFERENCES[prefix, suffix]))
