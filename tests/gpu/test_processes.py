"""Several processes: nccl with one; two over gloo on one GPU, which together are a single process of both batches."""

import os
import subprocess
import sys
from functools import partial

from utils.weights.checkpoint import load_checkpoint

import pytest
import torch

import train
from tests.gpu.runs import apart, moved, needs_cuda
from tests.helpers import ROOT
from tests.helpers.runs import results
from tests.run.test_unreadable import spoil

# regnetx blows no rounding up; without what is drawn by rank, and without TF32, which other processes do not forbid
PLAIN = dict(model_prefix="regnetx", model_suffix="200mf", mixup_prob=0.0, cutmix_prob=0.0, accumulate_steps=1)
PLAIN |= dict(epochs=2, warmup_epochs=0, init_lr=1e-3, use_apex=False)
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1"]


def exact_float32():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def difference(folder, single, config):
    """(of the first epoch's losses, of the way that the weights went) between two runs, as shares."""
    ours, theirs = (float(results(each)[0]["train_loss"]) for each in (folder, single))
    return abs(ours / theirs - 1), apart(moved(folder, config), moved(single, config))


def test_one_process_under_nccl_trains_as_without_a_launcher(device, make_config, tmp_path):
    """Its full batches are recorded, beside the thread that watches nccl."""
    needs_cuda(device, "nccl works on GPUs alone")
    single = train.run(config := make_config(**PLAIN))
    make_config(**PLAIN, dist_backend="nccl", sync_bn=True)
    line = [*LAUNCH, str(ROOT / "train_multi_gpu.py"), "--config", str(tmp_path / "config.py")]
    environment = {**os.environ, "NVIDIA_TF32_OVERRIDE": "0"}
    outcome = subprocess.run(line, capture_output=True, text=True, timeout=120, env=environment)
    assert outcome.returncode == 0, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "not recorded" not in outcome.stderr
    folder = single.parent / "exp1"
    checkpoint = load_checkpoint(folder / "last.pth")
    assert (checkpoint["world_size"], checkpoint["config"]["dist_backend"]) == (1, "nccl")
    assert not any(name.startswith("module.") for name in checkpoint["net"])
    loss, way = difference(folder, single, config)
    assert loss <= 1e-3  # steps of other roundings
    assert way <= 0.05


@pytest.mark.parametrize("sync_bn", [True, False])
def test_two_processes_on_one_gpu_are_one_of_both_batches(device, make_config, make_runs, image_folder, sync_bn):
    """With BatchNorm's statistics over both; each with its own they are another network, which shows the difference."""
    needs_cuda(device, "torch synchronises BatchNorm on CUDA alone; tests/run/test_distributed.py has the rest")
    root = image_folder({"train": {"ant": 8, "bee": 8}, "val": {"ant": 3, "bee": 3}}, name="even", size=(70, 80))
    changes = dict(PLAIN, img_path=str(root), horizontal_flip=0.0)
    single = train.run(config := make_config(**changes, batch_size=8))
    apiece = dict(changes, batch_size=4, dist_backend="gloo", gpu_ids=[0, 0], sync_bn=sync_bn)
    runs = make_runs(ranks=2, **apiece)
    job = runs.begin_here(fault=partial(exact_float32))
    assert job.end() == [0, 0], job.said()
    folder = runs.newest()
    assert folder != single
    assert load_checkpoint(folder / "last.pth")["world_size"] == 2
    loss, way = difference(folder, single, config)
    if sync_bn:
        assert loss <= 1e-3  # steps of other roundings
        assert way <= 0.05
    else:
        assert way >= 0.3  # 1.2 between CPUs


def test_a_process_without_an_image_leaves_synchronised_batchnorm_to_the_other(
    device, make_config, make_runs, image_folder
):
    """In the first of two steps; the statistics are of the other's images alone, as in a single process."""
    needs_cuda(device, "torch synchronises BatchNorm on CUDA alone; tests/run/test_unreadable.py has the rest")
    root = image_folder({"train": {"ant": 8, "bee": 8}, "val": {"ant": 3, "bee": 3}}, name="even", size=(70, 80))
    spoil(root, slice(1, 8, 2))
    changes = dict(PLAIN, img_path=str(root), horizontal_flip=0.0, on_bad_image="skip", epochs=1)
    single = train.run(config := make_config(**changes, batch_size=8))
    apiece = dict(changes, batch_size=4, dist_backend="gloo", gpu_ids=[0, 0], sync_bn=True)
    runs = make_runs(ranks=2, **apiece)
    job = runs.begin_here(fault=partial(exact_float32))
    assert job.end() == [0, 0], job.said()
    loss, way = difference(runs.newest(), single, config)
    assert loss <= 1e-3
    assert way <= 0.05
