"""A listing is remembered as long as no folder below it has changed, and an index from anywhere does no harm."""

import json
import os
import random
import threading
import zlib

from utils import user_cache
from utils.data import list_index
from utils.data.list_index import index_path, read_index, remembered, write_index
from utils.data.listing import list_folder, scan

import pytest

LONG_AGO = 10**9  # seconds; folders that changed just now are not remembered


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache folder; every size of set is worth an index."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(user_cache.sys, "platform", "linux")
    monkeypatch.setattr(list_index, "WORTHWHILE", 1)
    monkeypatch.setattr(list_index, "SETTLED", -(10**12))  # whose folders are some milliseconds old
    return tmp_path / "cache"


def listed(root):
    """`scan` by the index, which is written by the time that this returns."""
    images = scan(root, listing=remembered)
    written()
    return images


def written():
    for thread in threading.enumerate():
        if thread.name == list_index.WRITER:
            thread.join()


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
    first = listed(root)
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
    listed(root)
    change(root)
    assert names(listed(root)) == names(scan(root))
    age(root, LONG_AGO + 5)
    assert names(listed(root)) == names(scan(root))


def test_a_folder_that_another_has_replaced_is_seen_though_its_time_is_the_same(cache, root):
    listed(root)
    os.rename(f"{root}/dog", f"{root}/../other")
    os.mkdir(f"{root}/dog")
    open(f"{root}/dog/9.png", "w").close()
    age(root)
    assert f"{root}/dog/9.png" in names(listed(root))


def test_a_folder_that_has_just_changed_is_not_remembered(cache, root, monkeypatch):
    calls = listed_again(monkeypatch)
    os.utime(f"{root}/cat")
    monkeypatch.setattr(list_index, "SETTLED", 2 * 10**9)
    for _ in range(2):
        listed(root)
    assert calls == [root, root]


def test_small_sets_and_folders_that_cannot_be_written_are_listed_each_time(cache, root, monkeypatch):
    monkeypatch.setattr(list_index, "WORTHWHILE", 4)
    listed(root)
    assert not cache.exists()
    monkeypatch.setattr(list_index, "WORTHWHILE", 1)
    cache.write_text("a file where the folder would be")
    assert names(listed(root)) == names(scan(root))


def test_an_index_is_written_whole_or_not_at_all(cache, root, monkeypatch):
    listed(root)
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
    listed(root)
    assert read_index(index_path(root), root) == list_folder(root)


def forged(folder, **changes):
    """An index of `folder` in which some entries of the header, or the paths, are others."""
    path = index_path(folder)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[12 : 12 + length])
    paths = changes.pop("paths", content[12 + length :])
    encoded = json.dumps({**header, **changes}).encode()
    checksum = zlib.crc32(encoded + paths).to_bytes(4, "little")
    path.write_bytes(len(encoded).to_bytes(8, "little") + checksum + encoded + paths)
    return read_index(path, folder)


FORGERIES = {
    "another folder's": dict(root="/elsewhere"),
    "another format": dict(format="image-classification-list/1"),
    "no folders": dict(folders=[]),
    "not of the root": dict(folders=[["cat", 10**18, 1, 1, 1]]),
    "a path out of the class": dict(classes=[["cat", 20]], paths=b"cat/../../secret.pn\0"),
    "a path of another class": dict(classes=[["cat", 10]], paths=b"dog/1.png\0"),
    "an absolute path": dict(classes=[["cat", 20]], paths=b"cat/1.png\0/etc/1.png\0"[:20]),
    "a class outside": dict(classes=[["..", 9]], paths=b"../1.png\0"),
    "sizes that are wrong": dict(classes=[["cat", 10**12]]),
    "a size below 0": dict(classes=[["cat", -1]]),
    "more paths than sizes": dict(classes=[]),
    "notes that are no text": dict(hidden=[1]),
    "counts that are no numbers": dict(others={".txt": "many"}),
    "a drive of Windows": dict(classes=[["C:", 9]], paths=b"C:/1.png\0"),
    "other endings": dict(endings=[".png"]),
    "a header that is a list": dict(classes="cat"),
}


