"""SIGINT, SIGTERM and SIGHUP as a request that the loop honours between two steps."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]


class Stopped(BaseException):
    """Stopped by the signal `signum`, after saving what was to be saved.

    No Exception, as KeyboardInterrupt is none: what is caught of a damaged file must not be a signal that came then.
    """

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"stopped by {signal.Signals(signum).name}")


class StopRequest:
    """`with StopRequest() as stop`: bool(stop) says whether a signal came. A second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.signum = 0

    def __enter__(self) -> "StopRequest":
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, *terminations())}
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


def leave_quietly() -> None:
    """Until `imported`, Ctrl-C ends a script of this project at once: it imports torch, which takes seconds.

    No other program that imports utils is changed, nor one that has a handler of its own.
    """
    script = getattr(sys.modules["__main__"], "__file__", None)
    ours = script is not None and Path(script).resolve().parent in (ROOT, ROOT / "tools")
    if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def imported() -> None:
    """From here on Ctrl-C is KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(signum: int, frame: FrameType | None) -> None:
    os._exit(128 + signum)


def terminations() -> list[signal.Signals]:
    """SIGTERM, and the SIGHUP of a terminal that is closed, unless it is ignored, as nohup asks for."""
    if not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # Windows has none
        return [signal.SIGTERM]
    return [signal.SIGTERM, signal.SIGHUP]


@contextmanager
def terminations_raise() -> Iterator[None]:
    """Within it SIGTERM is the exception Stopped, as Ctrl-C is KeyboardInterrupt, so that drafts are cleared away.

    So is SIGHUP.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    before = {signum: signal.signal(signum, stop) for signum in terminations()}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


SENDER_IS_KNOWN = hasattr(signal, "sigwaitinfo")  # not on macOS and Windows


@contextmanager
def children_block_terminations() -> Iterator[None]:
    """Processes started within it begin with SIGTERM and SIGHUP blocked, in every thread that they will ever have.

    (torch starts threads of its own in a forked worker before it calls worker_init_fn; one thread that does not block
    the signal is enough for the whole process to die of it.)
    """
    if not SENDER_IS_KNOWN:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set(terminations()))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_parent(worker: int) -> None:
    """For DataLoader workers started in `children_block_terminations`.

    A signal to the whole group must not take the next batch from a loop that is finishing its step. Workers end when
    their parent asks them to, as it does at its own end, and when it is gone.

    (Where the sender of a signal is not known, SIGTERM does what torch does with it.)
    """
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if SENDER_IS_KNOWN:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # spawn may have lifted it on the way here
        threading.Thread(target=_end_for_parent, daemon=True).start()


def _end_for_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)  # any other status would be reported as a failure of the worker
