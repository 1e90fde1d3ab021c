"""Losses by the config's words, and what else an objective may be: each with a small fake."""

from utils.config.keys import TrainConfig
from utils.data.mixing import Mixer
from utils.training.engine import train_step
from utils.training.objective import LOSSES

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.helpers.steps import CLASSES, batch, linear, make_state, mean_losses, recipe, weight


@pytest.mark.parametrize(
    ("values", "smoothing"),
    [
        ({}, 0.0),
        ({"smoothing": 0.2}, 0.2),
        ({"loss_type": "LabelSmoothCELoss"}, 0.1),
        ({"loss_type": "LabelSmoothCELoss", "smoothing": 0.3}, 0.3),
    ],
)
def test_the_words_of_the_config(values, smoothing):
    config = TrainConfig.plain(**values)
    assert LOSSES[config.loss_type](config).smoothing == smoothing


class ClassWeights:
    """Cross-entropy in which an image counts as much as its classes weigh, mixed ones by their shares."""

    even = False

    def __init__(self, weights, smoothing=0.0):
        self.weights, self.smoothing = weights, smoothing

    def __call__(self, images, logits, targets):
        shares = targets if targets.ndim == 2 else functional.one_hot(targets, logits.shape[1]).float()
        weights = shares @ self.weights
        losses = functional.cross_entropy(logits, shares, label_smoothing=self.smoothing, reduction="none")
        return (losses * weights).sum(), weights.sum()


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_weights_with_smoothing_mixing_and_accumulation(mixed, smoothing):
    """Batches of other weights accumulate to the gradient of all their images at once."""
    objective = ClassWeights(torch.tensor([0.1, 1.0, 5.0]), smoothing)
    mixer = Mixer(CLASSES, mixup_prob=1.0, cutmix_prob=0.0, seed=0) if mixed else None
    state = make_state(linear())
    parts = [batch(seed=1), batch(seed=2)]
    seen = []

    def noted(images, logits, targets):
        seen.append((images.clone(), targets.clone()))
        return objective(images, logits, targets)

    noted.even = False
    twin = make_state(linear())
    twin.model.load_state_dict(state.model.state_dict())
    result = train_step(state, state.model, parts, recipe(objective=noted, weighs=True), mixer)
    sums = [objective(images, twin.model(images), targets) for images, targets in seen]
    loss = sum(loss for loss, _ in sums) / sum(total for _, total in sums)
    twin.optimizer.zero_grad()
    loss.backward()
    twin.optimizer.step()
    assert torch.allclose(weight(state), weight(twin), atol=1e-6)
    assert (result.loss_sums.sum() / result.weights.sum()).item() == pytest.approx(loss.item(), rel=1e-5)


class Distillation:
    """A frozen teacher, which sees the images that the student sees. Paper: https://arxiv.org/abs/1503.02531."""

    even = True

    def __init__(self, teacher):
        self.teacher = teacher.eval().requires_grad_(False)

    def __call__(self, images, logits, targets):
        wanted = self.teacher(images).softmax(1)
        return functional.cross_entropy(logits, wanted, reduction="sum"), torch.full_like(logits[0, 0], len(logits))


def test_a_frozen_teacher_is_approached_and_left_as_it_is():
    teacher = linear()
    state = make_state(linear(), lr=0.5)
    nn.init.normal_(teacher[-1].weight)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    objective = Distillation(teacher)
    losses = [
        mean_losses(train_step(state, state.model, [batch()], recipe(objective=objective), None)).item()
        for _ in range(30)
    ]
    assert losses[-1] < losses[0]
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


class SeveralLabels:
    """Binary cross-entropy over all classes, as where an image may be of several."""

    even = True

    def __call__(self, images, logits, targets):
        wanted = functional.one_hot(targets, logits.shape[1]).float()
        losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(1)
        return losses.sum(), torch.full_like(losses[0], len(losses))


def test_binary_cross_entropy_over_all_classes():
    state = make_state(linear())
    given = batch()
    images, targets = recipe().to_device(given.images, given.targets)
    wanted = np.eye(CLASSES, dtype=np.float32)[targets.numpy()]
    expected = functional.binary_cross_entropy_with_logits(state.model(images), torch.from_numpy(wanted)).item()
    result = train_step(state, state.model, [given], recipe(objective=SeveralLabels()), None)
    assert mean_losses(result).item() == pytest.approx(expected, rel=1e-6)
