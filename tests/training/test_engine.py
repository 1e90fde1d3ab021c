"""A step, an epoch, an evaluation, on networks small enough to work out what has to come of them."""

import copy
import multiprocessing

from utils.config import TrainConfig
from utils.data.batches import read
from utils.data.listing import scan
from utils.data.loaders import train_loader, val_loader
from utils.data.mixing import Mixer
from utils.data.pixels import normalise
from utils.data.preprocess import Preprocess
from utils.errors import DivergedError
from utils.training import optim
from utils.training.engine import StepHooks, train_one_epoch, train_step
from utils.training.evaluate import evaluate_classes
from utils.training.objective import CrossEntropy
from utils.training.optim import make_optimizer
from utils.training.state import Progress, TrainState

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils._python_dispatch import TorchDispatchMode

from tests.helpers.steps import (
    CLASSES,
    HALF,
    SIDE,
    batch,
    frozen,
    linear,
    logits_of,
    make_state,
    part,
    recipe,
    same,
    weight,
)


class Faulty(nn.Module):
    """The logits of a network, but no numbers in the calls named by `bad`."""

    def __init__(self, bad, model=None):
        super().__init__()
        self.bad, self.calls = set(bad), 0
        self.inner = linear() if model is None else model

    def forward(self, x):
        self.calls += 1
        return self.inner(x * float("nan") if self.calls - 1 in self.bad else x)


def test_a_step_is_one_of_the_optimizer_on_the_mean_loss():
    state, given = make_state(linear()), batch()
    model = copy.deepcopy(state.model)
    loss = nn.functional.cross_entropy(model(normalise(given.images, HALF, HALF)), given.targets)
    loss.backward()
    result = train_step(state, state.model, [given], recipe(), None)
    assert torch.allclose(weight(state), (model[-1].weight - 0.1 * model[-1].weight.grad).detach(), atol=1e-7)
    assert result.losses.item() == pytest.approx(loss.item())
    assert (result.skip.item(), state.step, state.scheduler.last_epoch) == (False, 1, 1)


def test_uneven_batches_accumulate_to_the_gradient_of_all_their_images():
    whole, together, apart = batch(4), make_state(linear()), make_state(linear())
    train_step(together, together.model, [whole], recipe(), None)
    result = train_step(apart, apart.model, [part(whole, 0, 3), part(whole, 3, 4)], recipe(), None)
    assert torch.allclose(weight(apart), weight(together), atol=1e-6)
    assert len(result.losses) == 2
    assert (apart.step, apart.scheduler.last_epoch) == (1, 1)


