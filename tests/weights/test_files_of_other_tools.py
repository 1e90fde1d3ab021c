"""Files as the usual tools write them: settings beside the tensors, whole models, entries and prefixes of all names."""

import argparse
import collections
import io
import os
import pathlib
import sys
import types

from utils.errors import WeightsError
from utils.weights.checkpoint import read_pickle
from utils.weights.load import load_weights
from utils.weights.networks import load_network
from utils.weights.spec import NetworkOptions

import numpy as np
import pytest
import timm
import torch
from torch import nn

from models import create_model


def module_with(name, **members):
    """A module of that name with classes, or functions, that pickle finds in it."""
    made = types.ModuleType(name)
    for member, value in members.items():
        value.__module__, value.__qualname__ = name, member
        setattr(made, member, value)
    return made


class DictConfig:
    def __init__(self):
        self.__dict__["_content"] = {"lr": 0.1, "kind": dict}


class EasyDict(dict):
    pass


@pytest.fixture
def others(monkeypatch):
    """Programs that are not installed here, as far as their pickles are concerned."""
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, "omegaconf.dictconfig", module_with("omegaconf.dictconfig", DictConfig=DictConfig))
    monkeypatch.setitem(sys.modules, "easydict", module_with("easydict", EasyDict=EasyDict))


def settings():
    easy = EasyDict(lr=0.1)
    easy.lr = 0.1
    return {
        "namespace": argparse.Namespace(lr=0.1, output=pathlib.Path("out")),
        "path": pathlib.PurePosixPath("a/b"),
        "path of another system": pathlib.PureWindowsPath("C:/a"),
        "scalar": np.float64(0.5),
        "flag": np.bool_(True),
        "random": np.random.get_state()[1],
        "defaultdict": collections.defaultdict(list, a=[1]),
        "deque": collections.deque([1, 2], maxlen=3),
        "omegaconf": DictConfig(),
        "easydict": easy,
    }


SETTINGS = list(settings())


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_beside_the_tensors_are_read_past(tmp_path, others, kind, old):
    weights = {"0.weight": torch.ones(2)}
    path = tmp_path / "weights.pth"
    torch.save({"args": settings()[kind], "model": weights}, path, _use_new_zipfile_serialization=not old)
    payload = read_pickle(path)
    assert torch.equal(payload["model"]["0.weight"], weights["0.weight"])
    assert type(payload["args"]) is not type(settings()[kind]), "nothing of the class itself was made"
    with pytest.raises(Exception, match="weights_only|Weights only"):  # what is allowed here is allowed here alone
        torch.load(path, weights_only=True)


class Hostile:
    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


def test_settings_are_no_way_to_run_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for inner in (Hostile(os.mkdir, "ran"), Hostile(eval, "__import__('os').mkdir('ran')")):
        torch.save({"args": argparse.Namespace(lr=inner), "model": {"0.weight": torch.ones(2)}}, "weights.pth")
        with pytest.raises(WeightsError, match=r"refused: holds (posix\.mkdir|nt\.mkdir|eval), "):
            read_pickle("weights.pth")
    assert not os.path.exists("ran")


def test_dtypes_of_a_file_never_reach_numpy(tmp_path):
    """numpy would take the eight bytes for the address of an object."""
    scalar = Hostile(np.float64(0).__reduce__()[0], np.dtype("O"), b"\x41" * 8)
    torch.save({"args": scalar, "model": {"0.weight": torch.ones(2)}}, tmp_path / "weights.pth")
    assert not isinstance(read_pickle(tmp_path / "weights.pth")["args"], (bytes, np.generic))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (nn.Sequential(nn.Linear(2, 2)), "torch.nn.modules.container.Sequential"),
        ({"model": nn.Linear(2, 2), "epoch": 3}, "torch.nn.modules.linear.Linear"),
        ({"model": {"0.weight": torch.ones(2)}, "run": Hostile(print, "x")}, "print"),
        ({"fraction": Hostile(io.StringIO)}, "_io.StringIO"),
    ],
)
def test_a_refused_pickle_names_the_class_and_the_way(tmp_path, content, name):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(WeightsError) as caught:
        read_pickle(tmp_path / "weights.pth")
    message = str(caught.value)
    assert f"refused: holds {name}, " in message
    assert "torch.save(model.state_dict(), 'weights.pth')" in message
    for unwanted in ("\x1b", "\\x1b", "weights_only", "add_safe_globals"):
        assert unwanted not in message


