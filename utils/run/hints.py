"""What to tell someone whose training waits for its data."""

from ..threads import available_cores

LARGEST_WAIT = 0.2  # share of an epoch; beyond it a hint is worth its line


def waiting_hint(share: float, *, workers: int, local_world_size: int, cache: str, img_size: tuple[int, int]) -> str:
    """Which one key would help most, in a line; "" where `share` of an epoch, spent waiting, is no reason to complain.

    Loading processes come first, twice as many, as long as cores are left for them; then the cache, which needs memory;
    then the files, where decoding takes the time.
    """
    if share <= LARGEST_WAIT:
        return ""
    more = min(available_cores() // local_world_size, max(4, 2 * workers))
    if workers < more:
        advice = f"num_workers = {more} would use cores that are there (now {workers})"
    elif cache == "none":
        advice = "cache = 'ram' would keep the decoded images, if they fit into memory"
    else:
        advice = f"smaller files would help: tools/create_data.py --max-side {2 * max(img_size)} makes them"
    return f"{share:.0%} of the epoch were spent waiting for data; {advice}"
