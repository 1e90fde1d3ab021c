"""Tensors as they were, to be put back without a look at the device that says whether."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class Snapshot:
    """A copy of many small tensors of one device, such as the buffers of a network."""

    @torch.no_grad()
    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.groups = [(group, _copy(group)) for group in by_dtype(tensors)]

    @torch.no_grad()
    def restore_where(self, skip: Tensor) -> None:
        """Put the values back, in place, if `skip`, a bool on their device, holds."""
        for group, before in self.groups:
            choose(skip, group, before, group)


def _copy(tensors: list[Tensor]) -> list[Tensor]:
    """Of tensors of one dtype; in one piece where each operation is a kernel to launch."""
    if tensors[0].device.type == "cpu":
        return list(torch._foreach_add(tensors, 0))
    return _views(torch.cat([tensor.flatten() for tensor in tensors]), tensors)


def choose(skip: Tensor, into: list[Tensor], if_skipped: list[Tensor], otherwise: list[Tensor]) -> None:
    """Write one or the other list into `into`, in place; all of one dtype and on the device of `skip`."""
    (choose_each if skip.device.type == "cpu" else choose_at_once)(skip, into, if_skipped, otherwise)


def choose_each(skip: Tensor, into: list[Tensor], if_skipped: list[Tensor], otherwise: list[Tensor]) -> None:
    """Tensor by tensor."""
    for tensor, one, other in zip(into, if_skipped, otherwise):
        tensor.copy_(torch.where(skip, one, other))


def choose_at_once(skip: Tensor, into: list[Tensor], if_skipped: list[Tensor], otherwise: list[Tensor]) -> None:
    """In a few operations for all: on a GPU each of them has to be launched."""
    one, other = (torch.cat([tensor.flatten() for tensor in tensors]) for tensors in (if_skipped, otherwise))
    torch._foreach_copy_(into, _views(torch.where(skip, one, other), into))


def by_dtype(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """The tensors in groups of one dtype each."""
    groups: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    return list(groups.values())


def _views(flat: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    """The parts of `flat` in the shapes of `tensors`."""
    parts = flat.split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors)]
