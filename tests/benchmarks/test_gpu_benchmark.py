"""benchmarks/gpu.py on a CPU, at sizes that only show that all of it works, and its arithmetic."""

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType

from benchmarks.gpu_bench import on_device, union
from benchmarks.gpu_plan import Plan
from benchmarks.gpu_process import SideError
from benchmarks.gpu_steps import Found, advantage
from benchmarks.gpu_tables import peak_of
from tests.helpers import ROOT

pytest.importorskip("timm")

TITLES = ["Training steps", "AdderNet-50 beside resnet 50", "Epochs with our loader", "Loaders alone", "resnet 18 x2:"]


@pytest.fixture(scope="module")
def dry_run(tmp_path_factory):
    """(printed text, records of the JSON file)."""
    file = tmp_path_factory.mktemp("gpu") / "found.jsonl"
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--dry-run", "--json", str(file)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_COMPILE_DISABLE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout, [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.long
def test_the_dry_run_prints_every_table_with_full_rows(dry_run):
    text, _ = dry_run
    assert text.startswith(f"CPU, torch {torch.__version__}")
    for title in TITLES:
        assert text.count(title) == 1
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [len(block) - 2 for block in blocks[:4]] == [2, 1, 3, 1]
    for block in blocks:
        assert len({line.count(" | ") for line in block}) == 1, block
    assert "left out for want of time: none" in text
    assert "failed" not in text


@pytest.mark.long
def test_the_dry_run_writes_every_row_to_its_file(dry_run):
    _, records = dry_run
    assert [record["part"] for record in records] == [*["steps"] * 2, "epoch", *["loader"] * 3, "addernet", "host"]
    for record in records[:2]:
        assert record["errors"] == {}
        assert all(rate > 0 for rate in record["images_per_s"].values())
    phases = records[-1]["phases"]
    assert {"forward", "backward", "optimizer", "average of the weights", "statistics kept", "rest"} <= set(phases)
    assert sum(ms for ms, _ in phases.values()) == pytest.approx(records[-1]["host_ms"])


def test_busy_time_counts_what_overlaps_once():
    assert union([(0, 10), (2, 5), (8, 12), (20, 21)]) == 13


@pytest.mark.parametrize(
    ("card", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("NVIDIA L40S", None),
    ],
)
def test_peaks_go_by_whole_words_of_the_name(card, peak):
    assert peak_of(card) == peak


def test_ours_is_compared_with_the_better_of_the_others():
    found = {"ours": Found([{"seconds": 2.0}]), "timm": Found([{"seconds": 4.0}]), "torchvision": Found()}
    assert advantage(found) == [2.0]
    assert advantage({"ours": Found(), "timm": Found([{"seconds": 4.0}])}) == []


def test_a_plan_leaves_out_what_does_not_fit_and_goes_on_after_a_failure():
    done, said, plan = [], [], Plan(1.0)
    plan.start = time.perf_counter() - 25  # 35 seconds are left

    def fail(deadline, timeout):
        raise SideError("out of memory")

    plan.add("eager", "first", fail)
    plan.add("addernet", "second", lambda deadline, timeout: done.append("second"))
    plan.add("compiled", "third", lambda deadline, timeout: done.append("third"))
    plan.run(said.append)
    assert done == ["second"]
    assert said[0] == "first failed: out of memory"
    assert said[1].endswith("left out for want of time: third")


def test_kernels_are_neither_calls_nor_marks():
    def event(kind, start, end, mark=False):
        values = dict(device_type=kind, start_ns=start, end_ns=end, is_user_annotation=mark)
        return SimpleNamespace(**{name: lambda value=value: value for name, value in values.items()})

    events = [event(DeviceType.CUDA, 5, 9), event(DeviceType.CPU, 0, 4), event(DeviceType.CUDA, 1, 3)]
    events.append(event(DeviceType.CUDA, 0, 20, mark=True))
    results = SimpleNamespace(events=lambda: events)
    profiler = SimpleNamespace(profiler=SimpleNamespace(kineto_results=results))
    assert on_device(profiler) == [(1, 3), (5, 9)]
