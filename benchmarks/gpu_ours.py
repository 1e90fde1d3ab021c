"""Our side: training steps through the engine, its loader, and whole epochs of both together."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from utils.config import TrainConfig
from utils.data.batches import Batch, ImageLoader, read
from utils.data.listing import scan
from utils.data.loaders import train_loader
from utils.data.preprocess import Preprocess
from utils.data.source import ImageList, PackedPaths, pack_paths
from utils.timing import synchronize
from utils.training.account import Account
from utils.training.build import make_model, make_recipe, make_state
from utils.training.engine import StepHooks, train_one_epoch, train_step, training_input
from utils.training.fixed_shape import for_training
from utils.training.state import Progress, Recipe, TrainState

import numpy as np
import torch
from torch import nn

from benchmarks.gpu_row import CLASSES, LEARNING_RATE, MOMENTUM, SMOOTHING, Loading, Row

STEPS_PER_EPOCH = 5000  # of the schedule, about as many as ImageNet has


def config_of(row: Row, **more: object) -> TrainConfig:
    """The defaults, but for what all sides have in common; amp_dtype's means bfloat16 on recent cards."""
    settings = dict(model_prefix=row.prefix, model_suffix=row.suffix, img_size=(row.img_size, row.img_size))
    settings |= dict(optimizer_type=row.optimizer, init_lr=LEARNING_RATE, momentum=MOMENTUM)
    settings |= dict(weight_decay=row.weight_decay, loss_type="LabelSmoothCELoss", smoothing=SMOOTHING)
    settings |= dict(use_ema=row.ema, compile=row.compile, batch_size=row.batch_size)
    settings |= dict(cuda_graphs=row.cuda_graphs)
    return TrainConfig.plain(**settings | more)


def parts(row: Row, device: torch.device) -> tuple[TrainState, nn.Module, Recipe]:
    """What train.py hands to the engine: state, network and recipe."""
    config = config_of(row)
    with device:  # initial weights are drawn where they are used
        model = make_model(config, device, CLASSES).train()
    recipe = make_recipe(config, model, device, Preprocess.from_config(config))
    state = make_state(config, model, recipe, STEPS_PER_EPOCH)
    return state, for_training(model, config, recipe), recipe


def synthetic(row: Row, device: torch.device) -> Batch:
    shape = (row.batch_size, row.img_size, row.img_size, 3)
    images = torch.randint(256, shape, dtype=torch.uint8, device=device)
    targets = torch.randint(CLASSES, (row.batch_size,), device=device)
    boxes = torch.zeros(row.batch_size, 4, dtype=torch.int64)  # nothing is erased
    return Batch(images, targets, boxes, torch.arange(row.batch_size), [])


def warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def steps(row: Row, device: torch.device) -> Iterator[None]:
    state, network, recipe = parts(row, device)
    return _train(state, network, recipe, synthetic(row, device))


def _train(state: TrainState, network: nn.Module, recipe: Recipe, batch: Batch) -> Iterator[None]:
    account = Account(Progress(), str, overflows=False, warn=warn)
    while True:
        account.add(train_step(state, network, [batch], recipe, None), [batch])
        yield


def repeated(images: ImageList, count: int) -> ImageList:
    """`count` images: those of the list, again and again."""
    places = [i % len(images) for i in range(count)]
    paths = PackedPaths(pack_paths(images.paths[i] for i in places))
    return replace(images, paths=paths, targets=np.asarray(images.targets)[places])


def make_loader(config: TrainConfig, loading: Loading, device: torch.device) -> ImageLoader:
    images = repeated(scan(loading.folder), loading.images)
    pin = device.type == "cuda"
    return train_loader(config, images, rank=0, world_size=1, workers=loading.workers, pin=pin)


def loader_speed(loading: Loading, device: torch.device) -> float:
    """Images a second, once each worker has delivered a batch."""
    row = Row("resnet", "18", loading.batch_size, img_size=loading.img_size)
    config = config_of(row, augment=loading.augment)
    recipe = Recipe(device, config.mean, config.std, channels_last=True)
    start, images = 0.0, 0
    for number, batch in enumerate(read(make_loader(config, loading, device))):
        training_input(batch, recipe, None, step=number, part=0)
        if number >= loading.workers:
            images += len(batch.targets)
        elif number == loading.workers - 1:
            start = time.perf_counter()
    synchronize(device)
    return images / (time.perf_counter() - start)


class Marks(StepHooks):
    """Notes when each step was queued, and how long batches were waited for until then."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.found: list[tuple[float, float]] = []

    def after_step(self, settled: object, stopping: bool) -> None:
        self.found.append((time.perf_counter(), self.progress.waited))

    def warn(self, text: str) -> None:
        warn(text)


def epoch(row: Row, loading: Loading, device: torch.device) -> dict[str, float]:
    """Images a second and the share of waiting in an epoch, once each worker has delivered a batch."""
    state, network, recipe = parts(row, device)
    progress = Progress()
    marks = Marks(progress)
    loader = make_loader(config_of(row, augment=loading.augment), loading, device)
    train_one_epoch(state, network, loader, recipe, None, progress, hooks=marks)
    end, first = time.perf_counter(), marks.found[loading.workers - 1]
    images, seconds = loading.images - loading.workers * loading.batch_size, end - first[0]
    return {"images_per_s": images / seconds, "waited": (progress.waited - first[1]) / seconds}
