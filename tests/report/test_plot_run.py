"""tools/plot_run.py: a run's pictures again from its files, runs over each other, and folders that are no runs."""

import itertools
import shutil

from utils import tables
from utils.errors import DataError
from utils.report import run_tables
from utils.report.comparison import DISTINCT, GREY, compare
from utils.report.curves import losses
from utils.report.saved_run import describe_runs, read_steps_per_epoch

import numpy as np
import pytest
from PIL import Image

from tests.helpers import ROOT
from tests.helpers.runs import OLD_PICTURES, make_run
from tools.plot_run import main

NEED_EPOCHS = {"train_val_loss.jpg", "Acc_P_R_F1.jpg", "P_R_F1_per_class.jpg", "confusion_matrix.jpg"}


@pytest.fixture
def runs(tmp_path):
    """Three runs below tmp_path/logs/resnet_18 that differ in init_lr, the last one cut off before its first epoch."""
    folders = [tmp_path / "logs" / "resnet_18" / f"exp{i}" for i in range(3)]
    for folder, rate, epochs in zip(folders, (0.1, 0.01, 0.001), (12, 3, 0)):
        make_run(folder, ["cat", "dog"], epochs=epochs or 12, init_lr=rate, ema=rate < 0.1)
        if not epochs:
            for name in ("results.csv", "per_class.csv", "confusion_matrix.csv", "most_confused.csv"):
                (folder / name).unlink()
    return folders


def pictures(folder):
    return {path.name for path in folder.glob("*.jpg")}


def test_all_are_those_that_the_run_drew_itself(python, tmp_path):
    run, drawn = tmp_path / "exp0", ROOT / "logs" / "resnet_18" / "exp0"
    run.mkdir()
    for path in drawn.iterdir():
        if path.suffix != ".jpg":
            shutil.copy(path, run)
    done = python(tmp_path, [str(ROOT / "tools" / "plot_run.py"), "exp0"])
    assert done.returncode == 0, done.stderr
    assert pictures(run) == pictures(drawn) > set(OLD_PICTURES)
    assert all(name in done.stdout for name in pictures(run))


@pytest.mark.parametrize("epochs", [1, 2])
def test_short_runs_without_averaged_weights(tmp_path, epochs):
    make_run(tmp_path, ["猫", "狗"], epochs=epochs, warmup_epochs=0, ema=False)
    assert main([str(tmp_path)]) == 0
    assert pictures(tmp_path) == set(OLD_PICTURES)
    axes = losses(tmp_path).axes[0]
    assert all(place == round(place) for place in axes.get_xticks())


def test_a_run_before_its_first_epoch_has_schedule_and_data(runs, capsys):
    assert main([str(runs[2])]) == 0
    assert pictures(runs[2]) == set(OLD_PICTURES) - NEED_EPOCHS
    absent = capsys.readouterr().out.splitlines()[-1]
    assert all(name in absent for name in NEED_EPOCHS)


def test_a_run_that_only_validated_has_what_belongs_to_classes(tmp_path, capsys):
    make_run(tmp_path, ["cat", "dog"], epochs=1, warmup_epochs=0, steps_per_epoch=0, only_val=True)
    [row] = tables.read_csv(tmp_path / "results.csv")
    del row["train_loss"]
    run_tables.write_results(tmp_path, [row])
    assert main([str(tmp_path)]) == 0
    assert pictures(tmp_path) == {"P_R_F1_per_class.jpg", "confusion_matrix.jpg", "data_distribution.jpg"}


def test_pictures_of_one_run_may_go_elsewhere_and_are_replaced_only_where_asked_for(runs, tmp_path, capsys):
    target = tmp_path / "deep" / "pictures"
    command = [str(runs[0]), "--output", str(target)]
    assert main(command) == 0
    assert pictures(target) == set(OLD_PICTURES)
    assert not pictures(runs[0])
    kept = target / "scheduler.jpg"
    for name in set(OLD_PICTURES) - {kept.name}:
        (target / name).unlink()
    kept.write_bytes(b"mine")
    assert main(command) == 2
    assert f"--output: {kept} exists already; --overwrite replaces it" in capsys.readouterr().err
    assert (pictures(target), kept.read_bytes()) == ({kept.name}, b"mine")
    assert main([*command, "--overwrite"]) == 0
    assert pictures(target) == set(OLD_PICTURES)
    assert kept.read_bytes() != b"mine"


@pytest.mark.parametrize("name", ["picture.jpg", "file"])
def test_pictures_of_one_run_need_a_folder(name, runs, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(runs[0]), "--output", str(tmp_path / name)]) == 2
    assert "expected a folder for the pictures of one run" in capsys.readouterr().err
    assert not (tmp_path / "picture.jpg").exists()


def test_a_run_from_elsewhere_executes_nothing(runs, tmp_path, capsys):
    config = runs[0] / "train_config.py"
    config.write_text(config.read_text() + f"\nopen({str(tmp_path / 'owned')!r}, 'w')\n")
    line = len(config.read_text().splitlines())
    assert main([str(runs[0])]) == 2
    assert main([str(run) for run in runs]) == 2
    assert not (tmp_path / "owned").exists()
    assert capsys.readouterr().err.count(f"train_config.py: line {line}: expected name = value") == 2