@pytest.mark.parametrize("changes", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_index_is_not_believed(cache, root, changes):
    listed(root)
    assert forged(root) == list_folder(root)
    assert forged(root, **changes) is None
    assert names(listed(root)) == names(scan(root))


def test_a_damaged_index_is_not_believed(cache, root):
    listed(root)
    path = index_path(root)
    draw = random.Random(0)
    whole = path.read_bytes()
    for _ in range(400):
        damaged = bytearray(whole[: draw.randrange(len(whole) + 1)] if draw.random() < 0.3 else whole)
        if damaged:
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        assert read_index(path, root) is None


LINKS = {  # what makes a link, and what changes where it leads
    "a file that comes": ("cat/link.png", "there.png", lambda target: open(target, "w").close()),
    "a file in a folder of links that comes": (
        "cat/old/link.png",
        "there.png",
        lambda target: open(target, "w").close(),
    ),
    "a class that comes": ("bee", "bees", lambda target: os.mkdir(target) or open(f"{target}/1.png", "w").close()),
}


@pytest.mark.parametrize(("link", "target", "change"), LINKS.values(), ids=LINKS)
def test_links_that_led_nowhere_are_seen_when_they_lead_somewhere(cache, root, link, target, change):
    os.symlink(f"{root}/../{target}", f"{root}/{link}")
    before = names(listed(root))
    change(f"{root}/../{target}")
    assert names(listed(root)) == names(scan(root)) != before


def test_links_to_files_are_not_remembered_and_links_to_folders_are(cache, root, monkeypatch):
    os.mkdir(f"{root}/../real")
    open(f"{root}/../real/1.png", "w").close()
    os.symlink(f"{root}/../real", f"{root}/ant")
    calls = listed_again(monkeypatch)
    for _ in range(2):
        assert "ant" in listed(root).classes
    assert calls == [root]
    open(f"{root}/../real/2.png", "w").close()
    assert len(listed(root)) == 5
    os.symlink(f"{root}/../real/1.png", f"{root}/dog/link.png")
    os.remove(f"{root}/../real/1.png")
    assert names(listed(root)) == names(scan(root))


def test_a_time_that_was_put_back_does_not_hide_a_change(cache, root):
    """As tar does, which gives a folder the time that it has in the archive."""
    listed(root)
    open(f"{root}/cat/5.png", "w").close()
    age(root)
    assert f"{root}/cat/5.png" in names(listed(root))


def test_without_a_home_everything_is_listed(cache, root, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which its specification says to ignore

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(user_cache.Path, "home", homeless)
    assert names(listed(root)) == names(scan(root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    listed(root)
    assert list(cache.rglob("*.list"))


def test_an_index_is_for_nobody_else_and_of_nobody_else(cache, root, monkeypatch):
    listed(root)
    path = index_path(root)
    if os.name == "posix":
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        me = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: me + 1)
        assert read_index(path, root) is None
        path.unlink()
        os.mkfifo(path)  # to read which would wait for a writer
        assert read_index(path, root) is None


def test_what_was_of_no_use_for_long_goes_and_what_is_read_stays(cache, root, tmp_path):
    listed(root)
    folder = index_path(root).parent
    for name in ("old.list", ".old.list-abcdefgh"):
        (folder / name).touch()
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    os.utime(index_path(root), (LONG_AGO, LONG_AGO))
    listed(root)
    (tmp_path / "another" / "cat").mkdir(parents=True)
    (tmp_path / "another" / "cat" / "1.png").touch()
    listed(str(tmp_path / "another"))
    assert {path.name for path in folder.iterdir()} == {
        index_path(root).name,
        index_path(str(tmp_path / "another")).name,
    }
