"""A step, an epoch, an evaluation: the one loop that single and several processes run."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from tqdm import tqdm

from .. import distributed
from ..data.batches import NO_IMAGES, Batch, read
from ..data.listing import ImageList
from ..data.mixing import Mixer, erase
from ..data.preprocess import normalise
from ..errors import DataError, DivergedError, UnreadableError
from ..log import log
from ..rng import seed_network
from .ema import ModelEma
from .metrics import add_counts, no_counts
from .optim import clipped_norm

NON_FINITE_LIMIT = 5  # non-finite losses in a row that stop a run


@dataclass
class TrainState:
    """What a checkpoint holds besides figures. `step` counts steps tried; the scheduler counts those taken."""

    model: nn.Module  # bare: neither DDP nor compiled
    optimizer: Optimizer
    scheduler: LRScheduler
    scaler: torch.amp.GradScaler
    ema: ModelEma | None = None
    step: int = 0


@dataclass(frozen=True)
class Recipe:
    """How batches become losses: constant over a run, but for the mixer."""

    device: torch.device
    mean: tuple[float, ...]
    std: tuple[float, ...]
    label_smoothing: float = 0.0
    amp_dtype: torch.dtype | None = None
    clip_norm: float = float("inf")
    channels_last: bool = False
    seed: int = 0

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.amp_dtype, enabled=self.amp_dtype is not None)

    def to_device(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) float32 normalised images and (N,) targets on the device."""
        images = batch.images.to(self.device, non_blocking=True)
        targets = batch.targets.to(self.device, non_blocking=True)
        return normalise(images, self.mean, self.std, channels_last=self.channels_last), targets


@dataclass
class Progress:
    """What has happened in the epoch so far; a part of the checkpoint, so that a resumed epoch reports all of it."""

    loss_sum: float = 0.0
    images: int = 0
    non_finite: int = 0  # steps skipped for a loss or gradient that is no number
    in_a_row: int = 0  # such steps without a good one between
    bad: list[tuple[int, str]] = field(default_factory=list)  # (index, reason) of unreadable images
    seconds: float = 0.0
    waited: float = 0.0  # seconds of these in which no batch was ready

    @property
    def loss(self) -> float:
        return self.loss_sum / self.images if self.images else float("nan")


@dataclass(frozen=True)
class StepResult:
    losses: Tensor  # (batches,) mean loss of each, on the device
    finite: bool  # whether every loss and the gradient were numbers, on every rank
    stop: bool  # whether some rank was asked to stop


def train_step(
    state: TrainState,
    network: nn.Module,
    batches: list[Batch],
    recipe: Recipe,
    mixer: Mixer | None,
    stop: Callable[[], bool] = lambda: False,
) -> StepResult:
    """One update of `state` from the mean loss over all images of `batches` (several when gradients accumulate).

    `network` is state.model, compiled or wrapped in DDP as it may be. A step whose loss or gradient is not finite
    changes nothing but the scaler: neither weights and statistics nor schedule nor average.
    """
    state.optimizer.zero_grad(set_to_none=True)
    buffers = list(state.model.buffers())
    before = torch._foreach_add(buffers, 0) if buffers else []  # copies: a bad batch spoils BatchNorm's statistics
    losses = _backward(state, network, batches, recipe, mixer)
    state.scaler.unscale_(state.optimizer)
    norm = clipped_norm(state.model, recipe.clip_norm)
    loss_ok = torch.isfinite(losses).all()
    flags = torch.stack((~loss_ok, torch.tensor(stop(), device=loss_ok.device))).long()
    bad_losses, stops = distributed.all_reduce_sum(flags).tolist()  # the step's one wait
    grad_ok = bool(torch.isfinite(norm))  # the same on every rank: gradients are averaged
    if bad_losses == 0 and grad_ok:
        state.scaler.step(state.optimizer)
        state.scheduler.step()
        if state.ema is not None:
            state.ema.update(state.model, state.scheduler.last_epoch)
    elif buffers:
        torch._foreach_copy_(buffers, before)
    state.scaler.update()
    state.step += 1
    overflow = state.scaler.is_enabled() and not grad_ok  # the scaler's own affair: it lowers its scale
    return StepResult(losses, finite=bad_losses == 0 and (grad_ok or overflow), stop=stops > 0)


