"""A listing is remembered as long as no folder below it has changed, and an index from anywhere does no harm."""

import json
import os
import random

from utils.data import list_index
from utils.data.list_index import cache_folder, index_path, read_index, remembered, write_index
from utils.data.listing import list_folder, scan

import pytest

LONG_AGO = 10**9  # seconds; folders that changed just now are not remembered


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache folder; every size of set is worth an index."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(list_index.sys, "platform", "linux")
    monkeypatch.setattr(list_index, "WORTHWHILE", 1)
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    for name in ("cat/1.png", "cat/old/2.jpg", "dog/3.png", "dog/notes.txt", "empty", ".git/4.png"):
        path = tmp_path / "set" / name
        (path if name == "empty" else path.parent).mkdir(parents=True, exist_ok=True)
        if name != "empty":
            path.touch()
    age(tmp_path / "set")
    return str(tmp_path / "set")


def age(folder, when=LONG_AGO):
    for path, _, _ in os.walk(folder):
        os.utime(path, (when, when))


def names(images):
    return [images.name(i) for i in range(len(images))]


def listed_again(monkeypatch):
    """A list that grows with each listing of the folders themselves."""
    calls = []

    def listing(root):
        calls.append(root)
        return list_folder(root)

    monkeypatch.setattr(list_index, "list_folder", listing)
    return calls


def test_the_second_listing_is_the_first_and_reads_no_folder(cache, root, monkeypatch):
    calls = listed_again(monkeypatch)
    first = scan(root, listing=remembered)
    second = scan(root, listing=remembered)
    plain = scan(root)
    assert calls == [root]
    assert names(first) == names(second) == names(plain)
    assert (second.classes, second.notes) == (plain.classes, plain.notes)
    assert second.targets.tolist() == plain.targets.tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: open(f"{root}/cat/5.png", "w").close(),
        lambda root: open(f"{root}/cat/old/5.png", "w").close(),
        lambda root: os.remove(f"{root}/dog/3.png"),
        lambda root: os.rename(f"{root}/cat/1.png", f"{root}/cat/0.png"),
        lambda root: os.mkdir(f"{root}/bee"),
        lambda root: os.rename(f"{root}/dog", f"{root}/dogs"),
        lambda root: open(f"{root}/empty/1.png", "w").close(),
    ],
    ids="added nested removed renamed class moved filled".split(),
)
def test_whatever_changes_is_seen(cache, root, change):
    scan(root, listing=remembered)
    change(root)
    assert names(scan(root, listing=remembered)) == names(scan(root))
    age(root, LONG_AGO + 5)
    assert names(scan(root, listing=remembered)) == names(scan(root))


def test_a_folder_that_another_has_replaced_is_seen_though_its_time_is_the_same(cache, root):
    scan(root, listing=remembered)
    os.rename(f"{root}/dog", f"{root}/../other")
    os.mkdir(f"{root}/dog")
    open(f"{root}/dog/9.png", "w").close()
    age(root)
    assert f"{root}/dog/9.png" in names(scan(root, listing=remembered))


def test_a_folder_that_has_just_changed_is_not_remembered(cache, root, monkeypatch):
    calls = listed_again(monkeypatch)
    os.utime(f"{root}/cat")
    for _ in range(2):
        scan(root, listing=remembered)
    assert calls == [root, root]


def test_small_sets_and_folders_that_cannot_be_written_are_listed_each_time(cache, root, monkeypatch):
    monkeypatch.setattr(list_index, "WORTHWHILE", 4)
    remembered(root)
    assert not cache.exists()
    monkeypatch.setattr(list_index, "WORTHWHILE", 1)
    cache.write_text("a file where the folder would be")
    assert names(scan(root, listing=remembered)) == names(scan(root))


def test_an_index_is_written_whole_or_not_at_all(cache, root, monkeypatch):
    remembered(root)
    whole = index_path(root).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("utils.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_index(index_path(root), root, list_folder(root))
    assert index_path(root).read_bytes() == whole
    assert [path.name for path in index_path(root).parent.iterdir()] == [index_path(root).name]


def test_names_of_any_bytes_are_remembered(cache, root):
    with open(os.fsencode(root) + b"/cat/\xff\n.png", "w"):
        pass
    age(root)
    scan(root, listing=remembered)
    assert read_index(index_path(root), root) == list_folder(root)


def forged(folder, **changes):
    """An index of `folder` in which some entries of the header, or the paths, are others."""
    path = index_path(folder)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    paths = changes.pop("paths", content[8 + length :])
    encoded = json.dumps({**header, **changes}).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + paths)
    return read_index(path, folder)


FORGERIES = {
    "another folder's": dict(root="/elsewhere"),
    "another format": dict(format="image-classification-list/2"),
    "no folders": dict(folders=[]),
    "not of the root": dict(folders=[["cat", 10**18, 1]]),
    "a path out of the class": dict(classes=[["cat", 20]], paths=b"cat/../../secret.pn\0"),
    "a path of another class": dict(classes=[["cat", 10]], paths=b"dog/1.png\0"),
    "an absolute path": dict(classes=[["cat", 20]], paths=b"cat/1.png\0/etc/1.png\0"[:20]),
    "a class outside": dict(classes=[["..", 9]], paths=b"../1.png\0"),
    "sizes that are wrong": dict(classes=[["cat", 10**12]]),
    "a size below 0": dict(classes=[["cat", -1]]),
    "more paths than sizes": dict(classes=[]),
    "notes that are no text": dict(hidden=[1]),
    "counts that are no numbers": dict(others={".txt": "many"}),
    "a header that is a list": dict(classes="cat"),
}


@pytest.mark.parametrize("changes", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_index_is_not_believed(cache, root, changes):
    remembered(root)
    assert forged(root) == list_folder(root)
    assert forged(root, **changes) is None
    assert names(scan(root, listing=remembered)) == names(scan(root))


def test_a_damaged_index_leads_nowhere_else(cache, root):
    remembered(root)
    path = index_path(root)
    draw = random.Random(0)
    whole = path.read_bytes()
    for _ in range(400):
        damaged = bytearray(whole[: draw.randrange(len(whole) + 1)] if draw.random() < 0.3 else whole)
        if damaged:
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        listing = read_index(path, root)
        for paths in listing.packed.values() if listing else ():
            assert all(b".." not in part for name in paths.split(b"\0") for part in name.split(b"/"))


def test_caches_are_where_each_system_has_them(monkeypatch):
    monkeypatch.setattr(list_index.Path, "home", lambda: list_index.Path("/home/me"))
    last = list_index.Path("image-classification") / "lists"
    assert cache_folder({}, "linux") == list_index.Path("/home/me/.cache") / last
    assert cache_folder({"XDG_CACHE_HOME": "/fast"}, "linux") == list_index.Path("/fast") / last
    assert cache_folder({}, "darwin") == list_index.Path("/home/me/Library/Caches") / last
    assert cache_folder({"LOCALAPPDATA": "/local"}, "win32") == list_index.Path("/local") / last
