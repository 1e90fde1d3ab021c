"""A file of weights is opened once, whatever is done with it."""

from utils.weights import checkpoint
from utils.weights.load import load_weights
from utils.weights.networks import load_network
from utils.weights.spec import NetworkOptions
from utils.weights.weights_file import WeightsFile

import pytest
import torch

import train
from models import create_model

CPU = torch.device("cpu")


@pytest.fixture
def reads(monkeypatch):
    """Paths of the files that torch.load has read."""
    found, load = [], torch.load

    def counted(path, *arguments, **options):
        found.append(str(path))
        return load(path, *arguments, **options)

    monkeypatch.setattr(checkpoint.torch, "load", counted)
    return found


@pytest.fixture
def foreign(tmp_path):
    torch.manual_seed(0)
    torch.save(create_model("shufflenetv2", "0.5", 3, img_size=(32, 32)).state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def test_foreign_weights_are_read_once(foreign, reads):
    load_network(NetworkOptions(weights=foreign), CPU)
    assert reads == [str(foreign)]


def test_a_checkpoint_is_read_once(make_config, reads):
    best = train.run(make_config(epochs=1, warmup_epochs=0)) / "best.pth"
    reads.clear()
    load_network(NetworkOptions(weights=best), CPU)
    assert reads == [str(best)]
    reads.clear()
    train.run(make_config(only_val=True, load_from=str(best)))
    assert reads == [str(best)]


def test_what_a_file_holds(foreign, tmp_path):
    file = WeightsFile(foreign)
    assert file.checkpoint is None
    assert file.config is None
    assert "fc.weight" in file.state
    torch.save(
        {"state_dict": {f"module.{name}": value for name, value in file.state.items()}}, tmp_path / "wrapped.pth"
    )
    assert WeightsFile(tmp_path / "wrapped.pth").state.keys() == file.state.keys()


def test_of_a_checkpoint_every_door_takes_the_weights_that_scored_and_says_which(make_config, tmp_path):
    whole = torch.load(train.run(make_config(epochs=1, warmup_epochs=0)) / "last.pth", weights_only=True)
    for key, words in (("net", "raw weights of epoch 1"), ("net_ema", "averaged weights of epoch 1")):
        torch.save({**whole, "best": {**whole["best"], "weights": key}}, tmp_path / "older.pth")
        model = create_model("shufflenetv2", "0.5", 3, img_size=(32, 32))
        report = load_weights(model, tmp_path / "older.pth")
        assert words in str(report)
        assert all(torch.equal(value, whole[key][name]) for name, value in model.state_dict().items())


def test_weights_within_an_epoch_are_not_said_to_have_scored(make_config, tmp_path):
    whole = torch.load(train.run(make_config(epochs=1, warmup_epochs=0)) / "last.pth", weights_only=True)
    best = {**whole["best"], "weights": "net_ema"}
    torch.save({**whole, "best": best, "progress": {**whole["progress"], "images": 5}}, tmp_path / "within.pth")
    file = WeightsFile(tmp_path / "within.pth")
    assert "raw weights of step" in file.note
    assert "within epoch 2" in file.note
    assert all(torch.equal(value, whole["net"][name]) for name, value in file.state.items())
