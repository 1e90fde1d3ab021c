"""Pictures are drawn from the files of a run, for 2 classes and for 200, whatever the classes are called."""

import itertools

from utils import tables
from utils.config import TrainConfig
from utils.errors import DataError
from utils.report import fonts, run_tables
from utils.report.canvas import MOST_LABELS
from utils.report.curves import MOST_POINTS, schedule, scores
from utils.report.per_class import confusion, distribution, figures_per_class
from utils.report.pictures import draw_run
from utils.training.schedulers import learning_rate

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from tests.helpers.runs import OLD_PICTURES, make_run


@pytest.mark.parametrize("count", [1, 2, 200])
def test_all_pictures_for_few_and_many_classes(tmp_path, count):
    make_run(tmp_path, [f"class {i:03d}" for i in range(count)])
    assert draw_run(tmp_path) == OLD_PICTURES
    assert {path.name for path in tmp_path.glob("*.jpg")} == set(OLD_PICTURES)
    for path in tmp_path.glob("*.jpg"):
        with Image.open(path) as image:
            assert 400 < min(image.size) <= max(image.size) < 4000
            assert np.asarray(image.convert("L")).std() > 5


def test_tables_give_back_what_was_written(tmp_path):
    names = ["plain", "with, comma", 'with "quotes"', "two\nlines", "猫"]
    confusion, metrics = make_run(tmp_path, names)
    assert run_tables.read_confusion(tmp_path)[0] == names
    assert np.array_equal(run_tables.read_confusion(tmp_path)[1], confusion)
    per_class = run_tables.read_per_class(tmp_path)
    assert per_class[0] == names
    assert np.array_equal(per_class[1][:, 2], metrics.class_f1)
    assert np.array_equal(per_class[2], confusion.sum(axis=1))
    assert run_tables.read_results(tmp_path)["train_loss"][1] == 1.0


def test_few_classes_have_counts_in_their_cells_and_many_a_list_of_pairs(tmp_path):
    make_run(tmp_path, [str(i) for i in range(30)])
    few = confusion(tmp_path)
    counts = run_tables.read_confusion(tmp_path)[1]
    written = {(t.get_position(), t.get_text()) for t in few.axes[0].texts}
    assert written == {((int(j), int(i)), str(counts[i, j])) for i, j in np.argwhere(counts)}
    make_run(tmp_path, [f"c{i}" for i in range(31)])
    matrix, beside, *_ = confusion(tmp_path).axes
    assert len(matrix.texts) == 0
    worst = tables.read_csv(tmp_path / "most_confused.csv")[0]
    line = f"{worst['true']} taken for {worst['predicted']}: {worst['count']} ({float(worst['share']):.0%})"
    assert line in beside.texts[0].get_text().splitlines()


def test_each_class_says_of_how_many_images_its_figures_are(tmp_path):
    make_run(tmp_path, ["a", "b", "c"], confusion=np.array([[8, 2, 0], [0, 17, 0], [0, 0, 0]]))
    labels = figures_per_class(tmp_path).axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["a (10)", "b (17)", "c (0)"]


def test_mistakes_have_colours_of_their_own_and_nothing_has_none(tmp_path):
    make_run(tmp_path, ["a", "b", "c"], confusion=np.array([[8, 2, 0], [0, 10, 0], [0, 0, 0]]))
    right, wrong = (image.get_array() for image in confusion(tmp_path).axes[0].images)
    assert right.compressed().tolist() == [0.8, 1.0, 0.0]
    assert wrong.compressed().tolist() == [0.2]


def test_200_names_are_all_on_the_axes_without_overlap_and_more_are_thinned(tmp_path):
    make_run(tmp_path, [f"class {i}" for i in range(200)])
    figure = confusion(tmp_path)
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [f"class {i}" for i in range(200)]
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in labels]
    assert all(above.y0 >= below.y1 for above, below in itertools.pairwise(boxes))
    make_run(tmp_path, [str(i) for i in range(2 * MOST_LABELS)])
    labels = [label.get_text() for label in distribution(tmp_path).axes[0].get_xticklabels()]
    assert labels == [str(i) for i in range(0, 2 * MOST_LABELS, 2)]


