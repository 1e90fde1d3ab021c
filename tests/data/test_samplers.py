"""Orders of an epoch: which images come when and on which rank, in batches of which sizes."""

from utils.data.samplers import EvalBatches, TrainBatches, shuffled

import numpy as np
import pytest
import torch


def indices_of(batches, epoch=0, start=0):
    """The image indices of each batch of an epoch."""
    batches.set_epoch(epoch, start)
    keys = list(batches)
    assert all(key_epoch == epoch for batch in keys for key_epoch, _ in batch)
    return [[index for _, index in batch] for batch in keys]


def flat(batches):
    return [index for batch in batches for index in batch]


def test_an_epoch_holds_every_image_once_in_an_order_of_its_own():
    batches = TrainBatches(shuffled(10), 4, seed=0)
    epochs = [indices_of(batches, epoch) for epoch in range(3)]
    assert [len(batch) for batch in epochs[0]] == [4, 4, 2]
    assert all(sorted(flat(epoch)) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert indices_of(batches, 1) == epochs[1]
    assert indices_of(TrainBatches(shuffled(10), 4, seed=1)) != epochs[0]


def test_the_order_does_not_depend_on_the_global_generator():
    torch.manual_seed(1)
    before = indices_of(TrainBatches(shuffled(10), 4, seed=0))
    torch.manual_seed(2)
    assert indices_of(TrainBatches(shuffled(10), 4, seed=0)) == before


@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_share_an_epoch_evenly_and_wrap_around(world_size):
    whole = flat(indices_of(TrainBatches(shuffled(21), 4, seed=0)))
    ranks = [TrainBatches(shuffled(21), 4, seed=0, rank=rank, world_size=world_size) for rank in range(world_size)]
    shares = [flat(indices_of(batches)) for batches in ranks]
    assert {len(share) for share in shares} == {-(-21 // world_size)}
    assert {len(batches) for batches in ranks} == {len(indices_of(ranks[0]))}
    dealt = [share[place] for place in range(len(shares[0])) for share in shares]
    assert dealt == whole + whole[: len(dealt) - 21]  # disjoint but for those that fill the last round


def balanced(targets):
    """Each class as often as the commonest, drawn with replacement."""
    places = [np.flatnonzero(targets == each) for each in range(targets.max() + 1)]
    most = max(map(len, places))

    def order(seed, epoch):
        drawn = np.random.default_rng([seed, epoch])
        return drawn.permutation(np.concatenate([drawn.choice(own, most) for own in places]))

    return order


def test_an_order_may_draw_classes_equally_often_and_is_resumed_in_mid_epoch():
    targets = np.array([0] * 12 + [1] * 3 + [2])
    batches = TrainBatches(balanced(targets), 5, seed=3)
    epoch = indices_of(batches, 1)
    assert np.bincount(targets[flat(epoch)]).tolist() == [12, 12, 12]
    assert indices_of(batches, 1, start=4) == epoch[4:]
    assert indices_of(TrainBatches(balanced(targets), 5, seed=3), 1) == epoch
    shares = [TrainBatches(balanced(targets), 5, seed=3, rank=rank, world_size=2) for rank in range(2)]
    assert sorted(flat(indices_of(shares[0], 1)) + flat(indices_of(shares[1], 1))) == sorted(flat(epoch))


def test_an_order_may_be_of_another_size_in_each_epoch():
    batches = TrainBatches(lambda seed, epoch: range(4 * (epoch + 1)), 4, seed=0)
    for epoch in range(3):
        assert len(flat(indices_of(batches, epoch))) == 4 * (epoch + 1)
        assert len(batches) == epoch + 1


class Affine:
    """A permutation of very many images without a list of them: i -> (a * i + b) modulo a prime."""

    def __init__(self, places, factor=1_000_003):
        self.places, self.factor = places, factor

    def __len__(self):
        return len(self.places)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return Affine(self.places[place], self.factor)
        return self.places[place] * self.factor % BILLION


BILLION = 1_000_000_007


def test_a_thousand_million_images_need_no_list_of_them():
    batches = TrainBatches(lambda seed, epoch: Affine(range(BILLION)), 4, seed=0, rank=1, world_size=2)
    batches.set_epoch(0, start=len(batches) - 1)
    [last] = list(batches)
    assert len(last) == 4
    batches.set_epoch(0, start=100)
    first = [index for _, index in next(iter(batches))]
    assert first == [(1 + 2 * (400 + place)) * 1_000_003 % BILLION for place in range(4)]


def test_more_ranks_than_images_still_get_one_each():
    shares = [flat(indices_of(TrainBatches(shuffled(1), 4, seed=0, rank=rank, world_size=3))) for rank in range(3)]
    assert shares == [[0], [0], [0]]


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (9, 4, [4, 5]),  # a last batch of one joins the one before
        (8, 4, [4, 4]),
        (3, 8, [3]),  # fewer images than a batch
        (1, 8, [1]),
        (3, 1, [1, 1, 1]),
        (5, 2, [2, 3]),
    ],
)
def test_sizes_of_batches(count, batch_size, sizes):
    batches = TrainBatches(shuffled(count), batch_size, seed=0)
    assert [len(batch) for batch in indices_of(batches)] == sizes
    assert len(batches) == len(sizes)


@pytest.mark.parametrize("start", range(4))
def test_a_start_skips_exactly_the_batches_that_are_done(start):
    batches = TrainBatches(shuffled(13), 4, seed=0)
    whole = indices_of(batches, 2)
    assert indices_of(batches, 2, start) == whole[start:]
    assert len(batches) == 3  # of the whole epoch
    assert indices_of(batches, 3) == indices_of(TrainBatches(shuffled(13), 4, seed=0), 3)  # the next one is whole again


@pytest.mark.parametrize("count", [1, 5, 7, 21])
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_shards_for_evaluation_cover_each_image_once(count, world_size):
    shards = [EvalBatches(count, 4, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert all(len(shard) == len(list(shard)) for shard in shards)
    assert sorted(index for shard in shards for batch in shard for _, index in batch) == list(range(count))
