"""What each family says of itself, for all networks; and that its own file is all that a new family needs."""

import ast
from types import SimpleNamespace

from utils.config.rules import known_network, large_enough_images
from utils.explain.layers import default_layer, outputs_of
from utils.training.amp import amp_dtype
from utils.weights.load import load_weights
from utils.weights.networks import find_network
from utils.weights.spec import NetworkOptions

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from models import create_model, family_of, list_models, native_img_size, registry, stages_of
from models.catalogue import cells, entry
from models.registry import is_registered, register
from tests.helpers import ROOT
from tests.helpers.networks import PREFIXES, SMALLEST


def on_meta(prefix, suffix, **options):
    """A network of 7 classes in eval mode, without memory or arithmetic."""
    with torch.device("meta"):
        return create_model(prefix, suffix, 7, **options).eval()


# --- stages and head


@pytest.mark.parametrize(("prefix", "suffix"), list_models())
def test_stages_and_head_hold_every_parameter_once(prefix, suffix):
    network = on_meta(prefix, suffix)
    stages = stages_of(network)
    names = [name for _, names in stages for name in names]
    assert len(names) == len(set(names))
    assert set(names) == {name for name, _ in network.named_parameters()}
    assert len({title for title, _ in stages}) == len(stages) >= 5
    head = [network.get_parameter(name) for name in stages[-1][1]]
    assert {len(parameter) for parameter in head} == {7}


class FirstUse(TorchFunctionMode):
    """Within it, `names` fills with the parameters of a network, each when something first computes with it."""

    def __init__(self, network):
        super().__init__()
        self.parameters = {id(parameter): name for name, parameter in network.named_parameters()}
        self.names = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        for value in tree_leaves((args, kwargs)):
            if (name := self.parameters.get(id(value))) and name not in self.names:
                self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("prefix", "suffix"), SMALLEST.values())
@torch.no_grad()
def test_stages_are_in_the_order_of_the_forward_pass(prefix, suffix):
    network = on_meta(prefix, suffix, img_size=64)
    with FirstUse(network) as used:
        network(torch.empty(1, 3, 64, 64, device="meta"))
    place = {name: place for place, (_, names) in enumerate(stages_of(network)) for name in names}
    assert len(used.names) == len(place)
    assert [place[name] for name in used.names] == sorted(place.values())


@pytest.mark.parametrize(
    ("prefix", "suffix", "options", "titles"),
    [
        ("resnet", "18", {}, "conv1 .. bn1, layer1, layer2, layer3, layer4, fc"),
        ("addernet", "50", {"depths": (1, 1, 1, 1)}, "conv1 .. bn1, layer1, layer2, layer3, layer4, fc .. bn2"),
        ("vit", "base-patch16", {"depth": 2}, "patch_embed .. pos_embed, blocks.0, blocks.1 .. norm, head"),
    ],
)
def test_stages_follow_the_network(prefix, suffix, options, titles):
    assert ", ".join(title for title, _ in stages_of(on_meta(prefix, suffix, **options))) == titles


@pytest.mark.parametrize(
    ("prefix", "suffix", "starts"),
    [
        ("vgg", "11", [0, 3, 6, 11, 16]),
        ("vgg", "bn11", [0, 4, 8, 15, 22]),
        ("mobilenetv2", "0.25", [0, 1, 2, 4, 7, 11, 14, 17, 18]),  # of three stages the widths are alike
        ("mobilenetv3", "small", [0, 1, 2, 4, 7, 9, 12]),
        ("mobilenetv3", "large", [0, 1, 2, 4, 7, 11, 13, 16]),
    ],
)
def test_blocks_that_are_counted_through_are_divided_as_in_the_papers(prefix, suffix, starts):
    first_names = [names[0] for _, names in stages_of(on_meta(prefix, suffix))]
    assert [int(name.split(".")[1]) for name in first_names if name.startswith("features.")] == starts


# --- the layer to explain, precision, sizes


