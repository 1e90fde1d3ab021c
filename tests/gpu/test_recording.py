"""What is recorded as CUDA graphs, and that a network which cannot be trains on as if nothing had been tried."""

from contextlib import nullcontext

from utils.torch_private import give_back_cublas_memory
from utils.training.engine import train_step
from utils.training.fixed_shape import FixedShape, recorded

import pytest
import torch
from torch import nn

import train
from tests.gpu.runs import needs_cuda
from tests.gpu.steps import CLASSES, SIDE, batch, begin, settings
from tests.helpers.steps import same


class Reading(nn.Module):
    """Reads a number back within its forward pass, which no graph can hold, and draws what it drops."""

    def __init__(self, *, reads):
        super().__init__()
        self.reads = reads
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(3 * SIDE * SIDE, CLASSES)

    def forward(self, images):
        if self.reads and self.training:
            float(images.sum())
        return self.head(self.drop(self.norm(images).flatten(1)))


def state_of(device, *, reads):
    config = settings("resnet", "18", "bfloat16")
    state, recipe = begin(config, device)
    torch.manual_seed(0)
    state.model = Reading(reads=reads).to(device)
    state.optimizer = torch.optim.SGD(state.model.parameters(), 0.1, fused=True)
    state.scheduler = torch.optim.lr_scheduler.LambdaLR(state.optimizer, lambda step: 1.0)
    state.ema = None
    return state, recipe


@pytest.mark.parametrize("reads", [False, True])
def test_steps_go_on_whether_or_not_the_network_can_be_recorded(device, reads):
    needs_cuda(device, "nothing is recorded")
    weights, stream = [], torch.cuda.current_stream(device)
    for tried in (False, True):
        state, recipe = state_of(device, reads=reads)
        network, shape = state.model, (8, 3, SIDE, SIDE)
        if tried:
            with pytest.warns(UserWarning, match="not recorded") if reads else nullcontext():
                fast = recorded(state.model, shape, recipe)
            assert (fast is None) == reads
            network = network if fast is None else FixedShape(network, shape, fast)
        for seed in range(6):
            train_step(state, network, [batch(8, seed=seed)], recipe, None)
        weights.append({name: value.clone() for name, value in state.model.state_dict().items()})
    assert torch.cuda.current_stream(device) == stream
    assert same(*weights)  # statistics and dropped places too
    assert torch.rand(8, device=device).unique().numel() == 8


def test_a_recording_leaves_no_memory_to_the_streams_it_was_made_on(device):
    """cuBLAS would keep 32 MiB for each, and for each of two threads; the graphs go on with what is in their pool."""
    needs_cuda(device, "nothing is recorded")
    state, recipe = state_of(device, reads=False)
    fast = recorded(state.model, (8, 3, SIDE, SIDE), recipe)
    assert fast is not None
    kept = torch.cuda.memory_allocated(device)
    give_back_cublas_memory()
    assert torch.cuda.memory_allocated(device) == kept


def test_after_a_recording_that_broke_off_the_memory_of_batches_is_used_again(device):
    needs_cuda(device, "nothing is recorded")
    state, recipe = state_of(device, reads=True)
    with pytest.warns(UserWarning, match="not recorded"):
        recorded(state.model, (8, 3, SIDE, SIDE), recipe)
    given = batch(256)
    reserved = []
    for _ in range(20):
        recipe.to_device(given.images, given.targets)[0].sum().item()
        reserved.append(torch.cuda.memory_reserved(device))
    torch.cuda.empty_cache()
    assert reserved[-1] == reserved[3]


def test_a_run_is_recorded_beside_loading_processes_and_page_locked_batches(device, make_config, noted_recordings):
    """The thread that page-locks batches asks things of the GPU, at any moment, which would break a recording off."""
    needs_cuda(device, "nothing is recorded")
    changes = dict(accumulate_steps=1, batch_size=4, num_workers=2, use_benchmark=False)
    for persistent in (True, False):
        train.run(make_config(epochs=2, persistent_workers=persistent, **changes))
    assert len(noted_recordings) == 2