def test_boxes_are_erased_before_the_network_sees_them():
    state, given, seen = make_state(linear()), batch(2), []
    state.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    given.boxes[1] = torch.tensor([1, 2, 3, 4])
    train_step(state, state.model, [given], recipe(), None)
    expected = normalise(given.images, HALF, HALF)
    expected[1, :, 1:4, 2:6] = 0
    assert torch.equal(seen[0], expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("mixed", [False, True])
def test_label_smoothing_is_torchs_for_hard_and_soft_targets(smoothing, mixed):
    state, given, mixer = make_state(linear()), batch(), None
    images, targets = normalise(given.images, HALF, HALF), given.targets
    if mixed:
        mixer = Mixer(CLASSES, mixup_prob=1.0, cutmix_prob=0.0, seed=0)
        images, targets = mixer(images, targets, step=0, part=0, rank=0)
    expected = nn.CrossEntropyLoss(label_smoothing=smoothing)(state.model(images), targets).item()
    result = train_step(state, state.model, [given], recipe(objective=CrossEntropy(smoothing)), mixer)
    assert result.losses.item() == pytest.approx(expected, rel=1e-6)


def unmoved(state, before):
    """Whether weights, statistics and average are what they were, and what the optimizer remembers, or as it begins."""
    now, remembered = frozen(state), before[1]["state"]
    begun = {place: {name: torch.zeros_like(value) for name, value in values.items() if torch.is_tensor(value)}
             for place, values in now[1]["state"].items()}  # fmt: skip
    found = {place: {name: value for name, value in values.items() if torch.is_tensor(value)}
             for place, values in now[1]["state"].items()}  # fmt: skip
    return same(now[0], before[0]) and same(now[2], before[2]) and same(found, remembered or begun)


def test_a_loss_that_is_no_number_changes_nothing_and_is_reported():
    state = make_state(Faulty({1}))
    train_step(state, state.model, [batch()], recipe(), None)
    before = frozen(state)
    result = train_step(state, state.model, [batch(seed=1)], recipe(), None)
    assert result.skip
    assert unmoved(state, before)
    assert (state.step, state.scheduler.last_epoch) == (2, 2)  # the schedule counts steps tried
    assert not train_step(state, state.model, [batch(seed=2)], recipe(), None).skip
    assert not same(frozen(state), before)


def test_one_bad_batch_of_an_accumulated_step_spoils_the_step():
    state = make_state(Faulty({1}))
    before = frozen(state)
    result = train_step(state, state.model, [batch(), batch(seed=1), batch(seed=2)], recipe(), None)
    assert result.skip
    assert torch.isfinite(result.losses).tolist() == [True, False, True]
    assert unmoved(state, before)


def test_a_bad_batch_leaves_the_statistics_of_batchnorm_alone():
    state = make_state(Faulty({1}, nn.Sequential(nn.BatchNorm2d(3), linear())))
    train_step(state, state.model, [batch()], recipe(), None)
    before = copy.deepcopy(state.model.state_dict())
    assert train_step(state, state.model, [batch()], recipe(), None).skip
    assert all(torch.equal(value, before[name]) for name, value in state.model.state_dict().items())


class Steep(nn.Module):
    """A network whose gradients overflow under a scale near the largest float, though its loss does not."""

    def __init__(self):
        super().__init__()
        self.inner = linear()

    def forward(self, x):
        return self.inner(100 * x)


@pytest.mark.parametrize("fused", [True, None])  # as on a CPU, and as elsewhere
def test_an_overflow_lowers_the_scale_and_moves_neither_weights_nor_schedule_nor_average(fused):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**124, backoff_factor=2.0**-114)
    state = make_state(Steep(), scaler=scaler, fused=fused)
    before = frozen(state)
    result = train_step(state, state.model, [batch()], recipe(), None)
    assert torch.isfinite(result.losses).all()
    assert result.bad_losses == 0
    assert scaler.get_scale() == 2.0**10
    assert unmoved(state, before)
    assert (state.step, state.scheduler.last_epoch) == (1, 1)
    train_step(state, state.model, [batch()], recipe(), None)
    assert scaler.get_scale() == 2.0**10
    now = frozen(state)
    assert not any(same(now[place], before[place]) for place in (0, 1, 2, 3))


@pytest.mark.parametrize("scale", [None, 1024.0])
def test_the_norm_is_clipped_after_the_scale_is_taken_out(scale):
    scaler = None if scale is None else torch.amp.GradScaler("cpu", init_scale=scale)
    state = make_state(linear(), lr=1.0, scaler=scaler)
    before = nn.utils.parameters_to_vector(state.model.parameters()).detach().clone()
    train_step(state, state.model, [batch()], recipe(clip_norm=0.01), None)
    moved = nn.utils.parameters_to_vector(state.model.parameters()).detach() - before
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_a_norm_below_the_limit_is_left_as_it_is():
    free, limited = make_state(linear()), make_state(linear())
    train_step(free, free.model, [batch()], recipe(), None)
    train_step(limited, limited.model, [batch()], recipe(clip_norm=1e6), None)
    assert torch.equal(weight(free), weight(limited))


def test_dropout_hangs_on_seed_and_step_alone():
    def losses(*, state_of_generator=0, step=0, seed=0):
        state = make_state(nn.Sequential(nn.Flatten(), nn.Dropout(0.5), *linear()[1:]))
        torch.manual_seed(state_of_generator)
        state.step = step
        return train_step(state, state.model, [batch(), batch()], recipe(seed=seed), None).losses.tolist()

    first = losses()
    assert losses(state_of_generator=9) == first
    assert losses(step=1) != first
    assert losses(seed=1) != first
    assert first[0] != first[1]  # the batches of one step drop different places


