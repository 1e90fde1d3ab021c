"""utils/data/copies.py: which files of one list are files of another, and how little is read to find out."""

from utils.data import copies
from utils.data.copies import HEAD, copies_between

import pytest

HEADER = bytes(HEAD)


@pytest.fixture
def files(tmp_path):
    """files({"a": b"..."}) writes them and returns their paths."""

    def make(contents):
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        return [str(tmp_path / name) for name in contents]

    return make


def test_copies_are_files_of_equal_bytes(files):
    these = files({"a": b"cat", "b": b"dog", "c": HEADER + b"1", "d": HEADER + b"2", "empty": b""})
    those = files({"x": b"bird", "y": b"cat", "z": b"cat", "w": HEADER + b"2", "v": HEADER + b"3", "none": b""})
    missing = these[0] + " gone"
    assert copies_between([*these, missing], [*those, missing]) == [(these[0], those[1]), (these[3], those[3])]
    assert copies_between(these, []) == []


def test_only_what_may_be_equal_is_read(files, monkeypatch):
    read = {"_head": [], "_digest": []}
    for name, seen in read.items():
        measure = getattr(copies, name)
        monkeypatch.setattr(copies, name, lambda path, m=measure, s=seen: s.append(path[-1]) or m(path))
    these = files({"a": b"cat", "b": HEADER + b"12", "c": HEADER + b"123"})
    those = files({"x": b"dog", "y": HEADER + b"21", "z": b"bird"})
    assert copies_between(these, those) == []
    assert sorted(read["_head"]) == ["a", "b", "x", "y"]  # of other sizes there is no file on the other side
    assert sorted(read["_digest"]) == ["b", "y"]
