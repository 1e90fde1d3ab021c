"""How many threads, and how they wait: chosen from affinity, quota and environment, before torch is loaded."""

import ast
import json
import os
import subprocess
import sys

from utils import threads
from utils.threads import Machine, choose, counts_delays, physical_cores, quota_cores, this_machine

import pytest

import train
from tests.helpers import ROOT
from tests.helpers.system_files import make_files

BIG = dict(platform="linux", logical=64, physical=64)


@pytest.mark.parametrize(
    ("machine", "cores", "variables", "adapts"),
    [
        (dict(BIG), 64, {}, True),
        (dict(BIG, quota=2.0), 2, {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}, False),
        (dict(BIG, quota=1.5), 1, {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}, False),
        (dict(BIG, quota=0.5), 1, {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}, False),
        (dict(BIG, quota=100.0), 64, {}, True),
        (dict(BIG, logical=4, physical=4, quota=8.0), 4, {}, True),
        (dict(BIG, logical=8, physical=4, quota=6.0), 6, {"OMP_WAIT_POLICY": "PASSIVE"}, False),
        (dict(BIG, physical=32), 64, {}, True),
        (dict(BIG, processes=4), 64, {"OMP_NUM_THREADS": "16"}, True),
        (dict(BIG, quota=2.0, processes=4), 2, {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}, False),
        (dict(BIG, delays=False, load=0.1), 64, {}, False),
        (dict(BIG, delays=False, load=1.4), 64, {"OMP_WAIT_POLICY": "PASSIVE"}, False),
        (dict(BIG, platform="darwin"), 64, {"KMP_BLOCKTIME": "0"}, False),
        (dict(BIG, platform="win32"), 64, {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE"}, False),
    ],
)
def test_the_choice_for_a_machine(machine, cores, variables, adapts):
    choice = choose({}, Machine(**machine))
    assert (choice.cores, choice.variables, choice.adapts) == (cores, variables, adapts)


@pytest.mark.parametrize("name", [*threads.COUNTS, *threads.WAITS])
@pytest.mark.parametrize("machine", [dict(BIG, quota=2.0), dict(BIG, platform="win32"), dict(BIG, processes=8)])
def test_the_users_variables_win(name, machine):
    choice = choose({name: "7"}, Machine(**machine))
    settled = threads.COUNTS if name in threads.COUNTS else threads.WAITS
    assert not set(settled) & set(choice.variables)
    assert f"{name}=7 of the environment" in (choice.why_threads, choice.why_waiting)
    assert not (choice.adapts and name in threads.WAITS)


def test_an_empty_variable_is_none():
    assert choose({"OMP_NUM_THREADS": ""}, Machine(**BIG, quota=2.0)).variables["OMP_NUM_THREADS"] == "2"


def test_a_system_without_such_tables(tmp_path):
    assert quota_cores(tmp_path) is None
    assert physical_cores({0, 1, 5}, tmp_path) == 3
    assert not counts_delays(tmp_path)
    assert not counts_delays(make_files(tmp_path, {"proc/self/schedstat": "0 0 0"}))
    assert counts_delays(make_files(tmp_path, {"proc/self/schedstat": "580107 0 3"}))


def test_hyper_threads_of_a_core_count_once(tmp_path):
    siblings = {core: f"{core % 4},{core % 4 + 4}" for core in range(8)}
    names = {f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list": text for core, text in siblings.items()}
    make_files(tmp_path, names)
    assert physical_cores(set(range(8)), tmp_path) == 4
    assert physical_cores({0, 4, 1}, tmp_path) == 2


def test_affinity_and_launcher_are_read(monkeypatch):
    monkeypatch.setattr(threads, "affinity_of_process", lambda: {0, 3, 5})
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    machine = this_machine()
    assert (machine.logical, machine.processes) == (3, 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)  # each process is bound to cores of its own
    assert this_machine().processes == 1


def test_a_system_that_hides_its_load(monkeypatch):
    def hidden():
        raise OSError

    monkeypatch.setattr(os, "getloadavg", hidden)
    assert this_machine().load == 0.0


def run(code, **environment):
    """What a new Python prints, whose environment has no variable of OpenMP's but these."""
    names = {*threads.COUNTS, *threads.WAITS, "LOCAL_WORLD_SIZE"}
    clean = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**clean, **environment}, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


UNDER_A_QUOTA = """
from utils import threads
threads.prepare.cache_clear()
threads.quota_cores = lambda root: 1.0
threads.prepare()
import torch
print(torch.get_num_threads(), threads.threads_in_use('auto'))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp")
def test_the_variables_reach_openmp():
    printed = run(UNDER_A_QUOTA, OMP_DISPLAY_ENV="VERBOSE")
    assert "OMP_NUM_THREADS = '1'" in printed
    assert "GOMP_SPINCOUNT = '0'" in printed  # what PASSIVE means to libgomp
    assert printed.startswith("1 ")
    assert "a quota of 1 cores" in printed
    printed = run(UNDER_A_QUOTA, OMP_DISPLAY_ENV="VERBOSE", OMP_NUM_THREADS="3", GOMP_SPINCOUNT="77")
    assert "OMP_NUM_THREADS = '3'" in printed
    assert "GOMP_SPINCOUNT = '77'" in printed
    assert "OMP_NUM_THREADS=3 of the environment" in printed


def test_the_key_wins_over_the_environment():
    code = "from utils.threads import *; compute_with(3); print(threads_in_use(3))"
    printed = run(code, OMP_NUM_THREADS="2")
    assert "'threads': 3" in printed
    assert "num_threads = 3 of the config" in printed


SCRIPTS = [*ROOT.glob("*.py"), *ROOT.glob("tools/*.py"), *ROOT.glob("benchmarks/*.py")]
SCRIPTS = sorted(path for path in SCRIPTS if "__main__" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_script_imports_utils_before_torch(path):
    """Otherwise OpenMP would have read its variables already."""
    ours = {"utils", "benchmarks", "train"}  # the last two begin with utils themselves
    heavy = {"torch", "torchvision", "numpy", "sklearn", "timm", "models", "tests"}
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            names += [module.split(".")[0] for module in modules]
    first = next((name for name in names if name in ours | heavy), "utils")
    assert first in ours, f"{first} is imported before utils"


def test_the_log_and_the_environment_file_say_what_was_chosen(make_config, capsys):
    folder = train.run(make_config(epochs=2, num_threads=1))
    found = json.loads((folder / "environment.json").read_text())
    assert (found["threads"], found["threads_because"]) == (1, "num_threads = 1 of the config")
    assert (found["threads_wait"], found["available_cores"]) == ("have no other to wait for", threads.prepare().cores)
    line = f"threads: 1 (num_threads = 1 of the config); while they wait, they {found['threads_wait']}"
    assert capsys.readouterr().out.count(line) == 1
    assert (folder / "train.log").read_text(encoding="utf-8").count(line) == 1