def test_the_network_computes_in_the_precision_asked_for():
    state, seen = make_state(linear()), []
    state.model.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    result = train_step(state, state.model, [batch()], recipe(amp_dtype=torch.bfloat16), None)
    assert seen == [torch.bfloat16]
    assert result.losses.dtype == weight(state).dtype == torch.float32


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_network_sees_the_memory_format_asked_for(channels_last):
    state, given, seen = make_state(linear()), batch(), []
    given.boxes[0] = torch.tensor([1, 1, 2, 2])
    state.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    mixer = Mixer(CLASSES, mixup_prob=1.0, cutmix_prob=0.0, seed=0)
    train_step(state, state.model, [given], recipe(channels_last=channels_last), mixer)
    assert seen[0].is_contiguous(memory_format=torch.channels_last) == channels_last


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "rmsprop"])
def test_a_first_step_that_is_skipped_leaves_every_optimizer_as_if_it_had_not_been(kind, fused, monkeypatch):
    monkeypatch.setattr(optim, "_can_fuse", lambda device: fused)
    weights = []
    for bad in ((), (0,)):
        model = Faulty(bad)
        state = TrainState(model, make_optimizer(model, TrainConfig(optimizer_type=kind, init_lr=0.01)), None, None)
        state.scheduler = LambdaLR(state.optimizer, lambda step: 1.0)
        state.scaler = torch.amp.GradScaler("cpu", enabled=False)
        for given in [batch(seed=9)] * len(bad) + [batch(seed=seed) for seed in range(3)]:
            train_step(state, state.model, [given], recipe(), None)
        weights.append(model.inner[-1].weight.detach().clone())
    assert torch.equal(*weights)


def test_no_number_is_read_back_within_a_step():
    """Losses, norms and flags stay on the device. (Mixing draws its numbers on the host, by torchvision.)"""
    state = make_state(nn.Sequential(nn.BatchNorm2d(3), linear()))
    given = [batch(seed=1), batch(seed=2)]
    given[0].boxes[1] = torch.tensor([1, 2, 3, 4])
    settings = recipe(clip_norm=0.1, weighs=True, amp_dtype=torch.bfloat16)
    train_step(state, state.model, given, settings, None)
    with ReadsBack() as reads:
        for _ in range(5):
            train_step(state, state.model, given, settings, None)
        assert reads.count == 0
        torch.ones(()).item()
    assert reads.count >= 1


@pytest.fixture
def data(image_folder):
    return image_folder({"train": {"ant": 10, "bee": 6, "cow": 4}, "val": {"ant": 3, "cow": 4}}, size=(8, 8))


def settings(**values):
    shape = (SIDE, SIDE)
    return TrainConfig(**{"img_size": shape, "val_resize": shape, "augment": "simple", "batch_size": 2, **values})


def loader_of(data, *, workers=0, **values):
    return train_loader(settings(**values), scan(data / "train"), rank=0, world_size=1, workers=workers, pin=False)


def test_an_epoch_gives_the_mean_loss_of_its_images_and_one_step_a_group(data):
    state, loader = make_state(linear(), lr=0.0), loader_of(data, batch_size=3)
    model, calls = copy.deepcopy(state.model), []

    class Noting(StepHooks):
        def after_step(self, settled, stopping):
            calls.append((settled().images, stopping))

    progress = train_one_epoch(state, state.model, loader, recipe(accumulate=2), None, Progress(), hooks=Noting())
    losses = torch.cat(
        [nn.functional.cross_entropy(logits_of(model, b), b.targets, reduction="none") for b in read(loader)]
    )
    assert progress.images == len(losses) == 20
    assert progress.loss == pytest.approx(losses.mean().item(), rel=1e-6)
    assert (state.step, state.scheduler.last_epoch, progress.non_finite) == (4, 4, 0)
    assert calls == [(6, False), (12, False), (18, False), (20, False)]
    assert state.model.training
    assert 0 <= progress.waited <= progress.seconds


def test_five_bad_losses_in_a_row_stop_the_run_and_name_the_files(data):
    state, loader = make_state(Faulty(range(100))), loader_of(data)
    before = frozen(state)
    fifth = list(read(loader))[4].indices.tolist()
    with pytest.raises(DivergedError) as caught:
        train_one_epoch(state, state.model, loader, recipe(), None, Progress())
    assert state.step == 6  # a step is looked at when the next one is on its way
    assert all(loader.dataset.images.name(index) in str(caught.value) for index in fifth)
    assert unmoved(state, before)


def test_an_epoch_that_ends_early_ends_its_workers(data):
    state, others = make_state(Faulty(range(100))), multiprocessing.active_children()
    with pytest.raises(DivergedError) as caught:
        train_one_epoch(state, state.model, loader_of(data, workers=1), recipe(), None, Progress())
    assert set(multiprocessing.active_children()) <= set(others), "though the error is still held"
    assert caught.value.__traceback__ is not None


