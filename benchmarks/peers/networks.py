"""The public networks that ours must equal, with random weights and 1000 classes, and their parameter counts."""

from functools import partial
from typing import Any

import timm
import torchvision
from timm.models.vovnet import VovNet, model_cfgs
from torch import nn


def tv(name: str, **options: Any) -> partial[nn.Module]:
    return partial(torchvision.models.get_model, name, weights=None, **options)


def tm(name: str, **options: Any) -> partial[nn.Module]:
    return partial(timm.create_model, name, num_classes=1000, **options)


def vovnet(**settings: Any) -> partial[nn.Module]:
    """timm's network class with the shortcuts of the authors' networks."""
    return partial(VovNet, {**model_cfgs["vovnet39a"], "residual": True, **settings})


SLIM = {"stage_conv_chs": [64, 80, 96, 112], "stage_out_chs": [128, 256, 384, 512], "block_per_stage": [1, 1, 1, 1]}

NETWORKS = {  # (prefix, suffix): function that builds the reference, parameters at 1000 classes
    ("vgg", "11"): (tv("vgg11"), 132_863_336),
    ("vgg", "13"): (tv("vgg13"), 133_047_848),
    ("vgg", "16"): (tv("vgg16"), 138_357_544),
    ("vgg", "19"): (tv("vgg19"), 143_667_240),
    ("vgg", "bn11"): (tv("vgg11_bn"), 132_868_840),
    ("vgg", "bn13"): (tv("vgg13_bn"), 133_053_736),
    ("vgg", "bn16"): (tv("vgg16_bn"), 138_365_992),
    ("vgg", "bn19"): (tv("vgg19_bn"), 143_678_248),
    ("resnet", "18"): (tv("resnet18"), 11_689_512),
    ("resnet", "34"): (tv("resnet34"), 21_797_672),
    ("resnet", "50"): (tv("resnet50"), 25_557_032),
    ("resnet", "101"): (tv("resnet101"), 44_549_160),
    ("resnet", "152"): (tv("resnet152"), 60_192_808),
    ("resnext", "50-32x4d"): (tv("resnext50_32x4d"), 25_028_904),
    ("resnext", "101-32x8d"): (tv("resnext101_32x8d"), 88_791_336),
    ("regnetx", "200mf"): (tm("regnetx_002"), 2_684_792),
    ("regnetx", "400mf"): (tm("regnetx_004"), 5_157_512),
    ("regnetx", "600mf"): (tm("regnetx_006"), 6_196_040),
    ("regnetx", "800mf"): (tm("regnetx_008"), 7_259_656),
    ("regnetx", "1.6gf"): (tm("regnetx_016"), 9_190_136),
    ("regnetx", "3.2gf"): (tm("regnetx_032"), 15_296_552),
    ("regnetx", "4.0gf"): (tm("regnetx_040"), 22_118_248),
    ("regnetx", "6.4gf"): (tm("regnetx_064"), 26_209_256),
    ("regnetx", "8.0gf"): (tm("regnetx_080"), 39_572_648),
    ("regnetx", "12gf"): (tm("regnetx_120"), 46_106_056),
    ("regnetx", "16gf"): (tm("regnetx_160"), 54_278_536),
    ("regnetx", "32gf"): (tm("regnetx_320"), 107_811_560),
    ("regnety", "200mf"): (tm("regnety_002"), 3_162_996),
    ("regnety", "400mf"): (tm("regnety_004"), 4_344_144),
    ("regnety", "600mf"): (tm("regnety_006"), 6_055_160),
    ("regnety", "800mf"): (tm("regnety_008"), 6_263_168),
    ("regnety", "1.6gf"): (tm("regnety_016"), 11_202_430),
    ("regnety", "3.2gf"): (tm("regnety_032"), 19_436_338),
    ("regnety", "4.0gf"): (tm("regnety_040"), 20_646_656),
    ("regnety", "6.4gf"): (tm("regnety_064"), 30_583_252),
    ("regnety", "8.0gf"): (tm("regnety_080"), 39_180_068),
    ("regnety", "12gf"): (tm("regnety_120"), 51_822_544),
    ("regnety", "16gf"): (tm("regnety_160"), 83_590_140),
    ("regnety", "32gf"): (tm("regnety_320"), 145_046_770),
    ("mobilenetv2", "0.25"): (tv("mobilenet_v2", width_mult=0.25), 1_519_112),
    ("mobilenetv2", "0.5"): (tv("mobilenet_v2", width_mult=0.5), 1_968_680),
    ("mobilenetv2", "0.75"): (tv("mobilenet_v2", width_mult=0.75), 2_636_424),
    ("mobilenetv2", "1.0"): (tv("mobilenet_v2", width_mult=1.0), 3_504_872),
    ("mobilenetv2", "1.25"): (tv("mobilenet_v2", width_mult=1.25), 5_050_376),
    ("mobilenetv2", "1.5"): (tv("mobilenet_v2", width_mult=1.5), 6_858_152),
    ("mobilenetv3", "small"): (tv("mobilenet_v3_small"), 2_542_856),
    ("mobilenetv3", "large"): (tv("mobilenet_v3_large"), 5_483_032),
    ("ghostnet", "0.5"): (tm("ghostnet_050"), 2_587_292),
    ("ghostnet", "1.0"): (tm("ghostnet_100"), 5_182_508),
    ("ghostnet", "1.3"): (tm("ghostnet_130"), 7_358_820),
    ("efficientnetv1", "b0"): (tv("efficientnet_b0"), 5_288_548),
    ("efficientnetv1", "b1"): (tv("efficientnet_b1"), 7_794_184),
    ("efficientnetv1", "b2"): (tv("efficientnet_b2"), 9_109_994),
    ("efficientnetv1", "b3"): (tv("efficientnet_b3"), 12_233_232),
    ("efficientnetv1", "b4"): (tv("efficientnet_b4"), 19_341_616),
    ("efficientnetv1", "b5"): (tv("efficientnet_b5"), 30_389_784),
    ("efficientnetv1", "b6"): (tv("efficientnet_b6"), 43_040_704),
    ("efficientnetv1", "b7"): (tv("efficientnet_b7"), 66_347_960),
    ("efficientnetv2", "small"): (tv("efficientnet_v2_s"), 21_458_488),
    ("efficientnetv2", "medium"): (tv("efficientnet_v2_m"), 54_139_356),
    ("efficientnetv2", "large"): (tv("efficientnet_v2_l"), 118_515_272),
    ("shufflenetv2", "0.5"): (tv("shufflenet_v2_x0_5"), 1_366_792),
    ("shufflenetv2", "1.0"): (tv("shufflenet_v2_x1_0"), 2_278_604),
    ("shufflenetv2", "1.5"): (tv("shufflenet_v2_x1_5"), 3_503_624),
    ("shufflenetv2", "2.0"): (tv("shufflenet_v2_x2_0"), 7_393_996),
    ("densenet", "121"): (tv("densenet121"), 7_978_856),
    ("densenet", "161"): (tv("densenet161"), 28_681_000),
    ("densenet", "169"): (tv("densenet169"), 14_149_480),
    ("densenet", "201"): (tv("densenet201"), 20_013_928),
    ("xception", "299"): (tm("legacy_xception"), 22_855_952),
    ("vit", "base-patch16"): (tm("vit_base_patch16_224"), 86_567_656),
    ("vit", "base-patch32"): (tm("vit_base_patch32_224"), 88_224_232),
    ("vit", "large-patch16"): (tm("vit_large_patch16_224"), 304_326_632),
    ("vit", "large-patch32"): (tm("vit_large_patch32_224"), 306_535_400),
    ("vit", "huge-patch14"): (tm("vit_huge_patch14_224"), 632_045_800),
    ("resmlp-mixer", "12"): (tm("resmlp_12_224"), 15_350_872),
    ("resmlp-mixer", "24"): (tm("resmlp_24_224"), 30_020_680),
    ("resmlp-mixer", "36"): (tm("resmlp_36_224"), 44_690_488),
    ("resmlp-mixer", "B24"): (tm("resmlp_big_24_224"), 129_138_280),
    ("vovnet", "27slim"): (vovnet(**SLIM), 3_525_736),
    ("vovnet", "39"): (vovnet(), 22_600_296),
    ("vovnet", "57"): (vovnet(block_per_stage=[1, 1, 4, 3]), 36_640_296),
    ("se-resnet", "18"): (tm("legacy_seresnet18"), 11_778_592),
    ("se-resnet", "34"): (tm("legacy_seresnet34"), 21_958_868),
    ("se-resnet", "50"): (tm("legacy_seresnet50"), 28_088_024),
    ("se-resnet", "101"): (tm("legacy_seresnet101"), 49_326_872),
    ("se-resnet", "152"): (tm("legacy_seresnet152"), 66_821_848),
    ("squeezenet", "1.0"): (tv("squeezenet1_0"), 1_248_424),
    ("squeezenet", "1.1"): (tv("squeezenet1_1"), 1_235_496),
    ("mnasnet", "0.5"): (tv("mnasnet0_5"), 2_218_512),
    ("mnasnet", "0.75"): (tv("mnasnet0_75"), 3_170_208),
    ("mnasnet", "1.0"): (tv("mnasnet1_0"), 4_383_312),
    ("mnasnet", "1.3"): (tv("mnasnet1_3"), 6_282_256),
    ("swint", "base-224"): (tm("swin_base_patch4_window7_224"), 87_768_224),
    ("swint", "base-384"): (tm("swin_base_patch4_window12_384"), 87_903_584),
    ("swint", "small-224"): (tm("swin_small_patch4_window7_224"), 49_606_258),
    ("swint", "tiny-224"): (tm("swin_tiny_patch4_window7_224"), 28_288_354),
    ("swint", "large-224"): (tm("swin_large_patch4_window7_224"), 196_532_476),
    ("swint", "large-384"): (tm("swin_large_patch4_window12_384"), 196_735_516),
    ("convnext", "tiny"): (tm("convnext_tiny"), 28_589_128),
    ("convnext", "small"): (tm("convnext_small"), 50_223_688),
    ("convnext", "base"): (tm("convnext_base"), 88_591_464),
    ("convnext", "large"): (tm("convnext_large"), 197_767_336),
    ("convnext", "xlarge"): (tm("convnext_xlarge"), 350_196_968),
    ("addernet", "50"): (None, 25_559_032),  # its reference, the authors' repository, is no package
}
REFERENCES = {names: build for names, (build, _) in NETWORKS.items() if build is not None}
PARAMETERS = {names: count for names, (_, count) in NETWORKS.items()}
IMG_SIZES = {  # side of the images that a network is meant for
    **dict.fromkeys(NETWORKS, 224),
    **{("efficientnetv1", f"b{i}"): side for i, side in enumerate((224, 240, 260, 300, 380, 456, 528, 600))},
    **{("efficientnetv2", size): side for size, side in (("small", 384), ("medium", 480), ("large", 480))},
    **{("swint", size): 384 for size in ("base-384", "large-384")},
    ("xception", "299"): 299,
}
