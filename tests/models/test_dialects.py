"""Weights of torchvision's and timm's networks under our names and back."""

from functools import cache, partial

import pytest
import torch
from _pytest.mark import ParameterSet
from torch import nn

from benchmarks.peers.networks import PARAMETERS, REFERENCES, tm, tv
from models import create_model, list_models
from models.dialects import DIALECTS, Translation, identify, layouts, translate, translate_back
from models.dialects.layout import same_values, to_ours
from tests.helpers.initialisation import SkipRandomFill, randomise
from tests.helpers.shapes import expected_of, on_meta, shapes_of


def table(prefix: str, layout: str, names: dict[str, str]) -> dict[tuple[str, str, str], partial[nn.Module]]:
    library = {"timm": tm, "torchvision": tv}[layout]
    return {(prefix, suffix, layout): library(name) for suffix, name in names.items()}


def torchvision_regnets(letter: str, *suffixes: str) -> dict[str, str]:
    return {suffix: f"regnet_{letter}_{suffix.replace('.0', '').replace('.', '_')}" for suffix in suffixes}


VIT = {f"{size}-patch{side}": f"vit_{size[0]}_{side}" for size, side in (("base", 16), ("base", 32), ("large", 16))}
VIT |= {"large-patch32": "vit_l_32", "huge-patch14": "vit_h_14"}
OTHERS = {  # (prefix, suffix, layout): the same network in a library whose names are not ours
    **table("vgg", "timm", {n: f"vgg{n}" for n in ("11", "13", "16", "19")}),
    **table("vgg", "timm", {f"bn{n}": f"vgg{n}_bn" for n in ("11", "13", "16", "19")}),
    **table("mobilenetv2", "timm", {"0.5": "mobilenetv2_050", "0.75": "mobilenetv2_075", "1.0": "mobilenetv2_100"}),
    **table("mobilenetv3", "timm", {size: f"mobilenetv3_{size}_100" for size in ("small", "large")}),
    **table("efficientnetv1", "timm", {f"b{i}": f"efficientnet_b{i}" for i in range(8)}),
    **table("efficientnetv2", "timm", {size: f"efficientnetv2_{size[0]}" for size in ("small", "medium", "large")}),
    **table("mnasnet", "timm", {"0.5": "mnasnet_050", "0.75": "mnasnet_075", "1.0": "mnasnet_100"}),
    **table("regnetx", "torchvision", torchvision_regnets("x", "800mf", "1.6gf", "3.2gf", "8.0gf", "16gf", "32gf")),
    **table("regnety", "torchvision", torchvision_regnets("y", "400mf", "1.6gf", "3.2gf", "16gf", "32gf")),
    **table("vit", "torchvision", VIT),
    **table("swint", "torchvision", {f"{size}-224": f"swin_{size[0]}" for size in ("tiny", "small", "base")}),
    **table("convnext", "torchvision", {size: f"convnext_{size}" for size in ("tiny", "small", "base", "large")}),
}
COMPARED = [  # the smallest of each family and layout, and where eps of BatchNorm or the depths differ
    ("vgg", "bn11", "timm"),
    ("mobilenetv2", "0.5", "timm"),
    ("mobilenetv3", "small", "timm"),
    ("mobilenetv3", "large", "timm"),
    ("efficientnetv1", "b0", "timm"),
    ("efficientnetv1", "b5", "timm"),
    ("efficientnetv2", "small", "timm"),
    ("mnasnet", "0.5", "timm"),
    ("regnetx", "800mf", "torchvision"),
    ("regnety", "400mf", "torchvision"),
    ("vit", "base-patch32", "torchvision"),
    ("swint", "tiny-224", "torchvision"),
    ("convnext", "tiny", "torchvision"),
]
HEAVY = 60_000_000  # parameters: larger ones have the names of smaller ones of their family, and are not for every run


def parameters(names: list[tuple[str, str, str]], *, but: tuple[str, ...] = ()) -> list[ParameterSet]:
    """For pytest: the networks, heavy ones marked as slow unless their family is among `but`."""
    return [
        pytest.param(*name, marks=pytest.mark.slow if PARAMETERS[name[:2]] > HEAVY and name[0] not in but else ())
        for name in names
    ]


def set_batchnorm_eps(model: nn.Module, eps: float | None) -> None:
    for module in model.modules():
        if eps is not None and isinstance(module, nn.BatchNorm2d):
            module.eps = eps


def largest_difference(model: nn.Module, other: nn.Module, side: int) -> float:
    """Of logits, in units of the largest."""
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model.eval()(images)
        others = other.eval()(images)
    return ((logits - others).abs().max() / others.abs().max().clamp(min=1)).item()


@pytest.mark.parametrize(("prefix", "suffix", "layout"), parameters(OTHERS))
def test_every_name_and_shape_translates_and_returns(prefix, suffix, layout):
    theirs = on_meta(OTHERS[prefix, suffix, layout])
    translation = translate(prefix, suffix, theirs, expected_of(prefix, suffix))
    assert translation.layout == layout
    assert shapes_of(translation.state) == expected_of(prefix, suffix)
    assert shapes_of(translate_back(prefix, suffix, translation.state, layout).state) == shapes_of(theirs)


