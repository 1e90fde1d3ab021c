"""Weights of networks whose tables follow the image, by every door: resized from the grid that they were made for."""

from utils.config import TrainConfig
from utils.data.source import ImageList, PackedPaths, Splits, pack_paths
from utils.errors import WeightsError
from utils.run.differences import check_resume, differences
from utils.run.evaluate_only import load_models
from utils.weights.checkpoint import save_checkpoint
from utils.weights.checkpoint_schema import validated
from utils.weights.load import load_weights
from utils.weights.networks import load_network
from utils.weights.spec import NetworkOptions
from utils.weights.weights_file import WeightsFile

import numpy as np
import pytest
import torch

from models import create_model
from tests.helpers.checkpoints import CPU, whole_checkpoint

NAMES = ("resmlp-mixer", "12")
RESAMPLED = "linear_tokens of 12 blocks resampled from 2x8 to 4x4 patches (bicubic)"


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A checkpoint of 32x128 images, 2x8 patches; those of 64x64 are as many."""
    path = tmp_path_factory.mktemp("wide") / "last.pth"
    names = dict(zip(("model_prefix", "model_suffix"), NAMES))
    save_checkpoint(path, whole_checkpoint(img_size=(32, 128), val_resize=(36, 144), use_ema=False, **names))
    return path


def mixing(model):
    return model.state_dict()["blocks.0.linear_tokens.weight"]


def test_load_weights_resizes_from_the_images_of_the_checkpoint(wide):
    model = create_model(*NAMES, 3, img_size=(64, 64))
    assert RESAMPLED in load_weights(model, wide).notes
    assert not torch.equal(mixing(model), WeightsFile(wide).state["blocks.0.linear_tokens.weight"])


def test_a_tool_at_another_size_does_so_too(wide):
    loaded = load_network(NetworkOptions(weights=wide, img_size=(64, 64)), CPU)
    expected = create_model(*NAMES, 3, img_size=(64, 64))
    load_weights(expected, wide)
    assert torch.equal(mixing(loaded.model), mixing(expected))


def test_only_val_evaluates_at_the_size_of_the_checkpoint(wide):
    config = TrainConfig.plain(model_prefix=NAMES[0], model_suffix=NAMES[1], img_size=(64, 64), load_from=str(wide))
    assert load_models(config, WeightsFile(wide), CPU, 3)["net"].grid == (2, 8)


def test_a_run_is_not_resumed_with_tables_for_other_images(wide):
    checkpoint = validated(torch.load(wide, weights_only=True), wide)
    config = TrainConfig.plain(model_prefix=NAMES[0], model_suffix=NAMES[1], img_size=(64, 64))
    images = ImageList("none", ("ant", "bee", "cow"), PackedPaths(pack_paths(["a.png"])), np.zeros(1, dtype=np.int64))
    found = differences(checkpoint, config, Splits(images, images))
    with pytest.raises(WeightsError, match=r"size of its tables was \[32, 128\], is \[64, 64\]"):
        check_resume(found, str(wide), force=True)


def test_a_tool_says_that_it_takes_tables_as_square(wide, tmp_path):
    torch.save(WeightsFile(wide).state, tmp_path / "bare.pth")
    loaded = load_network(NetworkOptions(weights=tmp_path / "bare.pth"), CPU)
    assert loaded.spec.img_size == (64, 64)
    assert "tables taken as those of square images, 64x64, as the file does not say; --img-size" in loaded.description


def test_public_weights_are_known_to_be_for_square_images(tmp_path):
    """By the name of their file; by the tensors alone 196 positions would be the 7x28 of the network."""
    square = create_model(*NAMES, 3, img_size=(224, 224)).state_dict()
    torch.save(square, tmp_path / "timm--resmlp_12_224.fb_in1k.pth")
    assert WeightsFile(tmp_path / "timm--resmlp_12_224.fb_in1k.pth").img_size is None
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "timm--resmlp_12_224.fb_in1k.safetensors"
    safetensors.save_file(square, path)
    model = create_model(*NAMES, 3, img_size=(112, 448))
    assert any("from 14x14 to 7x28" in note for note in load_weights(model, path).notes)