@pytest.mark.parametrize(("prefix", "suffix"), SMALLEST.values())
@torch.no_grad()
def test_the_layer_to_explain_gives_a_map(prefix, suffix):
    size = (64, 96)
    network = on_meta(prefix, suffix, img_size=size)
    layer = default_layer(network, size)
    with outputs_of(layer.module) as outputs:
        network(torch.empty(1, 3, *size, device="meta"))
    assert layer.to_map(outputs[-1]).shape[2:] == layer.grid
    assert min(layer.grid) >= 4


@pytest.mark.parametrize(("prefix", "suffix"), SMALLEST.values())
def test_all_but_addernet_take_float16(prefix, suffix):
    expected = None if prefix == "addernet" else torch.float16
    assert amp_dtype(torch.device("cpu"), on_meta(prefix, suffix), use_apex=True, name="float16") == expected


@pytest.mark.parametrize("prefix", PREFIXES)
def test_families_have_tables_where_parameters_follow_the_size_of_images(prefix):
    suffix = next(iter(family_of(prefix).variants))
    small, large = ({n: p.shape for n, p in on_meta(prefix, suffix, img_size=s).named_parameters()} for s in (96, 160))
    changed = {name for name in small if small[name] != large[name]}
    assert changed <= {name for name in small if family_of(prefix).is_table(name)}
    assert bool(changed) == bool(family_of(prefix).tables)


@pytest.mark.parametrize(
    ("names", "size"),
    [(("vit", "base-patch16"), (96, 96)), (("resmlp-mixer", "12"), (96, 96)), (("swint", "tiny-224"), None)],
)
def test_tables_say_what_size_they_are_for(names, size):
    state = on_meta(*names, img_size=96).state_dict()
    assert family_of(names[0]).size_of(state) == size
    assert family_of(names[0]).size_of({}) is None
    assert family_of(names[0]).size_of(on_meta(*names, img_size=(96, 64)).state_dict()) is None


def test_each_variant_has_its_own_least_size():
    with pytest.raises(ValueError, match="needs 21x21"):
        create_model("squeezenet", "1.0", img_size=20)
    create_model("squeezenet", "1.1", img_size=20)
    problem = large_enough_images(SimpleNamespace(model_prefix="squeezenet", model_suffix="1.0", img_size=(20, 32)))
    assert problem == "img_size: images of 20x32 are too small: this network needs 21x21"


def test_a_network_of_others_has_no_family():
    assert not is_registered(nn.Identity())
    with pytest.raises(ValueError, match="Identity that is not of create_model"):
        family_of(nn.Identity())
    with pytest.raises(ValueError, match="nearest: 'resnet'"):
        family_of("resnett")


def test_a_variant_named_by_a_number_is_nearest_by_its_value():
    with pytest.raises(ValueError, match="unknown model_suffix for shufflenetv2 '1'; nearest: '1.0'"):
        create_model("shufflenetv2", "1")
    with pytest.raises(ValueError, match="nearest: '0.5'"):
        create_model("shufflenetv2", "0.50")


# --- a new family


