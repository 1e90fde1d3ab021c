"""Learning rates and weight decay by stage."""

from utils.config import TrainConfig
from utils.training.build import drop_rates, make_model, missing_drop_rates
from utils.training.freezing import Freezing
from utils.training.groups import in_order_of, is_decayed, parameter_groups, rate_shares, stage_rows
from utils.training.optim import make_optimizer

import pytest
import torch
from torch import nn

from models import create_model
from tests.helpers.networks import SMALLEST
from tests.helpers.steps import CPU


def on_meta(prefix):
    with torch.device("meta"):
        return create_model(*SMALLEST[prefix], 5)


def test_rates_fall_by_stage_from_the_head_to_the_image():
    network = create_model("resnet", "18", 5)
    config = TrainConfig.plain(init_lr=0.1, layer_decay=0.5, head_lr_mult=4.0, optimizer_type="adamw", weight_decay=0.2)
    rates = {id(p): group["lr"] for group in make_optimizer(network, config).param_groups for p in group["params"]}
    expected = {"fc": 0.4, "layer4": 0.05, "layer3": 0.025, "layer2": 0.0125, "layer1": 0.00625, "conv1": 0.003125}
    for name, parameter in network.named_parameters():
        if (stage := name.partition(".")[0]) in expected:
            assert rates[id(parameter)] == pytest.approx(expected[stage]), name
    assert len(rates) == len(list(network.parameters()))


@pytest.mark.parametrize("prefix", SMALLEST)
def test_every_parameter_is_in_one_group_with_the_decay_of_its_kind(prefix):
    network = on_meta(prefix)
    for shares in ({}, rate_shares(network, 0.8, 3.0)):
        groups = parameter_groups(network, 0.1, 0.3, shares=shares)
        found = {id(p): group for group in groups for p in group["params"]}
        assert len(found) == sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
        for name, parameter in network.named_parameters():
            assert found[id(parameter)]["weight_decay"] == (0.3 if is_decayed(name, parameter) else 0.0)
            assert found[id(parameter)]["lr"] == pytest.approx(0.1 * shares.get(name, 1.0))


def test_tables_tokens_norms_and_scales_do_not_decay_and_all_that_multiplies_does():
    for prefix in SMALLEST:
        network = on_meta(prefix)
        multiplies = (nn.Linear, nn.Conv2d)
        for title, module in network.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                expected = name == "adder" or (name == "weight" and isinstance(module, multiplies))
                assert is_decayed(f"{title}.{name}", parameter) is expected, f"{prefix} {title}.{name}"


@pytest.mark.parametrize("prefix", ["vit", "swint", "resmlp-mixer"])
def test_the_optimizer_of_a_checkpoint_from_before_finds_its_parameters(prefix):
    """Of the networks with parameters that were decayed then and are not now."""
    network = on_meta(prefix)
    parameters = list(network.parameters())
    then = torch.optim.AdamW(
        [{"params": [p for p in parameters if p.ndim > 1]}, {"params": [p for p in parameters if p.ndim <= 1]}]
    )
    mark = {id(p): float(i) for i, p in enumerate(parameters)}
    order = [p for group in then.param_groups for p in group["params"]]
    saved = then.state_dict() | {"state": {i: {"step": mark[id(p)]} for i, p in enumerate(order)}}
    now = make_optimizer(network, TrainConfig.plain(optimizer_type="adamw"))
    moved = in_order_of(network, saved, now)
    new_order = [p for group in now.param_groups for p in group["params"]]
    assert moved["state"].keys() == set(range(len(parameters)))
    assert all(values["step"] == mark[id(new_order[i])] for i, values in moved["state"].items())
    assert [len(g["params"]) for g in moved["param_groups"]] == [len(g["params"]) for g in now.param_groups]
    for odd in ({}, {"state": 3, "param_groups": saved["param_groups"]}, {"param_groups": [1, 2]}, now.state_dict()):
        assert in_order_of(network, odd, now) is odd


def test_the_table_says_what_is_trained_when():
    network = on_meta("resnet")
    config = TrainConfig.plain(init_lr=0.1, layer_decay=0.5, head_lr_mult=2.0)
    rows = stage_rows(network, config, Freezing.of(network, "layer1|.*layer2.0.conv1", 3))
    found = {row.stage: (row.trained, row.tensors, row.decayed, row.from_epoch) for row in rows}
    assert (found["layer1"], found["fc"]) == ((0, 12, 0, 1), (2, 2, 1, 1))
    assert found["layer2"] == (14, 15, 4, 4)
    assert rows[-1].lr == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("prefix", "suffix", "kind"), [("convnext", "tiny", "DropPath"), ("mobilenetv2", "1.0", "Dropout")]
)
def test_drop_rates_reach_the_network(prefix, suffix, kind):
    name = {"DropPath": "drop_path", "Dropout": "dropout"}[kind]
    config = TrainConfig.plain(model_prefix=prefix, model_suffix=suffix, **{name: 0.37})
    parts = [part for part in make_model(config, CPU, 3).modules() if type(part).__name__ == kind]
    assert max(getattr(part, "rate" if kind == "DropPath" else "p") for part in parts) == pytest.approx(0.37)
    assert missing_drop_rates(config) == []


def test_a_network_without_them_is_named_and_auto_leaves_the_networks_own():
    config = TrainConfig.plain(model_prefix="resnet", model_suffix="18", drop_path=0.1, dropout=0.2)
    assert missing_drop_rates(config) == ["drop_path", "dropout"]
    assert drop_rates(TrainConfig.plain(model_prefix="convnext", model_suffix="tiny")) == {}
    assert missing_drop_rates(TrainConfig.plain(drop_path=0.0)) == []
