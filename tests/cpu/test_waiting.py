"""Threads that wait for each other beside other programs: when what is done about it."""

import contextlib
import threading

from utils import cli
from utils.cpu import waiting
from utils.cpu.counters import Look, Reading
from utils.cpu.team import can_start, half_of
from utils.cpu.waiting import Judge, Waiting, Watch, adapted
from utils.threads import Choice, prepare

import pytest
import torch

SPIN, SLEEP, CONFINED = Waiting

ALONE = Look(0.01, 0.0)
BUSY = Look(0.7, 1.0)
SHARED = Look(0.3, 0.5)
WORKERS = Look(0.6, 0.1)  # our own loading processes: threads without a core, but nobody else computes


def after(*looks, cores=2):
    judge = Judge(cores)
    return [judge.after(look) for look in looks]


def test_alone_and_beside_its_own_workers_a_run_spins():
    assert set(after(*[ALONE] * 20, *[WORKERS] * 20)) == {SPIN}
    assert set(after(*[Look(0.05, 1.0)] * 20)) == {SPIN}  # others compute, on cores that are free


def test_others_who_want_whole_cores():
    chosen = after(*[BUSY] * 8, *[ALONE] * 6)
    assert chosen == [SLEEP] * 5 + [CONFINED] * 7 + [SPIN] * 2


def test_others_who_want_a_part():
    assert after(*[SHARED] * 8, *[Look(0.05, 0.5)] * 5) == [SLEEP] * 12 + [SPIN]


def test_a_moment_of_rest_changes_nothing():
    chosen = after(*[BUSY] * 8, *[ALONE, BUSY] * 10)
    assert set(chosen[6:]) == {CONFINED}


def test_confined_threads_miss_each_others_core_and_stay_for_others_alone():
    chosen = after(*[BUSY] * 8, *[Look(0.01, 0.9)] * 20, *[Look(0.9, 0.0)] * 5)
    assert set(chosen[6:-1]) == {CONFINED}
    assert chosen[-1] is SPIN


def test_a_team_that_leaves_room_keeps_away_by_itself():
    """Confined are teams of a thread for each core; with more than half of the cores free, nothing is done."""
    assert SPIN not in after(*[BUSY] * 20, cores=3)
    assert CONFINED not in after(*[BUSY] * 20, cores=3)
    assert set(after(*[BUSY] * 20, cores=5)) == {SPIN}
    assert set(after(*[Look(0.7, 1.0, active=1)] * 20)) == {SPIN}


def test_threads_whose_places_are_the_users_are_never_confined():
    judge = Judge(2, may_confine=False)
    assert {judge.after(BUSY) for _ in range(20)} == {SLEEP}


def test_cores_that_nobody_has_taken_are_taken_back():
    """As where two runs have moved to the same half."""
    chosen = after(*[BUSY] * 8, *[Look(0.5, 1.0, unused=0.9)] * 5)
    assert chosen[7] is CONFINED
    assert chosen[-1] is SLEEP


def test_half_of_the_cores_those_that_were_run_on():
    assert half_of(frozenset({0, 1}), {1: 5}) == {1}
    assert half_of(frozenset({0, 1, 2, 3}), {3: 9, 2: 1, 7: 99}) == {2, 3}
    assert half_of(frozenset({4, 5, 6}), {}) == {4, 5}


def test_what_others_compute_is_what_is_left_of_the_cores():
    """1 and 2 are threads, 9 is a loading process that ends, 10 one that begins; cores 0 and 1."""
    before = Reading(10.0, {1: 0, 2: 0}, {1: 7, 2: 0, 9: 5_000_000_000}, {0: 50.0, 1: 80.0})
    after = Reading(10.5, {1: 250_000_000, 2: 50_000_000}, {1: 250_000_007, 2: 0, 10: 1}, {0: 50.5, 1: 80.25})
    look = after.since(before, vacated=frozenset({1}))
    assert (look.missing, look.others) == (pytest.approx(0.6), pytest.approx(1.0))
    assert (look.active, look.unused) == (1, pytest.approx(0.5))
    assert after.since(before).unused == 0.0


def test_nothing_is_watched_where_the_user_has_decided(monkeypatch):
    monkeypatch.setattr(waiting, "Watch", None)
    with adapted(Choice(cores=2, adapts=False)):
        pass


def test_a_gpu_ends_the_watch(monkeypatch):
    assert not waiting._computes_elsewhere()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    watch = Watch(interval=0.001)
    watch.start()
    watch._thread.join(10)
    assert not watch._thread.is_alive()


def test_an_error_leaves_everything_as_it_was(monkeypatch):
    """In the middle of a run: no more files, for one."""
    held = []
    watch = Watch(interval=0.001)
    readings = iter([Reading(0.0, {1: 0}, {1: 0}, {0: 0.0}), Reading(1.0, {1: 10**9}, {1: 10**9}, {0: 9.0})])
    monkeypatch.setattr(Reading, "now", classmethod(lambda cls, cores: next(readings, None) or int("no number")))
    monkeypatch.setattr(watch.judge, "after", lambda look: CONFINED)
    monkeypatch.setattr(watch.spare, "hold", lambda wanted: held.append(("spare", wanted)) or True)
    monkeypatch.setattr(watch.cores, "hold", lambda wanted: held.append(("cores", wanted)))
    watch.start()
    watch._thread.join(10)
    assert held == [("spare", True), ("cores", True), ("cores", False), ("spare", False)]


def test_no_spare_threads_where_there_is_no_room(monkeypatch):
    """libgomp ends a program that cannot have its threads."""
    started = []
    start = threading.Thread.start

    def limited(thread):
        if len(started) == 3:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert can_start(3)
    assert not any(thread.is_alive() for thread in started)
    started.clear()
    assert not can_start(4)
    assert not any(thread.is_alive() for thread in started)


def test_every_command_is_watched(monkeypatch):
    entered = []

    @contextlib.contextmanager
    def noted(choice):
        entered.append(choice)
        yield

    monkeypatch.setattr(cli, "adapted", noted)
    assert cli.run_command(lambda: entered.append("command")) == 0
    assert entered == [prepare(), "command"]
