"""report.html of a run that goes on and of one that has ended; a page that cannot be written ends no run."""

import json
import re
from dataclasses import replace

from utils.run import page as run_page
from utils.run.page import Page
from utils.run_page import write

import pytest

import train
from tests.helpers.runs import results


class Reader:
    """What the page said after each epoch."""

    every = 0

    def __init__(self, log_root):
        self.log_root, self.said = log_root, []

    def on_step(self, step, figures): ...

    def on_epoch(self, epoch):
        [path] = self.log_root.glob("*/*/report.html")
        text = path.read_text(encoding="utf-8")
        self.said.append((re.findall(r" Epoch (\d+) of (\d+) is finished", text), 'http-equiv="refresh"' in text))


def test_the_page_is_rewritten_each_epoch_and_has_pictures_at_the_end(pictures, make_config, tmp_path, monkeypatch):
    monkeypatch.setattr(run_page, "SHARE", 1e9)  # however long it takes
    monkeypatch.setattr(run_page, "CAMS", 2)
    reader = Reader(tmp_path / "logs")
    folder = train.run(make_config(epochs=2), observers=[reader])
    assert reader.said == [([("1", "2")], True), ([("2", "2")], True)]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "refresh" not in page
    [found] = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    data = json.loads(found)
    assert sum(count for count, _ in data["cells"].values()) == 9
    assert len(data["thumbnails"]) == 9  # of val
    assert len(data["maps"]) == 2
    for place, maps in data["maps"].items():
        _, true, predicted, *_ = data["images"][int(place)]
        assert len(maps) == (1 if true == predicted else 2)


@pytest.mark.parametrize(("split", "images"), [("train", 21), ("val", 9)])
def test_the_page_of_an_evaluation_is_of_its_split(pictures, make_config, monkeypatch, split, images):
    monkeypatch.setattr(run_page, "CAMS", 0)
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    again = train.run(replace(config, only_val=True, split=split, load_from=str(folder / "best.pth")))
    page = (again / "report.html").read_text(encoding="utf-8")
    chosen_on = ", by which the epoch was chosen." if split == "val" else "."
    assert f" of {images} {split} pictures are right{chosen_on}" in page
    [found] = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert sum(count for count, _ in json.loads(found)["cells"].values()) == images


def test_pages_take_a_small_share_of_the_time(make_config, monkeypatch):
    """Pages of a second each: after the first there is none for 50 seconds."""
    clock = iter(range(0, 10_000))
    monkeypatch.setattr(run_page.time, "monotonic", lambda: next(clock))
    written = []
    monkeypatch.setattr(write, "write_progress", lambda folder: written.append(run_page.time.monotonic()))
    page = Page(Folder(), 1)
    for _ in range(300):
        page.on_epoch(None)
    assert 3 <= len(written) <= 6


class Folder:
    path = None
    writes = True


class OfAnotherRank(Folder):
    writes = False


def test_other_ranks_write_none(monkeypatch):
    monkeypatch.setattr(write, "write_progress", pytest.fail)
    monkeypatch.setattr(write, "write_report", pytest.fail)
    page = Page(OfAnotherRank(), 1)
    page.on_epoch(None)
    page.finish()


def test_a_page_that_cannot_be_written_ends_no_run_and_is_said_once(make_config, monkeypatch, capsys):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "write_progress", fail)
    monkeypatch.setattr(write, "write_report", fail)
    monkeypatch.setattr(run_page, "SHARE", 1e9)
    folder = train.run(make_config(epochs=2, use_ema=False))
    assert len(results(folder)) == 2
    said = capsys.readouterr().out
    assert said.count("cannot write report.html: ") == 1
    assert "No space left on device" in said
    assert not (folder / "report.html").exists()


def test_a_fault_of_the_program_in_a_page_ends_no_run(monkeypatch):
    monkeypatch.setattr(write, "write_report", lambda *arguments: 1 / 0)
    Page(Folder(), 1).finish()
