"""Batches from the host to the device."""

from functools import lru_cache

import torch
from torch import Tensor


def to_device(tensors: list[Tensor], device: torch.device) -> list[Tensor]:
    """The tensors on `device`; on CUDA copied beside what it computes, where they lie in page-locked memory.

    A step is looked at when the next one is on its way, so a batch comes while the step before is still computed: the
    copy has a stream of its own, for which the stream of the computing waits.
    """
    if device.type != "cuda" or all(tensor.device == device for tensor in tensors):
        return [tensor.to(device, non_blocking=True) for tensor in tensors]
    copies = _stream_of_copies(device)
    computing = torch.cuda.current_stream(device)
    with torch.cuda.stream(copies):
        arrived = [tensor.to(device, non_blocking=True) for tensor in tensors]
    computing.wait_stream(copies)
    for tensor in arrived:
        tensor.record_stream(computing)  # else its memory could be taken for the next copy while it is still read
    return arrived


@lru_cache
def _stream_of_copies(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
