"""A step and an epoch: the one loop that single and several processes run."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from .. import distributed
from ..data.batches import Batch, ImageLoader, read
from ..data.mixing import Mixer, erase
from ..errors import DataError, OneProcessError
from ..rng import seed_network
from .account import Account
from .bars import progress_bar
from .freezing import train_mode
from .idle import take_part
from .optim import clipped_norm, scale_gradients, step_unless
from .snapshot import Snapshot
from .state import Progress, Recipe, StepResult, TrainState, exchange_every, summed


def train_step(
    state: TrainState, network: nn.Module, batches: list[Batch], recipe: Recipe, mixer: Mixer | None
) -> StepResult:
    """One update of `state` from the mean loss over all images of `batches` (several when gradients accumulate).

    `network` is state.model, compiled or wrapped in DDP as it may be. A batch of too few readable images is left out,
    but not of the count of images, which is to be the same on every rank; among several processes, the one that has it
    takes part in the exchanges of the others all the same. A step whose loss or gradient is not finite, or in which no
    rank has an image, changes neither weights and statistics nor the optimizer's state nor the average; step and
    schedule count it all the same, so that nothing on the host depends on what the device finds, and nothing waits for
    it.
    """
    state.optimizer.zero_grad(set_to_none=True)
    buffers = Snapshot(state.statistics)  # a bad batch spoils BatchNorm's statistics
    loss_sums, weights, empty = _backward(state, network, batches, recipe, mixer)
    state.scaler.unscale_(state.optimizer)
    norm = clipped_norm(state.parameters, recipe.clip_norm)
    bad_losses = distributed.all_reduce_sum((~torch.isfinite(loss_sums).all()).long())
    result = StepResult(loss_sums, weights, bad_losses, ~torch.isfinite(norm), empty)
    step_unless(state.optimizer, result.skip)
    buffers.restore_where(result.skip)
    state.scheduler.step()
    state.scaler.update()
    state.step += 1
    if state.ema is not None:
        state.ema.update(state.model, state.step, result.skip)
    return result


def _backward(
    state: TrainState, network: nn.Module, batches: list[Batch], recipe: Recipe, mixer: Mixer | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of the loss per weight; returns the (readable batches,) sums of losses and of weights.

    The third: whether no rank has an image, a bool on the device; None where that cannot be.
    """
    found, images_in_step = [], _images_of(batches, recipe)
    several = distributed.world_size() > 1
    batches = batches if several else readable(batches, recipe)
    for i, batch in enumerate(batches):
        with _synced_last(network, i == len(batches) - 1), recipe.autocast():
            if not _is_readable(batch, recipe):
                take_part(state, network, recipe)
                continue
            images, targets = training_input(batch, recipe, mixer, step=state.step, part=i)
            seed_network(recipe.device, "network", recipe.seed, state.step, i, distributed.rank())
            loss, weight = recipe.objective(images, network(images), targets)
            state.scaler.scale(loss / images_in_step).backward()
        found.append((loss.detach().float(), weight.detach().float()))
    none = torch.zeros(0, device=recipe.device)
    loss_sums, weights = (torch.stack(parts) for parts in zip(*found)) if found else (none, none)
    if not recipe.weighs:
        return loss_sums, weights, None
    total = distributed.all_reduce_sum(weights.sum())
    empty = total == 0 if several else None
    if empty is not None:
        total = total + empty  # gradients of zero stay zero
    scale_gradients(state.parameters, images_in_step * distributed.world_size() / total)
    return loss_sums, weights, empty


def readable(batches: list[Batch], recipe: Recipe) -> list[Batch]:
    """Those of which enough images could be read."""
    return [batch for batch in batches if _is_readable(batch, recipe)]


def _is_readable(batch: Batch, recipe: Recipe) -> bool:
    return len(batch.targets) >= (recipe.least if batch.bad else 1)


def _images_of(batches: list[Batch], recipe: Recipe) -> int:
    """What the losses are divided by before the backward pass: the same on every rank if gradients are scaled later."""
    if recipe.weighs:
        return sum(len(batch.targets) + len(batch.bad) for batch in batches)
    return images_in(readable(batches, recipe))


