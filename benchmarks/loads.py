"""What a benchmark runs beside: other programs, a quota of the cores' time, a core of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOADS = {"alone": [], "numpy": ["numpy"], "spinning": ["spinning"], "both": ["numpy", "spinning"]}
PROGRAMS = {
    "numpy": "import numpy as np\na = np.random.rand(800, 800)\nwhile True: a @ a",
    "spinning": "while True: pass",
}


@contextmanager
def programs() -> Iterator[Callable[[list[str]], None]]:
    """Within: a function that lets the named programs run and stops the others."""
    running = {name: subprocess.Popen([sys.executable, "-c", code]) for name, code in PROGRAMS.items()}

    def let_run(names: list[str]) -> None:
        for name, process in running.items():
            process.send_signal(signal.SIGCONT if name in names else signal.SIGSTOP)

    try:
        time.sleep(1)  # they import
        let_run([])
        yield let_run
    finally:
        for process in running.values():
            process.kill()
            process.wait()


@contextmanager
def variables(values: dict[str, str]) -> Iterator[None]:
    """Within: the environment of processes that are started has these too."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def on_one_core() -> Iterator[None]:
    """Within: processes that are started run on one core alone, so that torch has one thread there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        with variables({"OMP_NUM_THREADS": "1"}):
            yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def quota_of_one_core() -> Iterator[Callable[[bool], None]]:
    """Within: a function that moves this process under a quota of one core's time, or back; for those that it starts.

    Raises OSError where no such group can be made.
    """
    first = Path("/sys/fs/cgroup/cpu")
    second = Path("/sys/fs/cgroup")
    version_1 = (first / "cpu.cfs_quota_us").exists()
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    path = next(path for _, names, path in lines if ("cpu" in names.split(",") if version_1 else not names))
    before = (first if version_1 else second) / path.lstrip("/")
    group = before / f"beside_others_{os.getpid()}"
    group.mkdir()
    try:
        if version_1:
            (group / "cpu.cfs_quota_us").write_text("100000")
        else:
            (group / "cpu.max").write_text("100000 100000")
        yield lambda inside: (group if inside else before).joinpath("cgroup.procs").write_text(str(os.getpid()))
    finally:
        time.sleep(0.5)  # until its processes have ended
        for process in (group / "cgroup.procs").read_text().split():  # multiprocessing keeps one of its own
            (before / "cgroup.procs").write_text(process)
        group.rmdir()
