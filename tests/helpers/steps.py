"""Steps of networks small enough to work out what they give."""

import copy

from utils.data.batches import Batch
from utils.data.pixels import normalise
from utils.training.ema import ModelEma
from utils.training.state import Recipe, TrainState

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils._python_dispatch import TorchDispatchMode

CPU = torch.device("cpu")
HALF = (0.5, 0.5, 0.5)
CLASSES = 3
SIDE = 6


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, CLASSES))


def recipe(**values):
    return Recipe(CPU, HALF, HALF, **values)


def make_state(model, *, lr=0.1, scaler=None, fused=True):
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9, fused=fused)
    scaler = torch.amp.GradScaler("cpu", enabled=False) if scaler is None else scaler
    return TrainState(model, optimizer, LambdaLR(optimizer, lambda step: 1.0), scaler, ModelEma(model, decay=0.5))


def batch(number=4, *, seed=0):
    source = np.random.default_rng(seed)
    images = torch.from_numpy(source.integers(0, 256, (number, SIDE, SIDE, 3), dtype=np.uint8))
    boxes = torch.zeros(number, 4, dtype=torch.int64)
    return Batch(images, torch.arange(number) % CLASSES, boxes, torch.arange(number), [])


def part(whole, first, last):
    return Batch(*(values[first:last] for values in whole[:4]), [])


def frozen(state):
    """A copy of everything that a step may change but the scaler and the count of steps tried."""
    parts = state.model.state_dict(), state.optimizer.state_dict(), state.ema.model.state_dict()
    return copy.deepcopy((*parts, state.scheduler.state_dict()))


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def mean_losses(result):
    """(batches,) of a StepResult."""
    return result.loss_sums / result.weights


def weight(state):
    return state.model[-1].weight.detach().clone()


def logits_of(model, given):
    with torch.no_grad():
        return model(normalise(given.images, HALF, HALF))


class Faulty(nn.Module):
    """The logits of a network, but no numbers in the calls named by `bad`."""

    def __init__(self, bad, model=None):
        super().__init__()
        self.bad, self.calls = set(bad), 0
        self.inner = linear() if model is None else model

    def forward(self, x):
        self.calls += 1
        return self.inner(x * float("nan") if self.calls - 1 in self.bad else x)


def unmoved(state, before):
    """Whether weights, statistics and average are what they were, and what the optimizer remembers, or as it begins."""
    now, remembered = frozen(state), before[1]["state"]
    begun = {place: {name: torch.zeros_like(value) for name, value in values.items() if torch.is_tensor(value)}
             for place, values in now[1]["state"].items()}  # fmt: skip
    found = {place: {name: value for name, value in values.items() if torch.is_tensor(value)}
             for place, values in now[1]["state"].items()}  # fmt: skip
    return same(now[0], before[0]) and same(now[2], before[2]) and same(found, remembered or begun)


class ReadsBack(TorchDispatchMode):
    """Counts how often a number of a tensor is asked for, for which a GPU would have to finish all it has to do."""

    operators = (torch.ops.aten.item.default, torch.ops.aten._local_scalar_dense.default)  # in inference mode; else
    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function in self.operators
        return function(*args, **(kwargs or {}))
