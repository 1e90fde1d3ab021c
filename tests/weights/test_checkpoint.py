"""Files are written whole or not at all, and read without running code."""

import errno
import os
import pickle
import signal
import stat
from contextlib import nullcontext

from utils.errors import WeightsError
from utils.files import atomic_file, write_text
from utils.signals import Stopped, terminations_raise
from utils.weights.checkpoint import FORMAT, load_checkpoint, read_pickle, save_checkpoint

import pytest
import torch

PAYLOAD = {"net": {"weight": torch.arange(5.0)}, "epoch": 3, "best": {"accuracy": 0.5}, "classes": ["猫", "dog"]}


def names(folder):
    return sorted(os.listdir(folder))


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    save_checkpoint(tmp_path / "last.pth", PAYLOAD)
    loaded = load_checkpoint(tmp_path / "last.pth")
    assert torch.equal(loaded.pop("net")["weight"], PAYLOAD["net"]["weight"])
    assert loaded == {"format": FORMAT, "epoch": 3, "best": {"accuracy": 0.5}, "classes": ["猫", "dog"]}
    assert names(tmp_path) == ["last.pth"]


def test_a_checkpoint_is_readable_with_weights_only_and_no_allow_list(tmp_path):
    save_checkpoint(tmp_path / "last.pth", PAYLOAD)
    assert torch.load(tmp_path / "last.pth", weights_only=True)["epoch"] == 3


def test_a_save_that_fails_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    path = tmp_path / "last.pth"
    save_checkpoint(path, PAYLOAD)
    before = path.read_bytes()

    def fail(payload, file):
        file.write(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(path, {**PAYLOAD, "epoch": 4})
    assert path.read_bytes() == before
    assert names(tmp_path) == ["last.pth"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch, step):
    write_text(tmp_path / "x.txt", "old")

    def fail(*_):
        raise OSError("input/output error")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="input/output"):
        write_text(tmp_path / "x.txt", "new")
    assert (tmp_path / "x.txt").read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


def test_the_bytes_are_on_disk_before_they_take_the_name(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace

    def note_fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("folder flushed" if is_folder else f"{os.fstat(descriptor).st_size} bytes flushed")
        fsync(descriptor)

    def note_replace(source, target):
        calls.append("renamed within the folder" if os.path.dirname(source) == os.path.dirname(target) else "moved")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_text(tmp_path / "x.txt", "seven b")
    assert calls[:2] == ["7 bytes flushed", "renamed within the folder"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    write_text(tmp_path / "x.txt", "old")
    with atomic_file(tmp_path / "x.txt") as file:
        file.write(b"new")
        file.flush()
        assert (tmp_path / "x.txt").read_text() == "old"
    assert (tmp_path / "x.txt").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="folders are not synchronised there")
@pytest.mark.parametrize(("number", "is_error"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.ENOSPC, True)])
def test_a_file_system_that_cannot_synchronise_folders_is_good_enough(tmp_path, monkeypatch, number, is_error):
    sync = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space") if is_error else nullcontext():
        write_text(tmp_path / "x.txt", "text")
    assert (tmp_path / "x.txt").read_text() == "text"


