"""What a network makes of images before its head."""

from typing import Any

import torch
from torch import Tensor, nn

from models.heads import head_of

from .. import distributed
from ..data.batches import Batch


class FeatureTap:
    """Keeps what the head of a network is given, whenever the network is called, until somebody takes it."""

    def __init__(self, network: nn.Module) -> None:
        """network: of create_model, as it will be called."""
        head = head_of(network)
        widths = (getattr(part, name, 0) for part in head.modules() for name in ("in_features", "in_channels"))
        self.width = next(width for width in widths if isinstance(width, int) and width)
        self._seen: list[Tensor] = []
        self._hook = head.register_forward_pre_hook(self._keep)

    def _keep(self, _: nn.Module, given: tuple[Any, ...]) -> None:
        features = given[0].detach().float()
        self._seen.append(features.mean((2, 3)) if features.dim() == 4 else features)

    def take(self) -> list[Tensor]:
        """(N, D) float32 of each call since the last one."""
        seen = self._seen.copy()
        self._seen.clear()
        return seen

    def remove(self) -> None:
        """Keep nothing from here on."""
        self._hook.remove()


class AllFeatures:
    """A meter that keeps what a tap has heard of some images: on rank 0 that of all, in the order of the image list."""

    def __init__(self, tap: FeatureTap, device: torch.device, wanted: Tensor) -> None:
        """wanted: (images,) bool, of the image list."""
        self.tap, self.wanted = tap, wanted
        self.indices = [torch.empty(0, dtype=torch.int64, device=device)]
        self.rows = [torch.empty(0, tap.width, device=device)]
        self.features: Tensor | None = None

    def update(self, batch: Batch, logits: Tensor) -> None:
        [features] = self.tap.take()
        chosen = self.wanted[batch.indices]
        self.indices.append(batch.indices[chosen].to(features.device))
        self.rows.append(features[chosen.to(features.device)])

    def reduce(self) -> None:
        found = [distributed.rows_to_main(torch.cat(column)) for column in (self.indices, self.rows)]
        if distributed.is_main():
            indices, rows = (torch.cat(parts).cpu() for parts in found)
            self.features = rows[indices.argsort()]

    def result(self) -> Tensor | None:
        """(N, D) float32 on the CPU; None on ranks other than 0."""
        return self.features
