"""A thread for each tracker, so that one that hangs or fails costs the training nothing but its curve."""

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..log import log
from ..text import one_line
from .memory import Memory
from .tracked import TrackedRun, Tracker

THREAD = "tracker "  # how the names of these threads begin
SLOW_SECONDS = 60.0  # with one epoch, after which the next one says so
Row = Mapping[str, Any]  # of results.csv


@dataclass(frozen=True)
class Conclusion:
    """What there is at the end of a run."""

    figures: Mapping[str, float]
    pictures: Sequence[Path]


@dataclass(frozen=True)
class Job:
    """Where the run is; it holds all that the jobs before it held."""

    rows: Sequence[Row]  # of all epochs so far
    is_last: bool = False
    conclusion: Conclusion | None = None  # of a run that has finished


class Worker(threading.Thread):
    """Sends what its tracker does not have yet, and again with the next job where that fails."""

    def __init__(self, name: str, kind: type[Tracker], run: TrackedRun, memory: Memory) -> None:
        super().__init__(name=THREAD + name, daemon=True)
        self.tracker_name, self.kind, self.run_facts, self.memory = name, kind, run, memory
        self.jobs: queue.Queue[Job] = queue.Queue(1)
        self.tracker: Tracker | None = None
        self.known = memory.of(name)
        self.sent = 0  # epochs that the tracker has
        self.problem = ""  # why the last job failed
        self.since = float("inf")  # when the job under way began; by time.monotonic()
        self.is_done = False  # with the last job

    def put(self, job: Job) -> None:
        """From the thread that trains, which never waits here: a job that is not begun gives way to this one."""
        with suppress(queue.Empty):
            self.jobs.get_nowait()
        self.jobs.put_nowait(job)
        if time.monotonic() - self.since > SLOW_SECONDS:
            self.since = float("inf")  # once is enough
            log.warning(f"{self.tracker_name}: no answer in {SLOW_SECONDS:.0f} s; training goes on")

    def run(self) -> None:
        is_last = False
        while not is_last:
            job = self.jobs.get()
            is_last, self.since = job.is_last, time.monotonic()
            self._try(job)
            self.since = float("inf")

    def _try(self, job: Job) -> None:
        before, self.problem = self.problem, ""
        try:
            self._send(job)
        except BaseException as error:  # of SystemExit a package is capable too
            self.problem = one_line(f"{type(error).__name__}: {error}", 300)
            if self.problem != before and not job.is_last:
                log.warning(f"{self.tracker_name}: {self.problem}; training goes on, and the next epoch tries again")

    def _send(self, job: Job) -> None:
        if self.tracker is None:
            facts = replace(self.run_facts, id=self.known.id, epoch=self.known.epoch)
            self.tracker = self.kind(facts)
            self.sent = self.tracker.epoch
        try:
            self._send_epochs(self.tracker, job)
        finally:
            self._remember(self.tracker)
        if job.conclusion and not self._has_the_end(self.tracker, job):
            self.tracker.conclude(len(job.rows), job.conclusion.figures, job.conclusion.pictures)
            self.known = replace(self.known, concluded=len(job.rows))
            self._remember(self.tracker)
        if job.is_last:
            self.tracker.close(finished=job.conclusion is not None)
            self.is_done = True

    def _send_epochs(self, tracker: Tracker, job: Job) -> None:
        for row, when in zip(job.rows, ends(job.rows)):
            if row["epoch"] > self.sent:
                tracker.add(row["epoch"], figures_of(row), when)
                self.sent = row["epoch"]

    def _has_the_end(self, tracker: Tracker, job: Job) -> bool:
        """Whether the end was sent by a run before, as one that is resumed without an epoch to go sends it again."""
        return tracker.epoch == self.known.concluded == len(job.rows)

    def _remember(self, tracker: Tracker) -> None:
        self.known = replace(self.known, id=tracker.id, epoch=self.sent)
        with suppress(OSError):  # a full disk, which the next time may have room again
            self.memory.keep(self.tracker_name, self.known)


def figures_of(row: Row) -> dict[str, float]:
    """The columns of results.csv but the epoch, which is where on the curve they are."""
    return {name: float(value) for name, value in row.items() if name != "epoch"}


def ends(rows: Sequence[Row]) -> list[float]:
    """When each epoch ended, in seconds since 1970, as if the last one had just now and none had waited."""
    when, found = time.time(), []
    for row in reversed(rows):
        found.append(when)
        when -= row.get("seconds", 0.0)
    return found[::-1]


def finish(workers: Sequence[Worker], job: Job, seconds: float) -> None:
    """Give all of them their last job, wait for them no longer than that in all, and say what was lost."""
    for worker in workers:
        worker.put(job)
    end = time.monotonic() + seconds
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
    for worker in workers:
        if not worker.is_done:
            why = worker.problem or f"no answer in {seconds:.0f} s"
            log.warning(f"{worker.tracker_name}: {why}; {lost(worker, job)}")


def lost(worker: Worker, job: Job) -> str:
    """What the tracker does not have, as far as this side knows."""
    first, last = worker.sent + 1, len(job.rows)
    parts = [] if first > last else [f"epoch {last}"] if first == last else [f"epochs {first} to {last}"]
    parts += ["the pictures"] if job.conclusion and worker.known.concluded != last else []
    return f"missing there: {', '.join(parts)}" if parts else "all was sent, but it may not have arrived"


def hung() -> bool:
    """Whether the thread of a tracker goes on after the run; its package could hold up the end of the process."""
    return any(thread.name.startswith(THREAD) for thread in threading.enumerate())
