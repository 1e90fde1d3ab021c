"""Whole runs that freeze parts and train stages at rates of their own."""

from dataclasses import replace

from utils.config import ConfigError
from utils.errors import WeightsError
from utils.run import networks as module
from utils.run.networks import Networks
from utils.training.build import make_model
from utils.training.freezing import Freezing
from utils.weights.checkpoint import load_checkpoint

import pytest
import torch
from torch import nn

import train
from models import create_model
from tests.helpers.runs import assert_same_run
from tests.helpers.steps import CPU
from tests.helpers.stopping import resumed, stopped_after

FINE_TUNING = dict(freeze="conv1|stage2", freeze_epochs=1, layer_decay=0.8, head_lr_mult=3.0, epochs=3)


def moved(config, weights):
    """Names of what is not as the run began."""
    begun = make_model(config, CPU, 3).state_dict()
    return {name for name, tensor in weights.items() if not torch.equal(tensor, begun[name])}


@pytest.mark.parametrize("step", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_resume_on_both_sides_of_the_switch_equals_an_uninterrupted_run(make_config, monkeypatch, step):
    """Three steps an epoch, the first of which trains the head alone."""
    config = make_config(**FINE_TUNING)
    whole = train.run(config)
    part = stopped_after(config, step, monkeypatch)
    early = moved(config, load_checkpoint(part / "last.pth")["net"])
    assert (early == {"fc.weight", "fc.bias"}) is (step < 3)
    resumed(config, part)
    assert_same_run(whole, part)
    late = moved(config, load_checkpoint(whole / "last.pth")["net"])
    assert not any(name.startswith(("conv1.", "stage2.")) for name in late)


def test_a_resume_freezes_nothing_that_has_been_trained(make_config, monkeypatch):
    """Three steps an epoch; at the end of the first, nothing but the head has been trained where that was frozen."""
    config = make_config(epochs=4)
    folder = stopped_after(config, 4, monkeypatch)
    for force in (False, True):
        with pytest.raises(WeightsError, match="freeze_epochs was 0, is 2, which would freeze again.*load_from"):
            train.run(replace(config, resume=True, load_from=str(folder), freeze_epochs=2), force=force)
    resumed(config, folder, freeze_epochs=1, epochs=2, warmup_epochs=0)
    folder = stopped_after(make_config(epochs=3, freeze_epochs=1), 3, monkeypatch)
    resumed(config, folder, freeze_epochs=2, epochs=2, warmup_epochs=0)
    assert moved(config, load_checkpoint(folder / "last.pth")["net"]) == {"fc.weight", "fc.bias"}
    with pytest.raises(WeightsError, match="freeze_epochs was 1, is 2"):
        resumed(config, stopped_after(make_config(freeze_epochs=1), 4, monkeypatch), freeze_epochs=2)


def test_two_processes_freeze_and_thaw(make_runs, make_config, tmp_path):
    changes = {**FINE_TUNING, "epochs": 2}
    config = make_config(**changes)
    job = make_runs(ranks=2, save_steps=0, **changes).begin(tmp_path / "logs")
    assert job.end() == [0, 0], job.said()
    [folder] = (tmp_path / "logs").glob("*/exp*")
    assert moved(config, load_checkpoint(folder / "previous.pth")["net"]) == {"fc.weight", "fc.bias"}
    parts = {name.partition(".")[0] for name in moved(config, load_checkpoint(folder / "last.pth")["net"])}
    assert parts == {"stage3", "stage4", "conv5", "fc"}


def test_the_log_has_a_table_of_stages_and_says_what_the_network_lacks(whole_network, make_config):
    folder = train.run(make_config(**{**FINE_TUNING, "epochs": 1}, warmup_epochs=0, drop_path=0.1))
    log = (folder / "train.log").read_text()
    assert "drop_path: shufflenetv2 has none; left out" in log
    [line] = [line for line in log.splitlines() if "stage3" in line]
    assert line.split("stage3")[1].split() == ["78", "0.00512", "0.0001", "on", "26", "all,", "from", "epoch", "2"]
    assert "learning rate" not in (train.run(make_config(epochs=1, warmup_epochs=0)) / "train.log").read_text()


def test_a_frozen_head_cannot_be_what_the_first_epochs_train(make_config):
    with pytest.raises(ConfigError, match="freeze: 'fc' freezes the head, which freeze_epochs = 1 would train alone"):
        make_config(freeze="fc", freeze_epochs=1)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("freeze", "stages:9", "freeze: expected stages:1 to stages:5"),
        ("freeze", "layer1", "freeze: 'layer1' matches none"),
        ("freeze_epochs", 5, "freeze_epochs: 5 exceeds epochs = 4"),
        ("layer_decay", 1.5, "layer_decay: expected .* a number in 0.01..1"),
        ("head_lr_mult", 0, "head_lr_mult: expected .* a number > 0"),
        ("drop_path", 1, "drop_path: expected 'auto' or a number in 0..0.99"),
    ],
)
def test_values_without_sense_are_errors(make_config, key, value, message):
    with pytest.raises(ConfigError, match=message):
        make_config(**{key: value})


def test_what_will_thaw_is_made_before_batches_are_loaded(make_config, monkeypatch):
    """As steps can be recorded by then alone; and made while all that it will train takes gradients."""
    made = []

    def for_training(network, config, recipe, *, record):
        made.append((record, all(p.requires_grad for p in network.parameters())))
        return nn.Sequential(network)

    monkeypatch.setattr(module, "for_training", for_training)
    network = make_model(make_config(), CPU, 3)
    recipe = type("Recipe", (), {"device": CPU})
    networks = Networks(network, Freezing.of(network, "", 2), make_config(), recipe, 0)
    assert made == [(True, True), (False, False)]
    first = networks.of(0)
    assert networks.of(1) is first
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["fc.weight", "fc.bias"]
    assert networks.of(2) is networks.thawed
    assert all(p.requires_grad for p in network.parameters())
    assert len(made) == 2


def test_weights_that_diverged_are_no_start(make_config, tmp_path):
    state = create_model("shufflenetv2", "0.5", 3).state_dict()
    state["conv1.0.weight"][0, 0, 0, 0] = float("inf")
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=r"weights\.pth: not all values of conv1\.0\.weight are numbers"):
        train.run(make_config(load_from=str(tmp_path / "weights.pth")))
    assert not (tmp_path / "logs").exists()
