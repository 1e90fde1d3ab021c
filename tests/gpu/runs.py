"""Runs on the device: in processes of their own, and how far the weights of two of them are from each other."""

from utils.training.build import make_model
from utils.weights.checkpoint import load_checkpoint

import pytest
import torch

from tests.run.faults.processes import Runs, folder_of


def needs_cuda(device, why):
    """Skip the test in a rehearsal on a CPU."""
    if device.type != "cuda":
        pytest.skip(f"on a CPU: {why}")


class DeviceRuns(Runs):
    """Runs of train.py whose folders lie below `root`/logs, as those of `make_config` in this process."""

    def begin_here(self, **options):
        return self.begin(self.root / "logs", **options)

    def newest(self):
        return folder_of(self.root / "logs")


def vector(tensors):
    """A copy of all numbers of some tensors in one vector, on their device."""
    return torch.cat([tensor.detach().float().flatten() for tensor in tensors])


def apart(one, other):
    """The distance of two vectors, as a share of the length of the second; summed up in float64 where the first is."""
    one = one.double()
    other = other.to(one.device).double()
    return ((one - other).norm() / other.norm()).item()


def cosine(one, other):
    one = one.double()
    other = other.to(one.device).double()
    return (one @ other / (one.norm() * other.norm())).item()


def moved(folder, config):
    """How far a run has brought the weights from the first ones, as one vector; BatchNorm's statistics left out."""
    saved = load_checkpoint(folder / "last.pth")
    first = make_model(config, torch.device("cpu"), len(saved["classes"]))
    before = dict(first.named_parameters())
    return vector(saved["net"][name] for name in before) - vector(before.values())
