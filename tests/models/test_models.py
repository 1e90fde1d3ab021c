"""Every network against the public one that it must equal; the registry; which way imports point."""

import ast
import inspect
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.peers.networks import IMG_SIZES, PARAMETERS, REFERENCES
from models import create_model, family_of, list_models, native_img_size
from models.registry import register
from tests.helpers import ROOT
from tests.helpers.initialisation import SkipRandomFill, randomise
from tests.helpers.networks import PREFIXES, SMALLEST

HUGE = 100_000_000  # parameters: such networks come one at a time, and not in CI
COMPARABLE = [
    pytest.param(*names, marks=pytest.mark.huge if PARAMETERS[names] > HUGE else ())
    for names in list_models()
    if names in REFERENCES
]
HEAVY = 20_000_000  # parameters: two such networks in full are not for every run
SMALLEST_COMPARABLE = [
    pytest.param(
        *names,
        marks=[
            getattr(pytest.mark, mark) for mark, most in (("slow", HEAVY), ("huge", HUGE)) if PARAMETERS[names] > most
        ],
    )
    for names in SMALLEST.values()
    if names in REFERENCES
]


def randomised_pair(prefix: str, suffix: str) -> tuple[nn.Module, nn.Module]:
    """Our network and the reference with the same random weights and statistics."""
    with SkipRandomFill():
        model = create_model(prefix, suffix)
        reference = REFERENCES[prefix, suffix]()
    randomise(reference, seed=0)
    model.load_state_dict(reference.state_dict())
    return model, reference


def depends_on_img_size(model: nn.Module) -> bool:
    return "img_size" in inspect.signature(type(model)).parameters


def random_images(model: nn.Module, prefix: str, suffix: str, *, number: int) -> Tensor:
    """Of the native side where the parameters depend on it, else small."""
    side = native_img_size(prefix, suffix) if depends_on_img_size(model) else max(64, min_side(model))
    return torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(1))


def min_side(model: nn.Module) -> int:
    return family_of(model).min_img_size_of(model.model_name[1])


