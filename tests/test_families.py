"""Every family learns in mixed precision, compiles into one graph, exports; weights made for another BatchNorm eps."""

from functools import cache, partial

import pytest
import timm
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from models import create_model, list_models
from tests.references import PARAMETERS, SkipRandomFill, damp, randomise
from utils.data import Batch
from utils.engine import Recipe, TrainState, train_step
from utils.general import load_weights

PREFIXES = list(dict.fromkeys(prefix for prefix, _ in list_models()))
SMALLEST = [min((m for m in list_models() if m[0] == prefix), key=PARAMETERS.get) for prefix in PREFIXES]
QUICK_TO_TRAIN = {"squeezenet", "shufflenetv2", "mobilenetv2", "regnetx"}
QUICK_TO_COMPILE = {"squeezenet"}
QUICK_TO_EXPORT = {"resnet", "squeezenet", "shufflenetv2", "regnetx"}
SLIM = {"vit": dict(depth=2), "swint": dict(depths=(1, 1, 1, 1)), "convnext": dict(depths=(1, 1, 1, 1))}
SLIM |= {"resnext": dict(depths=(1, 1, 1, 1)), "addernet": dict(depths=(1, 1, 1, 1))}  # the others learn as they are
WITHOUT_NORMS = {"vgg", "squeezenet"}  # learn slowly at first


def smallest(*, quick: set[str], without: tuple[str, ...] = ()) -> list:
    return [
        pytest.param(prefix, suffix, id=prefix, marks=() if prefix in quick else pytest.mark.slow)
        for prefix, suffix in SMALLEST
        if prefix not in without
    ]


# --- training


@cache
def digits(number: int, side: int) -> Batch:
    """The first images of 0, 1 and 2."""
    data = load_digits(n_class=3)
    grey = torch.from_numpy(data.images[:number]).float()[:, None] * (255 / 16)
    images = functional.interpolate(grey, size=side, mode="nearest").expand(-1, 3, -1, -1).byte()
    boxes = torch.zeros(number, 4, dtype=torch.long)
    return Batch(
        images.permute(0, 2, 3, 1).contiguous(), torch.from_numpy(data.target[:number]), boxes, boxes[:, 0], []
    )


# The smallest vgg and xception take minutes for these steps on a CPU, so their learning is not tested here.
@pytest.mark.parametrize(("prefix", "suffix"), smallest(quick=QUICK_TO_TRAIN, without=("vgg", "xception")))
def test_loss_falls_in_bfloat16_and_channels_last(prefix, suffix):
    torch.manual_seed(0)
    model = create_model(prefix, suffix, 3, img_size=32, **SLIM.get(prefix, {})).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4 if prefix in WITHOUT_NORMS else 1e-3)
    state = TrainState(
        model, optimizer, LambdaLR(optimizer, lambda step: 1.0), torch.amp.GradScaler("cpu", enabled=False)
    )
    recipe = Recipe(torch.device("cpu"), (0.5,) * 3, (0.5,) * 3, amp_dtype=torch.bfloat16, channels_last=True)
    model.train()
    losses = []
    for _ in range(40 if prefix == "squeezenet" else 8):
        result = train_step(state, model, [digits(16, 32)], recipe, None)
        assert result.finite
        losses.append(result.losses.item())
    assert min(losses[-2:]) < 0.8 * losses[0], losses
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


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
        theirs, ours, again = timm.create_model(name, num_classes=10).eval(), build().eval(), build().eval()
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
