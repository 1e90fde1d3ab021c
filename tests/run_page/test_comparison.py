"""tools/report.py on several runs: one page that says whether they differ, and shows where."""

import json
import shutil

from utils.run_page.comparison import write_comparison
from utils.run_page.look import Limits

import numpy as np
import pytest

from tests.helpers import browser
from tests.run_page.conftest import HARMFUL, judged, made_up_logits, old_run
from tests.run_page.test_report import Tags
from tools.report import main


@pytest.fixture(scope="module")
def runs(harmful_run, tmp_path_factory):
    """[better, worse], of the same pictures with harmful names."""
    root = tmp_path_factory.mktemp("compared")
    targets = np.repeat(np.arange(4), 12)
    paths = [str(harmful_run.parent / "pictures" / f"<img src=x onerror=alert({i})>.png") for i in range(48)]
    for name, gain, rate in (("exp0", 4.0, 0.1), ("exp1", 0.4, 0.2)):
        logits = made_up_logits(targets, 4)
        logits[np.arange(48), targets] += gain
        judged(root / name, HARMFUL, targets, logits, paths, init_lr=rate)
        shutil.copy(root / name / "test_predictions.csv", root / name / "predictions.csv")
    return [root / "exp1", root / "exp0"]  # the worse one first


def written(folders, target, **options):
    write_comparison(folders, target, Limits(**options))
    return target.read_text(encoding="utf-8")


def test_the_better_run_comes_first_and_the_page_says_whether_chance_explains_it(runs, tmp_path):
    page = written(runs, tmp_path / "page.html")
    assert page.index("<b>exp0</b> is right in") < page.index("<b>exp0</b> is better than <b>exp1</b>")
    assert "of 48 test pictures" in page
    assert "init_lr 0.1" in page
    assert "init_lr 0.2" in page
    assert '<td class="name"><span lang="en">differs</span>' in page


def test_equal_runs_cannot_be_told_apart(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "exp5")
    page = written([runs[0], tmp_path / "exp5"], tmp_path / "page.html")
    assert "cannot be told apart from" in page
    assert "Right by" not in page


def made_up(folder, right, paths, split="val"):
    """A run that has the first `right` of these pictures right."""
    targets = np.arange(len(paths)) % 4
    predicted = np.where(np.arange(len(paths)) < right, targets, (targets + 1) % 4)
    judged(folder, HARMFUL, targets, 4 * np.eye(4, dtype=np.float32)[predicted], paths, split=split)
    return folder


def test_the_verdict_goes_by_the_pictures_of_both(tmp_path):
    """The one has 95 % of its 180 right, the other all of these, and 90 of 180 others."""
    paths = [f"{i}.png" for i in range(360)]
    folders = [made_up(tmp_path / "a", 171, paths[:180]), made_up(tmp_path / "b", 270, paths)]
    page = written(folders, tmp_path / "page.html")
    assert "Of the 180 pictures of both:" in page
    assert "<b>b</b> is better than <b>a</b>, and chance does not explain it" in page


def test_an_evaluation_on_test_is_compared_on_test(tmp_path):
    paths = [f"{i}.png" for i in range(40)]
    run = made_up(tmp_path / "run", 30, paths, split="test")
    shutil.copy(run / "test_predictions.csv", run / "predictions.csv")
    (run / "val_results.json").write_text('{"images": 40}')
    alone = made_up(tmp_path / "alone", 20, paths, split="test")
    (alone / "test_predictions.csv").rename(alone / "predictions.csv")
    page = written([run, alone], tmp_path / "page.html")
    assert "of 40 test pictures" in page
    assert "<b>run</b> is better than <b>alone</b>" in page


def test_paths_of_another_working_directory_are_the_same_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = made_up(tmp_path / "one", 30, [f"{i}.png" for i in range(40)])
    other = made_up(tmp_path / "other", 20, [str(tmp_path / f"{i}.png") for i in range(40)])
    facts = json.dumps({"steps_per_epoch": 5, "working_directory": str(tmp_path)})
    (one / "environment.json").write_text(facts)
    (tmp_path / "elsewhere").mkdir()
    for place in (tmp_path, tmp_path / "elsewhere"):
        monkeypatch.chdir(place)
        assert "<b>one</b> is better than <b>other</b>" in written([one, other], tmp_path / "page.html")


def test_pictures_are_those_that_one_alone_has_right(runs, tmp_path):
    page = written(runs, tmp_path / "page.html")
    section = page[page.index('id="only-0"') :].split("</section>")[0]
    assert section.count("<figure>") == section.count("data:image/png") > 0
    targets = np.repeat(np.arange(4), 12)
    right = []
    for gain in (4.0, 0.4):
        logits = made_up_logits(targets, 4)
        logits[np.arange(48), targets] += gain
        right.append(logits.argmax(axis=1) == targets)
    alone = int((right[0] & ~right[1]).sum())
    assert section.count("<figure>") == min(24, alone)
    assert f"{min(24, alone)} of {alone}" in section
    assert 'id="only-1"' not in page  # the worse one has nothing that the better one has not


def test_names_are_texts_and_the_page_may_do_nothing(runs, tmp_path):
    tags = Tags(written(runs, tmp_path / "page.html"))
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert tags.seen.count("script") == 1
    assert not {name for name in tags.attributes if name.startswith("on") or name in ("style", "href", "srcdoc")}


def test_report_writes_a_page_for_each_and_one_for_all(runs, tmp_path, capsys):
    folders = [shutil.copytree(run, tmp_path / "logs" / run.name) for run in runs]
    words = [*map(str, folders), str(folders[0]), "--cam", "0"]  # one of them twice
    assert main(words) == 0
    assert all((folder / "report.html").is_file() for folder in folders)
    assert f"comparison: {tmp_path / 'logs' / 'comparison.html'}" in capsys.readouterr().out
    target = tmp_path / "both.html"
    assert main([*words, "--output", str(target)]) == 0
    assert "2 runs compared" in target.read_text(encoding="utf-8")
    assert main([*words, "--output", str(target)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_runs_without_predictions_are_named_or_have_no_comparison(runs, tmp_path, capsys):
    old = old_run(tmp_path / "logs" / "old")
    again = old_run(tmp_path / "logs" / "older")
    assert main([str(old), str(again), "--cam", "0"]) == 0
    assert "no comparison.html: none of these runs has a predictions.csv" in capsys.readouterr().out
    page = written([runs[0], old], tmp_path / "page.html")
    assert "No predictions.csv that could be compared: old." in page
    assert 'id="pairs"' not in page


def test_a_browser_shows_and_sorts_it_without_a_message(runs, tmp_path):
    driver = browser.start()
    try:
        page = browser.Page(driver)
        written(runs, tmp_path / "page.html")
        page.open(tmp_path / "page.html", width=320)
        assert page.run("document.documentElement.scrollWidth") <= 320
        assert page.texts("#runs tbody td:first-child") == ["exp0", "exp1"]
        page.find("#runs th:nth-child(3) button").click()
        assert page.texts("#runs tbody td:first-child") == ["exp1", "exp0"]
        assert page.run("Array.from(document.images).every(i => i.naturalWidth > 0)")
        assert page.run("document.querySelectorAll('[onerror], figcaption img').length") == 0
        assert page.messages() == []
    finally:
        driver.quit()
