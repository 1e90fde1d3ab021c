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

from ..threads import PLACES, Choice, home_cores

log = logging.getLogger("train")

INTERVAL = 0.1  # seconds between two looks
SOME, MUCH = 0.2, 0.4  # threads without a core at a time: from there on SLEEP, CONFINED; alone it is 0.01
LITTLE = 0.1  # threads without a core: below it, others do no harm
SOMEBODY = 0.3  # cores' worth of time that other programs use; less is noise, as the kernel counts it in hundredths
ACTIVE = 0.2  # share of the time that a thread of a team at work is on a core or ready for one, at least
UNUSED = 0.5  # share of the time that the cores that were vacated are idle: nobody has taken them
PATIENCE = 5  # looks in a row before a change; SPIN -> SLEEP, where waiting costs most, takes one
TELL_AFTER = 20  # looks in a row at others' work before it is worth a line


class Waiting(Enum):
    SPIN = "spin"
    SLEEP = "sleep"
    CONFINED = "confined"


@dataclass(frozen=True)
class Look:
    """What was seen between two readings, on average."""

    missing: float  # threads that were ready without a core
    others: float  # cores' worth of time that other programs used
    active: int = 2  # threads that had work
    unused: float = 0.0  # share of the vacated cores' time in which they were idle


def suited(now: Waiting, look: Look, cores: int) -> Waiting:
    """What would suit what was seen, on so many cores.

    A team that leaves more than half of the cores free can keep away from what is busy. Confined threads miss each
    other's core, so that others' work alone tells then.
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
    """The thread that looks and changes."""

    def __init__(self, *, may_confine: bool = True, interval: float = INTERVAL) -> None:
        self.interval = interval * (1 + os.getpid() % 10 / 20)  # two runs side by side must not change in step
        self.spare, self.cores = SpareThreads(len(home_cores()) + 1), Confinement(home_cores())
        self.judge = Judge(len(home_cores()), may_confine=may_confine)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="waiting", daemon=True)
        self._busy_looks, self._told = 0, False

    @property
    def now(self) -> Waiting:
        """How the threads wait."""
        return self.judge.now

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
        except (OSError, ValueError, IndexError, RuntimeError):
            pass  # tables that this system lacks or hides, or no more threads or files: spin, as without a watch
        finally:
            with contextlib.suppress(OSError):
                self._become(Waiting.SPIN)

    def _become(self, waiting: Waiting) -> bool:
        """Whether that could be done."""
        if waiting is not Waiting.CONFINED:
            self.cores.hold(False)  # first: threads that share a core must not spin
        if not self.spare.hold(waiting is not Waiting.SPIN):
            return False
        if waiting is Waiting.CONFINED:
            self.cores.hold(True)
        self._tell(waiting)
        return True

    def _tell(self, waiting: Waiting) -> None:
        """Once, and not of a moment."""
        self._busy_looks = 0 if waiting is Waiting.SPIN else self._busy_looks + 1
        if self._busy_looks == TELL_AFTER and not self._told:
            self._told = True
            log.info("other work wants the cores: as long as it does, threads sleep where they would spin")


def _computes_elsewhere() -> bool:
    """Whether this process computes on a GPU: then it makes no difference how its threads wait."""
    torch = sys.modules.get("torch")
    return hasattr(torch, "cuda") and torch.cuda.is_initialized()


@dataclass(frozen=True)
class Reading:
    """Counters of the kernel's."""

    seconds: float
    delay: dict[int, int]  # of each thread: nanoseconds in which it was ready without a core
    ran: dict[int, int]  # of each thread of this process and of its children: nanoseconds that it has computed
    busy: dict[int, float]  # of each core: seconds that it has computed, whatever for

    @classmethod
    def now(cls, cores: frozenset[int]) -> "Reading":
        delay, ran, children = {}, {}, []
        for thread in map(int, os.listdir("/proc/self/task")):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that has just ended
                ran[thread], delay[thread] = _times(f"/proc/self/task/{thread}")
                children += descendants(f"/proc/self/task/{thread}")
        for child in children:  # loading processes, of which the first thread alone computes
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                ran[child], _ = _times(f"/proc/{child}")
        return cls(time.monotonic(), delay, ran, busy_seconds(cores))

    def since(self, before: "Reading", vacated: frozenset[int] = frozenset()) -> Look:
        """What happened between the two; vacated: cores that the team has left to others."""
        seconds = self.seconds - before.seconds
        ran, delay = _growth(self.ran, before.ran), _growth(self.delay, before.delay)
        busy = _growth(self.busy, before.busy)
        shares = [(ran[thread] + delay[thread]) / 1e9 / seconds for thread in delay]
        return Look(
            missing=sum(delay.values()) / 1e9 / seconds,
            others=(sum(busy.values()) - sum(ran.values()) / 1e9) / seconds,
            active=sum(share > ACTIVE for share in shares),
            unused=1 - sum(busy[core] for core in vacated) / seconds / len(vacated) if vacated else 0.0,
        )


def _growth(after: dict[int, float], before: dict[int, float]) -> dict[int, float]:
    """Of each counter; 0 for one that is new."""
    return {name: value - before.get(name, value) for name, value in after.items()}


