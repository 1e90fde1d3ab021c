"""How many threads torch computes with, and how they wait for each other: decided before torch is loaded.

OpenMP reads its variables once, when its library is loaded with torch, so `utils/__init__.py` calls `prepare()` and
every entry point imports utils first. A variable that the user has set is never touched. Nothing here imports torch.

By itself torch starts a thread for each physical core that it may use, and is left to it where that is right. It
looks at the affinity but not at the quota of a container: with `docker --cpus=2` on 64 cores, 64 threads would share
the time of two.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .cgroups import integer, quota_cores, read_small

COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # the user's numbers of threads
WAITS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")  # the user's ways of waiting
PLACES = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")  # the user's cores for each thread
LARGE_LOAD = 0.5  # programs that ran on average over the last minute: others are at work here


@dataclass(frozen=True)
class Machine:
    """What the decision depends on."""

    platform: str  # as sys.platform
    logical: int  # cores that this process may run on
    physical: int  # of those, without their hyper-threads
    quota: float | None = None  # cores' worth of time that a container allows; None: no limit
    processes: int = 1  # training processes on this machine, by the launcher
    delays: bool = True  # whether the system counts how long threads waited for a core
    load: float = 0.0  # programs that ran on average over the last minute

    @property
    def cores(self) -> int:
        """Cores that may be used: by affinity and, in whole ones, by quota; at least 1."""
        return self.logical if self.quota is None else max(1, min(self.logical, int(self.quota)))


@dataclass(frozen=True)
class Choice:
    """What was decided, and why."""

    cores: int  # that this process may use
    variables: dict[str, str] = field(default_factory=dict)  # set for OpenMP, in this process and those it starts
    adapts: bool = False  # whether waiting is decided while it runs, by what else runs: utils/cpu/waiting.py
    why_threads: str = "a thread for each physical core, as torch decides"
    why_waiting: str = "spin, as OpenMP does"


@functools.cache
def prepare() -> Choice:
    """The decision for this process, made once; the variables are set for what is loaded from here on."""
    home_cores()  # remembered now, before any thread is held on fewer
    choice = choose(os.environ, this_machine())
    os.environ.update(choice.variables)
    return choice


def compute_with(num_threads: int | Literal["auto"]) -> None:
    """Let torch compute with as many threads as the config's key says; 'auto' leaves what `prepare` decided."""
    import torch  # not before the variables are set

    if num_threads != "auto":
        torch.set_num_threads(num_threads)


def threads_in_use(num_threads: int | Literal["auto"]) -> dict[str, Any]:
    """How many threads there are after `compute_with(num_threads)`, and why: for the log and environment.json."""
    import torch

    choice = prepare()
    why = choice.why_threads if num_threads == "auto" else f"num_threads = {num_threads} of the config"
    threads = torch.get_num_threads()
    return {
        "threads": threads,
        "threads_because": why,
        "threads_wait": choice.why_waiting if threads > 1 else "have no other to wait for",
        "available_cores": choice.cores,
    }


def available_cores() -> int:
    """Cores that this process may use: by the affinity it started with, and by its quota, of which whole ones count."""
    return prepare().cores


def reading_threads() -> int:
    """Threads that read and decode files: some wait for the disk."""
    return min(32, available_cores() + 4)


@functools.cache
def home_cores() -> frozenset[int]:
    """The logical cores that this process started with."""
    return frozenset(affinity_of_process())


def run_on(cores: frozenset[int]) -> None:
    """Let the calling thread run on these cores again, wherever the thread that started it was held."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # cores that were taken away meanwhile
            os.sched_setaffinity(0, cores)


def choose(environment: Mapping[str, str], machine: Machine) -> Choice:
    """What suits `machine`, but for what the user's `environment` has settled."""
    counts, why_threads = _count(environment, machine)
    waits, adapts, why_waiting = _waiting(environment, machine)
    return Choice(machine.cores, {**counts, **waits}, adapts, why_threads, why_waiting)


def _count(environment: Mapping[str, str], machine: Machine) -> tuple[dict[str, str], str]:
    if given := _given(environment, COUNTS):
        return {}, given
    threads = max(1, min(machine.physical, machine.cores) // machine.processes)
    if threads == machine.physical:
        return {}, Choice.why_threads
    limits = []
    if machine.cores < machine.physical:
        limits.append(f"a quota of {machine.quota:g} cores")
    if machine.processes > 1:
        limits.append(f"{machine.processes} processes")
    return {"OMP_NUM_THREADS": str(threads)}, f"{threads} for {' and '.join(limits)} on {machine.physical} cores"


def _waiting(environment: Mapping[str, str], machine: Machine) -> tuple[dict[str, str], bool, str]:
    """(variables, whether to adapt, why)."""
    if given := _given(environment, WAITS):
        return {}, False, given
    if machine.platform == "darwin":  # LLVM's libomp
        return {"KMP_BLOCKTIME": "0"}, False, "sleep, since the system does not report whether others want the cores"
    if machine.platform == "win32":  # Intel's libiomp5md in torch's own wheels, Microsoft's vcomp in other builds
        wait = {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE"}
        return wait, False, "sleep, since the system does not report whether others want the cores"
    if machine.quota is not None and machine.quota < machine.logical:
        return {"OMP_WAIT_POLICY": "PASSIVE"}, False, "sleep, since to spin would use up the quota"
    if machine.delays:
        return {}, True, "spin, and sleep as long as other work wants the cores"
    if machine.load > LARGE_LOAD:
        return {"OMP_WAIT_POLICY": "PASSIVE"}, False, f"sleep, since the load was {machine.load:.1f} before the start"
    return {}, False, f"spin, since the load was {machine.load:.1f} before the start"


def _given(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name}={environment[name]} of the environment" for name in names if environment.get(name))


def this_machine(root: Path = Path("/")) -> Machine:
    """root: where /proc and /sys are found."""
    affinity = affinity_of_process()
    return Machine(
        sys.platform,
        len(affinity),
        physical_cores(affinity, root),
        quota_cores(root),
        processes=_processes(len(affinity)),
        delays=counts_delays(root),
        load=_load(),
    )


def _processes(logical: int) -> int:
    """Of a launcher, that share the cores; 1 where they were bound to cores of their own, as by `srun --cpu-bind`."""
    return max(1, integer(os.environ.get("LOCAL_WORLD_SIZE"), 1)) if logical == os.cpu_count() else 1


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows, or a system that hides it
        return 0.0


def affinity_of_process() -> set[int]:
    """Logical cores that the calling thread may run on; all of the machine where the system has no such thing."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def physical_cores(logical: set[int], root: Path = Path("/")) -> int:
    """How many cores the logical ones of a set belong to; each its own where Linux's tables are missing."""
    folder = root / "sys/devices/system/cpu"
    return len({read_small(folder / f"cpu{core}/topology/thread_siblings_list") or str(core) for core in logical})


def counts_delays(root: Path = Path("/")) -> bool:
    """Whether this is a Linux that counts how long a thread was ready to run without a core."""
    return read_small(root / "proc/self/schedstat") not in ("", "0 0 0")