@pytest.mark.parametrize("count", [2, 31, 45, 100])
def test_nothing_of_the_matrix_lies_beyond_the_picture(tmp_path, count):
    make_run(tmp_path, [f"a longer name {i}" for i in range(count)])
    figure = confusion(tmp_path)
    figure.draw_without_rendering()
    edge = figure.bbox
    texts = [t for axes in figure.axes for t in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts)]
    for text in filter(Text.get_text, texts):
        box = text.get_window_extent()
        assert min(box.x0, box.y0, edge.x1 - box.x1, edge.y1 - box.y1) >= -1, text


def test_numbers_as_names_are_in_their_order_and_figures_go_with_their_names(tmp_path):
    names = sorted(map(str, range(40)))
    matrix = np.diag(np.arange(40)[np.argsort(np.argsort([int(name) for name in names]))] + 1)
    matrix[names.index("2"), names.index("10")] = 7
    make_run(tmp_path, names, confusion=matrix)
    matrix_panel, beside, *_ = confusion(tmp_path).axes
    assert [label.get_text() for label in matrix_panel.get_yticklabels()] == [str(i) for i in range(40)]
    assert "2 taken for 10: 7 (70%)" in beside.texts[0].get_text()
    assert matrix_panel.images[1].get_array()[2, 10] == pytest.approx(0.7)
    labels = [label.get_text() for label in figures_per_class(tmp_path).axes[-1].get_xticklabels()]
    assert labels == [f"{i} ({i + 1 + 7 * (i == 2)})" for i in range(40)]
    recall = [bar.get_height() for bar in figures_per_class(tmp_path).axes[1].patches]
    assert recall == pytest.approx([1.0, 1.0, 0.3, *[1.0] * 37])
    images = [bar.get_height() for bar in distribution(tmp_path).axes[0].containers[1]]
    assert images == [i + 1 + 7 * (i == 2) for i in range(40)]


def test_the_list_of_mistakes_is_as_wide_as_its_words(tmp_path):
    for names, least, most in (
        ([f"{i}" for i in range(40)], 0.05, 0.15),
        ([f"{i} " + "w" * 38 for i in range(40)], 0.3, 0.5),
    ):
        make_run(tmp_path, names)
        figure = confusion(tmp_path)
        figure.draw_without_rendering()
        [text] = figure.axes[1].texts
        box = text.get_window_extent()
        assert least < box.width / figure.bbox.width < most
        assert figure.bbox.x1 - box.x1 < 0.05 * figure.bbox.width


def test_each_score_has_a_panel_with_its_value_in_the_best_epoch(tmp_path):
    make_run(tmp_path, ["a", "b"], epochs=3)
    rows = [
        dict(epoch=1, train_loss=2, val_loss=2, accuracy=0.5, precision=0.4, recall=0.5, f1=0.4),
        dict(epoch=2, train_loss=1, val_loss=1, accuracy=0.8, precision=0.7, recall=0.8, f1=0.71),
        dict(epoch=3, train_loss=1, val_loss=2, accuracy=0.8, precision=0.9, recall=0.8, f1=0.9),
    ]
    run_tables.write_results(tmp_path, rows)
    figure = scores(tmp_path)
    titles = [(axes.get_title("left"), axes.get_title("right")) for axes in figure.axes]
    assert titles == [
        ("accuracy", "80.00%"),
        ("precision (macro)", "70.00%"),
        ("recall (macro)", "80.00%"),
        ("F1 (macro)", "71.00%"),
    ]
    assert figure.get_suptitle() == "Validation: the best epoch, 2 of 3, is marked"
    for axes in figure.axes:
        _, marked = axes.lines
        assert marked.get_xdata() == [2]
    averaged = [{**row, "ema_accuracy": 0.81 if row["epoch"] == 1 else 0.1, "ema_val_loss": 3} for row in rows]
    run_tables.write_results(tmp_path, averaged)
    assert scores(tmp_path).get_suptitle() == "Validation: the best epoch, 1 of 3 (averaged weights), is marked"
    run_tables.write_results(tmp_path, [{**rows[0], "val_loss": float("nan"), "accuracy": 0.1}])
    assert scores(tmp_path).get_suptitle() == "Validation"  # a training that diverged has no best epoch


