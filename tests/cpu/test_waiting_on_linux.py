"""Threads that wait for each other beside other programs: that it reaches OpenMP, and what Linux counts of them."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import time

from utils.cpu.counters import Reading, busy_seconds, descendants
from utils.data.listing import scan
from utils.data.loaders import train_loader
from utils.data.whole_batches import start_worker
from utils.threads import home_cores

import pytest

from tests.helpers import ROOT

linux_with_two_cores = pytest.mark.skipif(
    sys.platform != "linux" or len(home_cores()) < 2, reason="libgomp and the tables of Linux, on two cores"
)


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