class Tiny(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits."""

    def __init__(self, width: int, *, num_classes: int = 1000) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 1, 1))
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1))
        self.norm = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.blocks(self.stem(self.scale * x))).mean((2, 3)))


class Resized(Tiny):
    def __init__(self, *, img_size: tuple[int, int] = (224, 224), num_classes: int = 1000) -> None:
        super().__init__(4, num_classes=num_classes)


VARIANTS = {"4": dict(width=4), "6": dict(width=6)}
FACTS = dict(stages=("scale stem", "blocks.* norm"), head="fc", cam=r"blocks\.\d+", min_img_size=8)


@pytest.fixture
def registered(monkeypatch):
    """registered(Tiny, **changes) enters a family "tiny" for the time of a test."""
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))

    def enter(network=Tiny, variants=VARIANTS, **changes):
        return register("tiny", variants, **{**FACTS, **changes})(network)

    return enter


def test_a_family_is_created_listed_checked_staged_and_explained(registered):
    assert registered() is Tiny
    assert list_models()[-2:] == [("tiny", "4"), ("tiny", "6")]
    assert (native_img_size("tiny", "6"), entry("tiny", "6").parameters) == (224, 3 + 168 + 84 + 12 + 7000)
    assert cells(entry("tiny", "6"))[4:] == ("224", "-", "-", "-", "-")
    network = create_model("tiny", "4", 5)
    assert [title for title, _ in stages_of(network)] == ["scale .. stem", "blocks.0", "blocks.2 .. norm", "fc"]
    layer = default_layer(network, (16, 24))
    assert (layer.name, layer.grid) == ("blocks.2", (8, 12))
    config = SimpleNamespace(model_prefix="tiny", model_suffix="4", img_size=(4, 8))
    assert known_network(config) is None
    assert "needs 8x8" in large_enough_images(config)


def test_weights_of_a_new_family_are_read_and_recognised(registered, tmp_path):
    registered()
    source = create_model("tiny", "4", 5)
    target = create_model("tiny", "4", 3)
    torch.save({"net": {f"module.{name}": tensor for name, tensor in source.state_dict().items()}}, tmp_path / "a.pth")
    report = load_weights(target, tmp_path / "a.pth")
    assert report.missing == ["fc.weight", "fc.bias"]
    assert torch.equal(target.stem.weight, source.stem.weight)
    spec = find_network(NetworkOptions(weights=tmp_path / "a.pth"))
    assert (spec.prefix, spec.suffix, spec.num_classes) == ("tiny", "4", 5)


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        (
            Tiny,
            {"stages": (), "head": " ", "cam": ""},
            r"'tiny': stages is missing.*; head is missing.*; cam is missing",
        ),
        (Tiny, {"variants": {}}, "variants is empty"),
        (Tiny, {"img_size": {"4": 64}}, "img_size lacks a variant"),
        (Tiny, {"min_img_size": {}}, "min_img_size lacks a variant"),
        (Tiny, {"tables": "pos_embed"}, "tables belong to a network with the argument img_size"),
        (Resized, {}, "tables belong to a network with the argument img_size"),
        (nn.ReLU, {}, "ReLU takes no num_classes"),
        (Tiny, {"libraries": {"keras": {}}}, "libraries knows torchvision, timm alone"),
        (Tiny, {"libraries": {"timm": {"5": ("tiny5",)}}}, "names a variant that there is not"),
    ],
)
def test_a_family_that_forgets_something_is_refused(registered, network, changes, message):
    with pytest.raises(ValueError, match=message):
        registered(network, **changes)
    assert ("tiny", "4") not in list_models()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": ("stem", "blocks.* norm")}, "'tiny': scale is in 0 of them$"),
        ({"stages": ("scale stem", "blocks.*", "blocks.0 norm")}, "blocks.0.weight is in 2 of them; blocks.0.bias is"),
        ({"stages": ("scale stem", "blocks.* norm", "neck")}, "neck has no parameters"),
        ({"head": "norm fc"}, "norm.weight is in 2 of them"),
    ],
)
def test_stages_that_do_not_cover_a_network_are_refused(registered, changes, message):
    registered(**changes)
    with pytest.raises(ValueError, match=message):
        stages_of(on_meta("tiny", "4"))


FAMILIES_IN_CODE = {  # where code outside models/ may name a family
    ("utils/config/keys.py", "resnet"),  # the default
    ("tools/convert_weights.py", "vit"),  # torchvision's takes square images alone
}


def test_no_code_outside_models_names_a_family():
    found = set()
    for path in [*ROOT.glob("*.py"), *ROOT.glob("utils/**/*.py"), *ROOT.glob("tools/*.py")]:
        if path.name not in ("train_config.py", "predict_config.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
            values = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            found |= {(path.relative_to(ROOT).as_posix(), value) for value in values if value in PREFIXES}
    assert found <= FAMILIES_IN_CODE
