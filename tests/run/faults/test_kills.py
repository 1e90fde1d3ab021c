"""Runs that are killed or asked to stop at any moment end, once resumed, as if nothing had happened: bit for bit."""

import os
import random
import signal
from functools import partial

from utils.weights.checkpoint import load_checkpoint

import pytest

from tests.helpers.runs import assert_same
from tests.run.faults.injected import count_calls, killed_before, signalled_in_evaluation
from tests.run.faults.processes import Chance, assert_equal_to_the_end, folder_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no kill -9 on Windows")
STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}


def counts(quick, whole):
    return pytest.mark.parametrize("count", [quick, pytest.param(whole, marks=pytest.mark.long)])


def kill_at_random(runs, root, count):
    """`count` kills, some of them of a run that was killed before; each run is taken to its end. Returns the runs."""
    whole, seconds = runs.whole()
    chance, kills, finished = Chance(count, seconds), 0, 0
    while kills < count:
        log_root = root / f"killed{finished}"
        job = runs.begin(log_root)
        while chance.disturb(job, lambda log_root=log_root: folder_of(log_root) is not None, signal.SIGKILL):
            kills += 1
            if kills == count or chance.random.random() < 0.6:
                break
            job = runs.go_on(log_root)
        assert_equal_to_the_end(whole, runs.finish(log_root))
        finished += 1
    print(f"{kills} kills -9 survived by {finished} runs of {runs.ranks} process(es)")


@counts(2, 50)
def test_killed_at_random(make_runs, tmp_path, count):
    kill_at_random(make_runs(), tmp_path, count)


@pytest.mark.long
def test_two_processes_killed_at_random(make_runs, tmp_path):
    kill_at_random(make_runs(ranks=2), tmp_path, 8)


def stop_at_random(runs, root, count):
    """`count` signals, each to one rank, that all ranks follow with their state saved."""
    whole, seconds = runs.whole()
    chance, stops, finished = Chance(count, seconds / 2), 0, 0
    while stops < count:
        log_root, signum = root / f"stopped{finished}", chance.random.choice(list(STATUS))
        job = runs.begin(log_root)
        heeded = lambda log_root=log_root: any(log_root.glob("*/*/last.pth"))  # noqa: E731
        chance.disturb(job, heeded, signum)
        if "done: " not in job.said():  # else it came too late to stop anything
            assert set(job.end()) == {STATUS[signum]}, job.said()
            assert "stopped at step" in job.said()
            assert "Traceback" not in job.said()
            stops += 1
        assert_equal_to_the_end(whole, runs.finish(log_root))
        finished += 1
    print(f"{stops} signals followed by {finished} runs of {runs.ranks} process(es)")


@counts(1, 30)
def test_stopped_at_random(make_runs, tmp_path, count):
    stop_at_random(make_runs(epochs=3), tmp_path, count)


@pytest.mark.long
def test_two_processes_stopped_at_random(make_runs, tmp_path):
    stop_at_random(make_runs(ranks=2, epochs=3), tmp_path, 8)


def test_two_processes_stop_together_within_an_evaluation(make_runs, tmp_path):
    """One rank gets the signal, in a batch that the other, with fewer images, does not have."""
    runs = make_runs(ranks=2, batch_size=2)  # 9 images of val: batches of 2, 2, 1 and of 2, 2
    whole, _ = runs.whole()
    ema_too = 2
    stop = partial(signalled_in_evaluation, 3 * ema_too, signal.SIGTERM, 0)
    job = runs.begin(tmp_path / "part", fault=stop)
    assert job.end() == [143, 143], job.said()
    part = folder_of(tmp_path / "part")
    saved = load_checkpoint(part / "last.pth")
    assert (saved["epoch"], saved["history"], saved["progress"]["images"]) == (0, [], 22)  # trained, not evaluated
    assert_equal_to_the_end(whole, runs.finish(tmp_path / "part"))


def test_a_run_stopped_in_evaluation_evaluates_again_and_trains_no_step_twice(make_runs, tmp_path):
    runs = make_runs()
    whole, _ = runs.whole()
    job = runs.begin(tmp_path / "part", fault=partial(signalled_in_evaluation, 2, signal.SIGINT, 0))
    assert job.end() == [130], job.said()
    saved = load_checkpoint(folder_of(tmp_path / "part") / "last.pth")
    assert (saved["epoch"], saved["step"]) == (0, 3)
    stop = partial(signalled_in_evaluation, 1, signal.SIGTERM, 0)
    job = runs.go_on(tmp_path / "part", fault=stop)
    assert job.end() == [143], job.said()
    again = load_checkpoint(folder_of(tmp_path / "part") / "last.pth")
    assert_same(saved["net"], again["net"])
    assert again["step"] == 3
    assert_equal_to_the_end(whole, runs.finish(tmp_path / "part"))


@pytest.mark.parametrize("name", ["replace", "fsync"])
@counts(1, 1000)
def test_killed_at_each_place_that_saving_depends_on(make_runs, tmp_path, name, count):
    """Before each rename and each flush of a run; the quick part: `count` of those in which its last epoch ends."""
    runs = make_runs(epochs=1, warmup_epochs=0)
    whole, _ = runs.whole()
    job = runs.begin(tmp_path / "counted", fault=partial(count_calls, name, tmp_path / "calls"))
    assert job.end() == [0], job.said()
    calls = int((tmp_path / "calls").read_text())
    places = range(1, calls + 1) if count > calls else random.Random(name).sample(range(calls - 16, calls - 6), count)
    for place in places:
        log_root = tmp_path / f"killed{place}"
        job = runs.begin(log_root, fault=partial(killed_before, name, place))
        assert job.end() == [-signal.SIGKILL], place
        assert_equal_to_the_end(whole, runs.finish(log_root))
    print(f"killed before {len(places)} of {calls} calls of os.{name}")
