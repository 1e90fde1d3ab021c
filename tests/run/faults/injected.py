"""Faults that a process brings upon itself at an exact place: called in it before the command starts.

Each returns at once; what it has patched strikes later.
"""

import hashlib
import os
import resource
import signal
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from utils.run.trainer import Trainer
from utils.signals import StopRequest
from utils.training import build, engine, meters
from utils.weights import checkpoint

import torch


def at_call(owner: object, name: str, number: int, strike: Callable[[], None], rank: int | None = None) -> None:
    """Strike just before call `number` (1, 2, ...) of owner.name, on one rank or on all."""
    function, calls = getattr(owner, name), 0

    @wraps(function)
    def counted(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == number and rank in (None, int(os.environ.get("RANK", 0))):
            strike()
        return function(*args, **kwargs)

    setattr(owner, name, counted)


def killed_before(name: str, number: int) -> None:
    """kill -9 before the call of os.replace or os.fsync, which saving depends on."""
    at_call(os, name, number, lambda: os.kill(os.getpid(), signal.SIGKILL))


def count_calls(name: str, path: Path) -> None:
    """Write to `path` how often os.`name` was called."""
    function, calls = getattr(os, name), 0

    def counted(*args, **kwargs):
        nonlocal calls
        calls += 1
        path.write_text(str(calls))
        return function(*args, **kwargs)

    setattr(os, name, counted)


def signalled_in_evaluation(batch: int, signum: int, rank: int) -> None:
    """The signal comes to one rank while it evaluates its batch number `batch` of all evaluations."""
    at_call(meters, "add_counts", batch, lambda: os.kill(os.getpid(), signum), rank)


def raises_in_step(step: int, rank: int) -> None:
    def strike():
        raise ArithmeticError("a fault of the program")

    at_call(engine, "train_step", step, strike, rank)


def waits_in_step(step: int, seconds: float) -> None:
    at_call(engine, "train_step", step, lambda: time.sleep(seconds))


def killed_in_step(step: int, rank: int) -> None:
    at_call(engine, "train_step", step, lambda: os.kill(os.getpid(), signal.SIGKILL), rank)


def loader_killed_in_step(step: int) -> None:
    """One of the loading processes is killed."""

    def strike():
        import multiprocessing

        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    at_call(engine, "train_step", step, strike)


def no_room(first: int, last: int | None) -> None:
    """From checkpoint `first` to checkpoint `last` (1, 2, ...) that is written, files may grow to 100 kB only."""

    def limit(size):
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    at_call(checkpoint, "write_checkpoint", first, limit(100_000))
    if last is not None:
        at_call(checkpoint, "write_checkpoint", last + 1, limit(resource.RLIM_INFINITY))


def asked_to_stop_at_once() -> None:
    """SIGTERM as soon as it would be heeded."""
    enter = StopRequest.__enter__

    def enter_and_ask(self):
        request = enter(self)
        os.kill(os.getpid(), signal.SIGTERM)
        return request

    StopRequest.__enter__ = enter_and_ask


def no_number_in_batch(batch: int, rank: int) -> None:
    """The loss of one batch of training on one rank is NaN."""
    cross_entropy, calls = torch.nn.functional.cross_entropy, 0

    def spoilt(logits, *args, **kwargs):
        nonlocal calls
        loss = cross_entropy(logits, *args, **kwargs)
        if logits.requires_grad:
            calls += 1
            if calls == batch and int(os.environ.get("RANK", 0)) == rank:
                return loss * float("nan")
        return loss

    torch.nn.functional.cross_entropy = spoilt


def with_scaler(scale: float) -> None:
    """Losses are scaled as for float16, from `scale` on, though the CPU computes in float32."""
    build.make_scaler = lambda device, dtype: torch.amp.GradScaler("cpu", init_scale=scale)


def report_weights() -> None:
    """Each rank prints a digest of its state when the run has ended."""
    loop = Trainer.loop

    def loop_and_report(self):
        loop(self)
        parts = [*self.state.model.parameters(), *self.state.ema.model.parameters()]
        digest = hashlib.sha256(b"".join(part.detach().numpy().tobytes() for part in parts)).hexdigest()
        print(f"state {digest} {self.state.scheduler.last_epoch} {self.state.scaler.state_dict()}", flush=True)

    Trainer.loop = loop_and_report


def all_of(*faults: Callable[[], None]) -> None:
    for fault in faults:
        fault()
