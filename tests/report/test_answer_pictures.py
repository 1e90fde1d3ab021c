"""curves.jpg and reliability.jpg, and which runs differ on the images of both, from the tables of a run."""

from utils.config import TrainConfig
from utils.config.schema import render
from utils.figures.summary import summarise
from utils.report.answer_pictures import curves, reliability
from utils.report.answer_tables import write_reliability
from utils.report.evaluation import write_tables
from utils.report.same_images import compare_answers, read_common
from utils.training.metrics import Answers

import numpy as np
import pytest
from matplotlib.text import Text
from sklearn import metrics as sklearn

N = 400


@pytest.fixture
def judged(tmp_path):
    """judged(name, sure, classes=12, prefix="") makes the tables of a run folder; sure: how far logits are apart."""

    def make(name, sure=3.0, classes=12, prefix=""):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "train_config.py").write_text(render(TrainConfig.plain(), "a run"))
        generator = np.random.default_rng(0)
        targets = generator.integers(0, classes, N)
        logits = generator.normal(size=(N, classes)).astype(np.float32)
        logits[np.arange(N), targets] += generator.uniform(0, sure, N)
        answers = Answers(np.arange(N), targets, logits)
        summary = summarise(logits, targets, 2.0)
        names = [f"class {i}" for i in range(classes)]
        write_tables(folder, [f"{i}.png" for i in range(N)], answers, names, summary, prefix=prefix)
        bins = {"uncalibrated": summary.raw_reliability, "calibrated": summary.reliability}
        write_reliability(folder, bins, prefix)
        return folder, summary, answers

    return make


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def test_the_hardest_classes_are_named_first(judged):
    folder, summary, _ = judged("exp0")
    figure = curves(folder)
    [legend] = figure.legends
    order = np.argsort(summary.ranking.auc, kind="stable")
    assert [text.get_text() for text in legend.get_texts()][:3] == [f"class {i}" for i in order[:3]]
    assert len(legend.get_texts()) == 10
    assert "Each class against the others, val" in texts(figure)


def test_the_curve_is_that_of_scikit_learn(judged):
    folder, _, answers = judged("exp0", classes=2)
    line = next(line for line in curves(folder).axes[0].lines if line.get_label() == "class 1")
    scores = np.exp(answers.logits / 2)[:, 1] / np.exp(answers.logits / 2).sum(axis=1)
    alarms, hits, _ = sklearn.roc_curve(answers.targets == 1, scores)
    assert np.interp(alarms[1:-1], *line.get_data()) == pytest.approx(np.interp(alarms[1:-1], alarms, hits), abs=0.02)
    assert (line.get_data()[0][-1], line.get_data()[1][-1]) == (1, 1)


def test_test_is_shown_where_there_is_one(judged):
    judged("exp0")
    folder, _, _ = judged("exp0", sure=1.0, prefix="test_")
    assert "Each class against the others, test" in texts(curves(folder))
    assert f"Confidence on {N} images of test, in bins of equal counts" in texts(reliability(folder))


def test_both_errors_of_calibration_are_said(judged):
    folder, summary, answers = judged("exp0")
    said = texts(reliability(folder))
    assert f"uncalibrated: {100 * summary.raw.calibration_error:.1f} points off" in said
    assert f"calibrated: {100 * summary.calibrated.calibration_error:.1f} points off" in said
    risk = reliability(folder).axes[1].lines[0].get_ydata()
    assert risk[-1] == pytest.approx((answers.logits.argmax(1) != answers.targets).mean())


def test_an_older_run_has_neither(tmp_path):
    (tmp_path / "train_config.py").write_text(render(TrainConfig.plain(), "a run"))
    assert curves(tmp_path) is reliability(tmp_path) is None


def test_runs_are_compared_image_by_image(judged, tmp_path):
    folders = [judged(f"exp{i}", sure)[0] for i, sure in enumerate((3.0, 3.0, 0.5))]
    same, worse, _ = map(str, compare_answers(read_common(folders)))
    assert same.startswith("'exp0' less 'exp1', 400 images of both: +0.0 points")
    assert same.endswith("cannot be told apart")
    assert worse.endswith("differs")
    old = tmp_path / "old"
    old.mkdir()
    assert compare_answers(read_common([folders[0], old])) == []
    assert len(compare_answers(read_common([*folders, old]))) == 3
