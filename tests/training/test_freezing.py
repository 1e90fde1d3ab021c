"""Parts of a network that are not trained: which they are, and that nothing of them moves."""

import copy

from utils.config import TrainConfig
from utils.data.preprocess import Preprocess
from utils.training.build import make_freezing, make_model, make_recipe, make_state
from utils.training.engine import train_step
from utils.training.freezing import Freezing, freeze, names_to_freeze, train_mode

import pytest
import torch
from torch import nn

from models import create_model, family_of
from models.stages import stages_of
from tests.helpers.networks import SMALLEST
from tests.helpers.steps import CPU, batch


def on_meta(prefix):
    with torch.device("meta"):
        return create_model(*SMALLEST[prefix], 5)


@pytest.mark.parametrize("prefix", SMALLEST)
def test_the_body_is_all_but_the_head_and_stages_are_counted_from_the_image(prefix):
    network = on_meta(prefix)
    every = {name for name, _ in network.named_parameters()}
    assert every - names_to_freeze(network, "body") == {name for name in every if family_of(network).in_head(name)}
    stages = [set(names) for _, names in stages_of(network)]
    assert names_to_freeze(network, "stages:1") == stages[0]
    assert names_to_freeze(network, f"stages:{len(stages) - 1}") == names_to_freeze(network, "body")


def test_a_regular_expression_names_parameters_or_what_holds_them():
    network = on_meta("resnet")
    of_layers = names_to_freeze(network, r"layer[12]")
    assert of_layers == {name for name, _ in network.named_parameters() if name.startswith(("layer1.", "layer2."))}
    assert names_to_freeze(network, r".*bn\d\.bias") == {
        name for name, _ in network.named_parameters() if "bn" in name and name.endswith(".bias")
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("stages:0", "stages:1 to stages:5, got 'stages:0'; 'body' is all but the head"),
        ("stages:6", "stages:1 to stages:5"),
        ("stages:x", "stages:1 to stages:5"),
        ("stages:0000000019", "stages:1 to stages:5"),
        ("a{99999999999}", "is no regular expression"),
        ("(" * 3000, "is no regular expression"),
        ("layer9", "'layer9' matches none of the parts"),
        ("(", "'\\(' is no regular expression"),
        (".*", "matches every part"),
    ],
)
def test_what_would_freeze_nothing_or_all_is_an_error(value, message):
    with pytest.raises(ValueError, match=message):
        names_to_freeze(on_meta("resnet"), value)


@pytest.mark.parametrize("prefix", SMALLEST)
def test_frozen_bodies_are_as_in_evaluation_and_the_head_as_in_training(prefix):
    network = on_meta(prefix)
    names = names_to_freeze(network, "body")
    freeze(network, names)
    train_mode(network)
    for title, module in network.named_modules():
        parameters = [f"{title}.{name}" for name, _ in module.named_parameters()]
        if parameters and names.issuperset(parameters):
            assert not any(part.training for part in module.modules()), title
    head = [part for name, part in network.named_modules() if family_of(network).in_head(name)]
    assert head
    assert all(part.training for part in head)


def test_freeze_bn_keeps_averages_and_trains_scales():
    network = create_model("mobilenetv2", "0.25", 4)
    train_mode(network, freeze_bn=True)
    before = {name: value.clone() for name, value in network.named_buffers()}
    network(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))).sum().backward()
    for name, value in network.named_buffers():
        assert torch.equal(value, before[name]), name
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    assert norms
    assert all(part.weight.grad is not None and not part.training for part in norms)
    assert all(part.training for part in network.modules() if isinstance(part, nn.Dropout))
    train_mode(network)
    assert all(part.training for part in norms)


def test_dropout_belongs_to_what_comes_after_it():
    network = on_meta("vgg")
    freeze(network, names_to_freeze(network, "body"))
    train_mode(network)
    dropouts = [part.training for part in network.classifier if isinstance(part, nn.Dropout)]
    assert dropouts == [False, True]  # before a frozen layer, before the head
    freeze(network, frozenset())
    train_mode(network)
    assert all(part.training for part in network.modules())


def trained(steps=3, epoch=0, **changes):
    """(network before, network after, state, freezing) of some steps as a run takes them."""
    values = dict(model_prefix="resnet", model_suffix="18", img_size=(32, 32), use_ema=True, warmup_epochs=0)
    config = TrainConfig.plain(**{**values, "init_lr": 0.05, "weight_decay": 0.1, "clip_grad": True, **changes})
    model = make_model(config, CPU, 3)
    before = copy.deepcopy(model.state_dict())
    recipe = make_recipe(config, model, CPU, Preprocess.from_config(config))
    freezing = make_freezing(config, model)
    state = make_state(config, model, recipe, 5)
    freeze(model, freezing.names(epoch))
    train_mode(model)
    for step in range(steps):
        train_step(state, model, [batch(8, seed=step)], recipe, None)
    return before, model, state, freezing


@pytest.mark.parametrize("optimizer_type", ["sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("parts", ["body", "stages:3", r"layer2|.*bn1"])
def test_frozen_parameters_buffers_and_averages_stay_bit_for_bit(parts, optimizer_type):
    before, model, state, freezing = trained(freeze=parts, optimizer_type=optimizer_type)
    for name, parameter in model.named_parameters():
        still = name in freezing.always
        assert torch.equal(before[name], parameter) is still, name
        assert torch.equal(before[name], state.ema.model.state_dict()[name]) is still, name
        assert parameter.requires_grad is not still
    norms = {name.rpartition(".")[0] for name in before if name.endswith("running_mean")}
    for norm in norms:
        still = {f"{norm}.weight", f"{norm}.bias"} <= freezing.always
        for statistic in ("running_mean", "running_var", "num_batches_tracked"):
            assert torch.equal(before[f"{norm}.{statistic}"], model.state_dict()[f"{norm}.{statistic}"]) is still, norm


def test_nothing_of_a_frozen_bodys_forward_pass_is_kept():
    _, model, _, _ = trained(steps=0, freeze="body")
    seen = []
    for stage in (model.layer1, model.layer4):
        stage.register_forward_hook(lambda module, given, result: seen.append(result.requires_grad))
    assert model(torch.zeros(2, 3, 32, 32)).requires_grad
    assert seen == [False, False]


@pytest.mark.parametrize("optimizer_type", ["sgd", "adamw"])
def test_the_first_epochs_train_the_head_alone_and_what_thaws_starts_clean(optimizer_type):
    before, model, state, freezing = trained(freeze_epochs=2, optimizer_type=optimizer_type, epoch=1)
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(before[name], parameter)}
    assert moved == {"fc.weight", "fc.bias"}
    for parameter in freezing.at_first:
        remembered = state.optimizer.state.get(dict(model.named_parameters())[parameter], {})
        assert not any(value.any() for value in remembered.values())
    assert freezing.names(2) == frozenset()


def test_a_frozen_part_stays_so_after_the_first_epochs():
    network = on_meta("resnet")
    freezing = Freezing.of(network, "stages:1", 1)
    assert freezing.names(0) == names_to_freeze(network, "body")
    assert freezing.names(1) == names_to_freeze(network, "stages:1")
