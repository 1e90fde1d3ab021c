"""keep = 'best': a run that has ended well leaves best.pth alone; every other run leaves what it is resumed from."""

from dataclasses import replace

from utils import distributed
from utils.errors import SaveError, WeightsError
from utils.report import pictures
from utils.run.folder import RunFolder
from utils.run.kept import STATES, delete_states
from utils.run.resume import find_checkpoint
from utils.weights.best import Best
from utils.weights.checkpoint import load_checkpoint, save_checkpoint, weights_alone

import pytest

import train
from tests.helpers.checkpoints import whole_checkpoint
from tests.helpers.runs import assert_same, results
from tests.helpers.stopping import resumed, stopped_after
from tools.plot_run import main as plot

BEST = Best.from_plain(whole_checkpoint()["best"])


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They take half of the time of such short runs."""
    monkeypatch.setattr(pictures, "draw_run", lambda *arguments: [])


def states(folder):
    return [name for name in STATES if (folder / name).exists()]


def log_of(folder):
    return (folder / "train.log").read_text(encoding="utf-8")


def test_best_pth_alone_is_left_and_a_resume_says_why(make_config, monkeypatch, capsys):
    folder = train.run(make_config(epochs=1, warmup_epochs=0, keep="best"))
    assert states(folder) == []
    [line] = [line for line in log_of(folder).splitlines() if "keep = 'best'" in line]
    assert "deleted last.pth and previous.pth" in line
    assert "MB; more epochs cannot be added to this run" in line
    assert plot([str(folder)]) == 0
    for name in ("last.pth", "best.pth"):
        with pytest.raises(WeightsError, match="the run has ended, and as keep = 'best' asks for, deleted last.pth"):
            find_checkpoint(folder / name)
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["train.py", "--resume", str(folder), "--set", "epochs=3"])
    assert train.main() == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 1
    assert f"--set load_from={folder / 'best.pth'} starts a new run" in said


def test_a_run_that_is_stopped_keeps_its_state_and_resumes_to_the_same_end(make_config, monkeypatch):
    monkeypatch.setattr(Best, "_rank", property(lambda self: (self.epoch,)))  # so that best.pth is of the last epoch
    whole = train.run(make_config(epochs=2))
    config = make_config(epochs=2, keep="best")
    part = stopped_after(config, 4, monkeypatch)
    assert states(part) == ["previous.pth", "last.pth"]
    resumed(config, part)
    assert states(part) == []
    assert results(whole) == results(part)
    assert_same(*(load_checkpoint(folder / "best.pth") for folder in (whole, part)))


def test_a_run_that_fails_at_its_end_keeps_its_state(make_config, monkeypatch, tmp_path):
    def full(self):
        raise SaveError("no room")

    monkeypatch.setattr("utils.run.saver.Saver.finish", full)
    with pytest.raises(SaveError):
        train.run(make_config(epochs=1, warmup_epochs=0, keep="best"))
    [folder] = (tmp_path / "logs").glob("*/exp*")
    assert "last.pth" in states(folder)


@pytest.fixture
def folder(tmp_path):
    """Of a run that has ended, with all of its checkpoints."""
    checkpoint = whole_checkpoint()
    for name in STATES:
        save_checkpoint(tmp_path / name, checkpoint)
    save_checkpoint(tmp_path / "best.pth", weights_alone(checkpoint))
    return tmp_path


@pytest.mark.parametrize("fault", ["missing", "damaged", "older", "never"])
def test_without_a_sound_best_pth_the_state_stays(folder, caplog, fault):
    path, best = folder / "best.pth", {"older": replace(BEST, epoch=2), "never": None}.get(fault, BEST)
    if fault == "missing":
        path.unlink()
    elif fault == "damaged":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    delete_states(RunFolder(folder), best)
    assert states(folder) == list(STATES)
    [said] = [record.getMessage() for record in caplog.records]
    assert "last.pth and previous.pth stay" in said


def test_rank_0_alone_deletes_and_waits_for_the_others(folder, monkeypatch):
    there = []
    monkeypatch.setattr(distributed, "barrier", lambda: there.append(states(folder)))
    other = RunFolder(folder)
    other.writes = False
    delete_states(other, BEST)
    assert states(folder) == list(STATES)
    delete_states(RunFolder(folder), BEST)
    assert there == [list(STATES)] * 2
    assert states(folder) == []


def test_a_best_pth_that_is_watched_by_another_figure_now_is_still_the_best(make_config):
    """No epoch is better, so that best.pth holds the figure of before."""
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    resumed(replace(config, monitor="macro_f1", keep="best"), folder)
    assert states(folder) == []


def test_a_kill_between_the_two_leaves_what_can_be_resumed(make_config, monkeypatch):
    """And a run that has kept all is freed later, by a resume that trains nothing more."""
    folder = train.run(make_config(epochs=1, warmup_epochs=0))
    assert "last.pth" in states(folder)  # 'all' is the default
    config = make_config(epochs=1, warmup_epochs=0, keep="best")
    with monkeypatch.context() as patch:
        patch.setattr("utils.run.kept.STATES", STATES[:1])
        resumed(config, folder)
    assert states(folder) == ["last.pth"]
    resumed(config, folder)
    assert states(folder) == []