def test_what_is_no_run_is_reported_with_what_is_missing(runs, tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main([str(runs[0].parent)]) == 2
    printed = capsys.readouterr().err
    assert "no train_config.py and no environment.json" in printed
    assert "exp0, exp1, exp2" in printed
    (runs[1] / "environment.json").unlink()
    assert main([str(runs[0]), str(runs[1])]) == 2
    assert "exp1: not the folder of a run: no environment.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"steps_per_epoch": -1}', '{"steps_per_epoch": "5"}', "[" * 9999]
)
def test_a_damaged_environment_is_named(tmp_path, content):
    (tmp_path / "environment.json").write_text(content)
    with pytest.raises(DataError, match=r"environment\.json"):
        read_steps_per_epoch(tmp_path)


def curves(axes):
    """Columns of results.csv, of one epoch or more, by the colour of their curve."""
    return {(line.get_label(), line.get_color()): line.get_ydata() for line in axes.lines if line.get_label()[0] != "_"}


def table(figure):
    """Rows of the table below the curves."""
    rows = {}
    for text in figure.axes[-1].texts:
        rows.setdefault(text.get_position()[1], []).append(text.get_text())
    return [[cell for cell in row if cell] for row in rows.values()]


def test_curves_of_all_runs_lie_over_each_other_with_their_best_epoch_marked(runs):
    loss, accuracy, f1, _ = compare(runs).axes
    first, second = map(run_tables.read_results, runs[:2])
    found = curves(accuracy)
    assert [name for name, _ in curves(loss)] == ["val_loss", "train_loss"] * 2
    assert np.array_equal(found["accuracy", DISTINCT[0]], first["accuracy"])
    assert np.array_equal(found["accuracy", DISTINCT[1]], second["ema_accuracy"])  # the better ones
    assert np.array_equal(curves(f1)["f1", DISTINCT[0]], first["f1"])
    marks = [(*line.get_xdata(), *line.get_ydata()) for line in accuracy.lines if line.get_markersize() > 6]
    assert marks == [(12, first["accuracy"][11]), (3, second["ema_accuracy"][2])]
    assert [text.get_text() for text in accuracy.texts] == ["1", "2"]


def test_the_table_has_the_best_first_and_says_what_differs(runs):
    header, *rows = table(compare(runs))
    assert header[:2] == ["best accuracy", "in epoch"]
    assert rows == [
        ["1", "92.31%", "12 of 12", "raw", "92.31%", "0.1833", "exp0: epochs 12, init_lr 0.1"],
        ["2", "80.00%", "3 of 3", "averaged", "50.00%", "0.6333", "exp1: epochs 3, init_lr 0.01"],
        ["3", "no epoch finished yet", "exp2: epochs 12, init_lr 0.001"],
    ]


def test_curves_and_figures_are_of_the_weights_that_scored_best(runs):
    rows = tables.read_csv(runs[1] / "results.csv")
    rows[1] |= {"ema_accuracy": "0.99", "ema_f1": "0.98", "ema_val_loss": "0.5"}
    run_tables.write_results(runs[1], rows)
    figure = compare(runs)
    assert table(figure)[1][:6] == ["1", "99.00%", "2 of 3", "averaged", "98.00%", "0.5000"]
    assert curves(figure.axes[1])["accuracy", DISTINCT[0]][1] == 0.99


def validated(folder, accuracy):
    make_run(folder, ["cat", "dog"], epochs=1, warmup_epochs=0, steps_per_epoch=0, only_val=True)
    run_tables.write_results(folder, [dict(epoch=1, val_loss=0.4, accuracy=accuracy, precision=1, recall=1, f1=0.85)])
    return folder


def test_a_run_that_only_validated_is_a_line_across(runs, tmp_path):
    folders = [runs[0], validated(tmp_path / "val0", 0.95), validated(tmp_path / "val1", 0.85)]
    figure = compare(folders)
    accuracy = figure.axes[1]
    across = [line for line in accuracy.lines if line.get_linestyle() == "-."]
    assert [(line.get_ydata(), line.get_xdata()) for line in across] == [([0.95] * 2, [0, 1]), ([0.85] * 2, [0, 1])]
    assert table(figure)[1][:4] == ["1", "95.00%", "only validated", "85.00%"]
    assert len(compare(folders[1:]).axes[0].get_xticks()) == 0


def test_a_run_that_diverged_is_in_the_table_without_figures(tmp_path):
    make_run(tmp_path, ["cat"], epochs=1, warmup_epochs=0)
    nothing = dict.fromkeys(("train_loss", "val_loss", "accuracy", "precision", "recall", "f1"), float("nan"))
    run_tables.write_results(tmp_path, [{"epoch": 1, **nothing}])
    assert table(compare([tmp_path, tmp_path]))[1][:2] == ["1", "no epoch with finite figures"]


def test_of_many_runs_the_best_have_colours_and_numbers(tmp_path):
    folders = [tmp_path / f"exp{i}" for i in range(12)]
    for i, folder in enumerate(folders):
        make_run(folder, ["cat"], epochs=2, warmup_epochs=0, ema=False, init_lr=0.001 * (i + 1))
        row = dict(train_loss=1, val_loss=1, precision=1, recall=1, f1=1)
        run_tables.write_results(folder, [{"epoch": e, **row, "accuracy": 0.5 + 0.01 * i} for e in (1, 2)])
    figure = compare(folders)
    accuracy = figure.axes[1]
    colours = [line.get_color() for line in accuracy.lines if line.get_markersize() < 6]
    assert colours == [*DISTINCT, *[GREY] * 7]
    assert sorted(text.get_text() for text in accuracy.texts) == ["1", "2", "3", "4", "5"]
    assert [row[-1].split(":")[0] for row in table(figure)[1:]] == [f"exp{i}" for i in range(11, -1, -1)]
    assert len(figure.axes[0].lines) == len(accuracy.lines)  # of as many runs the losses of training are left out
    for axes in figure.axes[:3]:
        boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
        assert all(below.y1 <= above.y1 - 9 for below, above in itertools.pairwise(boxes))


def test_places_make_no_difference_and_names_are_as_long_as_needed(tmp_path):
    folders = [tmp_path / "logs" / name / "exp0" for name in ("resnet_18", "vgg_11")]
    for folder in folders:
        make_run(folder, ["cat"], log_root=str(folder), exp_name=folder.parent.name)
    assert describe_runs(folders) == ["resnet_18/exp0", "vgg_11/exp0"]
    assert describe_runs([folders[0], folders[0]]) == ["exp0", "exp0"]


def test_keys_that_a_run_did_not_use_do_not_set_it_apart(tmp_path):
    make_run(tmp_path / "a", ["cat"], epochs=7, momentum=0.8, seed=5)
    make_run(tmp_path / "b", ["cat"], only_val=True, load_from="best.pth", tta="flip")
    folders = [tmp_path / "a", tmp_path / "b"]
    trained = "a: only_val False, tta none, seed 5, load_from ''"
    assert describe_runs(folders) == [trained, "b: only_val True, tta flip, seed 0, load_from best.pth"]
    make_run(tmp_path / "c", ["cat"], epochs=8, momentum=0.8, seed=5)
    assert describe_runs([*folders, tmp_path / "c"])[0] == f"{trained}, epochs 7"


def test_many_and_long_differences_are_cut(tmp_path):
    many = dict(seed=5, momentum=0.8, weight_decay=0.0, batch_size=3, load_from="x/" * 50 + "best.pth", augment="ra")
    many |= dict(eps=0.1, num_workers=0, save_steps=9)
    make_run(tmp_path / "a", ["cat"])
    make_run(tmp_path / "b", ["cat"], **many)
    label = describe_runs([tmp_path / "a", tmp_path / "b"])[1]
    assert "seed 5" in label
    assert "/best.pth" in label
    assert label.endswith("and 1 more")
    assert len(label) < 200


def test_a_comparison_lands_above_the_runs_or_where_output_says(runs, tmp_path, capsys):
    both = [str(run) for run in runs[:2]]
    for _ in range(2):  # its own default it may replace
        assert main(both) == 0
    with Image.open(runs[0].parent / "comparison.jpg") as image:
        assert image.width > 1000
    output = tmp_path / "mine.png"
    output.write_text("precious")
    assert main([*both, "--output", str(output)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert output.read_text() == "precious"
    assert main([*both, "--output", str(output), "--overwrite"]) == 0
    assert Image.open(output).format == "PNG"
    assert main([*both, "--output", str(tmp_path / "mine.txt")]) == 2
    assert main([*both, "--output", str(tmp_path / "no" / "mine.jpg")]) == 2
    assert main([*both, "--output", str(tmp_path)]) == 2


def test_runs_without_an_epoch_cannot_be_compared(runs):
    with pytest.raises(DataError, match="finished an epoch"):
        compare([runs[2], runs[2]])


def test_what_sets_runs_apart_ends_within_the_picture(tmp_path):
    folders = [tmp_path / f"a run of which much is to be said, number {i}" for i in range(2)]
    for i, folder in enumerate(folders):
        keys = dict(seed=i, init_lr=0.1 / (i + 1), momentum=0.8 + i / 10, exp_name=f"W$W{i}", img_size=[32 + i, 32])
        make_run(folder, ["cat", "dog"], epochs=2, weight_decay=0.01 * (i + 1), crop_scale=[0.1 + i / 10, 1], **keys)
    figure = compare(folders)
    for label in [text for text in figure.axes[-1].texts if text.get_text().startswith("a run")]:
        assert label.get_text().endswith(" ...")
        assert 0.9 * figure.bbox.width < label.get_window_extent().x1 < figure.bbox.width
