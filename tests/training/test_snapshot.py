"""What is put back, and what is not; tensor by tensor and all at once."""

from utils.training.snapshot import Snapshot, choose_at_once, choose_each

import pytest
import torch

HOLDS, HOLDS_NOT = torch.tensor(True), torch.tensor(False)


def tensors():
    return [torch.arange(6.0).view(2, 3), torch.tensor([4, 5]), torch.tensor(7), torch.tensor(-1.5)]


@pytest.mark.parametrize("skip", [HOLDS, HOLDS_NOT])
def test_spoilt_values_are_put_back_where_the_step_is_skipped(skip):
    held = tensors()
    snapshot = Snapshot(held)
    for tensor in held:
        tensor.fill_(float("nan") if tensor.is_floating_point() else -9)
    snapshot.restore_where(skip)
    expected = tensors() if skip else list(held)
    for tensor, value in zip(held, expected):
        assert torch.equal(tensor.nan_to_num(99), value.nan_to_num(99))
    assert bool(skip) == torch.isfinite(held[0]).all()


def test_without_tensors_there_is_nothing_to_do():
    Snapshot([]).restore_where(HOLDS)


@pytest.mark.parametrize("skip", [HOLDS, HOLDS_NOT])
def test_all_at_once_chooses_as_one_by_one_does(skip):
    """The first is for GPUs; infinite and missing numbers on the side that is not taken leave no trace."""
    results = []
    for choice in (choose_each, choose_at_once):
        into = [torch.zeros(2, 3), torch.zeros(()), torch.zeros(2, 2, 1, 3).to(memory_format=torch.channels_last)]
        one = [torch.full_like(tensor, float("nan") if not skip else 2.0) for tensor in into]
        other = [torch.full_like(tensor, float("inf") if skip else 3.0) for tensor in into]
        choice(skip, into, one, other)
        results.append(into)
    assert all(torch.equal(one, other) for one, other in zip(*results))
    assert results[0][0].eq(2.0 if skip else 3.0).all()


def test_what_comes_back_in_one_piece_keeps_its_place():
    into = [torch.zeros(2, 3), torch.zeros(4)]
    values = [torch.arange(6.0).view(2, 3), torch.arange(4.0)]
    choose_at_once(HOLDS, into, values, into)
    assert all(map(torch.equal, into, values))
