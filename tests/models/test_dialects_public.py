"""Weights in the layouts of repositories that are no packages: their modules' names against ours."""

import pytest
import torch

from models import create_model
from models.dialects import DIALECTS, identify, translate
from models.dialects.layout import to_ours
from tests.helpers.public_networks import NETWORKS, microsoft_swin_tiny, stigma0617_vovnet39
from tests.helpers.shapes import shapes_of

pytestmark = pytest.mark.usefixtures("meta_device")


@pytest.fixture
def meta_device():
    with torch.device("meta"):
        yield


SAMPLES = [  # (prefix, layout): name in the repository's files, our name
    ("vovnet", "stigma0617", "stem.stem_2/norm.running_mean", "stem.1.bn.running_mean"),
    ("vovnet", "stigma0617", "stage2.OSA2_1.layers.0.OSA2_1_0/conv.weight", "stages.0.blocks.0.conv_mid.0.conv.weight"),
    ("vovnet", "stigma0617", "stage5.OSA5_2.concat.OSA5_2_concat/norm.bias", "stages.3.blocks.1.conv_concat.bn.bias"),
    ("vovnet", "stigma0617", "classifier.bias", "head.fc.bias"),
    ("regnety", "pycls", "stem.bn.weight", "stem.bn.weight"),
    ("regnety", "pycls", "s2.b1.proj.weight", "s2.b1.downsample.conv.weight"),
    ("regnety", "pycls", "s2.b1.bn.running_var", "s2.b1.downsample.bn.running_var"),
    ("regnety", "pycls", "s4.b7.f.b_bn.weight", "s4.b7.conv2.bn.weight"),
    ("regnety", "pycls", "s4.b7.f.se.f_ex.2.bias", "s4.b7.se.fc2.bias"),
    ("mobilenetv2", "tonylins", "features.1.conv.3.weight", "features.1.conv.1.weight"),
    ("mobilenetv2", "tonylins", "features.17.conv.7.bias", "features.17.conv.3.bias"),
    ("mobilenetv2", "d-li14", "conv.1.running_mean", "features.18.1.running_mean"),
    ("swint", "Microsoft", "layers.2.downsample.norm.weight", "layers.3.downsample.norm.weight"),
    ("swint", "Microsoft", "layers.3.blocks.1.mlp.fc2.bias", "layers.3.blocks.1.mlp.fc2.bias"),
    ("convnext", "Meta", "downsample_layers.0.1.weight", "stem.1.weight"),
    ("convnext", "Meta", "downsample_layers.3.1.weight", "stages.3.downsample.1.weight"),
    ("convnext", "Meta", "stages.2.8.pwconv2.weight", "stages.2.blocks.8.mlp.fc2.weight"),
    ("convnext", "Meta", "stages.0.0.gamma", "stages.0.blocks.0.gamma"),
    ("convnext", "Meta", "norm.weight", "head.norm.weight"),
    ("resmlp-mixer", "Meta", "blocks.11.attn.bias", "blocks.11.linear_tokens.bias"),
    ("resmlp-mixer", "Meta", "blocks.0.gamma_2", "blocks.0.ls2"),
    (
        "densenet",
        "older torchvision",
        "features.denseblock4.denselayer16.norm.2.running_var",
        "features.denseblock4.denselayer16.norm2.running_var",
    ),
    (
        "vit",
        "older torchvision",
        "encoder.layers.encoder_layer_11.mlp.linear_2.weight",
        "blocks.11.mlp.fc2.weight",
    ),
]
SAME = [  # prefix, suffix: names in files of a repository that names as we do
    ("ghostnet", "1.0", "blocks.3.0.se.conv_reduce.bias", "blocks.9.0.bn1.running_mean", "conv_head.bias"),  # Huawei
    ("vit", "base-patch16", "cls_token", "pos_embed", "blocks.11.attn.qkv.bias", "head.weight"),  # Meta's DeiT
    ("se-resnet", "50", "layer0.conv1.weight", "layer4.2.se_module.fc2.bias", "last_linear.bias"),  # Cadene
    ("addernet", "50", "conv1.weight", "layer4.0.downsample.0.adder", "layer1.0.conv2.adder", "bn2.running_var"),
]


