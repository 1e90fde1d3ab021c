"""Processes that each hold one side of a comparison on a GPU and answer requests; torch is loaded in them alone."""

import contextlib
from collections.abc import Callable
from multiprocessing import get_context, set_start_method
from multiprocessing.connection import Connection
from typing import Any

from utils.cpu.waiting import adapted
from utils.threads import prepare

BROKEN = "CUDA error", "no answer", "process ended"  # after these, a process has to be started again


class SideError(Exception):
    """A request that failed, in one line."""


class Side:
    """A process with a Bench of gpu_bench.py: `ask` calls one of its methods there, `answer` waits for the result."""

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device = name, device
        self.start()

    def start(self) -> None:
        """The first answer is None, once all is imported, or a SideError."""
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.name, self.device))
        self.process.start()
        theirs.close()

    def ask(self, method: str, *arguments: Any) -> None:
        with contextlib.suppress(OSError):  # it has ended, as `answer` will report
            self.connection.send((method, arguments))

    def answer(self, timeout: float) -> Any:
        """What the method returned. Raises SideError; the process is new then, if the old one was of no more use."""
        try:
            if not self.connection.poll(max(0.0, timeout)):
                raise SideError(f"no answer within {timeout:.0f} s")
            succeeded, result = self.connection.recv()
            if not succeeded:
                raise SideError(result)
            return result
        except (EOFError, OSError) as error:
            problem = SideError(f"process ended with status {self._status()}")
            self.restart(timeout)
            raise problem from error
        except SideError as error:
            if any(text in str(error) for text in BROKEN):
                self.restart(timeout)
            raise

    def call(self, method: str, *arguments: Any, timeout: float) -> Any:
        self.ask(method, *arguments)
        return self.answer(timeout)

    def restart(self, timeout: float) -> None:
        self.close(patience=0)
        self.start()
        with contextlib.suppress(EOFError, OSError):  # it could not load what it needs: so will say the next answer
            if self.connection.poll(max(30.0, timeout)):
                self.connection.recv()

    def close(self, patience: float = 5.0) -> None:
        self.connection.close()  # which ends it after the request under way
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def _status(self) -> int | None:
        self.process.join(1.0)
        return self.process.exitcode


def close_all(sides: list[Side]) -> None:
    for side in sides:
        side.connection.close()  # they end at the same time
    for side in sides:
        side.close()


def ask_all(sides: list[Side], method: str, *arguments: Any, timeout: float) -> dict[str, Any]:
    """What each side returned, or the SideError it raised, by its name; they work at the same time."""
    for side in sides:
        side.ask(method, *arguments)
    return gather(sides, timeout)


def gather(sides: list[Side], timeout: float) -> dict[str, Any]:
    found = {}
    for side in sides:
        try:
            found[side.name] = side.answer(timeout)
        except SideError as error:
            found[side.name] = error
    return found


def _serve(connection: Connection, name: str, device: str) -> None:
    set_start_method(None, force=True)  # loading processes start as they do elsewhere, not as this one did
    with adapted(prepare()), contextlib.suppress(EOFError, OSError):  # the other end was closed
        bench, (succeeded, result) = None, _tried(_make_bench, name, device)
        if succeeded:
            bench, result = result, None
        connection.send((succeeded, result))
        while True:
            method, arguments = connection.recv()
            connection.send(_tried(getattr(bench, method), *arguments))


def _make_bench(name: str, device: str) -> Any:
    from benchmarks.gpu_bench import Bench  # loads torch

    return Bench(name, device)


def _tried(function: Callable, *arguments: Any) -> tuple[bool, Any]:
    """(True, what it returns) or (False, its error in one line)."""
    try:
        return True, function(*arguments)
    except Exception as error:
        return False, _in_one_line(error)


def _in_one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
