"""What the benchmarks share: sides that run in processes of their own, and tables."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context, set_start_method
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from utils.cpu.waiting import adapted
from utils.threads import prepare
from utils.timing import Spread, interleaved, ratios

import torch

ROOT = Path(__file__).resolve().parent.parent
Build = Callable[[], Callable[[], Any]]


def compare(
    sides: dict[str, Build], *, rounds: int, threads: int, warmup: int = 2, calls: int = 1
) -> dict[str, list[float]]:
    """Seconds of one call of what each of `sides` builds, `rounds` times in turn, each in a new process of its own.

    So that neither gains or loses by what the other changes: the C library's memory, torch's settings, its caches.
    calls: in each turn, of which the mean counts; for work so short that a process's waking up would show.
    """
    with ExitStack() as stack:
        turns = {name: stack.enter_context(elsewhere(build, threads, calls)) for name, build in sides.items()}
        measured = interleaved(turns, rounds=rounds, warmup=warmup)
    return {name: [second / calls for second in seconds] for name, seconds in measured.items()}


@contextmanager
def elsewhere(build: Build, threads: int, calls: int = 1) -> Iterator[Callable[[], float | None]]:
    """Within: a function that makes so many calls of what `build` returns in a new process, which waits in between.

    threads: of torch there; 0 leaves them as they are. The function returns what the last call did, if a float.
    """
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(theirs, build, threads, calls))
    process.start()
    theirs.close()

    def call() -> float | None:
        ours.send(True)
        return ours.recv()  # raises EOFError if the process has failed, which printed why

    try:
        yield call
    finally:
        ours.close()
        process.join()


def _serve(connection: Connection, build: Build, threads: int, calls: int) -> None:
    set_start_method(None, force=True)  # loading processes start as they do elsewhere, not as this one did
    if threads:
        torch.set_num_threads(threads)
    with adapted(prepare()):
        function = build()
        while True:
            try:
                connection.recv()
            except EOFError:
                return
            for _ in range(calls):
                result = function()
            connection.send(result if isinstance(result, float) else None)


def moments(command: Sequence[str], marker: str) -> list[float]:
    """Seconds since a new Python was started with `command`, for each line it prints that holds `marker`; then its end.

    Raises CalledProcessError, after showing what it printed, if it fails.
    """
    found, lines, start = [], [], time.perf_counter()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen([sys.executable, *command], **streams, encoding="utf-8", cwd=ROOT) as process:
        for line in process.stdout:
            lines.append(line)
            if marker in line:
                found.append(time.perf_counter() - start)
    if process.returncode:
        print("".join(lines), file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, command)
    return [*found, time.perf_counter() - start]


def gain(seconds: dict[str, list[float]]) -> Spread:
    """How many times faster 'ours' is than 'theirs'."""
    return Spread.of(ratios(seconds["theirs"], seconds["ours"]))


def comparison(what: str, seconds: dict[str, list[float]]) -> list[str]:
    """Cells of a row: what, theirs, ours, how many times faster."""
    ratio = gain(seconds)
    times = f"{ratio.median:#.3g} [{ratio.low:#.3g} .. {ratio.high:#.3g}]"
    return [what, *(str(Spread.of(seconds[name])) for name in ("theirs", "ours")), times]


def print_header(first: str, theirs: str, *, threads: int, rounds: int) -> None:
    print(f"torch {torch.__version__}, threads: {threads}, rounds: {rounds}; median [10th .. 90th percentile]\n")
    print_row([first, theirs, "ours", "times faster"])
    print_row(["---"] * 4)


def print_row(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def print_mean(gains: Sequence[float]) -> None:
    mean = torch.tensor(gains).log().mean().exp().item()
    print(f"\ngeometric mean {mean:.2f}, least {min(gains):.2f}")
