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
import ctypes
import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..threads import PLACES, Choice, home_cores

log = logging.getLogger("train")

INTERVAL = 0.1  # seconds between two looks
SOME, MUCH = 0.2, 0.4  # threads without a core at a time: from there on SLEEP, CONFINED; alone it is 0.01
SOMEBODY = 0.3  # cores' worth of time that other programs use; less is noise, as the kernel counts it in hundredths
LITTLE = 0.1  # threads without a core: below it, others do no harm
PATIENCE = 5  # looks in a row before a change; SPIN -> SLEEP, where waiting costs most, takes one
TELL_AFTER = 20  # looks in a row at others' work before it is worth a line


class Waiting(Enum):
    SPIN = "spin"
    SLEEP = "sleep"
    CONFINED = "confined"


@dataclass(frozen=True)
class Look:
    """One look: on average `missing` threads were ready without a core, and other programs used `others` cores."""

    missing: float
    others: float


def wanted(now: Waiting, look: Look) -> Waiting:
    """What would suit what was seen. Confined threads miss each other's core: others' work alone tells then."""
    if look.others < SOMEBODY:
        return Waiting.SPIN
    if now is Waiting.CONFINED or look.missing > MUCH:
        return Waiting.CONFINED
    if now is Waiting.SPIN:
        return Waiting.SLEEP if look.missing > SOME else now
    return Waiting.SPIN if look.missing < LITTLE else now


class Judge:
    """From looks to changes: one look is enough to stop spinning, all else must be seen PATIENCE times in a row."""

    def __init__(self) -> None:
        self.now, self._next, self._seen = Waiting.SPIN, Waiting.SPIN, 0

    def after(self, look: Look) -> Waiting:
        """The way of waiting from now on."""
        suits = wanted(self.now, look)
        if self.now is Waiting.SPIN and suits is not Waiting.SPIN:
            suits = Waiting.SLEEP
            self._seen = PATIENCE
        elif suits is self._next:
            self._seen += 1
        else:
            self._seen = 1
        self._next = suits
        if self._seen >= PATIENCE and suits is not self.now:
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
    """The thread that looks and changes."""

    def __init__(self, *, may_confine: bool = True, interval: float = INTERVAL) -> None:
        self.may_confine, self.interval = may_confine, interval
        self.judge, self.spare, self.cores = Judge(), SpareThreads(), Confinement(home_cores())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="waiting", daemon=True)
        self._busy_looks = 0

    @property
    def now(self) -> Waiting:
        """How the threads wait."""
        return self.judge.now

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Leave everything as it was found."""
        self._ended.set()
        self._thread.join()
        self._become(Waiting.SPIN, threads=0)

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError, RuntimeError):  # no such tables, or no more threads
            before = Reading.now(self.cores.home)
            while not self._ended.wait(self.interval):
                after = Reading.now(self.cores.home)
                look, before = after.since(before), after
                if threads := _computing_threads(len(self.cores.home)):
                    self._become(self.judge.after(look), threads)

    def _become(self, waiting: Waiting, threads: int) -> None:
        self.spare.hold(waiting is not Waiting.SPIN, threads)
        self.cores.hold(waiting is Waiting.CONFINED and self.may_confine and threads == len(self.cores.home))
        self._busy_looks = 0 if waiting is Waiting.SPIN else self._busy_looks + 1
        if self._busy_looks == TELL_AFTER:
            log.info("other work wants the cores: while it does, threads sleep where they would spin")


def _computing_threads(cores: int) -> int:
    """Threads of torch that compute on the CPU; 0 where it makes no difference how they wait.

    That is so for one thread, for a GPU, and where more than half of the cores are free for other work.
    """
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_num_threads") or torch.cuda.is_initialized():
        return 0
    threads = torch.get_num_threads()
    return threads if threads > 1 and 2 * threads >= cores else 0


@dataclass(frozen=True)
class Reading:
    """Counters of the kernel's."""

    seconds: float
    delay: dict[int, int]  # of each thread: nanoseconds in which it was ready without a core
    own: float  # seconds that this process and its children have computed
    busy: float  # seconds that the cores have

    @classmethod
    def now(cls, cores: frozenset[int]) -> "Reading":
        delay, children = {}, []
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(OSError):  # one that has just ended
                delay[int(thread)] = int(_read(f"/proc/self/task/{thread}/schedstat").split()[1])
                children += descendants(f"/proc/self/task/{thread}")
        own = time.process_time() + sum(map(_computed, children))
        return cls(time.monotonic(), delay, own, busy_seconds(cores))

    def since(self, before: "Reading") -> Look:
        """What happened between the two."""
        seconds = self.seconds - before.seconds
        missing = sum(value - before.delay.get(thread, value) for thread, value in self.delay.items())
        others = self.busy - before.busy - max(0.0, self.own - before.own)
        return Look(missing / 1e9 / seconds, others / seconds)


