"""Which layer stands for a network: of all networks by default, and by name."""

import pytest
import torch

from models import create_model, list_models, native_img_size
from tests.references import SkipRandomFill, randomise
from utils.explain.layers import default_layer
from utils.explain.maps import CAMS, explain

BY_SIDE = {"vgg": 16, "vit": 16, "resmlp-mixer": 16}  # pixels to a position; 32 elsewhere
BY_NAME = {("vit", "base-patch32"): 32, ("vit", "large-patch32"): 32, ("vit", "huge-patch14"): 14}
BY_NAME |= {("resmlp-mixer", "B24"): 8, ("squeezenet", "1.0"): 17, ("squeezenet", "1.1"): 17}
WITHOUT_PADDING = {"squeezenet"}


def on_meta(prefix, suffix, size, **overrides):
    with torch.device("meta"):
        return create_model(prefix, suffix, 5, img_size=size, **overrides).eval()


@pytest.mark.parametrize(("prefix", "suffix"), list_models())
def test_every_network_has_a_default_with_the_rows_and_columns_of_its_trunk(prefix, suffix):
    side = native_img_size(prefix, suffix)
    stride = BY_NAME.get((prefix, suffix), BY_SIDE.get(prefix, 32))
    layer = default_layer(on_meta(prefix, suffix, (side, side)), (side, side))
    assert layer.grid == (-(-side // stride) - (prefix == "squeezenet"),) * 2
    size = (224, 320)
    model = on_meta(prefix, suffix, size)
    layer = default_layer(model, size)
    channels = {"vit": 768}
    assert layer.grid[0] < layer.grid[1]
    assert layer.to_map(torch.empty(2, *shape_of(model, layer, size)[1:])).shape[2:] == layer.grid


@pytest.mark.slow
@pytest.mark.parametrize(("prefix", "suffix"), list_models())
def test_the_default_map_of_every_network_is_finite_and_not_constant(prefix, suffix):
    size = (64, 96)
    with SkipRandomFill():
        model = create_model(prefix, suffix, 5, img_size=size).eval()
    randomise(model, seed=0)
    if prefix == "addernet":
        model.train()(torch.randn(4, 3, *size))
    layer = default_layer(model, size)
    image = torch.randn(3, *size, generator=torch.Generator().manual_seed(1))
    found = [explain(model, image, layer, target, CAMS).pictures["grad_cam"] for target in range(5)]
    assert all(cam.shape == size and cam.isfinite().all() and cam.min() >= 0 for cam in found)
    assert max(cam.std() for cam in found) > 0.05
