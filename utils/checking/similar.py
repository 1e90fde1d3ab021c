"""Pictures that are the same or nearly so, among a hundred thousand: found by hash, confirmed by thumbnail."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from tqdm import tqdm

from ..components import UnionFind
from .fingerprint import Fingerprint

BANDS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))  # (first bit, bits): five parts of a hash
FARTHEST = 9  # differing bits: spread over five bands they leave one with a single bit changed, or none
AT_ONCE = 1 << 21  # pairs whose hashes are compared together, to bound the memory
THUMBNAILS_AT_ONCE = 4096  # pairs whose thumbnails are
# Between thumbnails that are taken for one picture, in grey levels of 0..255: see `_confirmed`
LEAST, MOST, SHARE, TINT = 1.0, 8.0, 0.4, 24.0
ONES = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)


@dataclass(frozen=True)
class Likeness:
    """`same`: lists of pictures with equal pixels. `near`: lists of pictures that look alike, and are not all equal.

    A picture may be in one of each. Likeness is passed on: a like b and b like c puts all three in one list.
    """

    same: list[list[int]]
    near: list[list[int]]


def find_alike(prints: Sequence[Fingerprint | None], limit: int | None) -> Likeness:
    """Which of the pictures are alike; one that cannot be read is None.

    limit: bits of the hash, 0..FARTHEST, in which near duplicates may differ; None looks for equal pixels only.
    """
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for i, each in enumerate(prints):
        if each is not None:
            by_digest[each.digest].append(i)
    contents = list(by_digest.values())  # each picture once, however many copies there are
    same = [indices for indices in contents if len(indices) > 1]
    if limit is None or len(contents) < 2:
        return Likeness(same, [])
    firsts = [first for indices in contents if (first := prints[indices[0]]) is not None]
    near = _sets(_joined(firsts, limit))
    return Likeness(same, [sorted(i for content in part for i in contents[content]) for part in near])


def _joined(prints: Sequence[Fingerprint], limit: int) -> UnionFind:
    """The pictures, those that are alike in one set. Of pairs that are in one already no thumbnails are compared.

    Near-blank pictures by the thousand share a hash: a few of their millions of pairs join them all.
    """
    hashes = np.array([each.hash for each in prints], dtype=np.uint64)
    thumbnails = np.stack([each.thumbnail for each in prints])
    sets = UnionFind(len(prints))
    for first, second in candidates(hashes, limit):
        for start in range(0, len(first), THUMBNAILS_AT_ONCE):
            i, j = (nodes[start : start + THUMBNAILS_AT_ONCE] for nodes in (first, second))
            roots = sets.roots()
            apart = roots[i] != roots[j]
            i, j = i[apart], j[apart]
            alike = _confirmed(thumbnails, i, j)
            for pair in zip(i[alike].tolist(), j[alike].tolist()):
                sets.join(*pair)
    return sets


def candidates(hashes: np.ndarray, limit: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks (i, j), i < j, of all pairs that differ in `limit` bits or fewer, at most FARTHEST; each pair comes once.

    Multi-index hashing, https://arxiv.org/abs/1307.2982: such a pair agrees in one band up to one bit. So pictures are
    sorted by a band, and each is compared with those of its own band and of the bands that are one bit away.
    """
    with tqdm(total=sum(width + 1 for _, width in BANDS), desc="near duplicates", disable=None, leave=False) as bar:
        for place, (start, width) in enumerate(BANDS):
            band = _band(hashes, start, width).astype(np.int64)
            order = np.argsort(band, kind="stable")
            counts = np.bincount(band, minlength=1 << width)
            begins = counts.cumsum() - counts
            for flip in (0, *(1 << bit for bit in range(width))):
                other = band[order] ^ flip
                for rows, columns in _expanded(begins[other], counts[other]):
                    first, second = order[rows], order[columns]
                    wanted = first < second
                    first, second = first[wanted], second[wanted]
                    differing = hashes[first] ^ hashes[second]
                    wanted = (_ones(differing) <= limit) & ~_found_before(differing, place)
                    yield first[wanted], second[wanted]
                bar.update()


def _band(hashes: np.ndarray, start: int, width: int) -> np.ndarray:
    return (hashes >> np.uint64(start)) & np.uint64((1 << width) - 1)


def _found_before(differing: np.ndarray, place: int) -> np.ndarray:
    """Whether a band before that at `place` finds the pairs with these differing bits, too; (n,) bool."""
    found = np.zeros(len(differing), dtype=bool)
    for start, width in BANDS[:place]:
        bits = _band(differing, start, width)
        found |= bits & (bits - np.uint64(1)) == 0  # a power of two, or 0
    return found


def _expanded(begins: np.ndarray, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row r paired with the columns begins[r] .. begins[r] + counts[r] - 1, in chunks of about AT_ONCE pairs."""
    ends = counts.cumsum()
    total = int(ends[-1])
    cuts = np.unique([0, *np.searchsorted(ends, range(AT_ONCE, total, AT_ONCE)).tolist(), len(counts)])
    for low, high in pairwise(cuts.tolist()):
        chunk = counts[low:high]
        rows = np.repeat(np.arange(low, high), chunk)
        within = np.arange(len(rows)) - np.repeat(chunk.cumsum() - chunk, chunk)
        yield rows, begins[rows] + within


def _ones(numbers: np.ndarray) -> np.ndarray:
    """Number of bits that are 1 in (n,) uint64."""
    return ONES[numbers.view(np.uint16)].reshape(-1, 4).sum(axis=1)


def _confirmed(thumbnails: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether thumbnails are nearly equal; (n,) bool. A hash sees grey shapes alone, and plain pictures have few.

    Overall brightness and colour may differ by TINT; then the rest, on average, by SHARE of the picture's own contrast,
    but by LEAST in any case, which JPEG costs, and by no more than MOST.
    """
    a, tint_a = _centred(thumbnails[first])
    b, tint_b = _centred(thumbnails[second])
    allowed = np.clip(SHARE * (_magnitude(a) + _magnitude(b)) / 2, LEAST, MOST)
    return (_magnitude(a - b) <= allowed) & (np.abs(tint_a - tint_b).max(axis=1) <= TINT)


def _centred(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((n, H, W, 3) pictures without their mean colours, (n, 3) those)."""
    means = thumbnails.mean(axis=(1, 2), dtype=np.float32)
    return thumbnails - means[:, None, None], means


def _magnitude(pictures: np.ndarray) -> np.ndarray:
    """Mean absolute value of each, (n,)."""
    return np.abs(pictures).mean(axis=(1, 2, 3))


def _sets(joined: UnionFind) -> list[list[int]]:
    """Those of two nodes or more, each sorted, by their first members."""
    members = defaultdict(list)
    for i, root in enumerate(joined.roots().tolist()):
        members[root].append(i)
    return [indices for indices in members.values() if len(indices) > 1]