def busy_seconds(cores: frozenset[int]) -> float:
    """Seconds that the cores have computed, whatever for. The fields of /proc/stat are explained in proc(5)."""
    ticks = 0
    for line in _read("/proc/stat").splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name != "cpu" and int(name[3:]) in cores:
            user, nice, system, _, _, irq, softirq = map(int, numbers[:7])
            ticks += user + nice + system + irq + softirq
    return ticks / os.sysconf("SC_CLK_TCK")


def descendants(task: str) -> list[str]:
    """Processes that a thread (its folder below /proc) has started, and those that they have; where Linux tells."""
    found = []
    with contextlib.suppress(OSError):
        for child in _read(f"{task}/children").split():
            found += [child, *descendants(f"/proc/{child}/task/{child}")]
    return found


def _computed(process: str) -> float:
    """Seconds that the first thread of a process has computed; loading processes have no other."""
    with contextlib.suppress(OSError, IndexError):
        return int(_read(f"/proc/{process}/schedstat").split()[0]) / 1e9
    return 0.0


def _read(path: str) -> str:
    """A file of the kernel's, at a third of what pathlib takes; this is done ten times a second."""
    with open(path, "rb", buffering=0) as file:
        return file.read(1 << 20).decode("ascii", "replace")


class SpareThreads:
    """OpenMP threads without work, which make libgomp's others sleep rather than spin.

    "If there are more OpenMP threads than available CPUs", its manual says, 100 spins are made instead of 300,000.
    These are those threads: a team that a thread of its own has started and keeps until it ends.
    Reference: https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
    """

    def __init__(self) -> None:
        self._release: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def hold(self, wanted: bool, threads: int) -> None:
        """Have so many that with the team's `threads` there are more than cores, or have none."""
        if wanted and self._release is None and (libgomp := loaded_libgomp()) is not None:
            count = max(2, libgomp.omp_get_num_procs() - threads + 2)  # its first is the thread that starts it
            release, ready = threading.Event(), threading.Event()
            self._thread = threading.Thread(target=_keep_team, args=(libgomp, count, release, ready), daemon=True)
            self._thread.start()
            self._release = release
            ready.wait()
        elif not wanted and self._release is not None:
            self._release.set()
            self._thread.join()
            self._release = None


def _keep_team(libgomp: ctypes.CDLL, count: int, release: threading.Event, ready: threading.Event) -> None:
    """A parallel region of `count` threads; any function without effect serves as its body."""
    libgomp.GOMP_parallel(libgomp.omp_get_thread_num, None, count, 0)
    ready.set()
    release.wait()


def loaded_libgomp() -> ctypes.CDLL | None:
    """The OpenMP library that torch has brought into this process, if it is GCC's."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    paths = {line.split(maxsplit=5)[-1] for line in maps}
    names = {path: os.path.basename(path) for path in paths}
    if any(name.startswith(("libiomp5", "libomp.")) for name in names.values()):
        return None  # preloaded: it answers to GCC's names too, and waits in its own way
    ours = [path for path, name in names.items() if name.startswith("libgomp") and "torch" in path]
    ours += [path for path, name in names.items() if name.startswith("libgomp")]
    return ctypes.CDLL(ours[0]) if ours else None


class Confinement:
    """Holds the threads of this process on half of its cores, those on which most of them are when it begins.

    Threads that somebody else has put elsewhere meanwhile are left there. Loading processes start on all cores
    (`utils.data`), whenever they start.
    """

    def __init__(self, home: frozenset[int]) -> None:
        """home: the cores that the process started with."""
        self.home, self.left_alone = home, frozenset()

    def hold(self, wanted: bool) -> None:
        """Be confined, or not."""
        if wanted and not self.left_alone and len(self.home) > 1:
            inside = half_of(self.home, time_on_cores())
            _move(self.home, inside)
            self.left_alone = self.home - inside
        elif not wanted and self.left_alone:
            _move(self.home - self.left_alone, self.home)
            self.left_alone = frozenset()


def half_of(home: frozenset[int], weights: dict[int, int]) -> frozenset[int]:
    """Half of the cores of `home`, rounded up, those of most weight."""
    heaviest_first = sorted(home, key=lambda core: (-weights.get(core, 0), core))
    return frozenset(heaviest_first[: (len(home) + 1) // 2])


def time_on_cores() -> dict[int, int]:
    """Of the threads that are on each core: the nanoseconds that they have run, those of the busy team being most."""
    found: Counter[int] = Counter()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # one that has just ended
            fields = _read(f"{thread}/stat").rpartition(")")[2].split()
            core = int(fields[36])  # field 39 of proc(5), counted from behind the name
            found[core] += int(_read(f"{thread}/schedstat").split()[0])
    return found


def _move(before: frozenset[int], after: frozenset[int]) -> None:
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            if os.sched_getaffinity(int(thread)) == before:
                os.sched_setaffinity(int(thread), after)
