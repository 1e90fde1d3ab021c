"""Listings of large folders, remembered in the user's cache folder until one of their folders changes.

To list a million files takes seconds, to see that none of a thousand folders has changed some milliseconds. An index is
one file: the length of a header, the header in JSON, then the paths. It is written whole or not at all, and read as
data from a stranger: what does not fit together is listed anew, and no path leads out of the folder.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import distributed
from ..files import atomic_file
from .listing import Listing, list_folder
from .traversal import stamp_of

FORMAT = "image-classification-list/1"
WORTHWHILE = 20_000  # files; fewer are listed in a tenth of a second
SETTLED = 2 * 10**9  # ns: folders changed later than this before they were read may change again unseen


def remembered(root: str) -> Listing:
    """`list_folder`, from the index where it is valid. Raises DataError."""
    path = index_path(root)
    if (known := read_index(path, root)) is not None:
        return known
    begun = time.time_ns()
    listing = list_folder(root)
    count = sum(packed.count(0) for packed in listing.packed.values())
    settled = all(changed < begun - SETTLED for changed, _ in listing.stamps.values())
    if count >= WORTHWHILE and settled and distributed.is_main():
        with contextlib.suppress(OSError):  # a full disk, a home that is not to be written to: it is listed again
            write_index(path, root, listing)
    return listing


def cache_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where the system keeps what programs of this user can make again."""
    home = Path.home()
    if platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "image-classification" / "lists"


def index_path(root: str) -> Path:
    """Of the index of a folder: by what its path leads to."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]
    return cache_folder() / f"{name}.list"


def write_index(path: Path, root: str, listing: Listing) -> None:
    """Raises OSError where there is no room or no permission."""
    header = {
        "format": FORMAT,
        "root": os.path.realpath(root),
        "hidden": listing.hidden,
        "others": listing.others,
        "classes": [(name, len(packed)) for name, packed in listing.packed.items()],
        "folders": [(os.path.relpath(folder, root), *stamp) for folder, stamp in listing.stamps.items()],
    }
    encoded = json.dumps(header).encode("ascii")  # halves of characters, from names that are no text, as escapes
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        file.writelines(listing.packed.values())


def read_index(path: Path, root: str) -> Listing | None:
    """None where there is none, where it does not hold together, or where a folder is not as it was."""
    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        folders = [(os.path.normpath(os.path.join(root, name)), tuple(stamp)) for name, *stamp in header["folders"]]
        packed = _paths(header["classes"], memoryview(content)[8 + length :])
        listing = Listing(list(header["hidden"]), packed, Counter(header["others"]), dict(folders))
        holds = header["format"] == FORMAT and header["root"] == os.path.realpath(root)
        return listing if holds and _consistent(listing) and _unchanged(listing, root) else None
    except Exception:  # of any kind: a file that anybody may have written
        return None


def _paths(classes: Any, content: memoryview) -> dict[str, bytes]:
    """Raises ValueError if the sizes do not add up, or a path leads out of its class folder."""
    packed, start = {}, 0
    for name, size in classes:
        paths, start = bytes(content[start : start + size]), start + size
        if size < 0 or len(paths) != size or name in ("", ".", "..") or set(name) & set("/\\\0") or name in packed:
            raise ValueError(name)
        beginning = os.fsencode(os.path.join(name, ""))
        within = not paths or (paths.endswith(b"\0") and paths.startswith(beginning))
        if not within or paths.count(b"\0" + beginning) != paths.count(0) - bool(paths) or leads_out(paths):
            raise ValueError(name)
        packed[name] = paths
    if start != len(content):
        raise ValueError("more than the header says")
    return packed


def leads_out(paths: bytes) -> bool:
    """Whether some part of the packed paths is `..`."""
    return b".." in paths and any(part == b".." for part in paths.replace(b"\\", b"/").replace(b"\0", b"/").split(b"/"))


def _consistent(listing: Listing) -> bool:
    """Whether what is said in messages is text and numbers."""
    texts = [*listing.hidden, *listing.others]
    return all(isinstance(text, str) for text in texts) and all(type(n) is int for n in listing.others.values())


def _unchanged(listing: Listing, root: str) -> bool:
    """Raises OSError for a folder that has gone."""
    stamps = listing.stamps
    return os.path.normpath(root) in stamps and all(stamp_of(folder) == stamps[folder] for folder in stamps)