def _times(task: str) -> tuple[int, int]:
    """Nanoseconds that a thread, by its folder below /proc, has computed, and was ready without a core."""
    ran, delay, *_ = _read(f"{task}/schedstat").split()
    return int(ran), int(delay)


def busy_seconds(cores: frozenset[int]) -> dict[int, float]:
    """Seconds that each core has computed, whatever for. The fields of /proc/stat are explained in proc(5)."""
    found, ticks = {}, os.sysconf("SC_CLK_TCK")
    for line in _read("/proc/stat").splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu") and name != "cpu" and int(name[3:]) in cores:
            user, nice, system, _, _, irq, softirq = map(int, rest.split()[:7])
            found[int(name[3:])] = (user + nice + system + irq + softirq) / ticks
    return found


def descendants(task: str) -> list[int]:
    """Processes that a thread (its folder below /proc) has started, and those that they have; where Linux tells."""
    found = []
    with contextlib.suppress(OSError):
        for child in map(int, _read(f"{task}/children").split()):
            found += [child, *descendants(f"/proc/{child}/task/{child}")]
    return found


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

    def __init__(self, count: int) -> None:
        """count: more than there are cores."""
        self.count = count
        self._release: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def hold(self, wanted: bool) -> bool:
        """Have them, or not; whether that works here."""
        if wanted and self._release is None:
            libgomp = loaded_libgomp()
            if libgomp is None or not can_start(self.count):
                return False
            self._release, ready = threading.Event(), threading.Event()
            self._thread = threading.Thread(target=_keep_team, args=(libgomp, self.count, self._release, ready))
            self._thread.daemon = True
            self._thread.start()
            ready.wait()
        elif not wanted and self._release is not None:
            self._release.set()
            self._thread.join()
            self._release = None
        return True


def _keep_team(libgomp: ctypes.CDLL, count: int, release: threading.Event, ready: threading.Event) -> None:
    """A parallel region of `count` threads; any function without effect serves as its body."""
    try:
        libgomp.GOMP_parallel(libgomp.omp_get_thread_num, None, count, 0)
    finally:
        ready.set()
    release.wait()


def can_start(count: int) -> bool:
    """Whether the limits of this process leave room for so many threads: libgomp ends a program that has no more."""
    release, started = threading.Event(), []
    try:
        for _ in range(count):
            started.append(threading.Thread(target=release.wait, daemon=True))
            started[-1].start()
    except RuntimeError:
        started.pop()
        return False
    finally:
        release.set()
        for thread in started:
            thread.join()
    return True


def loaded_libgomp() -> ctypes.CDLL | None:
    """The OpenMP library that torch has brought into this process, if it is GCC's."""
    paths = {line.split(maxsplit=5)[-1] for line in _read_all("/proc/self/maps").splitlines()}
    names = {path: os.path.basename(path) for path in paths}
    if any(name.startswith(("libiomp5", "libomp.")) for name in names.values()):
        return None  # preloaded: it answers to GCC's names too, and waits in its own way
    found = sorted(path for path, name in names.items() if name.startswith("libgomp"))
    return ctypes.CDLL(next((path for path in found if "torch" in path), found[0])) if found else None


def _read_all(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


class Confinement:
    """Holds the threads of this process on half of its cores, those on which most of them are when it begins.

    Threads that somebody else has put elsewhere meanwhile are left there. Loading processes start on all cores
    (`utils.data`), whenever they start.
    """

    def __init__(self, home: frozenset[int]) -> None:
        """home: the cores that the process started with."""
        self.home, self.vacated = home, frozenset()

    def hold(self, wanted: bool) -> None:
        """Be confined, or not."""
        if wanted and not self.vacated and len(self.home) > 1:
            inside = half_of(self.home, time_on_cores())
            self.vacated = self.home - inside
            _move(self.home, inside)
        elif not wanted and self.vacated:
            _move(self.home - self.vacated, self.home)
            self.vacated = frozenset()


def half_of(home: frozenset[int], weights: dict[int, int]) -> frozenset[int]:
    """Half of the cores of `home`, rounded up, those of most weight."""
    heaviest_first = sorted(home, key=lambda core: (-weights.get(core, 0), core))
    return frozenset(heaviest_first[: (len(home) + 1) // 2])


def time_on_cores() -> dict[int, int]:
    """Of the threads that are on each core: the nanoseconds that they have run, those of the busy team being most."""
    found: Counter[int] = Counter()
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that has just ended
            fields = _read(f"/proc/self/task/{thread}/stat").rpartition(")")[2].split()
            core = int(fields[36])  # field 39 of proc(5), counted from behind the name
            found[core] += _times(f"/proc/self/task/{thread}")[0]
    return found


def _move(before: frozenset[int], after: frozenset[int]) -> None:
    """Every thread that is held on the cores `before`, also those that are started meanwhile."""
    moved = True
    while moved:
        moved = False
        for thread in map(int, os.listdir("/proc/self/task")):
            with contextlib.suppress(OSError):  # one that has just ended, or cores that were taken away
                if os.sched_getaffinity(thread) == before:
                    os.sched_setaffinity(thread, after)
                    moved |= os.sched_getaffinity(thread) == after
