"""The figures of an epoch under way, read off the device a step late, so that no step waits for the one before."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .. import distributed
from ..data.batches import Batch
from ..errors import DivergedError
from .state import Progress, StepResult

NON_FINITE_LIMIT = 5  # non-finite losses in a row that stop a run


class OnItsWay:
    """Numbers that travel from the device to the host while both go on with other work."""

    def __init__(self, numbers: Tensor) -> None:
        """numbers: 1-d."""
        self.numbers, self.arrived = numbers, None
        if numbers.device.type == "cuda":
            self.numbers = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
            self.numbers.copy_(numbers, non_blocking=True)
            self.arrived = torch.cuda.Event()
            self.arrived.record(torch.cuda.current_stream(numbers.device))  # not that of another GPU, the current one

    def read(self) -> list[float]:
        """The numbers; waits for what the device had to do before them, and for nothing that came later."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.numbers.tolist()


class Account:
    """Adds steps to a Progress, each when the next one is on its way."""

    def __init__(
        self, progress: Progress, name: Callable[[int], str], *, overflows: bool, warn: Callable[[str], None]
    ) -> None:
        """name: of an image, by index.  overflows: whether a gradient that is no number is the loss scaler's affair."""
        self.progress, self.name, self.overflows, self.warn = progress, name, overflows, warn
        self._open: tuple[OnItsWay, list[Batch]] | None = None

    def add(self, result: StepResult, batches: list[Batch]) -> None:
        """Take in a step, and settle the one before."""
        found = (result.loss_sums, result.weights, result.bad_losses[None], result.bad_gradient[None])
        more = () if result.empty is None else (result.empty[None],)
        numbers = torch.cat([each.to(torch.float32) for each in (*found, *more)])
        before, self._open = self._open, (OnItsWay(numbers), batches)
        self._settle(before)

    def settled(self) -> Progress:
        """This rank's progress with every step that was taken in. Raises DivergedError as `add` may."""
        before, self._open = self._open, None
        self._settle(before)
        return self.progress

    def _settle(self, step: tuple[OnItsWay, list[Batch]] | None) -> None:
        if step is None:
            return
        numbers, batches = step[0].read(), step[1]
        count = len(batches)
        losses, weights = numbers[:count], numbers[count : 2 * count]
        bad_losses, bad_gradient, *empty = numbers[2 * count :]
        progress = self.progress
        if any(empty):  # neither a good step nor a failed one
            return
        if bad_losses == 0 and (bad_gradient == 0 or self.overflows):
            progress.in_a_row = 0
            progress.loss_sum += sum(losses)
            progress.weight += sum(weights)
            progress.images += sum(len(batch.targets) for batch in batches)
            return
        progress.non_finite += 1
        progress.in_a_row += 1
        self._report(losses, batches)

    def _report(self, losses: list[float], batches: list[Batch]) -> None:
        """Name the images of the batches whose loss is no number, on every rank alike."""
        bad = [batch for loss, batch in zip(losses, batches) if not math.isfinite(loss)]
        ours = [self.name(i) for batch in bad for i in batch.indices.tolist()]
        names = [name for each in distributed.gather(ours) for name in each]
        reason = f"the loss is no number for a batch of {', '.join(names[:8])}" if names else "a gradient is no number"
        if self.progress.in_a_row >= NON_FINITE_LIMIT:
            limit = f"{NON_FINITE_LIMIT} steps in a row failed"
            raise DivergedError(f"{limit}, the last because {reason}; a lower init_lr or clip_grad = True may help")
        self.warn(f"step skipped: {reason}")
