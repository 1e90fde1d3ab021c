"""A training step in full swing queues its work and waits for nothing: neither the step, nor the epoch around it."""

from utils.data.listing import scan
from utils.data.loaders import train_loader, val_loader
from utils.data.preprocess import Preprocess
from utils.training.account import Account
from utils.training.build import make_mixer
from utils.training.engine import StepHooks, train_one_epoch, train_step
from utils.training.evaluate import evaluate
from utils.training.fixed_shape import FixedShape, for_training
from utils.training.meters import Confusion, MeanLoss
from utils.training.optim import OPTIMIZERS
from utils.training.state import Progress

import pytest
import torch

from tests.gpu.runs import needs_cuda
from tests.gpu.steps import CLASSES, allow_waiting, batch, begin, forbid_waiting, no_waiting, settings

WARM_UP = 3  # steps in which state is made, kernels are loaded and algorithms chosen
NETWORK = "shufflenetv2", "0.5"
MIXING = dict(mixup_prob=0.5, cutmix_prob=0.5)


def test_the_guard_finds_a_wait(device):
    needs_cuda(device, "no operation waits")
    number = torch.ones(1, device=device)
    with pytest.raises(RuntimeError, match="synchroniz"), no_waiting(device):
        number.item()
    assert number.item() == 1


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("accumulate", [2, pytest.param(1, id="recorded")])
def test_a_step_waits_for_nothing(device, optimizer, precision, accumulate):
    """Eager ones of two batches, and those of one, which are recorded as CUDA graphs."""
    if accumulate == 1:
        needs_cuda(device, "nothing is recorded")
    changes = dict(optimizer_type=optimizer, init_lr=1e-3, batch_size=4, accumulate_steps=accumulate)
    config = settings(*NETWORK, precision, **changes, **MIXING)
    state, recipe = begin(config, device)
    network = for_training(state.model, config, recipe)
    mixer, warnings = make_mixer(config, CLASSES, 0), []
    guarded, side = (20, 64) if device.type == "cuda" else (1, 32)
    parts = [batch(4, seed=seed, side=side, boxes=True) for seed in range(accumulate)]
    account = Account(Progress(), str, overflows=state.scaler.is_enabled(), warn=warnings.append)
    for _ in range(WARM_UP):
        account.add(train_step(state, network, parts, recipe, mixer), parts)
    with no_waiting(device):
        for _ in range(guarded):
            account.add(train_step(state, network, parts, recipe, mixer), parts)
    progress, steps = account.settled(), WARM_UP + guarded
    kinds = {mixer.kind(step=step, part=part, rank=0) for step in range(WARM_UP, steps) for part in range(accumulate)}
    assert kinds == {"mixup", "cutmix"} or guarded == 1
    assert progress.images == 4 * accumulate * (steps - progress.non_finite)
    assert progress.non_finite == len(warnings) <= steps // 2  # of float16, whose scale is being found
    assert state.step == steps
    assert isinstance(network, FixedShape) == (accumulate == 1)


def test_an_epoch_from_loading_processes_waits_for_nothing(device, image_folder):
    root = image_folder({"train": {"ant": 40, "bee": 40}, "val": {"ant": 1, "bee": 1}}, size=(80, 70))
    changes = dict(batch_size=4, random_erase_prob=1.0, accumulate_steps=2, num_workers=2, **MIXING)
    config = settings(*NETWORK, "float16", **changes)
    state, recipe = begin(config, device)
    pin = device.type == "cuda"
    loader = train_loader(config, scan(root / "train"), rank=0, world_size=1, workers=2, pin=pin)
    last = -(-len(loader) // 2)
    guarded = []

    class Guard(StepHooks):
        def after_step(self, settled, stopping):
            """The end of the epoch may wait: what it has found is read."""
            (forbid_waiting if WARM_UP <= state.step < last else allow_waiting)(device)
            guarded.append(WARM_UP <= state.step < last)

    mixer = make_mixer(config, CLASSES, 0)
    try:
        progress = train_one_epoch(state, state.model, loader, recipe, mixer, Progress(), hooks=Guard())
    finally:
        allow_waiting(device)
    assert sum(guarded) == last - WARM_UP >= 4
    assert progress.images + 8 * progress.non_finite == 80


def test_an_evaluation_waits_for_nothing_until_its_end(device, image_folder):
    root = image_folder({"train": {"ant": 1, "bee": 1}, "val": {"ant": 11, "bee": 10}}, size=(80, 70))
    config = settings(*NETWORK, "bfloat16", batch_size=4)
    state, recipe = begin(config, device)
    steps = Preprocess.from_config(config)
    images = scan(root / "val")
    loader = val_loader(config, images, steps, rank=0, world_size=1, workers=2, pin=device.type == "cuda")
    models = [state.model, state.ema.model]
    meters = [(MeanLoss(device), Confusion(CLASSES, device)) for _ in models]
    shown = []

    def after_batch():
        shown.append(len(shown))
        (forbid_waiting if 2 <= len(shown) < len(loader) else allow_waiting)(device)

    try:
        evaluate(models, loader, recipe, meters, stop=after_batch)
    finally:
        allow_waiting(device)
    assert len(shown) == 6
    assert [confusion.result().sum().item() for _, confusion in meters] == [21, 21]
