"""Pictures are drawn from the files of a run, for 2 classes and for 200, whatever the classes are called."""

import numpy as np
import pytest
from PIL import Image

from utils import fonts, plots, tables
from utils.config import TrainConfig
from utils.metrics import metrics_from
from utils.schedulers import learning_rate


def make_run(folder, names, epochs=12):
    """The tables of a made-up run over classes `names`."""
    rng = np.random.default_rng(0)
    confusion = rng.poisson(0.3, (len(names), len(names))) + np.diag(rng.integers(5, 20, len(names)))
    metrics = metrics_from(confusion)
    rows = [
        {
            "epoch": e,
            "train_loss": 2 / e,
            "val_loss": 2.2 / e,
            **dict.fromkeys(SCORES, 1 - 1 / (e + 1)),
            "ema_val_loss": 1.9 / e,
        }
        for e in range(1, epochs + 1)
    ]
    tables.write_results(folder, rows)
    tables.write_evaluation(folder, confusion, metrics, names)
    tables.write_counts(folder, names, rng.integers(20, 400, len(names)), confusion.sum(axis=1))
    return confusion, metrics


SCORES = ("accuracy", "precision", "recall", "f1", "ema_accuracy")
PICTURES = ["Acc_P_R_F1", "P_R_F1_per_class", "confusion_matrix", "data_distribution", "train_val_loss"]


@pytest.mark.parametrize("count", [1, 2, 200])
def test_all_pictures_for_few_and_many_classes(tmp_path, count):
    make_run(tmp_path, [f"class {i:03d}" for i in range(count)])
    plots.draw_run(tmp_path)
    assert sorted(path.stem for path in tmp_path.glob("*.jpg")) == PICTURES
    for path in tmp_path.glob("*.jpg"):
        with Image.open(path) as image:
            assert 400 < min(image.size) <= max(image.size) < 4000
            assert np.asarray(image.convert("L")).std() > 5


def test_tables_give_back_what_was_written(tmp_path):
    names = ["plain", "with, comma", 'with "quotes"', "two\nlines", "猫"]
    confusion, metrics = make_run(tmp_path, names)
    assert tables.read_confusion(tmp_path)[0] == names
    assert np.array_equal(tables.read_confusion(tmp_path)[1], confusion)
    per_class = tables.read_per_class(tmp_path)
    assert per_class[0] == names
    assert np.array_equal(per_class[1][:, 2], metrics.class_f1)
    assert np.array_equal(per_class[2], confusion.sum(axis=1))
    assert tables.read_results(tmp_path)["train_loss"][1] == 1.0


def test_cells_hold_counts_only_where_there_is_room(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: drawn.append(figure))
    for count in (30, 31):
        make_run(tmp_path, [str(i) for i in range(count)])
        plots.draw_confusion(tmp_path)
    few, many = (len(figure.axes[0].texts) for figure in drawn)
    assert few >= 30
    assert many == 0


def test_labels_are_thinned(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: drawn.append(figure))
    make_run(tmp_path, [str(i) for i in range(200)])
    plots.draw_confusion(tmp_path)
    labels = [label.get_text() for label in drawn[0].axes[0].get_xticklabels()]
    assert len(labels) <= plots.MOST_LABELS
    assert labels[:3] == ["0", "4", "8"]


def test_the_schedule_is_the_one_that_training_uses(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: drawn.append(figure))
    config = TrainConfig(epochs=10, warmup_epochs=2)
    rates = [learning_rate(config, step, 7) for step in range(70)]
    plots.draw_schedule(tmp_path, rates, 7)
    [line] = drawn[0].axes[0].lines
    assert line.get_ydata().tolist() == rates
    assert line.get_xdata()[-1] == 69 / 7


def test_names_without_glyphs_become_indices_with_one_warning(monkeypatch):
    told = []
    monkeypatch.setattr(fonts.log, "warning", told.append)
    monkeypatch.setattr(fonts, "_family_with", lambda letters: None)
    fonts._warn_once.cache_clear()
    for _ in range(2):
        labels, _ = fonts.class_labels(["猫", "狗"])
        assert labels == ["0", "1"]
    assert len(told) == 1


def test_latin_names_stay_as_they_are():
    labels, _ = fonts.class_labels(["Größe", "naïve $5", "two\nlines"])
    assert labels == ["Größe", r"naïve \$5", "two lines"]
