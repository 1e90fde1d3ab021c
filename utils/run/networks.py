"""The network as an epoch trains it: with what is frozen then, in DDP, compiled or recorded."""

import gc

from torch import nn

from .. import distributed
from ..config.keys import TrainConfig
from ..training.fixed_shape import for_training
from ..training.freezing import Freezing, freeze
from ..training.state import Recipe


class Networks:
    """`model` of one epoch after another: `of(epoch)` is made anew where the frozen parts are others."""

    def __init__(self, model: nn.Module, freezing: Freezing, config: TrainConfig, recipe: Recipe, epoch: int) -> None:
        """epoch: the first that will be asked for. To be called before batches are loaded."""
        self.model, self.freezing, self.config, self.recipe = model, freezing, config, recipe
        self.thawed: nn.Module | None = None
        if epoch < freezing.epochs and distributed.world_size() == 1:
            # by now, as nothing can be recorded once batches are loaded; DDP has to know what is frozen as it begins
            self.thawed = self._made(freezing.epochs, record=True)
        self.frozen = freezing.names(epoch)
        self.network = self._made(epoch, record=epoch >= freezing.epochs)

    def of(self, epoch: int) -> nn.Module:
        if (frozen := self.freezing.names(epoch)) != self.frozen:
            self.frozen = frozen
            freeze(self.model, frozen)
            del self.network
            gc.collect()  # DDP leaves its hooks with the parameters until it goes
            self.network = self._made(epoch, record=False) if self.thawed is None else self.thawed
        return self.network

    def _made(self, epoch: int, *, record: bool) -> nn.Module:
        freeze(self.model, self.freezing.names(epoch))
        network = distributed.parallel(self.model, self.recipe.device)
        return for_training(network, self.config, self.recipe, record=record)
