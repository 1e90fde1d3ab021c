"""Tensors as they were, to be put back without a look at the device that says whether."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class Group:
    """Small tensors of one dtype and device, such as the statistics of norms, as one vector.

    On a GPU each operation has to be launched, and each tensor that Python touches takes it a microsecond or more: what
    can be prepared is prepared once. The tensors must lie in one piece of memory each, in whichever order, and stay
    where they are.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.parts = [tensor.detach().as_strided((tensor.numel(),), (1,)) for tensor in tensors]
        self.sizes = [part.numel() for part in self.parts]

    def read(self) -> Tensor:
        """(n,): a copy of all numbers."""
        return torch.cat(self.parts)

    def write(self, numbers: Tensor) -> None:
        torch._foreach_copy_(self.parts, numbers.split(self.sizes))


class Snapshot:
    """A copy of the tensors of some groups."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.before = [(group, group.read()) for group in groups]

    def restore_where(self, skip: Tensor) -> None:
        """Put the values back, in place, if `skip`, a bool on their device, holds."""
        for group, before in self.before:
            group.write(torch.where(skip, before, group.read()))


def by_dtype(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """The tensors in lists of one dtype each."""
    lists: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        lists.setdefault(tensor.dtype, []).append(tensor)
    return list(lists.values())


def groups_of(tensors: Iterable[Tensor]) -> list[Group]:
    return [Group(each) for each in by_dtype(tensors)]
