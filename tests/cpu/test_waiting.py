"""Threads that wait for each other beside other programs: when what is done about it, and that it reaches OpenMP."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time

from utils import cli
from utils.cpu import waiting
from utils.cpu.counters import Look, Reading, busy_seconds, descendants
from utils.cpu.team import can_start, half_of
from utils.cpu.waiting import Judge, Waiting, Watch, adapted
from utils.data.listing import scan
from utils.data.loaders import start_worker, train_loader
from utils.threads import Choice, home_cores, prepare

import pytest
import torch

from tests.helpers import ROOT

SPIN, SLEEP, CONFINED = Waiting
linux_with_two_cores = pytest.mark.skipif(
    sys.platform != "linux" or len(home_cores()) < 2, reason="libgomp and the tables of Linux, on two cores"
)

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


@linux_with_two_cores
def test_the_kernels_counters():
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        before = Reading.now(home_cores())
        time.sleep(0.5)
        after = Reading.now(home_cores())
    finally:
        child.kill()
        child.wait()
    assert after.ran[child.pid] - before.ran[child.pid] > 10**8  # what a child computes is ours
    assert sum(busy_seconds(home_cores()).values()) >= sum(after.busy.values()) > sum(before.busy.values())
    assert os.getpid() in after.delay
    assert child.pid not in after.delay


@linux_with_two_cores
def test_children_and_theirs():
    with subprocess.Popen(["sh", "-c", "echo; sleep 60 & wait"], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        while len(found := descendants(f"/proc/{os.getpid()}/task/{os.getpid()}")) < 2:
            time.sleep(0.01)
        assert child.pid in found
        os.kill(next(pid for pid in found if pid != child.pid), 9)
        child.kill()


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


def new_process(code):
    """The lines that a new Python prints in which torch has two threads and no variable of OpenMP's is set."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


BARRIERS = """
    import os, time
    import utils
    from utils.cpu.team import Confinement, SpareThreads
    from utils.threads import home_cores
    import torch
    torch.set_num_threads(2)
    x = torch.ones(1 << 18)
    x.add_(1)
    team = [int(thread) for thread in os.listdir("/proc/self/task")]

    def waited_awake():
        '''Seconds of cores used while the team has nothing to do, after each of many regions.'''
        start = time.process_time()
        for _ in range(40):
            x.add_(1)
            time.sleep(0.01)
        return time.process_time() - start
"""


@linux_with_two_cores
def test_spare_threads_make_the_team_sleep_and_give_back_its_spinning():
    """After a region the team's second thread spins for some milliseconds; with spare threads it sleeps at once."""
    lines = new_process(
        f"""{BARRIERS}
    spare, found = SpareThreads(len(home_cores()) + 1), []
    for wanted in (False, True, False):
        assert spare.hold(wanted)
        found.append(waited_awake())
    print(*found)
    """
    )
    spinning, asleep, again = map(float, lines[0].split())
    assert asleep < spinning / 2
    assert asleep < again / 2


@linux_with_two_cores
def test_confined_threads_return_but_for_those_that_others_have_moved():
    lines = new_process(
        f"""{BARRIERS}
    cores = Confinement(home_cores())
    home = os.sched_getaffinity(0)
    cores.hold(True)
    inside = os.sched_getaffinity(0)
    print(len(inside) == (len(home) + 1) // 2, all(os.sched_getaffinity(t) == inside for t in team))
    other = home - inside
    os.sched_setaffinity(team[1], other)
    cores.hold(False)
    print(os.sched_getaffinity(team[0]) == home, os.sched_getaffinity(team[1]) == other)
    """
    )
    assert lines == ["True True", "True True"]


RESULTS = """
    import utils
    from utils.cpu.waiting import Waiting, Watch
    import torch
    from models import create_model
    torch.set_num_threads(2)
    modes = list(Waiting) * 20

    class Turning:  # each way of waiting in turn, whatever is seen
        now = Waiting.SPIN
        def after(self, look):
            self.now = modes[(modes.index(self.now) + 1) % 3]
            seen.add(self.now)
            return self.now

    def train(turning):
        torch.manual_seed(0)
        model = create_model("resnet", "18", 10)
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        watch = Watch(interval=0.02)
        if turning:
            watch.judge = Turning()
            watch.start()
        for _ in range(8):
            optimizer.zero_grad()
            model(torch.randn(16, 3, 32, 32)).square().sum().backward()
            optimizer.step()
        if turning:
            watch.end()
        return [value.clone() for value in model.state_dict().values()]

    seen = set()
    one, other = train(False), train(True)
    print(len(seen), all(torch.equal(a, b) for a, b in zip(one, other)))
"""


@linux_with_two_cores
def test_results_are_the_same_bits_however_threads_wait():
    assert new_process(RESULTS) == ["3 True"]


@linux_with_two_cores
def test_beside_other_programs_a_run_sleeps_and_leaves_all_as_it_was(tmp_path):
    pid = tmp_path / "pid"  # of programs that are not this one's children
    program = f'"{sys.executable}" -c "while True: pass"'
    subprocess.run(["sh", "-c", f"{program} & echo $! > {pid}; {program} & echo $! >> {pid}"], check=True)
    try:
        lines = new_process(
            f"""{BARRIERS}
    import logging
    from utils.cpu.waiting import Watch
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=__import__("sys").stdout)
    watch = Watch()
    watch.start()

    def until(holds):
        end = time.monotonic() + 60
        while not holds() and time.monotonic() < end:
            x.add_(1)
        print(holds())

    until(lambda: watch._busy_looks > 20)
    for pid in open({str(pid)!r}).read().split():
        os.kill(int(pid), 9)
    watch.end()
    print(os.sched_getaffinity(0) == home_cores(), watch.spare._release is None)
    """
        )
    finally:
        for number in pid.read_text().split():
            subprocess.run(["kill", "-9", number], capture_output=True)
    assert lines[0].startswith("other work wants the cores")
    assert lines[1:] == ["True", "True True"]


def where_a_worker_runs(inside, connection):
    os.sched_setaffinity(0, inside)  # as the thread that starts it
    start_worker(0, cores=home_cores())
    connection.send(os.sched_getaffinity(0))


@linux_with_two_cores
def test_loading_processes_start_on_all_cores(data, make_config):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=where_a_worker_runs, args=({min(home_cores())}, theirs)
    )
    process.start()
    assert ours.recv() == home_cores()
    process.join()
    config = make_config(num_workers=1)
    loader = train_loader(config, scan(data / "train"), rank=0, world_size=1, workers=1, pin=False)
    assert loader.worker_init_fn.func is start_worker
    assert loader.worker_init_fn.keywords == {"cores": home_cores()}


def test_every_command_is_watched(monkeypatch):
    entered = []

    @contextlib.contextmanager
    def noted(choice):
        entered.append(choice)
        yield

    monkeypatch.setattr(cli, "adapted", noted)
    assert cli.run_command(lambda: entered.append("command")) == 0
    assert entered == [prepare(), "command"]
