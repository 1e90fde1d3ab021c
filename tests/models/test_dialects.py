"""Weights of torchvision's and timm's networks under our names and back; what looks like a network and is another."""

from collections.abc import Callable
from functools import cache, partial

import pytest
import timm
import torch
from _pytest.mark import ParameterSet
from torch import Tensor, nn

from benchmarks.peers.networks import PARAMETERS, REFERENCES, tm, tv
from models import create_model, list_models
from models.dialects import DIALECTS, Translation, identify, layouts, translate, translate_back
from models.dialects.layout import same_values, to_ours
from tests.helpers.initialisation import SkipRandomFill, randomise


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


def on_meta(build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Names and shapes without memory; networks that compute with tensors while they are built are built and moved."""
    try:
        with torch.device("meta"):
            return build().state_dict()
    except NotImplementedError:
        with SkipRandomFill():
            return {name: tensor.to("meta") for name, tensor in build().state_dict().items()}


def shapes_of(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


@cache
def expected_of(prefix: str, suffix: str) -> dict[str, torch.Size]:
    return shapes_of(on_meta(REFERENCES[prefix, suffix]))


def set_batchnorm_eps(model: nn.Module, eps: float | None) -> None:
    for module in model.modules():
        if eps is not None and isinstance(module, nn.BatchNorm2d):
            module.eps = eps


def largest_difference(model: nn.Module, other: nn.Module, side: int) -> float:
    """Of logits, in units of the largest."""
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, others = model.eval()(images), other.eval()(images)
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
        theirs, ours = OTHERS[prefix, suffix, layout](), create_model(prefix, suffix)
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


LOOK_ALIKES = [  # network asked for, network in the file, path of the file, part of the message
    (("se-resnet", "50"), tm("seresnet50"), "", r"timm's seresnet"),
    (("se-resnet", "18"), tm("seresnet18"), "", r"timm's seresnet"),
    (("resnet", "50"), tm("seresnet50"), "", r"SE-ResNet"),
    (("resnet", "50"), tm("legacy_seresnet50"), "", r"SE-ResNet"),
    (("vovnet", "39"), tm("ese_vovnet39b"), "", r"ese_vovnet"),
    (("vovnet", "39"), tm("vovnet39a"), "weights/vovnet39a.pth", r"no shortcuts"),
    (
        ("efficientnetv1", "b0"),
        tm("tf_efficientnet_b0"),
        "hub/tf_efficientnet_b0.ns_jft_in1k/model.safetensors",
        r"tf_",
    ),
    (("efficientnetv2", "small"), tm("tf_efficientnetv2_s"), "tf_efficientnetv2_s-eb54923e.pth", r"tf_"),
    (("mobilenetv3", "small"), tm("tf_mobilenetv3_small_100"), "tf_mobilenetv3_small_100-37f49e2b.pth", r"tf_"),
    (("mnasnet", "1.0"), tm("semnasnet_100"), "", r"semnasnet"),
    (("ghostnet", "1.0"), tm("ghostnetv2_100"), "", r"GhostNetV2"),
    (("regnetx", "400mf"), tv("regnet_x_400mf"), "", r"regnetx_004_tv"),
    (("regnetx", "400mf"), tm("regnetx_004_tv"), "", r"regnetx_004_tv"),
    (("regnety", "800mf"), tv("regnet_y_800mf"), "", r"regnety_008_tv"),
    (("regnety", "8.0gf"), tv("regnet_y_8gf"), "", r"regnety_080_tv"),
    (("regnety", "8.0gf"), tm("regnety_080_tv"), "", r"regnety_080_tv"),
    (("convnext", "tiny"), tm("convnextv2_tiny"), "", r"ConvNeXt V2"),
    (("swint", "tiny-224"), tm("swinv2_tiny_window8_256"), "", r"Swin V2"),
    (("vit", "base-patch16"), tm("deit_base_distilled_patch16_224"), "", r"distilled"),
    (("vit", "base-patch16"), tm("deit3_base_patch16_224"), "", r"layer scale"),
    (("vit", "base-patch16"), tm("vit_base_patch16_224", global_pool="avg"), "", r"mean over patches"),
    (("vit", "base-patch16"), tm("vit_base_patch16_clip_224"), "", r"CLIP"),
]


@pytest.mark.parametrize(("names", "build", "source", "message"), LOOK_ALIKES, ids=range(len(LOOK_ALIKES)))
def test_look_alikes_are_refused(names, build, source, message):
    state, expected = on_meta(build), expected_of(*names)
    with pytest.raises(ValueError, match=f"not weights of {names[0]} {names[1]}, but of .*{message}"):
        translate(*names, state, expected, source=source)
    assert any("not weights of" in note for note in translate(*names, state, expected, source=source, force=True).notes)


@pytest.mark.parametrize(
    ("names", "name", "note"),
    [
        (("vovnet", "39"), "vovnet39a", "no shortcuts"),
        (("efficientnetv1", "b0"), "tf_efficientnet_b0", "pad asymmetrically"),
    ],
)
def test_what_names_and_shapes_cannot_tell_is_said(names, name, note):
    translation = translate(*names, on_meta(tm(name)), expected_of(*names), source="model.pth")
    assert any(note in each for each in translation.notes)


def test_a_file_that_fits_too_little_is_refused_with_what_it_seems_to_be():
    expected = expected_of("mobilenetv2", "1.0")
    with pytest.raises(ValueError, match=r"not weights of mobilenetv2 1\.0: .* looks like resnet 18$"):
        translate("mobilenetv2", "1.0", on_meta(tv("resnet18")), expected)
    with pytest.raises(ValueError, match=r"looks like mobilenetv2 0\.5 \(timm's names\)$"):
        translate("mobilenetv2", "1.0", on_meta(tm("mobilenetv2_050")), expected)
    with pytest.raises(ValueError, match="no better network is known"):
        translate("mobilenetv2", "1.0", {"unheard.of": torch.zeros(3)}, expected)
    with pytest.raises(ValueError, match=r"vit base-patch32: .* an SE-ResNet"):
        translate("vit", "base-patch32", on_meta(tm("seresnet50")), expected_of("vit", "base-patch32"))


def test_part_of_a_network_is_taken_without_a_word():
    state = on_meta(tv("resnet18"))
    part = {name: tensor for name, tensor in state.items() if name.startswith(("conv1", "bn1", "layer1"))}
    assert translate("resnet", "18", part, shapes_of(state)).notes == []


def test_other_classes_positions_and_lacking_counters_are_no_reason_to_object():
    state = on_meta(partial(timm.create_model, "vit_base_patch32_224", num_classes=5, img_size=96))
    assert translate("vit", "base-patch32", state, expected_of("vit", "base-patch32")).notes == []
    expected = expected_of("resnet", "18")
    state = {name: t for name, t in on_meta(tv("resnet18")).items() if not name.endswith("num_batches_tracked")}
    assert translate("resnet", "18", state, expected).notes == []


def test_a_network_that_fits_the_file_better_is_named():
    notes = translate("resnet", "50", on_meta(tv("resnet101")), expected_of("resnet", "50")).notes
    assert notes == ["the file looks like resnet 101, not resnet 50"]


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


def test_a_folder_s_name_says_nothing_of_weights_in_other_names():
    expected = expected_of("efficientnetv1", "b0")
    state = on_meta(REFERENCES["efficientnetv1", "b0"])
    assert translate("efficientnetv1", "b0", state, expected, source="not_tf_efficientnet/b0.pth").notes == []
