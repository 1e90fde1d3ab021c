"""How the threads of a step wait for each other while other programs want the cores too.

A step is some hundred parallel regions, at the end of each of which every thread waits for the last. Alone, it is
fastest to wait in a loop ("spin"): the others arrive within microseconds. When one of them has lost its core to
another program, the loops use up the time that it needs, and a run falls to a tenth. So a thread beside the run looks,
ten times a second, how long the run's threads were ready without a core and how much other programs computed, and
changes how they wait (for our own loading processes, which want little and seldom, to spin is still the fastest):

    SPIN      alone: as OpenMP does by itself
    SLEEP     others want some time: who waits gives its core away
    CONFINED  others want whole cores, and there is a thread for each core: asleep too, and all threads on half of the
              cores. Work is divided evenly, so that a thread that has half a core makes all of them half as fast; two
              threads that share a core of their own are as fast and lose nothing to waking up late.

The number of threads and the division of work stay what they are, so results are the same bits in each.
"""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from enum import Enum

from ..threads import PLACES, Choice, home_cores
from .counters import Look, Reading
from .team import Confinement, SpareThreads

log = logging.getLogger("train")

INTERVAL = 0.1  # seconds between two looks
SOME, MUCH = 0.2, 0.4  # threads without a core at a time: from there on SLEEP, CONFINED; alone it is 0.01
LITTLE = 0.1  # threads without a core: below it, others do no harm
SOMEBODY = 0.3  # cores' worth of time that other programs use; less is noise, as the kernel counts it in hundredths
UNUSED = 0.5  # share of the time that the cores that were vacated are idle: nobody has taken them
PATIENCE = 5  # looks in a row before a change; SPIN -> SLEEP, where waiting costs most, takes one
REPORT_AFTER = 20  # looks in a row at others' work before it is worth a line


class Waiting(Enum):
    SPIN = "spin"
    SLEEP = "sleep"
    CONFINED = "confined"


def suited(now: Waiting, look: Look, cores: int) -> Waiting:
    """The way of waiting that suits what was seen, from `now`, on so many cores.

    A team that leaves more than half of the cores free can keep away from what is busy. Confined threads miss each
    other's core, so that others' work alone decides then.
    """
    if look.others < SOMEBODY or look.active < 2 or 2 * look.active < cores:
        return Waiting.SPIN
    if now is Waiting.CONFINED:
        return Waiting.SLEEP if look.unused > UNUSED else now
    if look.missing > MUCH and look.active >= cores:
        return Waiting.CONFINED
    if now is Waiting.SPIN:
        return Waiting.SLEEP if look.missing > SOME else now
    return Waiting.SPIN if look.missing < LITTLE else now


class Judge:
    """From looks to changes: one look is enough to stop spinning, all else must be seen PATIENCE times in a row."""

    def __init__(self, cores: int, *, may_confine: bool = True) -> None:
        """cores: logical ones that the team may use.  may_confine: not where each thread's place is the user's."""
        self.cores, self.most = cores, Waiting.CONFINED if may_confine else Waiting.SLEEP
        self.now, self._next, self._seen = Waiting.SPIN, Waiting.SPIN, 0

    def after(self, look: Look) -> Waiting:
        """The way of waiting from now on."""
        suits = suited(self.now, look, self.cores)
        if suits is Waiting.CONFINED and (self.now is Waiting.SPIN or self.most is Waiting.SLEEP):
            suits = Waiting.SLEEP
        self._seen = self._seen + 1 if suits is self._next else 1
        self._next = suits
        if suits is not self.now and (self.now is Waiting.SPIN or self._seen >= PATIENCE):
            self.now, self._seen = suits, 0
        return self.now


@contextlib.contextmanager
def adapted(choice: Choice) -> Iterator[None]:
    """Within: the threads of this process wait as suits what else runs, if that was left to be decided."""
    if not choice.adapts:
        yield
        return
    watch = Watch(may_confine=not any(os.environ.get(name) for name in PLACES))
    watch.start()
    try:
        yield
    finally:
        watch.end()


class Watch:
    """The thread that reads the counters and changes how the others wait."""

    def __init__(self, *, may_confine: bool = True, interval: float = INTERVAL) -> None:
        self.interval = interval * (1 + os.getpid() % 10 / 20)  # two runs side by side must not change in step
        self.spare = SpareThreads(len(home_cores()) + 1)
        self.cores = Confinement(home_cores())
        self.judge = Judge(len(home_cores()), may_confine=may_confine)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="waiting", daemon=True)
        self._busy_looks, self._reported = 0, False

    def start(self) -> None:
        with contextlib.suppress(RuntimeError):  # no more threads: the work may still do with those that there are
            self._thread.start()

    def end(self) -> None:
        """Leave everything as it was found."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            before = Reading.now(self.cores.home)
            while not self._ended.wait(self.interval) and not _computes_elsewhere():
                after = Reading.now(self.cores.home)
                look, before = after.since(before, self.cores.vacated), after
                if not self._become(self.judge.after(look)):
                    return
        except (OSError, ValueError, LookupError, RuntimeError):
            pass  # tables that this system lacks or hides, or no more threads or files: spin, as without a watch
        finally:
            with contextlib.suppress(OSError):
                self._become(Waiting.SPIN)

    def _become(self, waiting: Waiting) -> bool:
        """Change the way of waiting; returns whether that could be done."""
        if waiting is not Waiting.CONFINED:
            self.cores.hold(False)  # first: threads that share a core must not spin
        if not self.spare.hold(waiting is not Waiting.SPIN):
            return False
        if waiting is Waiting.CONFINED:
            self.cores.hold(True)
        self._report(waiting)
        return True

    def _report(self, waiting: Waiting) -> None:
        """Log that others want the cores: once, after REPORT_AFTER looks in a row."""
        self._busy_looks = 0 if waiting is Waiting.SPIN else self._busy_looks + 1
        if self._busy_looks == REPORT_AFTER and not self._reported:
            self._reported = True
            log.info("other work wants the cores: as long as it does, threads sleep where they would spin")


def _computes_elsewhere() -> bool:
    """Whether this process computes on a GPU: then it makes no difference how its threads wait."""
    torch = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "cuda") and torch.cuda.is_initialized()
