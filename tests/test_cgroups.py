"""Limits of containers and batch systems, of both versions of control groups."""

from utils.cgroups import free_memory, quota_cores
from utils.data import cache

import pytest

from tests.helpers.system_files import make_files

V1 = "35 24 0:31 {seen} /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct"
V1_MEMORY = "36 24 0:32 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory"
V2 = "30 23 0:26 {seen} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
HERE = "sys/fs/cgroup"
CPU = f"{HERE}/cpu,cpuacct"


@pytest.mark.parametrize(
    ("groups", "mounts", "limits", "expected"),
    [
        ("0::/", V2.format(seen="/"), {}, None),
        ("0::/", V2.format(seen="/"), {f"{HERE}/cpu.max": "200000 100000"}, 2.0),
        ("0::/", V2.format(seen="/"), {f"{HERE}/cpu.max": "max 100000"}, None),
        ("0::/", V2.format(seen="/"), {f"{HERE}/cpu.max": "rubbish"}, None),
        (
            "0::/a/b/c",
            V2.format(seen="/"),
            {f"{HERE}/a/b/c/cpu.max": "max 100000", f"{HERE}/a/b/cpu.max": "150000 50000", f"{HERE}/a/cpu.max": "9 1"},
            3.0,
        ),
        ("0::/../../x", V2.format(seen="/"), {f"{HERE}/cpu.max": "50000 100000"}, 0.5),
        ("0::/docker/1", V2.format(seen="/docker/1"), {f"{HERE}/cpu.max": "400000 100000"}, 4.0),
        (
            "4:memory:/m\n3:cpu,cpuacct:/docker/1",
            f"{V1_MEMORY}\n{V1.format(seen='/docker/1')}",
            {f"{CPU}/cpu.cfs_quota_us": "250000", f"{CPU}/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        (
            "3:cpu,cpuacct:/jobs/7",
            V1.format(seen="/"),
            {
                f"{CPU}/jobs/7/cpu.cfs_quota_us": "-1",
                f"{CPU}/jobs/7/cpu.cfs_period_us": "100000",
                f"{CPU}/jobs/cpu.cfs_quota_us": "100000",
                f"{CPU}/jobs/cpu.cfs_period_us": "50000",
            },
            2.0,
        ),
        (  # both versions side by side, as under systemd's hybrid
            "3:cpu,cpuacct:/\n0::/",
            f"{V1.format(seen='/')}\n{V2.format(seen='/').replace('/sys/fs/cgroup', '/sys/fs/cgroup/unified')}",
            {f"{CPU}/cpu.cfs_quota_us": "100000", f"{CPU}/cpu.cfs_period_us": "100000"},
            1.0,
        ),
    ],
)
def test_the_quota_of_a_container(tmp_path, groups, mounts, limits, expected):
    files = {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **limits}
    assert quota_cores(make_files(tmp_path, files)) == expected


MEMORY = f"{HERE}/memory"


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "expected"),
    [
        ("0::/", V2.format(seen="/"), {}, None),
        ("0::/", V2.format(seen="/"), {f"{HERE}/memory.max": "max", f"{HERE}/memory.current": "5"}, None),
        ("0::/", V2.format(seen="/"), {f"{HERE}/memory.max": "1000", f"{HERE}/memory.current": "300"}, 700),
        ("0::/", V2.format(seen="/"), {f"{HERE}/memory.max": "1000", f"{HERE}/memory.current": "1200"}, 0),
        (
            "0::/a/b",
            V2.format(seen="/"),
            {
                f"{HERE}/a/b/memory.max": "9000",
                f"{HERE}/a/b/memory.current": "100",
                f"{HERE}/a/memory.max": "1000",
                f"{HERE}/a/memory.current": "800",
                f"{HERE}/a/memory.stat": "anon 300\ninactive_file 450\nactive_file 50",
            },
            650,
        ),
        (
            "4:memory:/m",
            V1_MEMORY,
            {
                f"{MEMORY}/m/memory.limit_in_bytes": "2000",
                f"{MEMORY}/m/memory.usage_in_bytes": "1500",
                f"{MEMORY}/m/memory.stat": "inactive_file 7\ntotal_inactive_file 400",
            },
            900,
        ),
    ],
)
def test_the_memory_of_a_container(tmp_path, groups, mounts, files, expected):
    files = {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}
    assert free_memory(make_files(tmp_path, files)) == expected


@pytest.mark.parametrize(("allowed", "expected"), [(None, 5000), (800, 800), (9000, 5000)])
def test_a_cache_counts_with_the_less_of_machine_and_container(monkeypatch, allowed, expected):
    monkeypatch.setattr(cache.cgroups, "free_memory", lambda: allowed)
    monkeypatch.setattr(cache, "_of_the_machine", lambda: 5000)
    assert cache.free_memory() == expected
