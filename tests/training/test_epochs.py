"""An epoch and an evaluation of networks small enough to work out what has to come of them."""

import copy
import multiprocessing

from utils.config import TrainConfig
from utils.data.batches import read
from utils.data.listing import scan
from utils.data.loaders import train_loader, val_loader
from utils.data.preprocess import Preprocess
from utils.errors import DivergedError
from utils.training.engine import StepHooks, train_one_epoch
from utils.training.evaluate import evaluate_classes
from utils.training.objective import CrossEntropy
from utils.training.state import Progress

import numpy as np
import pytest
import torch
from torch import nn

from tests.helpers.steps import (
    CLASSES,
    SIDE,
    Faulty,
    ReadsBack,
    frozen,
    linear,
    logits_of,
    make_state,
    recipe,
    same,
    unmoved,
)


@pytest.fixture
def data(image_folder):
    return image_folder({"train": {"ant": 10, "bee": 6, "cow": 4}, "val": {"ant": 3, "cow": 4}}, size=(8, 8))


def settings(**values):
    shape = (SIDE, SIDE)
    return TrainConfig.plain(**{"img_size": shape, "val_resize": shape, "augment": "simple", "batch_size": 2, **values})


def loader_of(data, *, workers=0, **values):
    return train_loader(settings(**values), scan(data / "train"), rank=0, world_size=1, workers=workers, pin=False)


def test_an_epoch_gives_the_mean_loss_of_its_images_and_one_step_a_group(data):
    state = make_state(linear(), lr=0.0)
    loader = loader_of(data, batch_size=3)
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
    state = make_state(Faulty(range(100)))
    loader = loader_of(data)
    before = frozen(state)
    fifth = list(read(loader))[4].indices.tolist()
    with pytest.raises(DivergedError) as caught:
        train_one_epoch(state, state.model, loader, recipe(), None, Progress())
    assert state.step == 6  # a step is looked at when the next one is on its way
    assert all(loader.dataset.images.name(index) in str(caught.value) for index in fifth)
    assert unmoved(state, before)


def test_an_epoch_that_ends_early_ends_its_workers(data):
    state = make_state(Faulty(range(100)))
    others = multiprocessing.active_children()
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
    state = make_state(linear())
    loader = loader_of(data, on_bad_image="skip")
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
