"""What is said of a file or folder that is not there, beside that it is not."""

import os

LAST, PREVIOUS, BEST = "last.pth", "previous.pth", "best.pth"  # of a run folder: the newest state, the one before


def absent(path: str | os.PathLike) -> str:
    """'no such file', and for the state of a run that has ended where it went and what there is in its place."""
    folder, name = os.path.split(os.fspath(path))
    there = [other for other in (LAST, PREVIOUS, BEST) if os.path.isfile(os.path.join(folder, other))]
    if name in (LAST, PREVIOUS) and there == [BEST]:
        best = os.path.join(folder, BEST)
        return f"no such file; with keep = 'best' a run that has ended well deletes it, and {best} has its best weights"
    return "no such file"
