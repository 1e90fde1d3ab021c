"""A step of networks small enough to work out what has to come of it."""

import copy

from utils.config import TrainConfig
from utils.data.batches import NO_IMAGES
from utils.data.mixing import Mixer
from utils.data.pixels import normalise
from utils.training import engine, optim
from utils.training.engine import train_step
from utils.training.objective import CrossEntropy
from utils.training.optim import make_optimizer
from utils.training.state import TrainState

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from tests.helpers.steps import (
    CLASSES,
    HALF,
    Faulty,
    ReadsBack,
    batch,
    frozen,
    linear,
    make_state,
    mean_losses,
    part,
    recipe,
    same,
    unmoved,
    weight,
)


def test_a_step_is_one_of_the_optimizer_on_the_mean_loss():
    state = make_state(linear())
    given = batch()
    model = copy.deepcopy(state.model)
    loss = nn.functional.cross_entropy(model(normalise(given.images, HALF, HALF)), given.targets)
    loss.backward()
    result = train_step(state, state.model, [given], recipe(), None)
    assert torch.allclose(weight(state), (model[-1].weight - 0.1 * model[-1].weight.grad).detach(), atol=1e-7)
    assert mean_losses(result).item() == pytest.approx(loss.item())
    assert (result.skip.item(), state.step, state.scheduler.last_epoch) == (False, 1, 1)


def test_uneven_batches_accumulate_to_the_gradient_of_all_their_images():
    whole = batch(4)
    together = make_state(linear())
    apart = make_state(linear())
    train_step(together, together.model, [whole], recipe(), None)
    result = train_step(apart, apart.model, [part(whole, 0, 3), part(whole, 3, 4)], recipe(), None)
    assert torch.allclose(weight(apart), weight(together), atol=1e-6)
    assert len(mean_losses(result)) == 2
    assert (apart.step, apart.scheduler.last_epoch) == (1, 1)


def test_a_batch_without_a_readable_image_counts_as_on_the_other_ranks(monkeypatch):
    """By the count each rank takes its gradients times another number, where it is not the same."""
    factors = []
    monkeypatch.setattr(engine, "scale_gradients", lambda parameters, factor: factors.append(float(factor)))
    state = make_state(linear())
    empty = NO_IMAGES._replace(bad=[(i, "damaged") for i in range(4)])
    result = train_step(state, state.model, [batch(4), empty], recipe(weighs=True), None)
    assert len(result.loss_sums) == 1
    assert factors == [2.0]  # 8 images, of which 4 have weights


def test_boxes_are_erased_before_the_network_sees_them():
    state = make_state(linear())
    given = batch(2)
    seen = []
    state.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    given.boxes[1] = torch.tensor([1, 2, 3, 4])
    train_step(state, state.model, [given], recipe(), None)
    expected = normalise(given.images, HALF, HALF)
    expected[1, :, 1:4, 2:6] = 0
    assert torch.equal(seen[0], expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("mixed", [False, True])
def test_label_smoothing_is_torchs_for_hard_and_soft_targets(smoothing, mixed):
    state = make_state(linear())
    given = batch()
    mixer = None
    images, targets = normalise(given.images, HALF, HALF), given.targets
    if mixed:
        mixer = Mixer(CLASSES, mixup_prob=1.0, cutmix_prob=0.0, seed=0)
        images, targets = mixer(images, targets, step=0, part=0, rank=0)
    expected = nn.CrossEntropyLoss(label_smoothing=smoothing)(state.model(images), targets).item()
    result = train_step(state, state.model, [given], recipe(objective=CrossEntropy(smoothing)), mixer)
    assert mean_losses(result).item() == pytest.approx(expected, rel=1e-6)


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
    assert torch.isfinite(mean_losses(result)).tolist() == [True, False, True]
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
    assert torch.isfinite(mean_losses(result)).all()
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
    free = make_state(linear())
    limited = make_state(linear())
    train_step(free, free.model, [batch()], recipe(), None)
    train_step(limited, limited.model, [batch()], recipe(clip_norm=1e6), None)
    assert torch.equal(weight(free), weight(limited))


def test_dropout_depends_on_seed_and_step_alone():
    def losses(*, state_of_generator=0, step=0, seed=0):
        state = make_state(nn.Sequential(nn.Flatten(), nn.Dropout(0.5), *linear()[1:]))
        torch.manual_seed(state_of_generator)
        state.step = step
        return mean_losses(train_step(state, state.model, [batch(), batch()], recipe(seed=seed), None)).tolist()

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
    assert mean_losses(result).dtype == weight(state).dtype == torch.float32


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_network_sees_the_memory_format_asked_for(channels_last, monkeypatch):
    roll = torch.Tensor.roll  # of which mixup is made; on CUDA it forgets the format
    monkeypatch.setattr(torch.Tensor, "roll", lambda images, *given: roll(images, *given).contiguous())
    state = make_state(linear())
    given = batch()
    seen = []
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
        state = TrainState(
            model, make_optimizer(model, TrainConfig.plain(optimizer_type=kind, init_lr=0.01)), None, None
        )
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
