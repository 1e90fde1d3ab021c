"""A network that is shown several views of each image, for those who evaluate one."""

from typing import Any

import torch
from torch import Tensor, nn

from ..data.batches import Batch
from ..data.views import Views, mean_probabilities
from .meters import Meter


class MeanOfViews(nn.Module):
    """(N, 3, H, W) normalised images, prepared as `views.reads` has it -> (N, K) logits of mean probabilities.

    The softmax of these, divided by `temperature`, is the mean over the views of probabilities that are calibrated by
    it, as a prediction has them. Their softmax at another temperature is no mean: `uncalibrated` is that at 1.
    """

    def __init__(self, network: nn.Module, views: Views, temperature: float = 1.0) -> None:
        super().__init__()
        self.network, self.views, self.temperature = network, views, temperature
        self.uncalibrated = torch.empty(0)  # (N, K), of the images shown last: logarithms of means at temperature 1

    def forward(self, images: Tensor) -> Tensor:
        logits = [self.network(view).float() for view in self.views.of(images, height=2)]
        self.uncalibrated = _logarithms(mean_probabilities(logits))
        if self.temperature == 1:
            return self.uncalibrated
        return self.temperature * _logarithms(mean_probabilities(logits, self.temperature))


def _logarithms(shares: Tensor) -> Tensor:
    return shares.clamp_min(torch.finfo(shares.dtype).tiny).log()


class Uncalibrated:
    """A meter that gives another one what `network` made of the batch at temperature 1."""

    def __init__(self, network: MeanOfViews, meter: Meter) -> None:
        self.network, self.meter = network, meter

    def update(self, batch: Batch, logits: Tensor) -> None:
        self.meter.update(batch, self.network.uncalibrated)

    def reduce(self) -> None:
        self.meter.reduce()

    def result(self) -> Any:
        return self.meter.result()
