"""What a step changes, what it goes by, and what has happened in an epoch so far."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from .. import distributed
from ..data.pixels import normalise
from ..data.transfer import to_device
from .ema import ModelEma
from .objective import CrossEntropy, Objective
from .snapshot import Group, groups_of


@dataclass
class TrainState:
    """What a checkpoint holds besides figures. `step` and the scheduler count steps tried."""

    model: nn.Module  # bare: neither DDP nor compiled
    optimizer: Optimizer
    scheduler: LambdaLR
    scaler: torch.amp.GradScaler
    ema: ModelEma | None = None
    step: int = 0

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """Of the model, which is walked through once."""
        return list(self.model.parameters())

    @cached_property
    def statistics(self) -> list[Group]:
        """The buffers of the model, which a step may change: statistics of norms and their counters."""
        return groups_of(self.model.buffers())


@dataclass(frozen=True)
class Recipe:
    """How batches become losses: constant over a run, but for the mixer."""

    device: torch.device
    mean: tuple[float, ...]
    std: tuple[float, ...]
    objective: Objective = field(default_factory=CrossEntropy)
    amp_dtype: torch.dtype | None = None
    clip_norm: float = float("inf")
    accumulate: int = 1  # batches per step
    channels_last: bool = False
    freeze_bn: bool = False  # whether BatchNorm goes by its averages, which stay as they are
    seed: int = 0
    weighs: bool = False  # whether gradients must be scaled by weights that the objective alone knows, or other ranks
    least: int = 1  # images that must be left of a batch where some cannot be read
    img_size: tuple[int, int] = (224, 224)  # (height, width) of images

    @property
    def mixed(self) -> bool:
        """Whether autocast computes in `amp_dtype`."""
        return self.amp_dtype is not None

    @property
    def memory_format(self) -> torch.memory_format:
        """Of images."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.amp_dtype, enabled=self.mixed)

    def to_device(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(N, H, W, 3) uint8 images -> (N, 3, H, W) float32, normalised; they and (N,) targets on the device."""
        images, targets = to_device([images, targets], self.device)
        return normalise(images, self.mean, self.std, channels_last=self.channels_last), targets


@dataclass(frozen=True)
class StepResult:
    """What a step found, all of it on the device: to read it is to wait for all that the device has still to do."""

    loss_sums: Tensor  # (batches,) of each
    weights: Tensor  # (batches,) of each
    bad_losses: Tensor  # ranks on which some loss is no number
    bad_gradient: Tensor  # whether the gradient's norm is no number, on every rank, as gradients are averaged
    empty: Tensor | None = None  # whether no rank had an image; None where each has some

    @property
    def skip(self) -> Tensor:
        """Whether the step must change nothing."""
        bad = self.bad_gradient | (self.bad_losses > 0)
        return bad if self.empty is None else bad | self.empty


@dataclass
class Progress:
    """What has happened in the epoch so far; a part of the checkpoint, so that a resumed epoch reports all of it."""

    loss_sum: float = 0.0  # as the objective sums it
    weight: float = 0.0  # of the images in it
    images: int = 0
    non_finite: int = 0  # steps skipped for a loss or gradient that is no number
    in_a_row: int = 0  # such steps without a good one between
    bad: list[tuple[int, str]] = field(default_factory=list)  # (index, reason) of unreadable images
    seconds: float = 0.0
    waited: float = 0.0  # seconds of these in which no batch was ready
    lone: int = 0  # images left out as too few others of their batches could be read

    @property
    def loss(self) -> float:
        return self.loss_sum / self.weight if self.weight else float("nan")


def summed(progress: Progress, device: torch.device) -> Progress:
    """The progress of all ranks together; times are this rank's."""
    sums = torch.tensor([progress.loss_sum, progress.weight, progress.images, progress.lone], dtype=torch.float64)
    loss_sum, weight, images, lone = distributed.all_reduce_sum(on_device(sums, device)).tolist()
    bad = [item for items in distributed.gather(progress.bad) for item in items]
    return replace(progress, loss_sum=loss_sum, weight=weight, images=int(images), bad=bad, lone=int(lone))


def on_device(sums: Tensor, device: torch.device) -> Tensor:
    """On the device for nccl; mps has no float64, and no ranks either."""
    return sums if device.type == "mps" else sums.to(device)


def exchange_every(device: torch.device) -> int:
    """Batches between two exchanges of the request to stop: what other processes say by GPU is waited for."""
    return 1 if device.type == "cpu" or distributed.world_size() == 1 else 8
