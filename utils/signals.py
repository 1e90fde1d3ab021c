"""SIGINT and SIGTERM as a request that the loop honours between two steps."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """Stopped by the signal `signum`, after saving what was to be saved."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"stopped by {signal.Signals(signum).name}")


class StopRequest:
    """`with StopRequest() as stop`: bool(stop) says whether a signal came. A second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.signum = 0

    def __enter__(self) -> "StopRequest":
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def __bool__(self) -> bool:
        return self.signum != 0

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and self.signum:
            raise KeyboardInterrupt
        self.signum = signum


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within it SIGTERM is the exception Stopped, as Ctrl-C is KeyboardInterrupt, so that drafts are cleared away."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


SENDER_IS_KNOWN = hasattr(signal, "sigwaitinfo")  # not on macOS and Windows


@contextmanager
def children_block_sigterm() -> Iterator[None]:
    """Processes started within it begin with SIGTERM blocked, in every thread that they will ever have.

    (torch starts threads of its own in a forked worker before it calls worker_init_fn; one thread that does not block
    the signal is enough for the whole process to die of it.)
    """
    if not SENDER_IS_KNOWN:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_parent(worker: int) -> None:
    """For DataLoader workers started in `children_block_sigterm`: a signal to the whole group must not take the next
    batch from a loop that is finishing its step. Workers end when their parent asks them to, as it does at its own
    end, and when it is gone.

    (Where the sender of a signal is not known, SIGTERM does what torch does with it.)
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if SENDER_IS_KNOWN:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # spawn may have lifted it on the way here
        threading.Thread(target=_end_for_parent, daemon=True).start()


def _end_for_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)  # any other status would be reported as a failure of the worker
