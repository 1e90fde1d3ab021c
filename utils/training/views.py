"""A network that is shown several views of each image, for those who evaluate one."""

import torch
from torch import Tensor, nn

from ..data.views import Views, mean_probabilities


class MeanOfViews(nn.Module):
    """(N, 3, H, W) normalised images, prepared as `views.reads` has it -> (N, K): logarithms of mean probabilities.

    Which are logits of these: their softmax gives the same probabilities.
    """

    def __init__(self, network: nn.Module, views: Views) -> None:
        super().__init__()
        self.network, self.views = network, views

    def forward(self, images: Tensor) -> Tensor:
        shown = self.views.of(images, height=2)
        shares = mean_probabilities([self.network(view).float() for view in shown])
        return shares.clamp_min(torch.finfo(shares.dtype).tiny).log()
