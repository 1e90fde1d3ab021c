"""A step and an epoch: the one loop that single and several processes run."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .. import distributed
from ..data.batches import Batch, read
from ..data.mixing import Mixer, erase
from ..errors import DataError, DivergedError, UnreadableError
from ..rng import seed_network
from .bars import progress_bar
from .optim import clipped_norm, scale_gradients
from .state import Progress, Recipe, TrainState, summed

NON_FINITE_LIMIT = 5  # non-finite losses in a row that stop a run


@dataclass(frozen=True)
class StepResult:
    loss_sums: Tensor  # (batches,) of each, on the device, as are the weights
    weights: Tensor
    finite: bool  # whether every loss and the gradient were numbers, on every rank
    stop: bool  # whether some rank was asked to stop

    @property
    def losses(self) -> Tensor:
        """(batches,) mean loss of each, on the device."""
        return self.loss_sums / self.weights


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
    loss_sums, weights = _backward(state, network, batches, recipe, mixer)
    state.scaler.unscale_(state.optimizer)
    norm = clipped_norm(state.model, recipe.clip_norm)
    loss_ok = torch.isfinite(loss_sums).all()
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
    return StepResult(loss_sums, weights, finite=bad_losses == 0 and (grad_ok or overflow), stop=stops > 0)


def _backward(
    state: TrainState, network: nn.Module, batches: list[Batch], recipe: Recipe, mixer: Mixer | None
) -> tuple[Tensor, Tensor]:
    """Gradients of the loss per weight; returns the (batches,) sums of losses and of weights."""
    found, images_in_step = [], _images_of(batches, recipe)
    for i, batch in enumerate(batches):
        images, targets = training_input(batch, recipe, mixer, step=state.step, part=i)
        seed_network(recipe.device, "network", recipe.seed, state.step, i, distributed.rank())
        with _synced_last(network, i == len(batches) - 1), recipe.autocast():
            loss, weight = recipe.objective(images, network(images), targets)
            state.scaler.scale(loss / images_in_step).backward()
        found.append((loss.detach().float(), weight.detach().float()))
    loss_sums, weights = (torch.stack(parts) for parts in zip(*found))
    if recipe.weighs:
        total = distributed.all_reduce_sum(weights.sum())
        scale_gradients(state.model, images_in_step * distributed.world_size() / total)
    return loss_sums, weights


def _images_of(batches: list[Batch], recipe: Recipe) -> int:
    """What the losses are divided by before the backward pass: the same on every rank if gradients are scaled later."""
    return sum(len(batch.targets) + (len(batch.bad) if recipe.weighs else 0) for batch in batches)


def training_input(batch: Batch, recipe: Recipe, mixer: Mixer | None, *, step: int, part: int) -> tuple[Tensor, Tensor]:
    """What a network is trained with: (N, 3, H, W) images, normalised, erased and mixed, and their targets.

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
    warn: Callable[[str], None] = lambda text: None,
    name: str = "train",
) -> Progress:
    """The rest of an epoch: what `loader` yields. Adds to `progress` and returns it, summed over the ranks.

    after_step: called after every step with this rank's progress and whether to stop; it may save or raise.
    warn: called with a sentence for each step that was skipped.
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
            if problem := _account(progress, result, batches, loader.dataset.images.name):
                warn(problem)
            progress.seconds, progress.waited = before[0] + watch.seconds, before[1] + watch.waited
            after_step(progress, result.stop)
    return summed(progress, recipe.device)


def _skip_empty(state: TrainState) -> None:
    """A step without a single readable image counts as tried, as a resume must find its place by the count."""
    if distributed.world_size() > 1:
        raise UnreadableError("no readable image in the batches of one process; mend the files named above")
    state.step += 1


def _account(progress: Progress, result: StepResult, batches: list[Batch], name: Callable[[int], str]) -> str | None:
    """Add a step to the figures. A skipped one is counted; returns why it was skipped. name: of an image, by index."""
    if result.finite:
        progress.in_a_row = 0
        progress.loss_sum += sum(result.loss_sums.tolist())
        progress.weight += sum(result.weights.tolist())
        progress.images += sum(len(batch.targets) for batch in batches)
        return None
    progress.non_finite += 1
    progress.in_a_row += 1
    ours = [i for loss, batch in zip(result.loss_sums, batches) if not loss.isfinite() for i in batch.indices.tolist()]
    names = [each for names in distributed.gather([name(i) for i in ours]) for each in names]
    reason = f"the loss is no number for a batch of {', '.join(names[:8])}" if names else "a gradient is no number"
    if progress.in_a_row >= NON_FINITE_LIMIT:
        limit = f"{NON_FINITE_LIMIT} steps in a row failed"
        raise DivergedError(f"{limit}, the last because {reason}; a lower init_lr or clip_grad = True may help")
    return f"step skipped: {reason}"


@contextlib.contextmanager
def batchnorm_explained() -> Iterator[None]:
    """Turn torch's error about a batch of one image into an error of the user's."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise DataError(
            "a batch holds a single image, from which BatchNorm cannot learn where its maps have a single place; "
            "raise batch_size or img_size, or add images"
        ) from None