# --- where the tensors are, and what is in front of their names


NAMES = ("shufflenetv2", "0.5")


def weights(seed=0):
    torch.manual_seed(seed)
    return create_model(*NAMES, 3).state_dict()


def below(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def filled(model, path):
    """Whether the network gets `weights()` from the file, and what is said of it."""
    notes = load_weights(model, path).notes
    expected = weights()
    return all(torch.equal(value, expected[name]) for name, value in model.state_dict().items()), " ".join(notes)


OPTIMIZER = {"state": {0: {"step": torch.ones(1), "exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("", lambda state: {"model_state_dict": state, "optimizer_state_dict": OPTIMIZER}),
        ("", lambda state: {"weights": state, "other": {"a.b": torch.ones(1)}}),
        ("generator", lambda state: {"generator": state, "opt": OPTIMIZER, "mean": torch.zeros(3)}),
        ("checkpoint/model/state_dict", lambda state: {"checkpoint": {"model": {"state_dict": state}}, "epoch": 3}),
        ("0", lambda state: [state, OPTIMIZER]),
    ],
)
def test_the_one_state_dict_of_a_file_is_found_wherever_it_is(tmp_path, place, content):
    torch.save(content(weights()), tmp_path / "weights.pth")
    same, notes = filled(create_model(*NAMES, 3), tmp_path / "weights.pth")
    assert same
    assert (f"found in {place!r}" in notes) == bool(place)


def test_of_several_state_dicts_none_is_guessed(tmp_path):
    torch.save({"first": weights(), "second": weights(1)}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=r"holds 2 state dicts, in '\w+', '\w+': save one of them"):
        load_weights(create_model(*NAMES, 3), tmp_path / "weights.pth")


@pytest.mark.parametrize("prefix", ["model.", "net.", "backbone.", "model._orig_mod.", "encoder.net.module."])
def test_a_prefix_of_all_names_is_removed_and_said(tmp_path, prefix):
    content = {"state_dict": {**below(prefix, weights()), "loss.weight": torch.ones(3)}, "epoch": 3}
    torch.save(content, tmp_path / "weights.ckpt.pth")
    same, notes = filled(create_model(*NAMES, 3), tmp_path / "weights.ckpt.pth")
    assert same
    assert f"{prefix!r} removed in front of {len(weights())} names" in notes


def test_a_network_with_a_prefix_is_recognised(tmp_path):
    torch.save(below("model.", weights()), tmp_path / "weights.pth")
    loaded = load_network(NetworkOptions(weights=tmp_path / "weights.pth"), torch.device("cpu"))
    assert (str(loaded.spec), loaded.spec.num_classes) == ("shufflenetv2 0.5", 3)
    assert "'model.' removed" in loaded.description


def test_names_of_a_library_are_translated_behind_a_prefix(tmp_path):
    reference = timm.create_model("resnet18", num_classes=3).state_dict()
    torch.save(below("model.", reference), tmp_path / "weights.pth")
    report = load_weights(create_model("resnet", "18", 3), tmp_path / "weights.pth")
    assert report.missing == report.skipped == []


def test_of_two_networks_that_fit_none_is_guessed(tmp_path):
    torch.save({**below("student.", weights()), **below("teacher.", weights(1))}, tmp_path / "weights.pth")
    message = r"holds 2 networks that fit, below 'student\.', 'teacher\.': save the tensors of one"
    with pytest.raises(WeightsError, match=message):
        load_weights(create_model(*NAMES, 3), tmp_path / "weights.pth")


def test_a_network_of_ones_own_loses_a_prefix_too_and_keeps_its_own_names(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))

    state = Own().state_dict()
    for prefix, said in (("", False), ("model.", True)):
        torch.save(below(prefix, state), tmp_path / "weights.pth")
        report = load_weights(Own(), tmp_path / "weights.pth")
        assert report.loaded == list(state)
        assert ("removed" in " ".join(report.notes)) == said