def test_bad_losses_with_good_ones_between_are_skipped_and_counted(data):
    state = make_state(Faulty({0, 1, 2, 3, 5, 6, 7, 8}))
    progress = train_one_epoch(state, state.model, loader_of(data), recipe(), None, Progress())
    assert (progress.non_finite, progress.in_a_row, progress.images) == (8, 0, 4)
    assert np.isfinite(progress.loss)
    assert (state.step, state.scheduler.last_epoch) == (10, 10)


def test_bad_losses_are_counted_across_epochs(data):
    state = make_state(Faulty(range(8, 100)))
    progress = train_one_epoch(state, state.model, loader_of(data), recipe(), None, Progress())
    assert progress.in_a_row == 2
    with pytest.raises(DivergedError):
        train_one_epoch(state, state.model, loader_of(data), recipe(), None, Progress(in_a_row=2))
    assert state.step == 14


def test_unreadable_images_are_left_out_of_an_epoch_and_listed(data):
    for name in ("ant/00.png", "cow/03.png"):
        (data / "train" / name).write_bytes(b"no image")
    state, loader = make_state(linear()), loader_of(data, on_bad_image="skip")
    progress = train_one_epoch(state, state.model, loader, recipe(), None, Progress())
    assert progress.images == 18
    assert sorted(index for index, _ in progress.bad) == [0, 19]
    assert state.step == 10


def validation(data, batch_size, **values):
    values = settings(batch_size=batch_size, **values)
    images = scan(data / "val", ["ant", "bee", "cow"])
    return val_loader(values, images, Preprocess.from_config(values), rank=0, world_size=1, workers=0, pin=False)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64])
def test_evaluation_counts_each_image_once_and_equals_a_plain_loop(data, batch_size):
    models = [linear(), nn.Sequential(nn.Dropout(0.9), linear())]
    nn.init.normal_(models[1][1][1].weight)
    loader = validation(data, batch_size)
    found = evaluate_classes(models, loader, recipe(objective=CrossEntropy(0.5)), CLASSES)
    for model, evaluation in zip(models, found):
        rows = [(logits_of(model.eval(), b), b.targets) for b in read(loader)]
        logits, targets = (torch.cat(values) for values in zip(*rows))
        expected = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
        for true, predicted in zip(targets.tolist(), logits.argmax(1).tolist()):
            expected[true, predicted] += 1
        assert torch.equal(evaluation.confusion, expected)
        assert evaluation.confusion.sum() == 7
        assert evaluation.loss == pytest.approx(nn.functional.cross_entropy(logits, targets).item(), rel=1e-6)
        assert evaluation.bad == []


class ReadsBack(TorchDispatchMode):
    """Counts how often a number of a tensor is asked for, for which a GPU would have to finish all it has to do."""

    operators = (torch.ops.aten.item.default, torch.ops.aten._local_scalar_dense.default)  # in inference mode; else
    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function in self.operators
        return function(*args, **(kwargs or {}))


def test_evaluation_waits_for_no_batch(data):
    counts = []
    with ReadsBack() as reads:
        evaluate_classes([linear()], validation(data, 2), recipe(), CLASSES, stop=lambda: counts.append(reads.count))
        with torch.inference_mode():
            torch.ones(()).item()
    assert counts == [counts[0]] * 4
    assert reads.count == counts[0] + 1


def test_evaluation_leaves_the_network_as_it_was(data):
    model = nn.Sequential(nn.BatchNorm2d(3), linear()).train()
    before = copy.deepcopy(model.state_dict())
    evaluate_classes([model], validation(data, 3), recipe(), CLASSES)
    assert same(model.state_dict(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_evaluation_leaves_out_and_lists_unreadable_images(data):
    (data / "val" / "cow" / "01.png").write_bytes(b"no image")
    [evaluation] = evaluate_classes([linear()], validation(data, 3, on_bad_image="skip"), recipe(), CLASSES)
    assert evaluation.confusion.sum(1).tolist() == [3, 0, 3]
    assert [index for index, _ in evaluation.bad] == [4]


def test_an_evaluation_without_one_readable_image_has_no_loss(data):
    for path in (data / "val").rglob("*.png"):
        path.write_bytes(b"no image")
    [evaluation] = evaluate_classes([linear()], validation(data, 3, on_bad_image="skip"), recipe(), CLASSES)
    assert np.isnan(evaluation.loss)
    assert evaluation.confusion.sum() == 0
    assert len(evaluation.bad) == 7
