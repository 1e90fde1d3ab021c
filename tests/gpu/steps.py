"""Training steps on the device: a state, batches that bring out differences, and a guard against waiting."""

from contextlib import contextmanager

from utils.config import TrainConfig
from utils.data.batches import Batch
from utils.data.preprocess import Preprocess
from utils.training.build import make_model, make_recipe, make_state
from utils.training.engine import train_step

import numpy as np
import torch
from torch import nn

from models.layers import DropPath

CLASSES = 5
SIDE = 64
TRIES = 16  # steps in which float16 has found its scale, from 2 ** 16 down
PRECISIONS = {  # what the config says for each
    "float32": dict(use_apex=False),
    "float16": dict(use_apex=True, amp_dtype="float16"),
    "bfloat16": dict(use_apex=True, amp_dtype="bfloat16"),
}


def settings(prefix, suffix, precision="float32", **changes):
    """A config that no file holds; not checked against the machine, so that float16 can be rehearsed on a CPU."""
    values = dict(model_prefix=prefix, model_suffix=suffix, img_size=(SIDE, SIDE), val_resize=(SIDE, SIDE))
    values |= dict(epochs=2, init_lr=0.01, warmup_epochs=0, use_ema=True, clip_grad=1.0, **PRECISIONS[precision])
    return TrainConfig.plain(**{**values, **changes})


def begin(config, device, *changes):
    """(TrainState, Recipe) of a run over CLASSES classes, the network in training mode, after `changes` to it."""
    model = make_model(config, device, CLASSES).train()
    for change in changes:
        change(model)
    recipe = make_recipe(config, model, device, Preprocess.from_config(config))
    return make_state(config, model, recipe, 100), recipe


def without_dropout(model):
    """What is dropped differs between devices, whose generators differ."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, DropPath):
            module.rate = 0.0


def batch(number=8, *, seed=0, side=SIDE, boxes=False):
    """Pictures of coloured cells, coarse to fine, faint to strong: in their deepest maps they differ still.

    boxes: whether each image has a rectangle to erase. In page-locked memory where there is a GPU.
    """
    source, pictures = np.random.default_rng(seed), []
    for i in range(number):
        cells, strength, colour = 2 ** (i % 4), (0.2, 0.6, 1.0)[i % 3], source.integers(0, 256, 3)
        small = (1 - strength) * colour + strength * source.integers(0, 256, (cells, cells, 3))
        pictures.append(np.kron(small, np.ones((side // cells, side // cells, 1))))
    images = torch.from_numpy(np.uint8(np.stack(pictures)))
    rectangles = torch.tensor([[4, 6, 10, 12]] if boxes else [[0, 0, 0, 0]]).repeat(number, 1)
    targets = torch.arange(number) % CLASSES
    indices = torch.arange(number)
    if torch.cuda.is_available():
        images = images.pin_memory()
        targets = targets.pin_memory()
    return Batch(images, targets, rectangles, indices, [])


def good_step(state, recipe):
    """The result of a step; again where float16 overflows, which changes nothing but the scale."""
    for _ in range(TRIES):
        result = train_step(state, state.model, [batch()], recipe, None)
        if not result.skip:
            return result
    raise AssertionError(f"{TRIES} steps in a row gave no number")


@contextmanager
def no_waiting(device):
    """Within, an operation that waits for the GPU raises RuntimeError; on a CPU nothing waits."""
    forbid_waiting(device)
    try:
        yield
    finally:
        allow_waiting(device)


def forbid_waiting(device):
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")


def allow_waiting(device):
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("default")
