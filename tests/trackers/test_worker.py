"""Trackers that hang, fail and end their thread: what the thread that trains notices of it."""

import threading
import time

from utils.log import RunLog
from utils.trackers import worker as module
from utils.trackers.memory import Memory
from utils.trackers.tracked import TrackedRun
from utils.trackers.worker import Conclusion, Job, Worker, ends, finish, hung

import pytest

from tests.helpers.runs import wait_for
from tests.trackers.conftest import rows

END = Conclusion({}, [])


class Recorder:
    """Keeps the epochs it is given; a test says what goes wrong."""

    id, epoch = "here", 0

    def __init__(self, run):
        self.epochs, self.concluded, self.closed = [], False, None

    def add(self, epoch, figures, when):
        self.epochs.append(epoch)

    def conclude(self, epoch, figures, pictures):
        self.concluded = True

    def close(self, *, finished):
        self.closed = finished


@pytest.fixture
def release():
    """Lets all that hangs go on, at the end of the test by itself; what breaks ends after 20 s too."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def started(tmp_path):
    """started(kind) is the thread of such a tracker; the log is in train.log below tmp_path."""
    with RunLog() as run_log:
        run_log.write_to(tmp_path)

        def start(kind, name="recorder"):
            worker = Worker(name, kind, TrackedRun(tmp_path, "", "", {}), Memory(tmp_path))
            worker.start()
            return worker

        yield start


@pytest.fixture
def lines(tmp_path):
    """What train.log says of trackers by now."""
    return lambda: [line.partition(" WARNING ")[2] for line in (tmp_path / "train.log").read_text().splitlines()]


def hanging(release, *, method):
    class Hanging(Recorder):
        def wait(self, *_, **__):
            release.wait(20)

    setattr(Hanging, method, Hanging.wait)
    return Hanging


@pytest.mark.parametrize("method", ["__init__", "add", "conclude", "close"])
def test_one_that_hangs_delays_no_epoch_and_the_end_of_the_run_by_so_much_as_it_may(started, lines, release, method):
    worker = started(hanging(release, method=method))
    start = time.monotonic()
    for last in range(1, 200):
        worker.put(Job(rows(last)))
    assert time.monotonic() - start < 1
    start = time.monotonic()
    finish([worker], Job(rows(200), is_last=True, conclusion=END), 0.2)
    assert 0.2 <= time.monotonic() - start < 1
    [line] = lines()
    missing = "epochs 1 to 200, the pictures" if method in ("__init__", "add") else "the pictures"
    assert line.startswith("recorder: no answer in 0 s; ")
    assert (f"missing there: {missing}" in line) == (method != "close")
    assert hung()
    release.set()
    worker.join()
    assert not hung()


def test_several_that_hang_are_waited_for_together(started, release):
    workers = [started(hanging(release, method="__init__")) for _ in range(3)]
    start = time.monotonic()
    finish(workers, Job(rows(1), is_last=True), 0.3)
    assert time.monotonic() - start < 0.8


@pytest.mark.parametrize("error", [ConnectionError("refused"), SystemExit(3), KeyboardInterrupt()])
def test_one_that_fails_is_said_once_and_gets_it_all_when_it_is_well_again(started, lines, error):
    class Failing(Recorder):
        def __init__(self, run):
            super().__init__(run)
            made.append(self)
            if len(made) < 4:
                raise error

    made = []
    worker = started(Failing)
    for last in range(1, 6):
        worker.put(Job(rows(last)))
        wait_for(lambda: worker.jobs.empty() and worker.since == float("inf"), seconds=10)
    finish([worker], Job(rows(5), is_last=True, conclusion=END), 10)
    assert made[-1].epochs == [1, 2, 3, 4, 5]
    assert (made[-1].concluded, made[-1].closed) == (True, True)
    assert len(lines()) == 1
    assert lines()[0].startswith(f"recorder: {type(error).__name__}: ")


def test_what_one_that_fails_to_the_end_lacks_is_said(started, lines):
    class Full(Recorder):
        def add(self, epoch, figures, when):
            if epoch == 3:
                raise OSError("quota exceeded")

    worker = started(Full)
    finish([worker], Job(rows(4), is_last=True, conclusion=END), 10)
    assert lines() == ["recorder: OSError: quota exceeded; missing there: epochs 3 to 4, the pictures"]


def test_one_that_is_slow_is_said_while_the_run_goes_on(started, lines, release, monkeypatch):
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.05)
    worker = started(hanging(release, method="__init__"))
    worker.put(Job(rows(1)))
    wait_for(lambda: worker.since < float("inf"))
    time.sleep(0.1)
    for last in (2, 3):
        worker.put(Job(rows(last)))
    assert [line.partition(";")[2] for line in lines()] == [" training goes on"]


def test_epochs_of_before_lie_on_the_time_axis_where_they_were():
    assert [round(time.time() - when) for when in ends(rows(3))] == [4, 2, 0]