def test_every_layout_that_can_be_written_is_tested():
    offered = {(p, s, name) for p, s in REFERENCES for name in layouts(p, s)[1:] if name not in DIALECTS[p].own}
    assert offered == OTHERS.keys()


@pytest.mark.parametrize(("prefix", "suffix", "layout"), parameters(COMPARED, but=("vit",)))
def test_translated_weights_give_the_same_logits_both_ways(prefix, suffix, layout):
    side = 224 if prefix in ("vit", "swint") else 64
    with SkipRandomFill():
        theirs = OTHERS[prefix, suffix, layout]()
        ours = create_model(prefix, suffix)
    randomise(theirs, seed=0)
    own_eps = next((m.eps for m in ours.modules() if isinstance(m, nn.BatchNorm2d)), None)

    translation = translate(prefix, suffix, theirs.state_dict(), shapes_of(ours.state_dict()))
    ours.load_state_dict(translation.state)
    set_batchnorm_eps(ours, translation.batchnorm_eps)
    assert largest_difference(ours, theirs, side) <= 1e-4

    back = translate_back(prefix, suffix, ours.state_dict(), layout)
    assert back.state.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back.state[name], tensor) for name, tensor in theirs.state_dict().items())

    set_batchnorm_eps(ours, own_eps)
    set_batchnorm_eps(theirs, back.batchnorm_eps)
    assert largest_difference(theirs, ours, side) <= 1e-4


def test_a_difference_in_eps_is_reported_and_one_in_nothing_is_not():
    @cache
    def of(suffix: str) -> Translation:
        return translate(
            "efficientnetv1", suffix, on_meta(tm(f"efficientnet_{suffix}")), expected_of("efficientnetv1", suffix)
        )

    assert of("b4").batchnorm_eps is None
    assert of("b5").batchnorm_eps == 1e-5
    assert any("eps 1e-05" in note for note in of("b5").notes)
    assert any("eps" in note for note in translate_back("efficientnetv1", "b5", of("b5").state, "timm").notes)


@pytest.mark.parametrize(("prefix", "suffix", "layout"), [("resnet", "18", "timm"), ("densenet", "121", "timm")])
def test_libraries_with_our_names_get_the_weights_as_they_are(prefix, suffix, layout):
    state = on_meta(REFERENCES[prefix, suffix])
    assert translate_back(prefix, suffix, state, layout).state == state
    translation = translate(prefix, suffix, on_meta(tm(f"{prefix}{suffix}")), shapes_of(state))
    assert (shapes_of(translation.state), translation.layout, translation.notes) == (shapes_of(state), "ours", [])


def test_a_layout_that_has_no_such_network_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"swint base-384 .* 'torchvision'; choices: ours, timm$"):
        translate_back("swint", "base-384", {}, "torchvision")


def test_linear_layers_stored_as_convolutions_are_turned():
    expected = expected_of("vgg", "11")
    state = {name: torch.empty(shape, device="meta") for name, shape in expected.items()}
    state["classifier.0.weight"] = torch.empty(4096, 512, 7, 7, device="meta")
    state["classifier.3.weight"] = torch.empty(4096, 4096, 1, 1, device="meta")
    state["classifier.6.weight"] = torch.empty(1000, 4096, 1, 1, device="meta")
    assert shapes_of(translate("vgg", "11", state, expected).state) == expected


@pytest.mark.parametrize(
    ("shape", "other", "same"),
    [
        ((8,), (1, 1, 8), True),
        ((8, 4), (8, 4, 1, 1), True),
        ((8, 4, 3, 3), (8, 36), True),
        ((8, 4), (4, 8), False),
        ((8, 36), (4, 72), False),
        ((8, 4, 3, 3), (8, 6, 6, 1), False),
        ((), (1,), True),
        ((), (8, 4), False),
    ],
)
def test_shapes_that_hold_the_same_values(shape, other, same):
    assert same_values(shape, other) is same


def test_rows_count_and_repeat_numbers():
    rows = (("s{s+2}_{b+1}.s{s+2}.", "stages.{s}.{b}."),)
    assert to_ours("s3_12.s3.weight", rows) == "stages.1.11.weight"
    assert to_ours("s3_12.s4.weight", rows) == "s3_12.s4.weight"  # not the same number twice
    assert to_ours("s1_1.s1.weight", rows) == "s1_1.s1.weight"  # would be stage -1


@pytest.mark.parametrize(
    ("prefix", "suffix"), [*dict(reversed(REFERENCES.keys())).items(), ("swint", "base-224"), ("swint", "base-384")]
)
def test_networks_are_identified_in_their_own_names(prefix, suffix):
    guess = identify(on_meta(partial(create_model, prefix, suffix)))
    assert (guess.prefix, guess.suffix, guess.layout, guess.what) == (prefix, suffix, "ours", "")


@pytest.mark.parametrize("names", COMPARED, ids="-".join)
def test_networks_are_identified_in_other_names(names):
    guess = identify(on_meta(OTHERS[names]))
    assert (guess.prefix, guess.suffix, guess.layout) == names
    assert guess.overlap == 1


def test_tables_are_of_families_of_ours():
    assert DIALECTS.keys() <= {prefix for prefix, _ in list_models()}
