"""only_val of a checkpoint of ours: network and data are the checkpoint's, unless the user says otherwise."""

import json
import os
import signal
import sys

from utils.config import PredictConfig, TrainConfig, load_train_config
from utils.errors import WeightsError
from utils.prediction.classifier import load_classifier
from utils.report.compared_runs import ranked
from utils.run import evaluate_only
from utils.run_page import write
from utils.signals import Stopped
from utils.tables import read_csv
from utils.weights.checkpoint import save_checkpoint

import pytest
import torch

import train
from tests.helpers import ROOT
from tests.helpers.checkpoints import CPU, new_state, whole_checkpoint


@pytest.fixture
def run(data, tmp_path, monkeypatch):
    """The folder of a run of another network and other data than the shipped config names, in the working directory."""
    folder = tmp_path / "logs" / "shufflenetv2_0.5" / "exp0"
    folder.mkdir(parents=True)
    save_checkpoint(folder / "best.pth", whole_checkpoint(img_path=str(data)))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def command(monkeypatch, capsys):
    """command(*words) is (status, what was printed) of train.py with the shipped config."""

    def main(*words):
        options = ["--set", "only_val=True", "--set", "device=cpu", "--set", "num_workers=0"]
        config = ["--config", str(ROOT / "train_config.py")]
        monkeypatch.setattr(sys, "argv", ["train.py", *config, *options, *map(str, words)])
        capsys.readouterr()
        return train.main(), "".join(capsys.readouterr())

    return main


def test_the_shipped_config_evaluates_a_run_of_another_network_and_other_data(run, data, command):
    status, said = command("--weights", run)
    assert status == 0, said
    taken = f"model_prefix = 'shufflenetv2', model_suffix = '0.5', img_path = '{data}'"
    assert f"taken from {run / 'best.pth'}, as not set otherwise: {taken}" in said
    folder = run.with_name("exp1")
    assert [row["support"] for row in read_csv(folder / "per_class.csv")] == ["3", "2", "4"]
    assert f"img_path = '{data}'" in (folder / "train_config.py").read_text()


def test_what_the_user_sets_is_not_taken_from_the_checkpoint(run, image_folder, command):
    other = image_folder({"val": {"ant": 1, "bee": 1, "cow": 1}}, name="other")
    status, said = command(other, "--set", f"load_from={run}")
    assert status == 0, said
    assert "as not set otherwise: model_prefix = 'shufflenetv2', model_suffix = '0.5'\n" in said
    assert [row["support"] for row in read_csv(run.with_name("exp1") / "per_class.csv")] == ["1", "1", "1"]


def test_another_network_that_the_user_sets_is_an_error(run, command):
    status, said = command("--weights", run, "--set", "model_prefix=resnet", "--set", "model_suffix=18")
    assert status == 2
    assert "holds shufflenetv2 0.5, but the config names resnet 18" in said
    config = TrainConfig(only_val=True, load_from=str(run), model_suffix="34", device="cpu")  # as from a file
    with pytest.raises(WeightsError, match="holds shufflenetv2 0.5, but the config names shufflenetv2 34"):
        train.run(config)


def test_data_that_are_gone_are_named_with_the_key_to_set(run, data, command):
    data.rename(data.with_name("moved"))
    status, said = command("--weights", run)
    assert status == 2
    assert f"img_path: {run / 'best.pth'} was trained on '{data}', and no such folder is here" in said
    assert "--set img_path=FOLDER names another" in said
    assert list(run.parent.iterdir()) == [run]


