"""The loop in which benchmarks/accuracy.py trains a network by the recipe of another project, within a given time.

A recipe sets the figures: transforms, batch, optimizer, schedule. Network, weights, sets, evaluation and this loop are
the same for all, so that the recipes alone differ.
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.general import load_weights

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from models import create_model

LEAST_STEPS, LEAST_BATCH = 8, 4  # of an epoch; of which BatchNorm can still make something
TRIAL_SHARE = 0.1  # of the time: a trial epoch that took less is followed by another, as the first starts the workers


@dataclass(frozen=True)
class Job:
    """What is to be trained. img_size, mean, std and interpolation are those that our run found."""

    data: str  # folder with train/<class>/* and val/<class>/*
    network: tuple[str, str]  # prefix and suffix of create_model
    img_size: tuple[int, int]  # (height, width)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"
    weights: str = ""  # file to start from; '' is from scratch
    seed: int = 0
    seconds: float = 0.0  # that the training may take
    workers: int = 2

    @property
    def side(self) -> int:
        return self.img_size[0]  # 'auto' finds squares


class Recipe:
    """One project's way to train. `begin` is called once for each training, then the others as their names say."""

    batch_size: int
    drop_last = True  # of the batches of train, the one that is not full
    least_epochs = 1
    clip_norm = math.inf
    train_transform: Callable[[Any], Tensor]
    val_transform: Callable[[Any], Tensor]
    optimizer: torch.optim.Optimizer

    def __init__(self, job: Job, images: int) -> None:
        """images: in train."""
        self.job, self.images = job, images

    def begin(self, network: nn.Module, epochs: int, steps: int) -> None:
        """Make the optimizer. steps: of an epoch."""
        raise NotImplementedError

    def before_epoch(self, epoch: int) -> None:
        """epoch: 0, 1, ..."""

    def before_step(self, step: int) -> None:
        """step: 0, 1, ..., counted on over the epochs."""

    def augment(self, images: Tensor) -> Tensor:
        """A batch of train, (N, 3, H, W), before the network sees it."""
        return images

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, targets)


class Training:
    """A network on its way: loaders, and an epoch or an evaluation at a time."""

    def __init__(self, recipe_class: type[Recipe], job: Job) -> None:
        self.job = job
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # the default loader: Pillow, convert("RGB")
        train, val = (ImageFolder(str(Path(job.data, split))) for split in ("train", "val"))
        self.classes = len(train.classes)
        self.recipe = recipe = recipe_class(job, len(train))
        train.transform, val.transform = recipe.train_transform, recipe.val_transform
        options = dict(num_workers=job.workers, persistent_workers=job.workers > 0, batch_size=recipe.batch_size)
        full = len(train) >= recipe.batch_size
        self.train_loader = DataLoader(train, shuffle=True, drop_last=recipe.drop_last and full, **options)
        self.val_loader = DataLoader(val, **options)

    def begin(self, epochs: int) -> None:
        torch.manual_seed(self.job.seed)
        random.seed(self.job.seed)  # which some transforms draw from; workers seed theirs from torch's
        prefix, suffix = self.job.network
        network = create_model(prefix, suffix, num_classes=self.classes, img_size=self.job.img_size)
        if self.job.weights:
            load_weights(network, self.job.weights)
        self.network = network.to(self.device)
        self.recipe.begin(self.network, epochs, len(self.train_loader))

    def train_epoch(self, epoch: int) -> float:
        """The mean loss of its steps."""
        recipe, steps = self.recipe, len(self.train_loader)
        network = self.network.train()
        total = torch.zeros((), device=self.device)
        recipe.before_epoch(epoch)
        for number, (images, targets) in enumerate(self.train_loader, epoch * steps):
            recipe.before_step(number)
            logits = network(recipe.augment(images.to(self.device)))
            loss = recipe.loss(logits, targets.to(self.device))
            recipe.optimizer.zero_grad()
            loss.backward()
            if math.isfinite(recipe.clip_norm):
                nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
            recipe.optimizer.step()
            total += loss.detach()
        return total.item() / steps

    def accuracy(self) -> float:
        """Share of val that the network has right."""
        network, right, images = self.network.eval(), 0, 0
        with torch.inference_mode():
            for batch, targets in self.val_loader:
                right += (network(batch.to(self.device)).argmax(1).cpu() == targets).sum().item()
                images += len(targets)
        return right / images


def batch_for(images: int, most: int) -> int:
    """`most`, halved until a small set has LEAST_STEPS batches of at least LEAST_BATCH."""
    while most > LEAST_BATCH and most * LEAST_STEPS > images:
        most //= 2
    return most


def affordable_epochs(seconds: float, epoch_seconds: float, least: int = 1) -> int:
    return max(least, int(seconds / epoch_seconds))


def seconds_of_an_epoch(trial: Training) -> float:
    """Training and evaluation; the shorter of two epochs where there is time. Nothing of the trial is kept."""
    epoch, found = trial.recipe.least_epochs - 1, []  # the last of the least is as most of them are
    trial.begin(trial.recipe.least_epochs)
    while not found or (len(found) < 2 and found[0] < TRIAL_SHARE * trial.job.seconds):
        start = time.perf_counter()
        trial.train_epoch(epoch)
        trial.accuracy()
        found.append(time.perf_counter() - start)
    return min(found)


def fit(recipe_class: type[Recipe], job: Job) -> dict[str, Any]:
    """Train for about job.seconds, in as many epochs as a trial says will fit; the trial does not count."""
    trial = Training(recipe_class, job)
    epochs = affordable_epochs(job.seconds, seconds_of_an_epoch(trial), trial.recipe.least_epochs)
    del trial  # and its loading processes
    start = time.perf_counter()
    training, losses, accuracies = Training(recipe_class, job), [], []
    training.begin(epochs)
    for epoch in range(epochs):
        losses.append(training.train_epoch(epoch))
        accuracies.append(training.accuracy())
    found = {"best": max(accuracies), "last": accuracies[-1], "epochs": epochs, "seconds": time.perf_counter() - start}
    return {**found, "batch_size": training.recipe.batch_size, "losses": [round(loss, 4) for loss in losses]}
