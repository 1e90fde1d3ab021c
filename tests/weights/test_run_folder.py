"""The folder of a run means its best.pth wherever weights are asked for, and says so where it has none."""

import argparse

from utils.errors import WeightsError
from utils.prediction import Classifier
from utils.weights.load import load_weights
from utils.weights.networks import load_network
from utils.weights.options import add_network_options, network_options
from utils.weights.run_folder import means_weights, state_path, weights_path
from utils.weights.weights_file import WeightsFile

import pytest
import torch

import tools.convert_weights
import tools.export
import tools.grad_cam
import tools.params
import tools.probe
from models import create_model
from tests.helpers.checkpoints import folder_with_best


@pytest.fixture
def run(tmp_path):
    """The folder of a run with a best.pth of three classes."""
    return folder_with_best(tmp_path)


def test_a_run_is_its_best_weights(run):
    assert weights_path(run) == run / "best.pth"
    assert weights_path(run / "last.pth") == run / "last.pth"  # there or not: whoever reads it says so
    assert WeightsFile(run).path == run / "best.pth"
    report = load_weights(create_model("shufflenetv2", "0.5", 3, img_size=(32, 32)), run)
    assert report.missing == []
    assert Classifier(run, device="cpu").classes == ["ant", "bee", "cow"]


@pytest.mark.parametrize("option", ["--weights", "--load-from"])
def test_every_tool_that_takes_a_network_takes_a_run(run, option):
    parser = argparse.ArgumentParser()
    add_network_options(parser)
    options = network_options(parser.parse_args([option, str(run)]))
    assert options.weights == run / "best.pth"
    assert load_network(options, torch.device("cpu")).description.endswith(f"from {run / 'best.pth'}")


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        (tools.convert_weights, ["{run}", "out.pth", "--to", "timm"]),
        (tools.export, ["--load-from", "{run}", "--output", "out.onnx"]),
        (tools.grad_cam, ["photo.png", "--weights", "{run}"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_tools_take_a_run_for_its_best_weights(run, tool, words):
    request = tool.parse_arguments([word.format(run=run) for word in words])
    assert request.network.weights == run / "best.pth"


def test_what_a_network_of_a_run_costs(run, capsys):
    assert tools.params.main(["--weights", str(run)]) == 0
    assert "shufflenetv2 0.5" in capsys.readouterr().out


def test_several_networks_of_a_probe_can_be_runs(run):
    words = ["photos", "--networks", str(run), f"shufflenetv2:0.5={run}"]
    found = tools.probe.networks_of(tools.probe.parser().parse_args(words))
    assert [each.weights for each in found] == [run / "best.pth"] * 2


def test_a_run_without_a_best_checkpoint_says_so(run, tmp_path):
    (run / "best.pth").rename(run / "last.pth")
    with pytest.raises(
        WeightsError, match=r"exp0: the folder of a run without best\.pth; .*exp0/last\.pth has the last"
    ):
        weights_path(run)
    (run / "last.pth").unlink()
    for name in ("train_config.py", "environment.json"):
        (run / name).write_text("")
    with pytest.raises(WeightsError, match=r"exp0: the folder of a run without best\.pth, nor another checkpoint"):
        weights_path(run)
    (tmp_path / "photos").mkdir()
    with pytest.raises(
        WeightsError, match=r"photos: it is a folder; expected a file of weights, or the folder of a run"
    ):
        weights_path(tmp_path / "photos")


def test_of_a_folder_of_runs_the_newest_is_named(run):
    for folder in (run.parent, run.parent.parent):
        with pytest.raises(WeightsError, match=r"the newest run in it is .*shufflenetv2_0\.5/exp0$"):
            weights_path(folder)


def test_a_run_is_resumed_from_its_last_state_or_the_file_that_is_named(run, tmp_path):
    assert state_path(run) == run / "last.pth"  # which find_checkpoint looks for others beside
    assert state_path(run / "best.pth") == run / "best.pth"
    with pytest.raises(WeightsError, match=r"nothing to resume: expected the folder of a run with last\.pth in it"):
        state_path(tmp_path)


def test_weights_are_known_by_their_folder_or_their_ending(run, tmp_path):
    photos = tmp_path / "photos.pt"
    photos.mkdir()
    assert [means_weights(path) for path in (run, "a.ONNX", "a.safetensors", "b/a.pth.tar")] == [True] * 4
    assert [means_weights(path) for path in (photos, "a.png", "photos", "*.pth?", "")] == [False] * 5