def test_an_evaluation_that_is_stopped_leaves_no_folder(run, data, monkeypatch):
    score = evaluate_only.score

    def stopped(*given, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        return score(*given, **options)

    monkeypatch.setattr(evaluate_only, "score", stopped)
    names = dict(model_prefix="shufflenetv2", model_suffix="0.5", img_path=str(data), device="cpu", num_workers=0)
    with pytest.raises(Stopped):
        train.run(TrainConfig(only_val=True, load_from=str(run / "best.pth"), **names))
    assert list(run.parent.iterdir()) == [run]


def test_an_evaluation_that_is_stopped_as_it_writes_its_page_leaves_no_folder(run, monkeypatch):
    """The page that cannot be written is a warning, a signal that comes then is not."""

    def stopped(*given):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(write, "write_report", stopped)
    with pytest.raises(Stopped):
        train.run(TrainConfig(only_val=True, load_from=str(run), device="cpu", num_workers=0))
    assert list(run.parent.iterdir()) == [run]


def test_an_evaluation_that_is_interrupted_as_it_draws_leaves_no_folder(run, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate_only, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(TrainConfig(only_val=True, load_from=str(run), device="cpu", num_workers=0))
    assert list(run.parent.iterdir()) == [run]


def test_foreign_weights_take_the_network_and_the_data_of_the_config(run, data):
    torch.save(whole_checkpoint()["net"], run / "bare.pth")
    with pytest.raises(WeightsError, match="resnet 18"):
        train.run(TrainConfig(only_val=True, load_from=str(run / "bare.pth"), img_path=str(data), device="cpu"))


def test_weights_without_a_head_for_these_classes_are_refused_before_there_is_a_folder(run, data):
    """Their head would be at random, and so would the figures."""
    torch.save(whole_checkpoint(("ant", "bee"))["net"], run / "bare.pth")
    names = dict(model_prefix="shufflenetv2", model_suffix="0.5", img_path=str(data), device="cpu", num_workers=0)
    with pytest.raises(WeightsError, match=r"only_val: .*3 classes instead of 2; expected all tensors of a network"):
        train.run(TrainConfig(only_val=True, load_from=str(run / "bare.pth"), **names))
    assert list(run.parent.iterdir()) == [run]


@pytest.mark.parametrize(("weights", "prefix"), [("net", ""), ("net_ema", "ema_")])
def test_a_comparison_goes_by_the_weights_that_the_tables_are_of(run, data, weights, prefix):
    """last.pth has two kinds, of which those that scored are not always the better ones on what is evaluated."""
    content = whole_checkpoint(img_path=str(data))
    content["best"]["weights"] = weights
    save_checkpoint(run / "last.pth", content)
    folder = train.run(TrainConfig(only_val=True, load_from=str(run / "last.pth"), device="cpu", num_workers=0))
    [row] = ranked([folder])
    assert row.best == (0, prefix)
    loss = json.loads((folder / "val_results.json").read_text())["log_loss"]
    assert row.figure_of_best("val_loss") == pytest.approx(loss, abs=1e-3)


def test_the_config_of_an_evaluation_has_what_held_and_not_what_was_set(run, command):
    status, said = command("--weights", run, "--set", "img_size=[64,64]", "--set", "keep=best")
    assert status == 0, said
    assert "img_size: [64, 64] is without effect" in said
    assert "only_val trains nothing, so these keys are without effect: 'keep'" in said
    held = load_train_config(run.with_name("exp1") / "train_config.py")
    assert (held.img_size, held.val_resize) == ((32, 32), (36, 36))
    assert "val_resize            [36, 36]  as the checkpoint was trained" in said


def test_classes_that_the_checkpoint_does_not_know_are_not_said_to_be_those_of_train(run, image_folder, command):
    other = image_folder({"val": {"ant": 1, "dog": 1, "eel": 1}}, name="other")
    status, said = command(other, "--weights", run)
    assert status == 2
    assert "classes 'dog', 'eel' are not among the 3 classes of the checkpoint; rename or remove the folders" in said


def test_weights_that_diverged_are_an_error_and_leave_no_folder(run, data, command):
    checkpoint = whole_checkpoint(img_path=str(data))
    for name in ("net", "net_ema"):
        checkpoint[name]["fc.weight"].fill_(float("nan"))
    save_checkpoint(run / "best.pth", checkpoint)
    status, said = command("--weights", run)
    assert status == 2, said
    assert "best.pth: the loss is nan: its weights may be of a training that diverged; expected weights whose" in said
    assert list(run.parent.iterdir()) == [run]


def test_tables_that_are_written_by_the_time_of_an_error_stay(run, monkeypatch):
    def fail(*_, **__):
        raise WeightsError("at fault")

    monkeypatch.setattr(evaluate_only, "judge", fail)
    with pytest.raises(WeightsError, match="at fault"):
        train.run(TrainConfig(only_val=True, load_from=str(run), device="cpu", num_workers=0))
    assert (run.with_name("exp1") / "results.csv").is_file()


@pytest.fixture
def calibrated(run, data):
    """calibrated(temperature) is a best.pth that judges views of an image unlike, so that it moves their mean."""

    def write(temperature):
        torch.manual_seed(0)
        checkpoint = whole_checkpoint(img_path=str(data))
        model = new_state(TrainConfig.plain(**checkpoint["config"]))[0].model.train()
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 1.0  # statistics that are those of images: features that differ
        with torch.no_grad():
            model.fc.weight *= 2
            model(torch.rand(64, 3, 32, 32))
        checkpoint["net"] = model.state_dict()
        best = {name: checkpoint[name] for name in checkpoint.keys() - {"net_ema", "optimizer", "scheduler", "scaler"}}
        save_checkpoint(run / "best.pth", {**best, "weights_of": "raw", "temperature": temperature})
        return run / "best.pth"

    return write


@pytest.mark.parametrize(("ranks", "tta"), [(1, "flip"), (1, "crops5"), (2, "crops5")])
def test_views_have_the_probabilities_that_prediction_gives_them(calibrated, make_runs, tmp_path, ranks, tta):
    path = calibrated(4.0)
    job = make_runs(ranks=ranks).begin(tmp_path / "tta", options=("only_val=True", f"load_from={path}", f"tta={tta}"))
    assert set(job.end()) == {0}, job.said()
    [folder] = (tmp_path / "tta" / "shufflenetv2_0.5").iterdir()
    rows = read_csv(folder / "predictions.csv")
    classifier = load_classifier(PredictConfig(load_from=str(path), device="cpu", tta=tta), CPU)
    predictions = classifier.predict([row["path"] for row in rows], 3)
    assert len(rows) == 9
    for row, prediction in zip(rows, predictions):
        assert row["predicted"] == prediction.ranked[0][0]
        found = {name: float(row[f"p({name})"]) for name, _ in prediction.ranked}
        assert found == pytest.approx(dict(prediction.ranked), abs=1e-5)


def test_views_have_the_figures_before_calibration_that_they_have_without_one(calibrated):
    found = []
    for temperature in (1.0, 4.0):
        config = dict(only_val=True, load_from=str(calibrated(temperature)), device="cpu", num_workers=0, tta="flip")
        folder = train.run(TrainConfig(**config))
        figures = json.loads((folder / "val_results.json").read_bytes())
        [row] = read_csv(folder / "results.csv")
        assert float(row["accuracy"]) == figures["accuracy"]
        found.append((figures, float(row["val_loss"])))
    (plain, loss), (scaled, same_loss) = found
    for name in ("log_loss", "brier", "calibration_error"):
        assert scaled[f"uncalibrated_{name}"] == plain[name] == plain[f"uncalibrated_{name}"]
    assert same_loss == loss == pytest.approx(plain["log_loss"], rel=1e-6)
    assert scaled["log_loss"] < plain["log_loss"]
    assert scaled["temperature"] == 4.0
