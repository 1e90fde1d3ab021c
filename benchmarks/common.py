"""What the benchmarks share: sides that run in processes of their own, and tables."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch

from utils.timing import Spread, interleaved, ratios

Build = Callable[[], Callable[[], Any]]


def compare(sides: dict[str, Build], *, rounds: int, threads: int, warmup: int = 2) -> dict[str, list[float]]:
    """Seconds of one call of what each of `sides` builds, `rounds` times in turn, each in a new process of its own.

    So that neither gains or loses by what the other changes: the C library's memory, torch's settings, its caches.
    """
    with ExitStack() as stack:
        calls = {name: stack.enter_context(elsewhere(build, threads)) for name, build in sides.items()}
        return interleaved(calls, rounds=rounds, warmup=warmup)


@contextmanager
def elsewhere(build: Build, threads: int) -> Iterator[Callable[[], None]]:
    """Within: a function that calls what `build` returns in a new process, which waits in between."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(theirs, build, threads), daemon=True)
    process.start()
    theirs.close()

    def call() -> None:
        ours.send(True)
        ours.recv()  # raises EOFError if the process has failed, which told why

    try:
        yield call
    finally:
        ours.close()
        process.join()


def _serve(connection: Connection, build: Build, threads: int) -> None:
    torch.set_num_threads(threads)
    function = build()
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        function()
        connection.send(True)


def run_quietly(command: Sequence[str], **environment: str) -> str:
    """What a command prints. Raises CalledProcessError, after showing its complaints."""
    result = subprocess.run(
        [sys.executable, *command], env={**os.environ, **environment}, capture_output=True, encoding="utf-8"
    )
    if result.returncode:
        print(result.stderr, file=sys.stderr)
    result.check_returncode()
    return result.stdout


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
