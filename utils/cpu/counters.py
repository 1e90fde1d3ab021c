"""What the kernel counts of our threads, of our loading processes and of the cores. Linux alone has these tables."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

ACTIVE = 0.2  # share of the time that a thread of a team at work is on a core or ready for one, at least


@dataclass(frozen=True)
class Look:
    """What was seen between two readings, on average."""

    missing: float  # threads that were ready without a core
    others: float  # cores' worth of time that other programs used
    active: int = 2  # threads that had work
    unused: float = 0.0  # share of the vacated cores' time in which they were idle


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
        ran = _growth(self.ran, before.ran)
        delay = _growth(self.delay, before.delay)
        busy = _growth(self.busy, before.busy)
        shares = [(ran[thread] + delay[thread]) / 1e9 / seconds for thread in delay]
        return Look(
            missing=sum(delay.values()) / 1e9 / seconds,
            others=(sum(busy.values()) - sum(ran.values()) / 1e9) / seconds,
            active=sum(share > ACTIVE for share in shares),
            unused=1 - sum(busy[core] for core in vacated) / seconds / len(vacated) if vacated else 0.0,
        )


def _growth(after: Mapping[int, float], before: Mapping[int, float]) -> dict[int, float]:
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
    """Processes that a thread (its folder below /proc) has started, and those that they have; [] where not reported."""
    found = []
    with contextlib.suppress(OSError):
        for child in map(int, _read(f"{task}/children").split()):
            found += [child, *descendants(f"/proc/{child}/task/{child}")]
    return found


def time_on_cores() -> dict[int, int]:
    """Of the threads that are on each core: the nanoseconds that they have run, those of the busy team being most."""
    found: Counter[int] = Counter()
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that has just ended
            fields = _read(f"/proc/self/task/{thread}/stat").rpartition(")")[2].split()
            core = int(fields[36])  # field 39 of proc(5), counted from behind the name
            found[core] += _times(f"/proc/self/task/{thread}")[0]
    return found


def _read(path: str) -> str:
    """A file of the kernel's, at a third of what pathlib takes; this is done ten times a second."""
    with open(path, "rb", buffering=0) as file:
        return file.read(1 << 20).decode("ascii", "replace")