def stop_dropping(model: nn.Module) -> None:
    """Set every rate of dropout and stochastic depth to 0, ours, torchvision's and timm's."""
    for module in model.modules():
        for name in ("p", "rate", "drop_rate", "drop_prob"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def sample(tensor: Tensor, size: int = 1_000_000) -> Tensor:
    """About `size` values or all, evenly spread over the tensor."""
    return tensor.flatten()[:: 1 + tensor.numel() // size].double()


def shapes_of(model: nn.Module) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in model.state_dict().items()}


def norms_of(model: nn.Module) -> dict[str, tuple[float, float | None]]:
    """(eps, momentum) of each normalisation."""
    kinds = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
    return {n: (m.eps, getattr(m, "momentum", None)) for n, m in model.named_modules() if isinstance(m, kinds)}


def assert_near(ours: Tensor, theirs: Tensor, tolerance: float, what: str = "logits") -> None:
    difference = (ours - theirs).abs().max().item()
    assert difference <= tolerance, f"{what}: differs by {difference:.3g}, at most {tolerance:.3g} is allowed"


def test_models_are_listed_in_the_order_of_the_table_with_their_image_sizes():
    assert list_models() == [names for names in PARAMETERS if names[0] in PREFIXES]
    assert {names: native_img_size(*names) for names in list_models()} == {n: IMG_SIZES[n] for n in list_models()}


@pytest.mark.slow
@pytest.mark.parametrize(("prefix", "suffix"), list_models())
def test_shapes_norms_and_least_size_are_those_of_the_public_network(prefix, suffix):
    with torch.device("meta"):  # shapes without memory or arithmetic
        model = create_model(prefix, suffix)
        reference = REFERENCES[prefix, suffix]() if (prefix, suffix) in REFERENCES else None
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[prefix, suffix]
    if reference is not None:
        assert shapes_of(model) == shapes_of(reference)
        assert norms_of(model) == norms_of(reference)
        if min_side(model) > 1:  # then no smaller image fits the public network
            with pytest.raises(RuntimeError):
                reference.eval()(torch.empty(1, 3, min_side(model) - 1, min_side(model) - 1, device="meta"))


@pytest.mark.slow
@pytest.mark.parametrize(("prefix", "suffix"), COMPARABLE)
@torch.no_grad()
def test_logits_are_those_of_the_public_network(prefix, suffix):
    model, reference = randomised_pair(prefix, suffix)
    images = random_images(model, prefix, suffix, number=1)
    expected = reference.eval()(images)
    assert expected.isfinite().all()
    assert_near(model.eval()(images), expected, 1e-4 * max(1.0, expected.abs().max().item()))


@pytest.mark.parametrize(("prefix", "suffix"), SMALLEST_COMPARABLE)
def test_gradients_and_statistics_of_a_step_are_those_of_the_public_network(prefix, suffix):
    pair = randomised_pair(prefix, suffix)
    images = random_images(pair[0], prefix, suffix, number=2).double()
    weights = torch.linspace(-1, 1, 1000, dtype=torch.double)  # of the logits, so that no two count alike
    for network in pair:
        stop_dropping(network)
        (network.double().train()(images) * weights).sum().backward()
    model, reference = pair
    ours = dict(model.named_parameters())
    largest = max(parameter.grad.abs().max().item() for parameter in reference.parameters())
    for key, parameter in reference.named_parameters():
        tolerance = 1e-6 * parameter.grad.abs().max().item() + 1e-12 * largest  # some gradients are rounding only
        assert_near(ours[key].grad, parameter.grad, tolerance, f"gradient of {key}")
    statistics = dict(model.named_buffers())
    for key, buffer in reference.named_buffers():
        if key in reference.state_dict():
            assert_near(statistics[key], buffer, 1e-6 * buffer.abs().max().item(), key)


@pytest.mark.parametrize(("prefix", "suffix"), SMALLEST_COMPARABLE)
def test_initial_weights_are_distributed_as_those_of_the_public_network(prefix, suffix):
    torch.manual_seed(0)
    initial = create_model(prefix, suffix).state_dict()
    for key, tensor in REFERENCES[prefix, suffix]().state_dict().items():
        ours = sample(initial[key])
        theirs = sample(tensor)
        if theirs.min() == theirs.max():
            assert torch.equal(ours, theirs), f"{key}: always {theirs[0]} in the public network"
            continue
        spread = theirs.std()
        slack = 8 / len(theirs) ** 0.5  # 8 standard errors or more, so no chance failures
        assert_near(ours.mean(), theirs.mean(), spread * slack, f"mean of {key}")
        assert_near(ours.std(), spread, spread * slack, f"standard deviation of {key}")
        assert_near(ours.abs().mean(), theirs.abs().mean(), spread * slack, f"mean size of {key}")


@pytest.fixture(scope="module", params=SMALLEST.values(), ids="-".join)
def toy(request):
    """(prefix, suffix, network of 7 classes) with the smallest variant of each family, built for 32x32 if that fits."""
    prefix, suffix = request.param
    with torch.device("meta"):
        least = min_side(create_model(prefix, suffix))
    torch.manual_seed(0)
    return prefix, suffix, create_model(prefix, suffix, num_classes=7, img_size=max(32, least))


def for_size(toy: tuple[str, str, nn.Module], size: tuple[int, int]) -> nn.Module:
    """The toy, or another one where the parameters depend on the image size."""
    prefix, suffix, model = toy
    return (create_model(prefix, suffix, 7, img_size=size) if depends_on_img_size(model) else model).eval()


def test_every_parameter_of_a_toy_gets_a_gradient(toy):
    model = toy[-1].train()
    side = max(32, min_side(model))
    logits = model(torch.randn(2, 3, side, side))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize("size", [(96, 96), (160, 160), (224, 288)], ids=str)
@torch.no_grad()
def test_a_toy_takes_images_of_any_size(toy, size):
    logits = for_size(toy, size)(torch.randn(1, 3, *size))
    assert logits.shape == (1, 7)
    assert logits.isfinite().all()


@torch.no_grad()
def test_a_toy_names_the_least_image_size(toy):
    least = min_side(toy[-1])
    model = for_size(toy, (least, least))
    assert model(torch.randn(1, 3, least, least)).shape == (1, 7)
    if least > 1:
        with pytest.raises(ValueError, match=f"{least}x{least}"):
            model(torch.randn(1, 3, least - 1, least))
        with pytest.raises(ValueError, match=f"{least}x{least}"):
            create_model(*toy[:2], img_size=(least, least - 1))


EXPORTED_SOON = ("resnet", "mobilenetv2", "squeezenet", "mnasnet", "vit", "resmlp-mixer", "addernet")


@pytest.mark.slow
@pytest.mark.parametrize(
    "toy",
    [pytest.param(names, marks=() if names[0] in EXPORTED_SOON else pytest.mark.huge) for names in SMALLEST.values()],
    ids="-".join,
    indirect=True,
)
@torch.no_grad()
def test_a_toy_runs_in_bfloat16_in_channels_last_and_exported(toy):
    images = torch.randn(2, 3, 64, 64)
    model = for_size(toy, (64, 64))
    expected = model(images)
    scale = max(1.0, expected.abs().max().item())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_near(model(images), expected, 0.1 * scale)
    assert_near(torch.export.export(model, (images,)).module()(images), expected, 1e-4 * scale)
    assert_near(torch.compile(model, backend="eager", fullgraph=True)(images), expected, 1e-4 * scale)
    model.to(memory_format=torch.channels_last)
    assert_near(model(images.to(memory_format=torch.channels_last)), expected, 1e-4 * scale)
    model.to(memory_format=torch.contiguous_format)


def test_unknown_names_are_refused_with_the_choices_and_the_nearest():
    with pytest.raises(ValueError, match=r"'resnett'.*nearest: 'resnet'.*choices: .*vgg"):
        create_model("resnett", "18")
    with pytest.raises(ValueError, match=r"resnet '15'.*nearest: '152'.*choices: 18, 34, 50, 101, 152"):
        create_model("resnet", "15")
    with pytest.raises(ValueError, match=r"'dropuot'.*nearest: 'dropout'"):
        create_model("mobilenetv2", "1.0", dropuot=0.1)
    with pytest.raises(ValueError, match="'rexnet'"):
        native_img_size("rexnet", "18")


def test_a_prefix_is_registered_once():
    with pytest.raises(ValueError, match="'vgg' is registered twice"):
        register("vgg", {})(nn.Identity)


OURS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for pattern in ("*.py", "models/**/*.py", "utils/**/*.py", "tools/**/*.py")
    for path in ROOT.glob(pattern)
}
ALLOWED = {"models": {"models"}, "utils": {"utils", "models"}, "tools": {"tools", "train", "utils", "models"}}


def imports_of(path: Path) -> set[str]:
    """The modules of ours that a file imports, at its top or inside a function."""
    package = path.relative_to(ROOT).parent.parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            submodules = {f"{module}.{alias.name}" for alias in node.names} & OURS.keys()
            names |= submodules or {module}
    return names & OURS.keys()


def test_imports_point_one_way():
    graph = {module: imports_of(path) for module, path in OURS.items()}
    for module, imported in graph.items():
        allowed = ALLOWED.get(module.split(".")[0])
        wrong = {name for name in imported if allowed and name.split(".")[0] not in allowed}
        assert not wrong, f"{module} imports {sorted(wrong)}"
    TopologicalSorter(graph).prepare()  # raises CycleError
