"""When one process of a run fails, all end soon, one line names the cause, nothing is left, last.pth is good."""

import math
import os
import signal
import subprocess
import sys
import time
from functools import partial

from utils.weights.checkpoint import load_checkpoint

import pytest

from tests.helpers.processes import alive, descendants, ranks
from tests.helpers.runs import assert_same_run, wait_for
from tests.run.faults.injected import (
    all_of,
    killed_in_step,
    loader_killed_in_step,
    no_number_in_batch,
    raises_in_step,
    report_weights,
    with_scaler,
)
from tests.run.faults.processes import ROOT, assert_equal_to_the_end, folder_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no kill -9 on Windows")
LIMIT = 60  # seconds


def watched(job):
    """Wait for the end of all processes of the job, their children too. Returns the statuses."""
    everyone = {process.pid for process in job.processes}
    start = time.monotonic()
    while not job.ended():
        everyone |= {child for process in job.processes for child in descendants(process.pid)}
        assert time.monotonic() - start < LIMIT + 60, job.said()
        time.sleep(0.1)
    wait_for(lambda: not any(map(alive, everyone)), 20)
    return job.end()


def test_a_loading_process_that_is_killed_ends_the_run_with_one_line(make_runs, tmp_path):
    job = make_runs(num_workers=1).begin(tmp_path / "part", fault=partial(loader_killed_in_step, 2))
    assert watched(job) == [1]
    error = [line for line in job.said().splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert "a loading process (pid " in error[0]
    assert "was killed by signal: Killed" in error[0] or "exited unexpectedly" in error[0]
    assert "Traceback" not in job.said()
    assert load_checkpoint(folder_of(tmp_path / "part") / "last.pth")["step"] >= 1


@pytest.mark.parametrize("fault", [killed_in_step, pytest.param(raises_in_step, marks=pytest.mark.long)])
def test_a_rank_that_fails_ends_the_other(make_runs, tmp_path, fault):
    runs = make_runs(ranks=2)
    job = runs.begin(tmp_path / "part", fault=partial(fault, 3, 1))
    assert watched(job) == [1, 1 if fault is raises_in_step else -signal.SIGKILL]
    assert "error: lost another process of this run" in job.said()
    assert job.said().count("Traceback") == (fault is raises_in_step)  # of the fault itself, which names the cause
    assert ("ArithmeticError: a fault of the program" in job.said()) == (fault is raises_in_step)
    assert load_checkpoint(folder_of(tmp_path / "part") / "last.pth")["step"] == 2
    if fault is killed_in_step:
        assert_equal_to_the_end(runs.whole()[0], runs.finish(tmp_path / "part"))


def states(job):
    """What each rank says of its weights, average, schedule and scaler at the end."""
    return [line for line in job.said().splitlines() if line.startswith("state ")]


def test_a_loss_that_is_no_number_on_one_rank_is_skipped_by_all(make_runs, tmp_path):
    """In the first of the two batches that make a step, with a scaler that overflows at the start as well."""
    runs = make_runs(ranks=2)
    faults = partial(with_scaler, 2.0**127), partial(no_number_in_batch, 5, 1), report_weights
    job = runs.begin(tmp_path / "part", fault=partial(all_of, *faults))
    assert job.end() == [0, 0], job.said()
    assert job.said().count("step skipped: the loss is no number for a batch of ") == 1
    one, other = states(job)
    assert one == other
    last = load_checkpoint(folder_of(tmp_path / "part") / "last.pth")
    scale = last["scaler"]["scale"]
    skipped = round(math.log2(2.0**127 / scale))
    assert skipped >= 2  # an overflow and the loss
    assert last["scheduler"]["last_epoch"] == last["step"]  # it counts the steps tried


def restarts(number, name="a launch"):
    """The variables that torchrun --max-restarts sets."""
    return {
        "TORCHELASTIC_RESTART_COUNT": str(number),
        "TORCHELASTIC_MAX_RESTARTS": "3",
        "TORCHELASTIC_RUN_ID": name,
    }


def test_a_restart_by_the_launcher_resumes_its_own_run_and_no_other(make_runs, tmp_path):
    runs, logs = make_runs(), tmp_path / "logs"
    for name in ("a launch", "another launch"):
        job = runs.begin(logs, **restarts(0, name), fault=partial(killed_in_step, 3, 0))
        assert job.end() == [-signal.SIGKILL]
    again = runs.begin(logs, **restarts(1, "a launch"))
    assert again.end() == [0], again.said()
    assert "started again by the launcher: resuming" in again.said()
    folders = logs / "shufflenetv2_0.5"
    assert sorted(path.name for path in folders.glob("exp*")) == ["exp0", "exp1"]
    assert_equal_to_the_end(runs.whole()[0], folders / "exp0")
    assert load_checkpoint(folders / "exp1" / "last.pth")["step"] == 2
    assert len(list(folders.glob(".*"))) == 1  # of the launch that has not come to its end


@pytest.mark.long
def test_a_launch_under_a_name_that_was_used_before_does_not_resume_the_older_run(make_runs, tmp_path):
    runs, logs = make_runs(), tmp_path / "logs"
    for step in (3, 1):  # the second is killed before it has a checkpoint
        job = runs.begin(logs, **restarts(0), fault=partial(killed_in_step, step, 0))
        assert job.end() == [-signal.SIGKILL]
    again = runs.begin(logs, **restarts(1))
    assert again.end() == [0], again.said()
    assert folder_of(logs).name == "exp2"
    assert load_checkpoint(folder_of(logs).with_name("exp0") / "last.pth")["step"] == 2


@pytest.mark.long
def test_torchrun_restarts_and_the_run_resumes(make_runs, tmp_path):
    runs = make_runs(ranks=2)
    whole, _ = runs.whole()
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "--max-restarts=2"]
    line += [str(ROOT / "train_multi_gpu.py"), "--config", str(runs.config), "--set", f"log_root={tmp_path / 'part'}"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: any((tmp_path / "part").glob("*/*/last.pth")) or process.poll() is not None)
    os.kill(ranks(descendants(process.pid))[-1], signal.SIGKILL)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "started again by the launcher: resuming" in output
    assert_same_run(whole, tmp_path / "part" / "shufflenetv2_0.5" / "exp0")