def test_the_schedule_is_the_one_that_training_uses(tmp_path):
    make_run(tmp_path, ["a"], epochs=10, warmup_epochs=2, steps_per_epoch=7)
    [line] = schedule(tmp_path).axes[0].lines
    config = TrainConfig.plain(epochs=10, warmup_epochs=2)
    assert line.get_ydata().tolist() == [learning_rate(config, step, 7) for step in range(70)]
    assert line.get_xdata()[-1] == 69 / 7


def test_a_schedule_of_millions_of_steps_is_thinned(tmp_path):
    make_run(tmp_path, ["a"], epochs=10, steps_per_epoch=10**6)
    [line] = schedule(tmp_path).axes[0].lines
    assert MOST_POINTS / 2 < len(line.get_ydata()) <= MOST_POINTS
    assert line.get_xdata()[-1] > 9.99


def test_the_commonest_mistakes_come_first(tmp_path):
    names = ["cat", "dog", "one, two", "猫"]
    make_run(tmp_path, names, confusion=np.array([[5, 2, 0, 1], [3, 27, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]]))
    found = [list(row.values()) for row in tables.read_csv(tmp_path / "most_confused.csv")]
    expected = [("dog", "cat", 3, 0.1), ("one, two", "dog", 2, 1.0), ("cat", "dog", 2, 0.25), ("cat", "猫", 1, 0.125)]
    assert found == [[*map(str, row)] for row in expected]


def test_the_table_of_mistakes_ends_where_nobody_reads_on(tmp_path):
    make_run(tmp_path, [str(i) for i in range(40)], confusion=np.ones((40, 40), dtype=np.int64))
    assert len(tables.read_csv(tmp_path / "most_confused.csv")) == run_tables.MOST_PAIRS
    make_run(tmp_path, ["a", "b"], confusion=np.diag([3, 4]))
    assert tables.read_csv(tmp_path / "most_confused.csv") == []


READERS = {
    "results.csv": run_tables.read_results,
    "per_class.csv": run_tables.read_per_class,
    "confusion_matrix.csv": run_tables.read_confusion,
    "class_counts.csv": run_tables.read_counts,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", ["class,epoch\n1,x\n", "a,b,c\n1,2\n", "class\n"])
def test_a_damaged_table_is_named(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    if (name, content) == ("results.csv", "class\n"):  # no epoch yet
        assert run_tables.read_results(tmp_path) == {}
        return
    with pytest.raises(DataError, match=name):
        READERS[name](tmp_path)


def test_names_without_glyphs_become_indices_with_one_warning(monkeypatch):
    warnings = []
    monkeypatch.setattr(fonts.log, "warning", warnings.append)
    monkeypatch.setattr(fonts, "_family_with", lambda letters: None)
    fonts._warn_once.cache_clear()
    for _ in range(2):
        labels, _ = fonts.class_labels(["猫", "狗"])
        assert labels == ["0", "1"]
    assert len(warnings) == 1


def test_names_that_steer_the_writing_are_escaped_and_long_ones_keep_both_ends():
    labels, _ = fonts.class_labels(["a\u202eb", "first " + "x" * 99 + " 1", "first " + "x" * 99 + " 2"])
    assert labels[0] == r"a\u202eb"
    assert labels[1] != labels[2]
    assert all(len(label) <= 40 for label in labels)


def test_latin_names_stay_as_they_are():
    labels, _ = fonts.class_labels(["Größe", "naïve $5", "two\nlines"])
    assert labels == ["Größe", r"naïve \$5", "two lines"]
