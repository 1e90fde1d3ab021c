"""Listings of large folders, remembered in the user's cache folder until one of their folders changes.

To list a million files takes seconds, to see that none of a thousand folders has changed some milliseconds. An index is
one file: the length of a header, a checksum, the header in JSON, then the paths. It is written whole or not at all, and
read as data from a stranger: what does not fit together is listed anew, and no path leads out of the folder.
"""

import contextlib
import hashlib
import json
import ntpath
import os
import threading
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

from .. import distributed
from ..files import atomic_file
from ..user_cache import cache_path, make_folder, read_own, remove_forgotten
from .listing import Listing, list_folder
from .traversal import EXTENSIONS, stamp_of

FORMAT = "image-classification-list/4"
WORTHWHILE = 20_000  # files; fewer are listed in a tenth of a second
SETTLED = 2 * 10**9  # ns: folders changed later than this before they were read may change again unseen
WRITER = "list index"  # name of the thread


def remembered(root: str) -> Listing:
    """`list_folder`, from the index where it is valid. Raises DataError."""
    path = index_path(root)
    if path is None:
        return list_folder(root)
    if (known := read_index(path, root)) is not None:
        return known
    begun = time.time_ns()
    listing = list_folder(root)
    count = sum(packed.count(0) for packed in listing.packed.values())
    settled = all(max(stamp[:2]) < begun - SETTLED for stamp in listing.stamps.values())
    if count >= WORTHWHILE and settled and distributed.local_rank() == 0:
        threading.Thread(target=_write_if_possible, args=(path, root, listing), name=WRITER).start()
    return listing


def index_path(root: str) -> Path | None:
    """Of the index of a folder, by what its path leads to; None for a user without a home."""
    return cache_path("lists", f"{hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]}.list")


def _write_if_possible(path: Path, root: str, listing: Listing) -> None:
    """What a thread does, so that the run need not wait. On a full disk, or in a home that is not to be written to,
    there is no index, and the folder is listed again."""
    with contextlib.suppress(OSError):
        write_index(path, root, listing)
        remove_forgotten(path.parent)


def write_index(path: Path, root: str, listing: Listing) -> None:
    """Raises OSError where there is no room or no permission."""
    header = {
        "format": FORMAT,
        "root": os.path.realpath(root),
        "endings": EXTENSIONS,
        "hidden": listing.hidden,
        "others": listing.others,
        "classes": [(name, len(packed)) for name, packed in listing.packed.items()],
        "folders": [(os.path.relpath(folder, root), *stamp) for folder, stamp in listing.stamps.items()],
    }
    encoded = json.dumps(header).encode("ascii")  # halves of characters, from names that are no text, as escapes
    content = b"".join((encoded, *listing.packed.values()))
    make_folder(path)
    with atomic_file(path, private=True) as file:
        # in one piece, which no buffer keeps a part of: loading processes may be forked meanwhile
        file.write(b"".join((len(encoded).to_bytes(8, "little"), zlib.crc32(content).to_bytes(4, "little"), content)))


def read_index(path: Path, root: str) -> Listing | None:
    """None where there is none, where it does not hold together, or where a folder is not as it was."""
    try:
        content = read_own(path)
        length, checksum = (int.from_bytes(part, "little") for part in (content[:8], content[8:12]))
        header = json.loads(content[12 : 12 + length])
        if zlib.crc32(memoryview(content)[12:]) != checksum or tuple(header["endings"]) != EXTENSIONS:
            return None
        folders = [(os.path.normpath(os.path.join(root, name)), tuple(stamp)) for name, *stamp in header["folders"]]
        packed = _paths(header["classes"], memoryview(content)[12 + length :])
        listing = Listing(list(header["hidden"]), packed, Counter(header["others"]), dict(folders))
        holds = header["format"] == FORMAT and header["root"] == os.path.realpath(root)
        if not (holds and _consistent(listing) and _unchanged(listing, root)):
            return None
        with contextlib.suppress(OSError):  # where the cache is not to be written to
            os.utime(path)
        return listing
    except Exception:  # of any kind: a file that anybody may have written
        return None


def _paths(classes: Any, content: memoryview) -> dict[str, bytes]:
    """Raises ValueError if the sizes do not add up, or a path leads out of its class folder."""
    packed, start = {}, 0
    for name, size in classes:
        paths, start = bytes(content[start : start + size]), start + size
        if size < 0 or len(paths) != size or not is_plain(name) or name in packed:
            raise ValueError(name)
        beginning = os.fsencode(os.path.join(name, ""))
        within = not paths or (paths.endswith(b"\0") and paths.startswith(beginning))
        if not within or paths.count(b"\0" + beginning) != paths.count(0) - bool(paths) or leads_out(paths):
            raise ValueError(name)
        packed[name] = paths
    if start != len(content):
        raise ValueError("more than the header says")
    return packed


def is_plain(name: str) -> bool:
    """Whether this names a folder right below another, whatever the system; "C:" does not on Windows."""
    dots = not name.strip(". ")  # ".. " is ".." there
    return not dots and not set(name) & set("/\\\0") and not ntpath.splitdrive(name)[0]


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