def training_input(batch: Batch, recipe: Recipe, mixer: Mixer | None, *, step: int, part: int) -> tuple[Tensor, Tensor]:
    """What a network is trained with: (N, 3, H, W) images, normalised, erased and mixed, and their targets.

    part: the place of the batch within optimizer step `step`.  Targets are (N,) classes, (N, K) shares where mixed.
    """
    images, targets = recipe.to_device(batch.images, batch.targets)
    images = erase(images, batch.boxes)
    if mixer is not None:
        images, targets = mixer(images, targets, step=step, part=part, rank=distributed.rank())
        images = images.to(memory_format=recipe.memory_format)  # mixup on a GPU loses it: another compilation
    return images, targets


def _synced_last(network: nn.Module, last: bool) -> contextlib.AbstractContextManager:
    """Among several processes, gradients are exchanged once a step: with its last batch."""
    no_sync = getattr(network, "no_sync", None)  # of DDP, also within torch.compile
    return contextlib.nullcontext() if last or no_sync is None else no_sync()


def steps_of(batches: int, accumulate: int) -> int:
    """Optimizer steps over so many batches, the last perhaps of fewer."""
    return -(-batches // accumulate)


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


def images_in(batches: list[Batch]) -> int:
    return sum(len(batch.targets) for batch in batches)


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


class StepHooks:
    """What goes on beside the steps of an epoch; these do nothing, a run's save, report and stop."""

    def stop(self) -> bool:
        """Whether this rank was asked to stop; the ranks exchange it now and then."""
        return False

    def after_step(self, settled: Callable[[], Progress], stopping: bool) -> None:
        """Called after every step; may save or raise.

        settled: gives this rank's progress, for which it waits for the device.  stopping: whether some rank was asked.
        """

    def warn(self, text: str) -> None:
        """Called with a sentence for each step that was skipped."""


NO_HOOKS = StepHooks()


def train_one_epoch(
    state: TrainState,
    network: nn.Module,
    loader: ImageLoader,
    recipe: Recipe,
    mixer: Mixer | None,
    progress: Progress,
    *,
    hooks: StepHooks = NO_HOOKS,
    name: str = "train",
) -> Progress:
    """The rest of an epoch: what `loader` yields. Adds to `progress` and returns it, summed over the ranks.

    Raises DivergedError after several non-finite losses in a row, naming the files of the last.
    """
    train_mode(network, freeze_bn=recipe.freeze_bn)
    name_of = loader.dataset.images.name
    account = Account(progress, name_of, overflows=state.scaler.is_enabled(), warn=hooks.warn)
    watch, before = Stopwatch(), (progress.seconds, progress.waited)
    with contextlib.closing(read(loader)) as stream:
        steps = steps_of(len(loader), recipe.accumulate)
        groups = progress_bar(grouped(stream, recipe.accumulate), steps, name, images_in)
        for batches in watch.watch(groups):
            some = readable(batches, recipe)
            bad = [each for batch in batches for each in batch.bad]
            progress.bad += bad
            progress.lone += images_in(batches) - images_in(some)
            if some or distributed.world_size() > 1:  # where other ranks may have images
                with batchnorm_explained([f"cannot be read: {name_of(i)}: {reason}" for i, reason in bad]):
                    account.add(train_step(state, network, batches, recipe, mixer), some)
            else:
                _skip_empty(state)
            progress.seconds, progress.waited = before[0] + watch.seconds, before[1] + watch.waited
            hooks.after_step(account.settled, _stops(hooks, state.step, recipe.device))
    return summed(account.settled(), recipe.device)


def _stops(hooks: StepHooks, step: int, device: torch.device) -> bool:
    """Whether some rank was asked to stop; asked only every few steps where an answer means waiting for the device."""
    return step % exchange_every(device) == 0 and distributed.any_rank(hooks.stop(), device)


def _skip_empty(state: TrainState) -> None:
    """A step without a single readable image counts as tried, as a resume must find its place by the count."""
    state.optimizer.zero_grad(set_to_none=True)
    state.optimizer.step()  # moves nothing without gradients; torch warns of a schedule that goes ahead of it
    state.step += 1
    state.scheduler.step()


@contextlib.contextmanager
def batchnorm_explained(unreadable: Sequence[str] = ()) -> Iterator[None]:
    """Turn torch's error about a batch of one image into an error of the user's.

    unreadable: a sentence for each image that is missing from the batches.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        kind = OneProcessError if unreadable else DataError
        raise kind(
            "a batch holds a single image, from which BatchNorm cannot learn where its maps have a single place; "
            "raise batch_size or img_size, or add images",
            *unreadable,
        ) from None
