"""Runs of train.py in processes of their own, quick to start, for tests that stop and kill them.

The processes come from a fork server that has torch and train.py loaded already, which saves the seconds that a new
interpreter takes; what runs in them is the command line, from its arguments to its exit status.
"""

import multiprocessing
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest import mock

from utils.weights.checkpoint import load_checkpoint

from models import shufflenetv2
from tests.helpers import ROOT
from tests.helpers.runs import assert_same_run, wait_for

UNDISTURBED: dict[str, tuple[Path, float]] = {}  # by what was run: every test has the same images
IMPORTED_LATE = (
    "torchvision.transforms.v2",
    "torch._dynamo",
    "utils.report.pictures",
    "utils.run_page.write",
)  # by a run
SECONDS = 120  # after which a process that has not ended is taken to hang


def nothing() -> None:
    """No fault at all."""


def command_line(
    arguments: list[str],
    output: Path,
    environment: dict[str, str],
    fault: Callable[[], None],
    depths: tuple[int, ...],
) -> None:
    """What a process does: train.py, or train_multi_gpu.py where `environment` makes it a rank.

    Pictures, which take half of the time of such a short run, are left out.
    depths: of ShuffleNetV2, as the process of the tests has it.
    """
    from utils.report import pictures

    import train

    shufflenetv2.DEPTHS = depths
    pictures.draw_run = lambda *arguments: []
    multiprocessing.set_start_method(None, force=True)  # the system's own for loading processes
    os.environ.update(environment)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = ["train.py", *arguments]
    fault()
    sys.exit(train.main(several="RANK" in environment))


@dataclass
class Job:
    """The processes of one command, and the file that holds what they said."""

    processes: list
    output: Path

    def end(self) -> list[int]:
        """Wait, and return the exit statuses; -9 for one that was killed."""
        for process in self.processes:
            process.join(SECONDS)
            assert process.exitcode is not None, f"hangs: {self.said()}"
        return [process.exitcode for process in self.processes]

    def signal(self, signum: int, rank: int = 0) -> None:
        if self.processes[rank].is_alive():
            os.kill(self.processes[rank].pid, signum)

    def ended(self) -> bool:
        return all(process.exitcode is not None for process in self.processes)

    def said(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""


class Runs:
    """Starts runs of one config; `root` is the folder of a test, `changes` what its config has of its own."""

    def __init__(self, root: Path, config: Path, changes: dict[str, Any], *, ranks: int = 1) -> None:
        self.root, self.config, self.changes, self.ranks = root, config, changes, ranks
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["train", "tests.run.faults.processes", *IMPORTED_LATE])
        with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT)):  # where the server looks for what it loads
            forkserver.ensure_running()
        self.started = 0

    def start(self, *arguments: str, fault: Callable[[], None] = nothing, **environment: str) -> Job:
        self.started += 1
        output, several = self.root / f"output{self.started}", []
        for rank in range(self.ranks):
            several.append({**environment, **(self._rank(rank) if self.ranks > 1 else {})})
        port = free_port()
        processes = []
        for place in several:
            place |= {"MASTER_PORT": str(port)} if self.ranks > 1 else {}
            given = list(arguments), output, place, fault, shufflenetv2.DEPTHS
            processes.append(self.context.Process(target=command_line, args=given))
            processes[-1].start()
        return Job(processes, output)

    def _rank(self, rank: int) -> dict[str, str]:
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self.ranks, "LOCAL_WORLD_SIZE": self.ranks}
        return {"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in names.items()}}

    def begin(self, log_root: Path, *, options: Sequence[str] = (), **others) -> Job:
        """A new run below `log_root`.  options: key=value."""
        pairs = [word for option in (f"log_root={log_root}", *options) for word in ("--set", option)]
        return self.start("--config", str(self.config), *pairs, **others)

    def whole(self) -> tuple[Path, float]:
        """The folder of a run that nothing disturbs, and the seconds from its making to the end; run once a session."""
        key = f"{self.ranks} {sorted(self.changes.items())}"
        if key not in UNDISTURBED:
            log_root = self.root / "whole"
            job = self.begin(log_root)
            wait_for(lambda: folder_of(log_root) is not None)
            start = time.monotonic()
            assert set(job.end()) == {0}, job.said()
            UNDISTURBED[key] = folder_of(log_root), time.monotonic() - start
        return UNDISTURBED[key]

    def go_on(self, log_root: Path, **options) -> Job:
        """Resume the run below `log_root`; where it was killed before its first save, begin it."""
        folder = folder_of(log_root)
        if folder is None or not any(folder.glob("*.pth")):
            return self.begin(log_root, **options)
        return self.start("--resume", str(folder), **options)

    def finish(self, log_root: Path) -> Path:
        """Go on to the end without any fault."""
        job = self.go_on(log_root)
        assert set(job.end()) == {0}, job.said()
        return folder_of(log_root)


def folder_of(log_root: Path) -> Path | None:
    """The newest run folder below `log_root`."""
    found = sorted(log_root.glob("*/exp*"), key=lambda path: int(path.name[3:]))
    return found[-1] if found else None


class Chance:
    """Random moments within a run; how long one takes is learnt, as other work on the machine comes and goes."""

    def __init__(self, seed: int, seconds: float) -> None:
        self.random, self.seconds = random.Random(seed), seconds

    def disturb(self, job: Job, ready: Callable[[], bool], signum: int) -> bool:
        """Send `signum` to a random rank (kill -9 to all) at a random moment once `ready`; whether it came in time."""
        wait_for(lambda: ready() or job.ended())
        time.sleep(self.random.uniform(0, self.seconds))
        ranks = range(len(job.processes))
        for rank in ranks if signum == signal.SIGKILL else [self.random.choice(ranks)]:
            job.signal(signum, rank)
        hit = set(job.end()) != {0}
        self.seconds *= 1.1 if hit else 0.8
        return hit


def assert_equal_to_the_end(whole: Path, part: Path) -> None:
    """What a disturbed run has left is what an undisturbed one leaves, file by file."""
    assert_same_run(whole, part)
    for name in ("per_class.csv", "confusion_matrix.csv", "class_counts.csv", "class_indices.json"):
        assert (whole / name).read_bytes() == (part / name).read_bytes(), name
    assert {path.name for path in part.iterdir()} == {path.name for path in whole.iterdir()}
    load_checkpoint(part / "previous.pth")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
