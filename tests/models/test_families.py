"""Every family learns in mixed precision, compiles into one graph, exports; weights made for another BatchNorm eps."""

import shutil
from functools import partial

from utils.data import crops
from utils.tables import read_csv
from utils.weights.load import load_weights

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn

import train
from models import create_model
from tests.helpers.initialisation import SkipRandomFill, damp, randomise
from tests.helpers.networks import SMALLEST
from tests.helpers.runs import plain_config

QUICK_TO_TRAIN = {"squeezenet"}
QUICK_TO_COMPILE = {"squeezenet"}
QUICK_TO_EXPORT = {"resnet", "squeezenet", "shufflenetv2", "regnetx"}


def smallest(*, quick: set[str]) -> list:
    return [
        pytest.param(prefix, suffix, id=prefix, marks=() if prefix in quick else pytest.mark.slow)
        for prefix, suffix in SMALLEST.values()
    ]


# --- training


# Epochs of 3 steps, AdderNet's of one; vgg and vit have the most weights, and most CPUs emulate bfloat16.
EPOCHS = {"vgg": 2, "vit": 2, "mobilenetv2": 6, "squeezenet": 8, "addernet": 20}


@pytest.fixture
def ring_and_bar(tmp_path):
    """A folder of the embedded digits 0 and 1, the ones in negative: 48 images in train, 12 in val; gone afterwards."""
    data = load_digits(n_class=2)
    for index in range(60):
        label, split = data.target[index], "train" if index < 48 else "val"
        folder = tmp_path / "digits" / split / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        grey = np.uint8(data.images[index] * (255 / 16))
        Image.fromarray(255 - grey if label else grey).save(folder / f"{index}.png")
    yield tmp_path / "digits"
    shutil.rmtree(tmp_path)  # the checkpoints of the largest weigh gigabytes


@pytest.fixture
def whole_images(monkeypatch):
    """Training without random crops, which few steps do not get over."""
    monkeypatch.setattr(crops, "random_box", lambda size, *_: crops.Box(0, 0, *size))


@pytest.mark.usefixtures("whole_images")
@pytest.mark.parametrize(("prefix", "suffix"), smallest(quick=QUICK_TO_TRAIN))
def test_a_run_learns_in_bfloat16_and_channels_last(prefix, suffix, ring_and_bar):
    changes = dict(img_path=str(ring_and_bar), log_root=str(ring_and_bar.parent / "logs"), num_workers=0, device="cpu")
    changes |= dict(model_prefix=prefix, model_suffix=suffix, img_size=[32, 32], val_resize=[32, 32])
    changes |= dict(batch_size=48 if prefix == "addernet" else 16)
    changes |= dict(init_lr=3e-4 if prefix == "vgg" else 1e-3, warmup_epochs=0, epochs=EPOCHS.get(prefix, 4))
    changes |= dict(augment="simple", horizontal_flip=0.0, optimizer_type="adamw", use_ema=False)
    changes |= dict(use_apex=True, amp_dtype="bfloat16", channels_last=True)
    folder = train.run(plain_config(**changes))
    losses = [float(row["train_loss"]) for row in read_csv(folder / "results.csv")]
    quarter = -(-len(losses) // 4)
    fall = sum(losses[-quarter:]) / sum(losses[:quarter])
    assert fall < (0.99 if prefix == "addernet" else 0.8), losses  # the fifty layers of AdderNet are slow to begin
    weights = torch.load(folder / "last.pth", weights_only=True)["net"]
    assert all(value.dtype in (torch.float32, torch.int64) for value in weights.values())


# --- compilation and export


def ready(prefix: str, suffix: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network with random weights in eval mode, an image, and its logits."""
    with SkipRandomFill():
        model = create_model(prefix, suffix, 5, img_size=64).eval()
    randomise(model, seed=0)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return model, images, model(images)


def assert_same(logits: Tensor, expected: Tensor) -> None:
    assert expected.isfinite().all()
    assert (logits - expected).abs().max() <= 1e-4 * expected.abs().max().clamp(min=1)


@pytest.mark.parametrize(("prefix", "suffix"), smallest(quick=QUICK_TO_COMPILE))
@torch.no_grad()
def test_compiles_into_one_graph(prefix, suffix):
    torch.compiler.reset()
    model, images, expected = ready(prefix, suffix)
    assert_same(torch.compile(model, fullgraph=True, backend="aot_eager")(images), expected)


@pytest.mark.parametrize(("prefix", "suffix"), smallest(quick=QUICK_TO_EXPORT))
@torch.no_grad()
def test_exports(prefix, suffix):
    model, images, expected = ready(prefix, suffix)
    assert_same(torch.export.export(model, (images,)).module()(images), expected)


# --- weights made for another eps of BatchNorm


@pytest.mark.parametrize(
    ("prefix", "suffix", "name"),
    [("mobilenetv3", "small", "mobilenetv3_small_100"), ("efficientnetv2", "small", "efficientnetv2_s")],
)
@torch.no_grad()
def test_weights_of_timm_give_its_logits_though_its_eps_is_another(prefix, suffix, name, tmp_path):
    build = partial(create_model, prefix, suffix, 10)
    with SkipRandomFill():
        theirs = timm.create_model(name, num_classes=10).eval()
        ours = build().eval()
        again = build().eval()
    randomise(theirs, seed=0)
    damp(theirs)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # variances so small that eps counts, and scales to make up for them
            module.running_var.mul_(0.01)
            module.weight.mul_(0.1)
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = theirs(images)

    load_weights(ours, tmp_path / "timm.pth")
    assert_same(ours(images), expected)
    torch.save(ours.state_dict(), tmp_path / "ours.pth")
    again.load_state_dict(torch.load(tmp_path / "ours.pth", weights_only=True))
    assert torch.equal(again(images), ours(images))
