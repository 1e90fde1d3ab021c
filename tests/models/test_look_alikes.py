"""What looks like a network and is another is refused, or said; what only lacks or adds a part is not."""

from functools import partial

import pytest
import timm
import torch

from benchmarks.peers.networks import REFERENCES, tm, tv
from models.dialects import translate
from tests.helpers.shapes import expected_of, on_meta, shapes_of

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
    state = on_meta(build)
    expected = expected_of(*names)
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


def test_a_folder_s_name_says_nothing_of_weights_in_other_names():
    expected = expected_of("efficientnetv1", "b0")
    state = on_meta(REFERENCES["efficientnetv1", "b0"])
    assert translate("efficientnetv1", "b0", state, expected, source="not_tf_efficientnet/b0.pth").notes == []
