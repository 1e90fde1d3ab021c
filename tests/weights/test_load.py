"""Weights from any container into a network, with a report; folders of runs that are never reused."""

import os
from concurrent.futures import ThreadPoolExecutor

from utils.errors import WeightsError
from utils.run.folder import next_run_folder
from utils.weights.checkpoint import newest_checkpoint
from utils.weights.load import load_weights
from utils.weights.state_dicts import CONTAINERS

import pytest
import torch
from torch import nn

from models import create_model


def network(classes=3, *, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, classes))


@pytest.fixture
def save(tmp_path):
    def write(payload, name="weights.pth"):
        torch.save(payload, tmp_path / name)
        return tmp_path / name

    return write


def same(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_bare_state_dict_is_loaded_whole(save):
    model = network()
    state = network(seed=1).state_dict()
    report = load_weights(model, save(state))
    assert same(model, state)
    assert report.loaded == list(state)
    assert report.skipped == report.missing == []
    assert str(report).startswith(f"loaded {len(state)} of {len(state)} tensors from ")


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_containers_and_wrappers_are_looked_through(save, container, prefix):
    model = network()
    state = network(seed=1).state_dict()
    wrapped = {prefix + name: value for name, value in state.items()}
    report = load_weights(model, save({"epoch": 3, "optimizer": {"state": {}}, container: wrapped}))
    assert same(model, state)
    assert report.loaded == list(state)


def test_the_trained_weights_are_taken_before_averaged_ones(save):
    model = network()
    net = network(seed=1).state_dict()
    average = network(seed=2).state_dict()
    load_weights(model, save({"state_dict_ema": average, "model_ema": average, "net_ema": average, "net": net}))
    assert same(model, net)


def test_a_wrapper_in_the_middle_of_a_name_is_part_of_it(save):
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Linear(2, 2)
            self.stem.module = nn.Linear(2, 2)

    state = Outer().state_dict()
    assert "stem.module.weight" in load_weights(Outer(), save(state)).loaded


def test_safetensors_are_read(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    model = network()
    state = network(seed=1).state_dict()
    safetensors.save_file(state, tmp_path / "x.safetensors")
    load_weights(model, tmp_path / "x.safetensors")
    assert same(model, state)


def test_damaged_safetensors_are_named(tmp_path):
    pytest.importorskip("safetensors.torch")
    (tmp_path / "x.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(WeightsError, match=r"x\.safetensors: "):
        load_weights(network(), tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"none\.safetensors: "):
        load_weights(network(), tmp_path / "none.safetensors")


def test_a_head_of_another_size_stays_as_it_was_and_is_reported(save):
    model = network(5)
    other = network(3, seed=1).state_dict()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = load_weights(model, save(other))
    head = ["3.weight", "3.bias"]
    assert report.missing == report.skipped == head
    assert report.loaded == [name for name in other if name not in head]
    assert all(torch.equal(model.state_dict()[name], (before if name in head else other)[name]) for name in other)
    assert "loaded 7 of 9 tensors" in str(report)
    assert "3.weight [3, 4] -> [5, 4]" in str(report)


def test_the_report_lists_what_only_one_side_has(save):
    state = network(seed=1).state_dict()
    del state["0.bias"]
    report = load_weights(network(), save({**state, "extra.weight": torch.zeros(1)}))
    assert report.missing == ["0.bias"]
    assert report.skipped == ["extra.weight"]
    for reported in ("0.bias", "extra.weight"):
        assert reported in str(report)


def test_counters_that_older_files_lack_are_not_missed(save):
    state = network(seed=1).state_dict()
    del state["1.num_batches_tracked"]
    assert load_weights(network(), save(state)).missing == []


def test_weights_of_half_precision_are_taken_in_the_networks_own(save):
    model = network()
    state = network(seed=1).half().state_dict()
    load_weights(model, save(state))
    assert model[0].weight.dtype == torch.float32
    assert torch.equal(model[0].weight, state["0.weight"].float())


def test_less_than_half_is_an_error_that_leaves_the_network_alone_unless_forced(save):
    state = {name: value for name, value in network(seed=1).state_dict().items() if name.startswith("0.")}
    path = save({**state, "other.weight": torch.zeros(1)})
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match=r"weights\.pth: only 2 of the network's 9"):
        load_weights(model, path)
    assert same(model, before)
    assert load_weights(model, path, force=True).loaded == ["0.weight", "0.bias"]
    assert torch.equal(model[0].weight, state["0.weight"])


@pytest.mark.parametrize("payload", [{}, [1, 2], {"epoch": 3}, {"model": {"a": 1}}, torch.zeros(3)])
def test_a_file_without_tensors_is_named(save, payload):
    with pytest.raises(WeightsError, match=r"weights\.pth: no tensors"):
        load_weights(network(), save(payload), force=True)


def test_run_folders_count_up(tmp_path):
    names = [next_run_folder(tmp_path, "resnet_18", "exp") for _ in range(3)]
    assert names == [tmp_path / "resnet_18" / f"exp{number}" for number in range(3)]
    assert all(folder.is_dir() for folder in names)
    assert next_run_folder(tmp_path, "resnet_34", "exp").name == "exp0"
    assert next_run_folder(tmp_path, "resnet_18", "other").name == "other0"


def test_a_gap_is_not_filled(tmp_path):
    for name in ("exp0", "exp9", "exp10", "experiment50", "exp3b", "old_exp70"):
        (tmp_path / "m" / name).mkdir(parents=True)
    assert next_run_folder(tmp_path, "m", "exp").name == "exp11"


def test_a_file_with_the_name_of_a_run_is_passed_over(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "exp0").touch()
    assert next_run_folder(tmp_path, "m", "exp").name == "exp1"


def test_names_with_signs_count_up_too(tmp_path):
    assert [next_run_folder(tmp_path, "m", "a+(b)").name for _ in range(2)] == ["a+(b)0", "a+(b)1"]


def test_runs_that_start_together_get_a_folder_each(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: next_run_folder(tmp_path, "m", "exp").name, range(40)))
    assert sorted(made) == sorted(f"exp{number}" for number in range(40))


def test_the_newest_checkpoint_is_the_one_written_last(tmp_path):
    with pytest.raises(WeightsError, match=r"best\.pth"):
        newest_checkpoint(tmp_path)
    for age, name in ((5, "a/exp0"), (1, "b/exp0"), (9, "a/exp1")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "best.pth").touch()
        os.utime(tmp_path / name / "best.pth", (10_000 - age, 10_000 - age))
    assert newest_checkpoint(tmp_path) == tmp_path / "b" / "exp0" / "best.pth"


def test_a_name_that_ends_in_a_digit_keeps_its_distance_from_the_number(tmp_path):
    names = [next_run_folder(tmp_path, "m", exp_name).name for exp_name in ("fold1", "fold1", "fold", "fold10", "fold")]
    assert names == ["fold1_0", "fold1_1", "fold0", "fold10_0", "fold1"]


def test_a_head_for_other_classes_is_named_once(save):
    state = create_model("shufflenetv2", "0.5", 10).state_dict()
    report = load_weights(create_model("shufflenetv2", "0.5", 3), save(state, "net.pth"))
    said = str(report)
    assert said.endswith("net.pth; all but the head, which is new: 3 classes instead of 10")
    assert said.startswith(f"loaded {len(state) - 2} of {len(state)} tensors from ")
    assert (report.missing, report.skipped) == (["fc.weight", "fc.bias"], ["fc.weight", "fc.bias"])
    state["conv1.0.weight"] = torch.zeros(2, 3, 3, 3)
    said = str(load_weights(create_model("shufflenetv2", "0.5", 3), save(state, "other.pth")))
    assert "re-initialised conv1.0.weight [2, 3, 3, 3] -> [24, 3, 3, 3]" in said
    assert "re-initialised fc.weight [10, 1024] -> [3, 1024]" in said
