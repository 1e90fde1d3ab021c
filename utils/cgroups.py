"""What the control groups of Linux allow this process, as a container or a batch system sets it.

Reference: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max, memory.max),
https://docs.kernel.org/scheduler/sched-bwc.html (version 1: cpu.cfs_quota_us, cpu.cfs_period_us),
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (version 1: memory.limit_in_bytes).

Nothing here imports torch.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")  # where /proc and /sys are found


def quota_cores(root: Path = ROOT) -> float | None:
    """Cores' worth of time that this process may use, the least of all levels; None: no limit."""
    return min((limit for level in _levels("cpu", root) if (limit := _cores(level)) is not None), default=None)


def free_memory(root: Path = ROOT) -> int | None:
    """Bytes of memory that this process may still take, the least of all levels; None: no limit."""
    return min((left for level in _levels("memory", root) if (left := _memory(level)) is not None), default=None)


def _cores(group: Path) -> float | None:
    quota, _, period = read_small(group / "cpu.max").partition(" ")
    if not quota:
        quota = read_small(group / "cpu.cfs_quota_us")
        period = read_small(group / "cpu.cfs_period_us")
    allowed = integer(quota, -1)  # "max" and -1: no limit
    span = integer(period, 100_000)
    return allowed / span if allowed > 0 and span > 0 else None


def _memory(group: Path) -> int | None:
    """The limit less what is in use, of which pages of files that nobody reads are given back when they are wanted."""
    limit = integer(read_small(group / "memory.max") or read_small(group / "memory.limit_in_bytes"), -1)
    used = integer(read_small(group / "memory.current") or read_small(group / "memory.usage_in_bytes"), -1)
    if limit < 0 or used < 0:  # "max": no limit
        return None
    counts = dict(re.findall(r"^(\w+) (\d+)$", read_small(group / "memory.stat"), re.MULTILINE))
    files = integer(counts.get("total_inactive_file") or counts.get("inactive_file"), 0)
    return max(0, limit - max(0, used - files))


def _levels(controller: str, root: Path) -> Iterator[Path]:
    """The folders of the groups that this process is in, and of those above them."""
    for folder, top in _groups(controller, root):
        for level in (folder, *folder.parents):
            yield level
            if level == top:
                break


def _groups(controller: str, root: Path) -> list[tuple[Path, Path]]:
    """(group of this process, top of what is visible) for each hierarchy that may have limits of `controller`."""
    groups = {}
    for line in read_small(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not path.startswith("/"):
            continue
        if number == "0" or controller in controllers.split(","):
            groups["cgroup2" if number == "0" else "cgroup"] = path
    found = []
    for line in read_small(root / "proc/self/mountinfo").splitlines():
        mount, _, source = line.partition(" - ")
        kind, _, options = source.partition(" ")
        if kind not in groups or (kind == "cgroup" and controller not in options.split(" ")[-1].split(",")):
            continue
        visible, point = (_unescaped(text) for text in mount.split(" ")[3:5])
        top = root / point.lstrip("/")
        below = os.path.relpath(groups[kind], visible)  # a container may see its own group as the mount's root
        found.append((top if below.split("/")[0] == ".." else top / below, top))
    return found


def _unescaped(text: str) -> str:
    """A path in /proc/self/mountinfo, where a space is written as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def read_small(path: Path) -> str:
    """A small file of the kernel's; "" where there is none or it may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def integer(text: str | None, otherwise: int) -> int:
    try:
        return int(text or "")
    except ValueError:
        return otherwise
