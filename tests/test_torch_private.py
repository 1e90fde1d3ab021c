"""With torch's private names and without them: the same results."""

import ast

from utils import torch_private
from utils.torch_private import (
    end_broken_recording,
    end_workers,
    give_back_cublas_memory,
    in_memory_order,
    remember_rates,
)

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from tests.helpers import ROOT


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_adam_in_the_order_of_memory_takes_the_same_steps(kind, monkeypatch):
    class Without(kind):
        """A torch whose optimizers have no such method."""

    def steps(optimizer):
        torch.manual_seed(0)
        model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        taken = optimizer(model.parameters(), 0.1, fused=True)
        for _ in range(3):
            taken.zero_grad()
            model(torch.ones(2, 3, 8, 8).to(memory_format=torch.channels_last)).square().sum().backward()
            taken.step()
        return model.weight.detach().clone()

    assert in_memory_order(kind) is not kind
    assert torch.equal(steps(in_memory_order(kind)), steps(Without))


def test_an_optimizer_without_the_method_is_taken_as_it_is():
    class Plain:
        pass

    assert in_memory_order(Plain) is Plain


def test_rates_that_were_set_from_outside_hold_in_the_next_step_either_way():
    rates = []
    for private in (True, False):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
        scheduler = LambdaLR(optimizer, lambda step: 1 / (1 + step))
        scheduler.last_epoch = 5
        if not private:
            del scheduler._last_lr
        remember_rates(scheduler, [1 / 6])
        assert hasattr(scheduler, "_last_lr") == private
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == [1 / 7, 1 / 7]


def test_a_loader_without_the_private_names_is_left_to_end_by_itself():
    class Other:
        pass

    end_workers(Other(), Other())


@pytest.mark.parametrize("ended_by_torch", [False, True])
@pytest.mark.parametrize("name", ["_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool"])
def test_a_pool_is_released_once_whether_or_not_torch_ended_it(monkeypatch, name, ended_by_torch):
    called = []

    def end(device, pool):
        called.append((device, pool))
        if ended_by_torch:
            raise RuntimeError("no such recording")

    for other in ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool", "_cuda_releasePool"):
        monkeypatch.delattr(torch._C, other, raising=False)
    end_broken_recording(torch.device("cuda", 1), "pool")  # a torch without the names
    monkeypatch.setattr(torch._C, name, end, raising=False)
    monkeypatch.setattr(torch._C, "_cuda_releasePool", lambda *given: called.append("released"), raising=False)
    end_broken_recording(torch.device("cuda", 1), "pool")
    assert called == [(1, "pool"), *([] if ended_by_torch else ["released"])]


def test_memory_of_cublas_is_given_back_where_torch_can(monkeypatch):
    called = []
    monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: called.append(1), raising=False)
    give_back_cublas_memory()
    monkeypatch.delattr(torch._C, "_cuda_clearCublasWorkspaces")
    give_back_cublas_memory()
    assert called == [1]


def test_they_are_used_in_one_place():
    """Names with an underscore that belong to torch's modules or objects: all in utils/torch_private.py."""
    names = {"_shutdown_workers", "_iterator", "_init_group", "_last_lr", "_metadata", "_dynamo"}
    names |= {"_reorder_convolution_weight", "_convolution_pointwise"}
    names |= {"_cuda_clearCublasWorkspaces", "_cuda_endAllocateToPool", "_cuda_releasePool"}
    for folder in ("utils", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            used = {
                node.attr for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)
            }
            assert not used & names or path.samefile(torch_private.__file__), path
