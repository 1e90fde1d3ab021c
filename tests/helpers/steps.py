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


def weight(state):
    return state.model[-1].weight.detach().clone()


def logits_of(model, given):
    with torch.no_grad():
        return model(normalise(given.images, HALF, HALF))
