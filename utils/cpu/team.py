"""Makes the threads of an OpenMP team sleep while they wait, and holds them on some of the cores."""

import contextlib
import ctypes
import os
import threading
from pathlib import Path

from .counters import time_on_cores


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
        """Start the threads, or end them; returns whether that works here."""
        if wanted and self._release is None:
            libgomp = loaded_libgomp()
            if libgomp is None or not can_start(self.count):
                return False
            self._release = threading.Event()
            ready = threading.Event()
            self._thread = threading.Thread(target=_keep_team, args=(libgomp, self.count, self._release, ready))
            self._thread.daemon = True
            self._thread.start()
            ready.wait()
        elif not wanted and self._release is not None and self._thread is not None:
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
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    paths = {line.split(maxsplit=5)[-1] for line in maps.splitlines()}
    names = {path: os.path.basename(path) for path in paths}
    if any(name.startswith(("libiomp5", "libomp.")) for name in names.values()):
        return None  # preloaded: it answers to GCC's names too, and waits in its own way
    found = sorted(path for path, name in names.items() if name.startswith("libgomp"))
    return ctypes.CDLL(next((path for path in found if "torch" in path), found[0])) if found else None


class Confinement:
    """Holds the threads of this process on half of its cores, those on which most of them are when it begins.

    Threads that somebody else has put elsewhere meanwhile are left there. Loading processes start on all cores
    (`utils.data.loaders`), whenever they start.
    """

    def __init__(self, home: frozenset[int]) -> None:
        """home: the cores that the process started with."""
        self.home = home
        self.vacated: frozenset[int] = frozenset()

    def hold(self, wanted: bool) -> None:
        """Confine the threads, or let them back on all cores."""
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
