"""Progress bars."""

from collections.abc import Iterable

from tqdm import tqdm

from .. import distributed


def progress_bar(items: Iterable, total: int, name: str) -> Iterable:
    """A bar on a terminal of rank 0, nothing elsewhere."""
    return tqdm(items, total=total, desc=name, leave=False, disable=None if distributed.is_main() else True)
