"""Which layer is explained: by default, for every network and size, and by name."""

from utils.errors import ConfigError
from utils.explain.layers import default_layer, named_layer, outputs_of
from utils.explain.maps import CAMS, explain

import pytest
import torch
from torch import nn

from models import create_model, list_models, native_img_size
from tests.helpers.initialisation import SkipRandomFill, randomise
from tests.helpers.networks import SMALLEST

STRIDES = {"vgg": 16, "vit": 16, "resmlp-mixer": 16}  # pixels to a position; 32 in the others
STRIDES |= {("vit", "base-patch32"): 32, ("vit", "large-patch32"): 32, ("vit", "huge-patch14"): 14}
STRIDES |= {("resmlp-mixer", "B24"): 8}


def built(prefix, suffix, size, **overrides):
    """A network without memory or arithmetic."""
    with torch.device("meta"):
        return create_model(prefix, suffix, 5, img_size=size, **overrides).eval()


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [pytest.param(*names, marks=() if names in SMALLEST.values() else pytest.mark.slow) for names in list_models()],
)
def test_every_network_has_a_default_of_the_resolution_before_its_classifier(prefix, suffix):
    side = native_img_size(prefix, suffix)
    stride = STRIDES.get((prefix, suffix), STRIDES.get(prefix, 32))
    grid = (13, 13) if prefix == "squeezenet" else (-(-side // stride),) * 2  # its poolings do not pad
    assert default_layer(built(prefix, suffix, (side, side)), (side, side)).grid == grid


@pytest.mark.parametrize(
    ("size", "name", "grid"),
    [
        ((224, 320), "layer4", (7, 10)),
        ((97, 320), "layer4", (4, 10)),
        ((96, 320), "layer3", (6, 20)),  # the last has 3 rows
        ((32, 32), "layer2", (4, 4)),
        ((8, 8), "layer1", (2, 2)),  # none has more
    ],
)
def test_small_images_get_an_earlier_layer(size, name, grid):
    layer = default_layer(built("resnet", "18", size), size)
    assert (layer.name, layer.grid) == (name, grid)


def test_images_of_which_nothing_is_left_are_refused():
    with pytest.raises(ConfigError, match="single position for images of 4x4"):
        default_layer(built("resnet", "18", (4, 4)), (4, 4))


@pytest.mark.parametrize(
    ("prefix", "suffix", "name", "channels", "grid"),
    [
        ("resnet", "18", "layer2.0.bn1", 128, (8, 12)),
        ("vit", "base-patch16", "blocks.3.mlp.fc1", 3072, (4, 6)),
        ("vit", "base-patch16", "patch_embed.proj", 768, (4, 6)),
        ("resmlp-mixer", "12", "blocks.3.mlp_channels", 384, (4, 6)),
        ("swint", "tiny-224", "layers.1.blocks.0.norm2", 192, (8, 12)),
        ("swint", "tiny-224", "patch_embed.proj", 96, (16, 24)),
        ("swint", "tiny-224", "patch_embed", 96, (16, 24)),
        ("convnext", "tiny", "stages.1.blocks.0.conv_dw", 192, (8, 12)),
        ("convnext", "tiny", "stages.1.blocks.0.norm", 192, (8, 12)),
        ("convnext", "tiny", "stages.1.blocks.0.mlp.act", 768, (8, 12)),
        ("convnext", "tiny", "stages.1.downsample.0", 96, (16, 24)),
    ],
)
def test_a_layer_by_name_becomes_a_map(prefix, suffix, name, channels, grid):
    size = (64, 96)
    model = built(prefix, suffix, size)
    layer = named_layer(model, name, size)
    with outputs_of(layer.module) as outputs:
        model(torch.zeros(2, 3, *size, device="meta"))
    assert (layer.name, layer.grid) == (name, grid)
    assert layer.to_map(outputs[-1]).shape == (2, channels, *grid)


def test_tokens_are_laid_out_row_by_row_without_the_class_token():
    model = built("vit", "base-patch16", (32, 48), depth=1)
    tokens = torch.tensor([9.0, 0, 1, 2, 3, 4, 5]).view(1, 7, 1)
    layer = named_layer(model, "blocks.0", (32, 48))
    assert layer.to_map(tokens).tolist() == [[[[0, 1, 2], [3, 4, 5]]]]


@pytest.mark.parametrize(
    ("prefix", "suffix", "name", "message"),
    [
        ("resnet", "18", "layer4.1.con2", r"resnet 18 has no layer 'layer4.1.con2'; nearest: layer4.1.conv2, "),
        ("resnet", "18", "?", r"nearest: conv1, bn1, relu, "),
        ("resnet", "18", "fc", r"fc gives 5 numbers for an image, which are no map"),
        ("regnety", "200mf", "s2.b1.se.fc1", r"a single position for images of 64x96"),
        ("vit", "base-patch16", "head", r"gives 5 numbers"),
        ("swint", "tiny-224", "layers.0.blocks.0.attn", r"no map"),
        ("swint", "tiny-224", "layers.3.blocks.0.attn.qkv", r"no map"),
        ("resmlp-mixer", "12", "blocks.0.linear_tokens", r"gives 384 x 24 numbers for"),
        ("vovnet", "27slim", "stages.0.blocks.0.conv_mid", r"only holds others"),
    ],
)
def test_names_that_give_no_map_are_refused(prefix, suffix, name, message):
    with pytest.raises(ConfigError, match=message):
        named_layer(built(prefix, suffix, (64, 96)), name, (64, 96))


@pytest.mark.slow
@pytest.mark.parametrize(("prefix", "suffix"), list_models())
def test_the_default_map_of_every_network_is_finite_and_not_constant(prefix, suffix):
    size = (64, 96)
    with SkipRandomFill():
        model = create_model(prefix, suffix, 5, img_size=size)
    randomise(model, seed=0)
    image = torch.randn(3, *size, generator=torch.Generator().manual_seed(1))
    if prefix == "addernet":  # whose sums of distances need norms that know them
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
                module.reset_running_stats()
        with torch.no_grad():
            model(torch.stack((image, -image)))
    model.eval()
    layer = default_layer(model, size)
    maps = [explain(model, image, layer, target, CAMS[:1]).pictures["grad_cam"] for target in range(5)]
    assert all(cam.shape == size and cam.isfinite().all() and cam.min() >= 0 for cam in maps)
    assert max(cam.std() for cam in maps) > 0.05
