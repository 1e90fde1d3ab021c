"""Processes that a test has started, seen from outside; runs of two processes."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}


def outcome_of(line, seconds=200):
    """What a command returned and said. If it hangs, the failure shows where each of its processes is."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, **streams, env=ENVIRONMENT) as process:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            for pid in reversed([process.pid, *descendants(process.pid)]):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGABRT)  # upon which the fault handler prints the stacks
            stdout, stderr = process.communicate()
            pytest.fail(f"hangs: {' '.join(line)}\n{stdout}\n{stderr}")
    return subprocess.CompletedProcess(line, process.returncode, stdout, stderr)


def descendants(pid):
    """Process ids below `pid`, parents first."""
    listing = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout.split("\n")[1:]
    children = {}
    for line in filter(None, listing):
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(0), [])
        found += below
        queue += below
    return found


def ranks(pids):
    def is_rank(pid):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            return b"train_multi_gpu.py" in line and b"torch.distributed" not in line
        except OSError:
            return False

    return [pid for pid in pids if is_rank(pid)]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
