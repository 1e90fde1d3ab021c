"""A batch without images on one rank: what it computes for the others' sake changes nothing of its own."""

from utils.training.idle import take_part

import pytest
import torch
from torch import nn

from tests.helpers.steps import CLASSES, SIDE, frozen, make_state, recipe, same


class Noting(nn.SyncBatchNorm):
    """In place of the real one, which is for GPUs alone: how many images it was given, and nothing comes of them."""

    def forward(self, x):
        self.images = len(x)
        assert x.dtype == torch.float32
        return torch.empty_like(x)


def test_a_rank_without_images_has_gradients_of_zero_and_keeps_its_statistics():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 16, CLASSES))
    state = make_state(model.train())
    before = frozen(state)
    take_part(state, state.model, recipe(img_size=(SIDE, SIDE)))
    assert all(torch.equal(part.grad, torch.zeros_like(part)) for part in model.parameters())
    assert same(frozen(state), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_synchronised_statistics_are_given_no_image_of_it(dtype):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), Noting(4), nn.Flatten(), nn.Linear(4 * 16, CLASSES)).train()
    state = make_state(model)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        take_part(state, model, recipe(img_size=(SIDE, SIDE)))
    assert model[1].images == 0
    assert all(torch.equal(part.grad, torch.zeros_like(part)) for part in model.parameters())
    model(torch.zeros(2, 3, SIDE, SIDE))
    assert model[1].images == 2, "the hooks are gone"
