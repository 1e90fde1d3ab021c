"""tools/report.py: the page of a run says what its files say, and shows the pictures that it names."""

import base64
import html.parser
import io
import json
import re
import shutil

from utils.run_page import choose as choosing
from utils.run_page.look import Limits
from utils.run_page.read import read_run
from utils.run_page.write import write_progress, write_report
from utils.tables import read_csv

import numpy as np
import pytest
from PIL import Image

from tests.helpers.runs import make_run
from tests.run_page.conftest import HARMFUL, colour_of, judged, made_up_logits, old_run
from tools.report import main

NO_CAM = Limits(cams=0)


@pytest.fixture
def run(harmful_run, tmp_path):
    return shutil.copytree(harmful_run, tmp_path / "exp0")


def page_of(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def data_of(page):
    [found] = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


class Tags(html.parser.HTMLParser):
    """Checks that every element ends where it should."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.attributes, self.ids = [], [], set(), []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attributes}
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in ("meta", "br", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_names_that_would_do_harm_are_texts(run):
    write_report(run, NO_CAM)
    page = page_of(run)
    tags = Tags(page)
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert tags.seen.count("script") == 2  # the data and the page's own
    assert "img" not in tags.seen
    assert not {name for name in tags.attributes if name.startswith("on") or name in ("style", "href", "srcdoc")}
    assert not re.search(r"https?:|<link|@import|url\(|innerHTML|eval\(|document\.write", page)
    assert data_of(page)["classes"] == HARMFUL


def test_cells_are_the_counts_and_every_thumbnail_belongs_to_its_row(run):
    write_report(run, NO_CAM)
    data = data_of(page_of(run))
    rows = read_csv(run / "test_predictions.csv")
    number_of = {row["path"].rpartition("/")[2]: number for number, row in enumerate(rows)}
    counts = np.zeros((4, 4), dtype=int)
    for cell, (count, places) in data["cells"].items():
        i, j = map(int, cell.split(","))
        counts[i, j] = count
        for place in places:
            name, true, predicted, p_true, _, _, rank = data["images"][place]
            row = rows[number_of[name]]
            assert (row["true"], row["predicted"]) == (HARMFUL[true], HARMFUL[predicted]) == (HARMFUL[i], HARMFUL[j])
            assert float(row["p_true"]) == pytest.approx(p_true, rel=1e-3)
            assert int(row["rank"]) == rank
            uri, _ = data["thumbnails"][str(place)]
            with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as picture:
                assert picture.getpixel((3, 3)) == colour_of(number_of[name])
    assert (counts == read_run(run).confusion).all()
    assert counts.sum() == len(rows)


def test_lists_are_in_order_and_say_what_is_left_out(run, monkeypatch):
    monkeypatch.setattr(choosing, "LISTED", 3)
    write_report(run, NO_CAM)
    page = page_of(run)
    data = data_of(page)
    answers = read_run(run).answers
    wrong = answers.p_predicted[answers.wrong]
    losses = [data["images"][place][5] for place in data["lists"]["losses"]]
    confident = [data["images"][place][4] for place in data["lists"]["confident"]]
    assert losses == pytest.approx(sorted(answers.loss, reverse=True)[:3], rel=1e-3)
    assert confident == pytest.approx(sorted(wrong, reverse=True)[:3], rel=1e-3)
    assert f"3 of {len(wrong)}; all are in test_predictions.csv." in page


def test_the_verdict_and_the_figures_are_those_of_the_test_images(run):
    write_report(run, NO_CAM)
    page = page_of(run)
    figures = json.loads((run / "test_results.json").read_bytes())
    low, high = figures["accuracy_interval"]
    [verdict] = re.findall(r'<div class="verdict plain" id="verdict">(.*?)</div>', page)
    assert f"<b>{100 * figures['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]</b>" in verdict
    assert " of 48 test pictures are right." in verdict
    assert "48 张测试图片的准确率。" in verdict
    assert "are taken for each other most" in verdict
    assert f'<td class="n">{figures["macro_auc"]:.4g}</td>' in page


def test_only_val_is_said_to_have_been_chosen_on(tmp_path):
    targets = np.repeat(np.arange(2), 4)
    logits = np.eye(2, dtype=np.float32)[targets] * 3
    logits[0] = [0, 9]
    judged(tmp_path, ["cat", "dog"], targets, logits, [f"{i}.png" for i in range(8)], split="val")
    write_report(tmp_path, NO_CAM)
    [verdict] = re.findall(r'id="verdict">(.*?)</div>', page_of(tmp_path))
    assert " of 8 val pictures are right, by which the epoch was chosen." in verdict
    assert "One may be mislabelled." in verdict
    assert "<b>cat</b> is taken for <b>dog</b> most, once." in verdict


def test_an_old_run_has_a_page_of_what_there_is(tmp_path, capsys):
    run = old_run(tmp_path / "exp0")
    assert main([str(run)]) == 0
    tags = Tags(page_of(run))
    assert {"verdict", "matrix", "classes", "curves", "recipe", "environment", "again"} <= set(tags.ids)
    assert "confident" not in tags.ids
    assert "data-cell=" not in page_of(run)
    assert f"report: {run / 'report.html'} (0." in capsys.readouterr().out


def test_a_run_before_its_first_epoch_has_one_too(tmp_path):
    make_run(tmp_path, ["cat", "dog"], epochs=1)
    for name in ("results.csv", "per_class.csv", "confusion_matrix.csv", "most_confused.csv"):
        (tmp_path / name).unlink()
    write_report(tmp_path, NO_CAM)
    assert "No epoch is finished yet." in page_of(tmp_path)


def test_while_a_run_goes_on_its_page_refreshes_itself_and_has_no_pictures(run):
    write_progress(run)
    page = page_of(run)
    assert '<meta http-equiv="refresh"' in page
    assert "This page refreshes itself." in page
    assert 'id="data"' not in page
    write_report(run, NO_CAM)
    assert "refresh" not in page_of(run)


def test_pictures_that_are_gone_are_named_and_the_page_is_written_all_the_same(run, harmful_run, capsys):
    table = run / "test_predictions.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("onerror=alert(0)", "gone"), encoding="utf-8")
    assert main([str(run), "--cam", "0"]) == 0
    assert "1 pictures could not be read, such as" in capsys.readouterr().out
    data = data_of(page_of(run))
    [place] = data["unreadable"]
    assert data["unreadable"][place] == "no such file"
    assert place not in data["thumbnails"]


def test_pictures_that_look_alike_are_put_together_where_they_are_wrong(tmp_path):
    rng = np.random.default_rng(0)
    patches = [rng.integers(0, 256, (6, 8, 3), dtype=np.uint8) for _ in range(4)]
    paths = []
    for number, patch in enumerate([patches[0], patches[0], *patches]):  # 0, 1 and 2 are equal
        picture = Image.fromarray(patch).resize((96, 72), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"{number}.jpg", quality=70 + 5 * number)
        paths.append(str(tmp_path / f"{number}.jpg"))
    targets = np.array([0, 1, 0, 1, 0, 1])
    wrong = np.array([1, 1, 0, 1, 0, 0], dtype=bool)  # 2 is right
    logits = np.eye(2, dtype=np.float32)[np.where(wrong, 1 - targets, targets)] * 3
    judged(tmp_path / "exp0", ["cat", "dog"], targets, logits, paths)
    write_report(tmp_path / "exp0", NO_CAM)
    data = data_of(page_of(tmp_path / "exp0"))
    assert [sorted(data["images"][place][0] for place in places) for places in data["sets"]] == [["0.jpg", "1.jpg"]]


def test_without_weights_there_are_no_maps_and_the_tool_says_why(run, capsys):
    assert main([str(run)]) == 0
    assert "no maps of what the network looked at: " in capsys.readouterr().out
    assert data_of(page_of(run))["maps"] == {}


def test_limits_of_pictures_hold(run):
    write_report(run, Limits(pictures=5, cams=0))
    assert len(data_of(page_of(run))["thumbnails"]) == 5
    write_report(run, Limits(cams=0, seconds=-1))  # the clock is looked at after a few
    assert 0 < len(data_of(page_of(run))["thumbnails"]) < 48


def test_many_classes_are_a_small_page(tmp_path):
    names = [f"class {k}" for k in range(120)]
    targets = np.arange(480) % 120
    judged(tmp_path, names, targets, made_up_logits(targets, 120), [f"{i}.png" for i in range(480)])
    write_report(tmp_path, Limits(pictures=0, cams=0))
    page = page_of(tmp_path)
    assert len(page) < 400_000
    assert "Shown are the 30 of 120 classes with the most mistakes." in page
    assert page.count('<th scope="row">') == 30
    assert '<select id="pick-true">' in page
    assert "The 10 classes of the smallest AUC, of 120." in page


def test_what_is_wrong_with_a_command_is_said(run, tmp_path, capsys):
    target = tmp_path / "page.html"
    for words, said in (
        ([str(tmp_path / "nowhere")], "no such folder"),
        ([str(run), "--output", str(tmp_path / "page.txt")], "expected a file ending in one of .html"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err
    assert main([str(run), "--output", str(target), "--cam", "0", "--language", "zh"]) == 0
    assert '<html lang="zh" data-language="zh">' in target.read_text(encoding="utf-8")
    assert main([str(run), "--output", str(target)]) == 2
    assert "exists already; --overwrite replaces it" in capsys.readouterr().err
    assert not (run / "report.html").exists()


def test_a_damaged_file_is_named(run, capsys):
    (run / "test_results.json").write_text("[1]")
    assert main([str(run)]) == 2
    assert "test_results.json: expected a json object" in capsys.readouterr().err


def test_a_shortened_table_is_no_smaller_set(run, capsys):
    path = run / "test_predictions.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:-5]) + "\n", encoding="utf-8")
    assert main([str(run)]) == 2
    assert "test_predictions.csv: has 43 rows, but" in capsys.readouterr().err


def test_a_page_is_not_replaced_by_one_without_its_pictures(run, tmp_path, capsys):
    write_report(run, NO_CAM)
    page = page_of(run)
    rows = (run / "test_predictions.csv").read_text(encoding="utf-8")
    (run / "test_predictions.csv").write_text(rows.replace("/pictures/", "/moved/"), encoding="utf-8")
    assert main([str(run), "--cam", "0"]) == 0
    assert page_of(run) == page
    assert "report.html: kept as it is, since none of its pictures can be read from here" in capsys.readouterr().out
    assert main([str(run), "--cam", "0", "--output", str(tmp_path / "new.html")]) == 0
    assert (tmp_path / "new.html").is_file()