def _backward(
    state: TrainState, network: nn.Module, batches: list[Batch], recipe: Recipe, mixer: Mixer | None
) -> Tensor:
    """Gradients of the mean loss per image; returns (batches,) mean losses."""
    total, losses = sum(len(batch.targets) for batch in batches), []
    for i, batch in enumerate(batches):
        images, targets = training_input(batch, recipe, mixer, step=state.step, part=i)
        seed_network(recipe.device, "network", recipe.seed, state.step, i, distributed.rank())
        with _synced_last(network, i == len(batches) - 1), recipe.autocast():
            loss = nn.functional.cross_entropy(network(images), targets, label_smoothing=recipe.label_smoothing)
            state.scaler.scale(loss * (len(batch.targets) / total)).backward()
        losses.append(loss.detach())
    return torch.stack(losses).float()


def training_input(batch: Batch, recipe: Recipe, mixer: Mixer | None, *, step: int, part: int) -> tuple[Tensor, Tensor]:
    """What a network is taught with: (N, 3, H, W) images, normalised, erased and mixed, and their targets.

    part: the place of the batch within optimizer step `step`.  Targets are (N,) classes, (N, K) shares where mixed.
    """
    images, targets = recipe.to_device(batch)
    images = erase(images, batch.boxes)
    return (images, targets) if mixer is None else mixer(images, targets, step=step, part=part, rank=distributed.rank())


def _synced_last(network: nn.Module, last: bool) -> contextlib.AbstractContextManager:
    """Among several processes, gradients are exchanged once a step: with its last batch."""
    return contextlib.nullcontext() if last or not hasattr(network, "no_sync") else network.no_sync()


def grouped(loader: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """The batches of each optimizer step; the last group of an epoch may be smaller."""
    group = []
    for batch in loader:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


class Stopwatch:
    """Splits the time of a loop into waiting for the next item and working on it."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.start = time.perf_counter()

    def watch(self, items: Iterable) -> Iterator:
        iterator = iter(items)
        while True:
            before = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            self.waited += time.perf_counter() - before
            yield item

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start


def train_one_epoch(
    state: TrainState,
    network: nn.Module,
    loader: DataLoader,
    recipe: Recipe,
    mixer: Mixer | None,
    progress: Progress,
    *,
    accumulate: int = 1,
    stop: Callable[[], bool] = lambda: False,
    after_step: Callable[[Progress, bool], None] = lambda progress, stop: None,
    name: str = "train",
) -> Progress:
    """The rest of an epoch: what `loader` yields. Adds to `progress` and returns it, summed over the ranks.

    after_step: called after every step with this rank's progress and whether to stop; it may save or raise.
    Raises DivergedError after NON_FINITE_LIMIT non-finite losses in a row, naming the files of the last.
    """
    network.train()
    watch, before = Stopwatch(), (progress.seconds, progress.waited)
    with contextlib.closing(read(loader)) as stream:
        groups = progress_bar(grouped(stream, accumulate), -(-len(loader) // accumulate), name)
        for batches in watch.watch(groups):
            progress.bad += [bad for batch in batches for bad in batch.bad]
            batches = [batch for batch in batches if len(batch.targets)]
            if not batches:
                _skip_empty(state)
                continue
            with batchnorm_explained():
                result = train_step(state, network, batches, recipe, mixer, stop)
            _account(progress, result, batches, loader.dataset.images)
            progress.seconds, progress.waited = before[0] + watch.seconds, before[1] + watch.waited
            after_step(progress, result.stop)
    return summed(progress, recipe.device)


def _skip_empty(state: TrainState) -> None:
    """A step without a single readable image counts as tried, as a resume must find its place by the count."""
    if distributed.world_size() > 1:
        raise UnreadableError("no readable image in the batches of one process; mend the files named above")
    state.step += 1


def _account(progress: Progress, result: StepResult, batches: list[Batch], images: ImageList) -> None:
    """Add a step to the figures. A skipped one is counted and its images named."""
    if result.finite:
        sizes = [len(batch.targets) for batch in batches]
        progress.in_a_row = 0
        progress.loss_sum += sum(loss * size for loss, size in zip(result.losses.tolist(), sizes))
        progress.images += sum(sizes)
        return
    progress.non_finite += 1
    progress.in_a_row += 1
    ours = [i for loss, batch in zip(result.losses, batches) if not loss.isfinite() for i in batch.indices.tolist()]
    names = [name for names in distributed.gather([images.path(i) for i in ours]) for name in names]
    told = f"the loss is no number for a batch of {', '.join(names[:8])}" if names else "a gradient is no number"
    if progress.in_a_row >= NON_FINITE_LIMIT:
        limit = f"{NON_FINITE_LIMIT} steps in a row failed"
        raise DivergedError(f"{limit}, the last because {told}; a lower init_lr or clip_grad = True may help")
    log.warning(f"step skipped: {told}")


@contextlib.contextmanager
def batchnorm_explained() -> Iterator[None]:
    """Turn torch's complaint about a batch of one image into an error of the user's."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise DataError(
            "a batch holds a single image, from which BatchNorm cannot learn where its maps have a single place; "
            "raise batch_size or img_size, or add images"
        ) from None


