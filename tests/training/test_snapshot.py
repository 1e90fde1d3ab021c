"""What is put back, and what is not."""

from utils.training.snapshot import Group, Snapshot, groups_of

import pytest
import torch

HOLDS = torch.tensor(True)
HOLDS_NOT = torch.tensor(False)


def tensors():
    return [torch.arange(6.0).view(2, 3), torch.tensor([4, 5]), torch.tensor(7), torch.tensor(-1.5)]


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), 3.0])
def test_values_are_put_back_where_the_step_is_skipped(spoilt):
    held = tensors()
    snapshot = Snapshot(groups_of(held))
    for tensor in held:
        tensor.fill_(spoilt if tensor.is_floating_point() else -9)
    snapshot.restore_where(HOLDS)
    assert all(map(torch.equal, held, tensors()))


def test_new_values_stay_where_it_is_not_even_beside_numbers_that_are_none():
    held = tensors()
    held[0][0, 0] = float("nan")  # as it was before
    snapshot = Snapshot(groups_of(held))
    for tensor in held:
        tensor.fill_(11)
    snapshot.restore_where(HOLDS_NOT)
    assert all(tensor.eq(11).all() for tensor in held)


def test_without_tensors_there_is_nothing_to_do():
    assert groups_of([]) == []
    Snapshot([]).restore_where(HOLDS)


def test_a_group_is_one_vector_of_its_tensors():
    held = [torch.zeros(2, 2), torch.zeros(()), torch.zeros(3)]
    group = Group(held)
    group.write(torch.arange(8.0))
    assert [tensor.tolist() for tensor in held] == [[[0, 1], [2, 3]], 4, [5, 6, 7]]
    assert group.read().tolist() == list(range(8))


def test_kinds_of_numbers_are_groups_of_their_own():
    assert [group.read().dtype for group in groups_of(tensors())] == [torch.float32, torch.int64]