def test_writing_leaves_the_umask_alone(tmp_path, monkeypatch):
    """As it is one for the whole process, another thread would make its files with what it is for a moment."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the umask was set"))
    write_text(tmp_path / "x.txt", "text")


@pytest.mark.skipif(os.name == "nt", reason="no such rights on Windows")
def test_files_get_the_rights_that_others_get(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "x.txt", "text")
    assert os.stat(tmp_path / "x.txt").st_mode == os.stat(tmp_path / "plain").st_mode


@pytest.mark.parametrize("text", ["猫 and ü\nsecond line\n", "", "name \udcff of no encoding"])
def test_text_is_written_in_utf8(tmp_path, text):
    write_text(tmp_path / "x.txt", text)
    assert (tmp_path / "x.txt").read_bytes() == text.encode("utf-8", "surrogateescape")


class Hostile:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("zipped", [True, False, None], ids=["torch.save", "old torch.save", "pickle"])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, zipped):
    path, victim = tmp_path / "bad.pth", tmp_path / "victim"
    content = {"net": {"weight": torch.zeros(1)}, "extra": Hostile(victim)}
    if zipped is None:
        path.write_bytes(pickle.dumps({"extra": Hostile(victim)}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"bad\.pth: refused"):
        load_checkpoint(path)
    assert not victim.exists()


def damaged(kind, whole):
    middle = len(whole) // 2
    return {
        "half": whole[:middle],
        "without its end": whole[:-100],
        "empty": b"",
        "text": b"these are no weights\n",
        "zeros": bytes(len(whole)),
    }[kind]


@pytest.mark.parametrize("kind", ["half", "without its end", "empty", "text", "zeros"])
def test_a_damaged_file_is_named(tmp_path, kind):
    save_checkpoint(tmp_path / "last.pth", PAYLOAD)
    (tmp_path / "last.pth").write_bytes(damaged(kind, (tmp_path / "last.pth").read_bytes()))
    with pytest.raises(WeightsError, match=r"last\.pth: ") as caught:
        load_checkpoint(tmp_path / "last.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="a signal ends the process at once there")
def test_a_signal_that_comes_while_a_file_is_read_is_no_damage(tmp_path, monkeypatch):
    torch.save({}, tmp_path / "a.pth")
    monkeypatch.setattr(torch, "load", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    with terminations_raise(), pytest.raises(Stopped):
        read_pickle(tmp_path / "a.pth")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(WeightsError, match=f"{path.name}: no such file"):
            read_pickle(path)


@pytest.mark.parametrize("payload", [{"weight": torch.zeros(2)}, [1, 2], {"format": "another/1"}])
def test_a_file_of_someone_else_is_no_checkpoint(tmp_path, payload):
    torch.save(payload, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth: .*no checkpoint"):
        load_checkpoint(tmp_path / "x.pth")


def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(tmp_path):
    path = tmp_path / "last.pth"
    save_checkpoint(path, PAYLOAD)
    whole = path.read_bytes()
    wanted = load_checkpoint(path)
    refused = 0
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            loaded = load_checkpoint(path)
        except WeightsError:
            refused += 1
            continue
        assert torch.equal(loaded["net"]["weight"], wanted["net"]["weight"]), place
        assert {**loaded, "net": None} == {**wanted, "net": None}, place
    assert refused > 500  # all of the content; the rest is padding and dates


def test_torch_itself_takes_no_notice_of_a_flipped_bit(tmp_path):
    """Why checkpoints are checked; once torch does it, the check here can go."""
    save_checkpoint(tmp_path / "last.pth", {"net": {"weight": torch.zeros(10_000)}})
    content = bytearray((tmp_path / "last.pth").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "last.pth").write_bytes(content)
    assert torch.load(tmp_path / "last.pth", weights_only=True)["net"]["weight"].any()
    with pytest.raises(WeightsError, match=r"last\.pth: damaged: the checksum of .*data/0 does not agree"):
        load_checkpoint(tmp_path / "last.pth")


def test_the_file_before_is_kept_under_the_name_asked_for(tmp_path):
    for epoch in (1, 2, 3):
        save_checkpoint(tmp_path / "last.pth", {**PAYLOAD, "epoch": epoch}, keep=tmp_path / "previous.pth")
    assert load_checkpoint(tmp_path / "last.pth")["epoch"] == 3
    assert load_checkpoint(tmp_path / "previous.pth")["epoch"] == 2
    assert names(tmp_path) == ["last.pth", "previous.pth"]


def test_a_kill_between_the_two_names_leaves_nothing_behind_at_the_next_save(tmp_path):
    save_checkpoint(tmp_path / "last.pth", PAYLOAD)
    os.link(tmp_path / "last.pth", tmp_path / "previous.pth")  # renaming one name of a file to another does nothing
    save_checkpoint(tmp_path / "last.pth", {**PAYLOAD, "epoch": 4}, keep=tmp_path / "previous.pth")
    assert names(tmp_path) == ["last.pth", "previous.pth"]
    assert [load_checkpoint(tmp_path / name)["epoch"] for name in names(tmp_path)] == [4, 3]


def test_the_file_before_is_kept_where_a_file_has_one_name_only(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    test_the_file_before_is_kept_under_the_name_asked_for(tmp_path)