def summed(progress: Progress, device: torch.device) -> Progress:
    """The progress of all ranks together; times are this rank's."""
    sums = torch.tensor([progress.loss_sum, progress.images], dtype=torch.float64)
    loss_sum, images = distributed.all_reduce_sum(_on(sums, device)).tolist()
    bad = [item for items in distributed.gather(progress.bad) for item in items]
    return Progress(
        loss_sum, int(images), progress.non_finite, progress.in_a_row, bad, progress.seconds, progress.waited
    )


def _on(sums: Tensor, device: torch.device) -> Tensor:
    """On the device for nccl; mps has no float64, and no ranks either."""
    return sums if device.type == "mps" else sums.to(device)


def progress_bar(items: Iterable, total: int, name: str) -> Iterable:
    """A bar on a terminal of rank 0, nothing elsewhere."""
    return tqdm(items, total=total, desc=name, leave=False, disable=None if distributed.is_main() else True)


@dataclass(frozen=True)
class Evaluation:
    loss: float  # mean cross-entropy per image, without smoothing
    confusion: Tensor  # (K, K) int64 on the CPU; row: true class, column: predicted
    bad: list[tuple[int, str]]  # (index, reason) of images left out


@torch.inference_mode()
def evaluate(
    models: list[nn.Module],
    loader: DataLoader,
    recipe: Recipe,
    num_classes: int,
    *,
    stop: Callable[[], None] = lambda: None,
    name: str = "val",
) -> list[Evaluation]:
    """Each model over one pass of `loader`: every image counts once, whatever the number of processes.

    stop: called after every batch, and equally often on every rank; it may raise on all of them.
    """
    device = recipe.device
    confusions = [no_counts(num_classes, device) for _ in models]
    losses: list[list[Tensor]] = [[] for _ in models]  # left on the device: reading one is waiting for it
    images_seen, bad = 0, []
    for model in models:
        model.eval()
    rounds = max(distributed.gather(len(loader)))
    with contextlib.closing(read(loader)) as stream:
        in_step = itertools.chain(stream, itertools.repeat(NO_IMAGES, rounds - len(loader)))
        for batch in progress_bar(in_step, rounds, name):
            bad += batch.bad
            images_seen += len(batch.targets)
            if len(batch.targets):
                images, targets = recipe.to_device(batch)
                for i, model in enumerate(models):
                    with recipe.autocast():
                        logits = model(images).float()
                    add_counts(confusions[i], logits.argmax(1), targets)
                    losses[i].append(nn.functional.cross_entropy(logits, targets, reduction="sum"))
            stop()
    totals = [sum(torch.stack(parts).tolist()) if parts else 0.0 for parts in losses]
    sums = distributed.all_reduce_sum(_on(torch.tensor([*totals, images_seen], dtype=torch.float64), device)).tolist()
    bad = sorted(item for items in distributed.gather(bad) for item in items)
    means = [loss / sums[-1] if sums[-1] else float("nan") for loss in sums[:-1]]
    return [Evaluation(mean, distributed.all_reduce_sum(counts).cpu(), bad) for mean, counts in zip(means, confusions)]
