"""What the rules look at: sizes and colours of pictures, the network, and how its first BatchNorm was fed."""

from pathlib import Path

from utils.config import TrainConfig
from utils.data.listing import scan
from utils.recipe.expected import batches_of
from utils.recipe.facts import facts_of, norm_of
from utils.recipe.normalisation import USUAL, column, normalisation_of
from utils.recipe.pictures import look_at
from utils.recipe.resolve import resolve
from utils.training.build import drop_rates

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from models import create_model
from tests.helpers.networks import SMALLEST
from tests.helpers.steps import CPU
from tests.recipe import golden

AUTO = TrainConfig(img_path=str(Path(__file__).parent))


def write(root, pictures):
    folder = root / "train" / "a"
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number:02d}.jpg", quality=60)
    return scan(root / "train")


def test_the_size_is_the_median_and_exif_turns_it(tmp_path):
    sizes = [(30, 50), (40, 60), (50, 90)]  # (height, width)
    images = write(tmp_path, [Image.new("RGB", size[::-1]) for size in sizes])
    assert look_at(images)[0] == (40, 60)


@pytest.mark.parametrize("prefix", SMALLEST)
def test_every_family_gets_a_recipe(tmp_path, prefix):
    images = write(tmp_path, [Image.new("RGB", (40, 40))] * 3)
    names = dict(zip(("model_prefix", "model_suffix"), SMALLEST[prefix]))
    config, _ = resolve(
        TrainConfig(img_path=str(tmp_path), **names), facts_of(TrainConfig(**names), images, None, CPU, 1)
    )
    with torch.device("meta"):
        create_model(*names.values(), 5, img_size=config.img_size, **drop_rates(config))


@pytest.mark.parametrize(("coloured", "grey"), [(0, True), (1, False)])
def test_grey_is_grey_in_a_jpeg_of_three_channels_too(tmp_path, coloured, grey):
    noise = np.random.default_rng(0).integers(0, 255, (20, 40, 40), np.uint8)
    pictures = [Image.fromarray(each).convert("RGB") for each in noise]
    for place in range(coloured):
        pictures[place] = Image.new("RGB", (40, 40), (200, 30, 30))
    assert look_at(write(tmp_path, pictures))[1] is grey


def test_files_that_are_no_pictures_are_passed_over(tmp_path):
    images = write(tmp_path, [Image.new("RGB", (40, 40))] * 3)
    for path in (tmp_path / "train/a").iterdir():
        path.write_bytes(b"no picture")
    assert look_at(images) == ((224, 224), False)


@pytest.mark.parametrize(
    ("prefix", "suffix", "norm"), [("resnet", "18", "batch"), ("vit", "base-patch32", "layer"), ("vgg", "11", "none")]
)
def test_the_kind_of_normalisation_is_that_of_the_network(prefix, suffix, norm):
    with torch.device("meta"):
        assert norm_of(create_model(prefix, suffix)) == norm


def smooth(count, seed):
    """(N, 3, 48, 48) in 0..1: colours that change slowly, as in photographs."""
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=(48, 48), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("used", USUAL)
@pytest.mark.parametrize("prefix", ["resnet", "mobilenetv2"])
def test_the_mean_and_std_of_training_are_found_again_on_other_pictures(prefix, used):
    torch.manual_seed(0)
    network = create_model(prefix, {"resnet": "18", "mobilenetv2": "1.0"}[prefix], 5)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None  # the mean over all that it is given
    pixels = smooth(64, 0) * 0.9 + 0.02
    with torch.no_grad():
        network.train()((pixels - column(used.mean)) / column(used.std))
    others = smooth(32, 1) * 0.5 + 0.5  # lighter, and of less contrast
    assert normalisation_of(network.eval(), others) == used


def test_networks_without_batchnorm_say_nothing():
    assert normalisation_of(create_model("squeezenet", "1.1", 5).eval(), smooth(4, 0)) is None


@pytest.mark.parametrize(("counts", "fewest"), [((), None), ((0, 0), None), ((0, 23, 400), 23), ((5000, 5000), 5000)])
def test_the_fewest_batches_that_a_batchnorm_has_seen(counts, fewest):
    state = {f"layer{number}.bn.num_batches_tracked": torch.tensor(count) for number, count in enumerate(counts)}
    assert batches_of({**state, "fc.weight": torch.zeros(2, 3)}) == fewest


def test_averages_of_few_batches_are_neither_kept_nor_what_a_head_is_fitted_to():
    """Fine-tuned all the same, a MobileNetV2 of 23 steps had a loss of 100,000."""
    few = {name: golden.facts(weights=True, images=150, batches=count) for name, count in (("few", 23), ("many", 200))}
    found = {name: resolve(AUTO, facts) for name, facts in few.items()}
    assert [(found[name][0].freeze_bn, found[name][0].head_init) for name in few] == [
        (False, "default"),
        (True, "probe"),
    ]
    assert found["few"][0].freeze_epochs == 0
    why = {row.key: row.why for row in found["few"][1]}
    assert why["freeze_bn"] == "BatchNorm's averages are of 23 batches, too few to go by"
    layer, _ = resolve(AUTO, golden.facts(weights=True, norm="layer", batches=23))
    assert layer.head_init == "probe"
