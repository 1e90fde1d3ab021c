"""utils/splitting: the arithmetic of dividing, against shares, groups and classes of every size."""

from collections import Counter
from itertools import product

from utils.splitting.assign import Group, assign, quotas

import numpy as np
import pytest

SHARES = [0.7, 0.2, 0.1]


@pytest.mark.parametrize("shares", [[0.8, 0.2], SHARES, [0.2] * 5, [0.1, 0.9]])
def test_quotas_are_the_shares_rounded_in_each_class_and_in_all(shares):
    counts = np.random.default_rng(0).integers(len(shares), 60, 500)
    wanted = quotas(counts, shares, train_first=len(shares) < 4)
    exact = np.outer(shares, counts)
    assert (wanted.sum(axis=0) == counts).all()
    assert (wanted >= 1).all()
    small = exact.min(axis=0) < 1  # one in each part comes before the shares there
    assert (abs(wanted - exact)[:, ~small] < 1 + 1e-9).all()
    if shares != SHARES:  # there the many classes of 3 to 9 images take more than a tenth for test
        np.testing.assert_allclose(wanted.sum(axis=1) / counts.sum(), shares, atol=0.04)


def test_what_rounding_takes_from_a_class_another_gives_back():
    assert quotas([7] * 100, [0.8, 0.2], train_first=True).sum(axis=1).tolist() == [560, 140]
    assert quotas([1] * 100, [0.25] * 4, train_first=False).sum(axis=1).tolist() == [25] * 4


@pytest.mark.parametrize("many", [0, 1, 7, 50])
def test_a_class_of_few_images_is_in_train_first_then_in_val(many):
    wanted = quotas([9] * many + [1, 2, 3], [0.5, 0.3, 0.2], train_first=True)
    assert wanted[:, many:].T.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert quotas([2], [0.4, 0.2, 0.4], train_first=True).T.tolist() == [[1, 1, 0]]


def singles(counts, seed=0):
    ranks = np.random.default_rng(seed).integers(2**60, size=sum(counts)).tolist()
    return [Group({c: 1}, ranks.pop()) for c, count in enumerate(counts) for _ in range(count)]


def counted(groups, parts, shape):
    table = np.zeros(shape, dtype=int)
    for group, part in zip(groups, parts):
        for c, n in group.counts.items():
            table[part, c] += n
    return table


def test_single_images_fill_the_quotas_exactly():
    counts = np.random.default_rng(1).integers(1, 40, 80).tolist()
    wanted = quotas(counts, SHARES, train_first=True)
    groups = singles(counts)
    assert (counted(groups, assign(groups, wanted, train_first=True), wanted.shape) == wanted).all()


def test_another_rank_is_another_division_and_the_order_of_the_groups_is_none():
    wanted = quotas([30, 30], [0.8, 0.2], train_first=True)
    groups = singles([30, 30])
    parts = assign(groups, wanted, train_first=True)
    assert assign(groups[::-1], wanted, train_first=True)[::-1] == parts
    assert assign(singles([30, 30], seed=1), wanted, train_first=True) != parts


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_any_size_come_near_to_the_quotas(seed):
    """Patients with 1 to 30 images each, of one to three classes out of 10."""
    random = np.random.default_rng(seed)
    groups = []
    for _ in range(400):
        classes = random.choice(10, random.integers(1, 4), replace=False).tolist()
        groups.append(Group({c: int(random.integers(1, 11)) for c in classes}, int(random.integers(2**60))))
    counts = [sum(group.counts.get(c, 0) for group in groups) for c in range(10)]
    wanted = quotas(counts, SHARES, train_first=True)
    table = counted(groups, assign(groups, wanted, train_first=True), wanted.shape)
    assert abs(table / table.sum(axis=0) - np.array(SHARES)[:, None]).max() < 0.04


def test_a_class_with_one_group_is_in_train():
    """Although nine tenths of the images are wanted in val, and the group is large."""
    groups = [Group({0: 40, 1: 1}, 0), *singles([60])]
    wanted = quotas([100, 1], [0.1, 0.9], train_first=True)
    assert assign(groups, wanted, train_first=True)[0] == 0


def test_large_groups_are_placed_while_there_is_room():
    groups = [*singles([20]), Group({0: 40}, 2**61), Group({0: 40}, 2**62)]
    wanted = quotas([100], [0.8, 0.2], train_first=True)
    assert counted(groups, assign(groups, wanted, train_first=True), wanted.shape).tolist() == [[80], [20]]


def test_large_groups_do_not_keep_a_class_out_of_val():
    groups = [Group({0: 60}, 1), Group({0: 40}, 2), *singles([0, 100])]
    wanted = quotas([100, 100], [0.8, 0.2], train_first=True)
    assert sorted(assign(groups, wanted, train_first=True)[:2]) == [0, 1]


@pytest.mark.parametrize(
    ("sizes", "reached"),
    [
        ([27, 19, 19, 34, 23, 6, 31], [100, 40, 19]),  # largest first, and no more, gives 107, 33, 19
        ([29, 23, 37, 36, 6, 25, 30], [120, 43, 23]),  # 126, 35, 25
        ([40, 21, 7, 9, 10, 6, 33], [82, 31, 13]),  # 80, 30, 16
    ],
)
def test_a_few_groups_are_exchanged_until_nothing_is_gained(sizes, reached):
    """No division of the three comes nearer, as trying all of them shows."""
    wanted = quotas([sum(sizes)], [0.65, 0.25, 0.1], train_first=True)
    groups = [Group({0: size}, rank) for rank, size in enumerate(sizes)]
    table = counted(groups, assign(groups, wanted, train_first=True), wanted.shape)
    assert table[:, 0].tolist() == reached
    every = np.eye(3, dtype=int)[np.array(list(product(range(3), repeat=len(sizes))))]
    errors = ((np.einsum("dgp,g->dp", every, sizes) - wanted[:, 0]) ** 2).sum(axis=1)
    assert errors[every.any(axis=1).all(axis=1)].min() == ((table - wanted) ** 2).sum()


@pytest.mark.parametrize("seed", range(20))
def test_no_exchange_leaves_a_part_without_a_class(seed):
    random = np.random.default_rng(seed)
    counts = random.integers(1, 30, (12, 3)) * (random.random((12, 3)) < 0.4)
    groups = [Group({c: int(n) for c, n in enumerate(row) if n}, rank) for rank, row in enumerate(counts) if row.any()]
    wanted = quotas(counts.sum(axis=0), SHARES, train_first=True)
    table = counted(groups, assign(groups, wanted, train_first=True), wanted.shape)
    held_by = (counts > 0).sum(axis=0)
    assert (table[0][held_by > 0] > 0).all()
    assert (table[:, held_by >= 6] > 0).all()


def test_folds_share_small_classes_evenly():
    counts = [2] * 50 + [100]
    wanted = quotas(counts, [0.2] * 5, train_first=False)
    groups = singles(counts)
    parts = assign(groups, wanted, train_first=False)
    assert set(Counter(parts).values()) == {40}
    table = counted(groups, parts, wanted.shape)
    assert table[:, :50].max() == 1


def test_a_million_images_take_seconds_not_hours():
    groups = singles([1000] * 20)
    wanted = quotas([1000] * 20, SHARES, train_first=True)
    assert Counter(assign(groups, wanted, train_first=True)) == {0: 14000, 1: 4000, 2: 2000}