def expected_of(prefix: str, suffix: str) -> dict[str, torch.Size]:
    return shapes_of(create_model(prefix, suffix).state_dict())


def without_counters(shapes: dict[str, torch.Size]) -> dict[str, torch.Size]:
    return {name: shape for name, shape in shapes.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("names", NETWORKS, ids="-".join)
def test_every_name_and_shape_translates(names):
    prefix, suffix, layout = names
    expected = expected_of(prefix, suffix)
    translation = translate(prefix, suffix, NETWORKS[names](), expected)
    assert translation.layout == layout
    assert without_counters(shapes_of(translation.state)) == without_counters(expected)


@pytest.mark.parametrize("names", NETWORKS, ids="-".join)
def test_networks_are_identified(names):
    guess = identify(NETWORKS[names]())
    assert (guess.prefix, guess.suffix, guess.layout, guess.overlap) == (*names, 1)


@pytest.mark.parametrize(("prefix", "layout", "theirs", "ours"), SAMPLES)
def test_names_as_they_are_in_files(prefix, layout, theirs, ours):
    rows = next(other.rows for other in DIALECTS[prefix].layouts if other.name == layout)
    suffix = next(suffix for name, suffix, other in NETWORKS if (name, other) == (prefix, layout))
    assert to_ours(theirs, rows) == ours
    assert theirs in NETWORKS[prefix, suffix, layout]()
    assert ours in expected_of(prefix, suffix)


@pytest.mark.parametrize(("prefix", "suffix", "names"), [(prefix, suffix, names) for prefix, suffix, *names in SAME])
def test_names_that_are_ours_already(prefix, suffix, names):
    assert expected_of(prefix, suffix).keys() >= set(names)
    assert DIALECTS[prefix].layout_of(names) is None


def test_merging_moves_to_the_next_stage_and_stored_buffers_go():
    theirs = microsoft_swin_tiny().state_dict()
    translation = translate("swint", "tiny-224", theirs, expected_of("swint", "tiny-224"))
    for s in range(3):
        name = "downsample.reduction.weight"
        assert translation.state[f"layers.{s + 1}.{name}"] is theirs[f"layers.{s}.{name}"]
    assert "layers.0.downsample.reduction.weight" not in translation.state
    assert "left out 17 stored buffers that the network computes" in translation.notes


def test_vovnet_of_the_authors_needs_no_warning_about_shortcuts():
    translation = translate("vovnet", "39", stigma0617_vovnet39().state_dict(), expected_of("vovnet", "39"))
    assert translation.notes == ["names translated from stigma0617's"]


def test_pointwise_convolutions_stored_as_matrices_are_turned():
    expected = expected_of("xception", "299")
    state = {
        name: torch.empty(shape[:2] if "pointwise" in name else shape, device="meta")
        for name, shape in expected.items()
    }
    assert shapes_of(translate("xception", "299", state, expected).state) == expected


@pytest.mark.parametrize(
    ("prefix", "suffix", "names", "message"),
    [
        ("efficientnetv1", "b0", ["_conv_stem.weight", "_blocks.0._depthwise_conv.weight", "_fc.bias"], "lukemelas"),
        ("mobilenetv3", "large", ["features.1.conv.0.weight", "features.4.conv.5.fc.0.weight"], "d-li14's network"),
        ("mobilenetv2", "1.0", ["features.1.conv.7.weight", "features.2.conv.7.weight"], "early network of tonylins'"),
        ("resnet", "50", ["conv1.weight", "layer1.0.conv1.adder"], "AdderNet"),
        ("addernet", "50", ["conv1.weight", "layer1.0.conv1.weight"], "ResNet with convolutions"),
        ("convnext", "tiny", ["downsample_layers.0.0.weight", "stages.0.0.grn.gamma"], "ConvNeXt V2"),
    ],
)
def test_look_alikes_are_refused(prefix, suffix, names, message):
    state = {name: torch.empty(1) for name in names}
    with pytest.raises(ValueError, match=message):
        translate(prefix, suffix, state, {})
