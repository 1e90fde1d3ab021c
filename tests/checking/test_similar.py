"""utils/checking/similar.py, utils/components.py: nothing near is missed among many, nothing else is called near."""

import io

from utils.checking import similar
from utils.checking.fingerprint import Fingerprint, fingerprint
from utils.checking.similar import FARTHEST, candidates, find_alike
from utils.components import UnionFind, components

import numpy as np
import pytest
from PIL import Image


def flipped(value, bits):
    for bit in bits:
        value ^= 1 << int(bit)
    return value


@pytest.fixture
def random():
    return np.random.default_rng(0)


def listed(chunks):
    return [pair for i, j in chunks for pair in zip(i.tolist(), j.tolist(), strict=True)]


@pytest.mark.parametrize("limit", [0, 4, FARTHEST])
def test_every_pair_within_reach_is_a_candidate_and_comes_once(limit, random):
    hashes = random.integers(2**64, size=400, dtype=np.uint64).tolist()
    hashes += [flipped(hashes[i], random.choice(64, i % (FARTHEST + 2), replace=False)) for i in range(200)]
    found = listed(candidates(np.array(hashes, dtype=np.uint64), limit))
    near = [(i, j) for j in range(600) for i in range(j) if (hashes[i] ^ hashes[j]).bit_count() <= limit]
    assert sorted(found) == sorted(near)
    assert {(i, 400 + i) for i in range(200) if i % (FARTHEST + 2) <= limit} <= set(found)


def test_chunks_hold_all_pairs_of_a_crowd_once(monkeypatch):
    monkeypatch.setattr(similar, "AT_ONCE", 50)
    hashes = np.full(40, 7, dtype=np.uint64)
    chunks = list(candidates(hashes, FARTHEST))
    assert sorted(listed(chunks)) == sorted((i, j) for j in range(40) for i in range(j))
    assert max(len(i) for i, _ in chunks) <= 100


@pytest.fixture
def compared(monkeypatch):
    """The pairs whose thumbnails are compared, as they come."""
    pairs = []
    confirmed = similar._confirmed

    def counted(thumbnails, first, second):
        pairs.extend(zip(first.tolist(), second.tolist(), strict=True))
        return confirmed(thumbnails, first, second)

    monkeypatch.setattr(similar, "_confirmed", counted)
    return pairs


def test_of_a_crowd_that_looks_alike_few_pairs_are_compared(compared):
    """Tiles of a blank slide share a hash. All pairs of these, in each of the five bands, would be 898,500."""
    blank = np.full((16, 16, 3), 240, dtype=np.uint8)
    prints = [Fingerprint(i.to_bytes(2, "big"), 0, blank) for i in range(600)]
    assert find_alike(prints, 8).near == [list(range(600))]
    assert len(compared) <= 5000


def test_no_pair_is_compared_twice_where_none_looks_alike(compared, random):
    prints = [Fingerprint(bytes([i]), 5, random.integers(256, size=(16, 16, 3), dtype=np.uint8)) for i in range(30)]
    assert find_alike(prints, 8).near == []
    assert sorted(compared) == [(i, j) for i in range(30) for j in range(i + 1, 30)]


@pytest.mark.parametrize("limit", [0, 4, 8])
def test_near_means_within_the_limit(limit, random):
    picture = random.integers(256, size=(16, 16, 3), dtype=np.uint8)
    start = int(random.integers(2**63))
    prints = [
        Fingerprint(bytes([i]), flipped(start, range(bits)), picture)
        for i, bits in enumerate((0, limit, 20, 21 + limit))
    ]
    [near] = find_alike(prints[:2], limit).near
    assert near == [0, 1]
    assert find_alike([prints[0], prints[3]], limit).near == []


def test_equal_hashes_of_different_pictures_are_not_near(random):
    prints = [Fingerprint(bytes([i]), 5, random.integers(256, size=(16, 16, 3), dtype=np.uint8)) for i in range(4)]
    assert find_alike(prints, 8).near == []


def test_equal_pixels_are_the_same_and_unreadable_ones_nothing(random):
    picture = random.integers(256, size=(16, 16, 3), dtype=np.uint8)
    prints = [
        Fingerprint(b"a", 1, picture),
        None,
        Fingerprint(b"b", 2**60 - 1, picture),
        Fingerprint(b"a", 1, picture),
        None,
    ]
    likeness = find_alike(prints, 8)
    assert (likeness.same, likeness.near) == ([[0, 3]], [])
    assert find_alike([None, None], 8).same == []


def test_components():
    assert components(6, [(4, 1), (1, 2), (5, 5)]) == [0, 1, 1, 2, 1, 3]
    assert components(0, []) == []


def test_roots_stand_for_the_sets_while_these_grow():
    sets = UnionFind(6)
    assert sets.roots().tolist() == [0, 1, 2, 3, 4, 5]
    for i, j in ((0, 1), (2, 3), (1, 3), (4, 0)):
        sets.join(i, j)
    roots = sets.roots().tolist()
    assert len(set(roots[:5])) == 1
    assert roots[5] == 5
    assert roots == [sets.root(i) for i in range(6)]


def test_pixels_are_equal_in_pictures_of_equal_shape_only():
    wide, high, other = (Image.new("RGB", size, colour) for size, colour in (((4, 2), 9), ((2, 4), 9), ((4, 2), 8)))
    digests = [fingerprint(picture).digest for picture in (wide, wide.copy(), high, other)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_picture_of_hardly_any_contrast_is_like_its_jpeg():
    """A clear sky: what JPEG changes is as much as what there is to see."""
    sky = np.empty((90, 120, 3), dtype=np.uint8)
    sky[...] = np.linspace(180, 183, 120)[None, :, None]
    sky[::7, ::5] += 2
    picture = Image.fromarray(sky)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=30)
    with Image.open(data) as again:
        prints = [fingerprint(picture), fingerprint(again.convert("RGB"))]
    assert find_alike(prints, 8).near == [[0, 1]]
