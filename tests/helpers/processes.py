"""Processes that a test has started, seen from outside."""

import subprocess
from pathlib import Path


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
