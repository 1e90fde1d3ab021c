"""Public weights of our networks, with what their sources publish of them. A network needs no entry."""

import re
from dataclasses import dataclass
from typing import Any

HUB = "https://huggingface.co"
TORCHVISION = "https://download.pytorch.org/models"
ADDRESSES = {  # of the authors
    "convnext_xlarge_22k_1k_224_ema.pth": (
        "https://dl.fbaipublicfiles.com/convnext/convnext_xlarge_22k_1k_224_ema.pth"
    ),
}


@dataclass(frozen=True)
class Weights:
    name: str  # of a file, or with a slash a hub id
    top1: float  # per cent on ImageNet-1k val, as the source publishes it, at the test size of the source
    licence: str
    # how the source tests them: the shorter side becomes `resize`, of which a square of `size` is cropped
    size: int = 224
    resize: int = 256
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def address(self) -> str:
        """Where the file is; '' where only its authors' page says so."""
        if "/" in self.name:
            return f"{HUB}/{self.name}/resolve/main/model.safetensors"
        return ADDRESSES.get(self.name) or (f"{TORCHVISION}/{self.name}" if self.digest else "")

    @property
    def file_name(self) -> str:
        """On the disk."""
        return f"{self.name.replace('/', '--')}.safetensors" if "/" in self.name else self.name

    @property
    def digest(self) -> str:
        """The beginning of the SHA-256 of the file, which torchvision gives in its name; '' for others."""
        found = re.search(r"-([0-9a-f]{8,})\.pth$", self.name)
        return found[1] if found else ""

    @property
    def is_commercial(self) -> bool:
        """Whether the licence lets them be used for money."""
        return "NC" not in self.licence


# names and figures: torchvision's metadata, timm's results-imagenet.csv, or the authors' README
# and the evaluation likewise
BICUBIC = "bicubic"
HALVES: Any = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
BSD, MIT, APACHE = "BSD-3-Clause", "MIT", "Apache-2.0"
WEIGHTS: dict[str, dict[str, Weights]] = {  # prefix -> suffix
    "vgg": {
        "11": Weights("vgg11-8a719046.pth", 69.02, BSD),
        "13": Weights("vgg13-19584684.pth", 69.928, BSD),
        "16": Weights("vgg16-397923af.pth", 71.592, BSD),
        "19": Weights("vgg19-dcbb9e9d.pth", 72.376, BSD),
        "bn11": Weights("vgg11_bn-6002323d.pth", 70.37, BSD),
        "bn13": Weights("vgg13_bn-abd245e5.pth", 71.586, BSD),
        "bn16": Weights("vgg16_bn-6c64b313.pth", 73.36, BSD),
        "bn19": Weights("vgg19_bn-c79401a0.pth", 74.218, BSD),
    },
    "resnet": {
        "18": Weights("resnet18-f37072fd.pth", 69.758, BSD),
        "34": Weights("resnet34-b627a593.pth", 73.314, BSD),
        "50": Weights("resnet50-11ad3fa6.pth", 80.858, BSD, resize=232),
        "101": Weights("resnet101-cd907fc2.pth", 81.886, BSD, resize=232),
        "152": Weights("resnet152-f82ba261.pth", 82.284, BSD, resize=232),
    },
    "resnext": {
        "50-32x4d": Weights("resnext50_32x4d-1a0047aa.pth", 81.198, BSD, resize=232),
        "101-32x8d": Weights("resnext101_32x8d-110c445d.pth", 82.834, BSD, resize=232),
    },
    "regnetx": {
        "200mf": Weights("timm/regnetx_002.pycls_in1k", 68.746, MIT, interpolation=BICUBIC),
        "400mf": Weights("timm/regnetx_004.pycls_in1k", 72.398, MIT, interpolation=BICUBIC),
        "600mf": Weights("timm/regnetx_006.pycls_in1k", 73.868, MIT, interpolation=BICUBIC),
        "800mf": Weights("timm/regnetx_008.pycls_in1k", 75.03, MIT, interpolation=BICUBIC),
        "1.6gf": Weights("timm/regnetx_016.pycls_in1k", 76.924, MIT, interpolation=BICUBIC),
        "3.2gf": Weights("timm/regnetx_032.pycls_in1k", 78.168, MIT, interpolation=BICUBIC),
        "4.0gf": Weights("timm/regnetx_040.pycls_in1k", 78.492, MIT, interpolation=BICUBIC),
        "6.4gf": Weights("timm/regnetx_064.pycls_in1k", 79.066, MIT, interpolation=BICUBIC),
        "8.0gf": Weights("timm/regnetx_080.pycls_in1k", 79.202, MIT, interpolation=BICUBIC),
        "12gf": Weights("timm/regnetx_120.pycls_in1k", 79.588, MIT, interpolation=BICUBIC),
        "16gf": Weights("timm/regnetx_160.pycls_in1k", 79.866, MIT, interpolation=BICUBIC),
        "32gf": Weights("timm/regnetx_320.pycls_in1k", 80.246, MIT, interpolation=BICUBIC),
    },
    "regnety": {
        "200mf": Weights("timm/regnety_002.pycls_in1k", 70.278, MIT, interpolation=BICUBIC),
        "400mf": Weights("timm/regnety_004.pycls_in1k", 74.028, MIT, interpolation=BICUBIC),
        "600mf": Weights("timm/regnety_006.pycls_in1k", 75.27, MIT, interpolation=BICUBIC),
        "800mf": Weights("timm/regnety_008.pycls_in1k", 76.302, MIT, interpolation=BICUBIC),
        "1.6gf": Weights("timm/regnety_016.pycls_in1k", 77.862, MIT, interpolation=BICUBIC),
        "3.2gf": Weights("timm/regnety_032.pycls_in1k", 78.876, MIT, interpolation=BICUBIC),
        "4.0gf": Weights("timm/regnety_040.pycls_in1k", 79.232, MIT, interpolation=BICUBIC),
        "6.4gf": Weights("timm/regnety_064.pycls_in1k", 79.714, MIT, interpolation=BICUBIC),
        "8.0gf": Weights("timm/regnety_080.pycls_in1k", 79.868, MIT, interpolation=BICUBIC),
        "12gf": Weights("timm/regnety_120.pycls_in1k", 80.386, MIT, interpolation=BICUBIC),
        "16gf": Weights("timm/regnety_160.pycls_in1k", 80.298, MIT, interpolation=BICUBIC),
        "32gf": Weights("timm/regnety_320.pycls_in1k", 80.808, MIT, interpolation=BICUBIC),
    },
    "mobilenetv2": {
        "0.5": Weights("timm/mobilenetv2_050.lamb_in1k", 65.95, APACHE, interpolation=BICUBIC),
        "1.0": Weights("mobilenet_v2-7ebf99e0.pth", 72.154, BSD, resize=232),
    },
    "mobilenetv3": {
        "small": Weights("mobilenet_v3_small-047dcff4.pth", 67.668, BSD),
        "large": Weights("mobilenet_v3_large-5c1a4163.pth", 75.274, BSD, resize=232),
    },
    "ghostnet": {
        "1.0": Weights("timm/ghostnet_100.in1k", 73.982, APACHE, interpolation=BICUBIC),
    },
    "efficientnetv1": {
        "b0": Weights("efficientnet_b0_rwightman-7f5810bc.pth", 77.692, BSD, interpolation=BICUBIC),
        "b1": Weights("efficientnet_b1-c27df63c.pth", 79.838, BSD, size=240, resize=255),
        "b2": Weights(
            "efficientnet_b2_rwightman-c35c1473.pth", 80.608, BSD, size=288, resize=288, interpolation=BICUBIC
        ),
        "b3": Weights(
            "efficientnet_b3_rwightman-b3899882.pth", 82.008, BSD, size=300, resize=320, interpolation=BICUBIC
        ),
        "b4": Weights(
            "efficientnet_b4_rwightman-23ab8bcd.pth", 83.384, BSD, size=380, resize=384, interpolation=BICUBIC
        ),
        "b5": Weights(
            "efficientnet_b5_lukemelas-1a07897c.pth", 83.444, BSD, size=456, resize=456, interpolation=BICUBIC
        ),
        "b6": Weights(
            "efficientnet_b6_lukemelas-24a108a5.pth", 84.008, BSD, size=528, resize=528, interpolation=BICUBIC
        ),
        "b7": Weights(
            "efficientnet_b7_lukemelas-c5b4e57e.pth", 84.122, BSD, size=600, resize=600, interpolation=BICUBIC
        ),
    },
    "efficientnetv2": {
        "small": Weights("efficientnet_v2_s-dd5fe13b.pth", 84.228, BSD, size=384, resize=384),
        "medium": Weights("efficientnet_v2_m-dc08266a.pth", 85.112, BSD, size=480, resize=480),
        "large": Weights(
            "efficientnet_v2_l-59c71312.pth", 85.808, BSD, size=480, resize=480, interpolation=BICUBIC, **HALVES
        ),
    },
    "shufflenetv2": {
        "0.5": Weights("shufflenetv2_x0.5-f707e7126e.pth", 60.552, BSD),
        "1.0": Weights("shufflenetv2_x1-5666bf0f80.pth", 69.362, BSD),
        "1.5": Weights("shufflenetv2_x1_5-3c479a10.pth", 72.996, BSD, resize=232),
        "2.0": Weights("shufflenetv2_x2_0-8be3c8ee.pth", 76.23, BSD, resize=232),
    },
    "densenet": {
        "121": Weights("densenet121-a639ec97.pth", 74.434, BSD),
        "161": Weights("densenet161-8d451a50.pth", 77.138, BSD),
        "169": Weights("densenet169-b2777c0a.pth", 75.6, BSD),
        "201": Weights("densenet201-c1103571.pth", 76.896, BSD),
    },
    "xception": {
        "299": Weights(
            "timm/legacy_xception.tf_in1k", 79.04, APACHE, size=299, resize=333, interpolation=BICUBIC, **HALVES
        ),
    },
    "vit": {
        "base-patch16": Weights(
            "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k",
            85.096,
            APACHE,
            resize=248,
            interpolation=BICUBIC,
            **HALVES,
        ),
        "base-patch32": Weights(
            "timm/vit_base_patch32_224.augreg_in21k_ft_in1k",
            80.716,
            APACHE,
            resize=248,
            interpolation=BICUBIC,
            **HALVES,
        ),
        "large-patch16": Weights(
            "timm/vit_large_patch16_224.augreg_in21k_ft_in1k",
            85.834,
            APACHE,
            resize=248,
            interpolation=BICUBIC,
            **HALVES,
        ),
        "large-patch32": Weights("vit_l_32-c7638314.pth", 76.972, BSD),
        "huge-patch14": Weights(
            "vit_h_14_lc_swag-c1eb923e.pth", 85.708, "CC-BY-NC-4.0", resize=224, interpolation=BICUBIC
        ),
    },
    "resmlp-mixer": {
        "12": Weights("timm/resmlp_12_224.fb_in1k", 76.648, APACHE, interpolation=BICUBIC),
        "24": Weights("timm/resmlp_24_224.fb_in1k", 79.374, APACHE, interpolation=BICUBIC),
        "36": Weights("timm/resmlp_36_224.fb_in1k", 79.772, APACHE, interpolation=BICUBIC),
        "B24": Weights("timm/resmlp_big_24_224.fb_in1k", 81.036, APACHE, interpolation=BICUBIC),
    },
    "vovnet": {
        "39": Weights("vovnet39_torchvision.pth", 76.77, "none stated"),
        "57": Weights("vovnet57_torchvision.pth", 77.73, "none stated"),
    },
    "se-resnet": {
        "18": Weights("timm/legacy_seresnet18.in1k", 71.766, APACHE, interpolation=BICUBIC),
        "34": Weights("timm/legacy_seresnet34.in1k", 74.808, APACHE),
        "50": Weights("timm/legacy_seresnet50.in1k", 77.644, APACHE),
        "101": Weights("timm/legacy_seresnet101.in1k", 78.386, APACHE),
        "152": Weights("timm/legacy_seresnet152.in1k", 78.66, APACHE),
    },
    "squeezenet": {
        "1.0": Weights("squeezenet1_0-b66bff10.pth", 58.092, BSD),
        "1.1": Weights("squeezenet1_1-b8a52dc0.pth", 58.178, BSD),
    },
    "mnasnet": {
        "0.5": Weights("mnasnet0.5_top1_67.823-3ffadce67e.pth", 67.734, BSD),
        "0.75": Weights("mnasnet0_75-7090bc5f.pth", 71.18, BSD, resize=232),
        "1.0": Weights("mnasnet1.0_top1_73.512-f206786ef8.pth", 73.456, BSD),
        "1.3": Weights("mnasnet1_3-a4c69d6f.pth", 76.506, BSD, resize=232),
    },
    "swint": {
        "base-224": Weights(
            "timm/swin_base_patch4_window7_224.ms_in22k_ft_in1k", 85.272, MIT, resize=248, interpolation=BICUBIC
        ),
        "base-384": Weights(
            "timm/swin_base_patch4_window12_384.ms_in22k_ft_in1k",
            86.438,
            MIT,
            size=384,
            resize=384,
            interpolation=BICUBIC,
        ),
        "small-224": Weights(
            "timm/swin_small_patch4_window7_224.ms_in1k", 83.208, MIT, resize=248, interpolation=BICUBIC
        ),
        "tiny-224": Weights(
            "timm/swin_tiny_patch4_window7_224.ms_in1k", 81.376, MIT, resize=248, interpolation=BICUBIC
        ),
        "large-224": Weights(
            "timm/swin_large_patch4_window7_224.ms_in22k_ft_in1k", 86.312, MIT, resize=248, interpolation=BICUBIC
        ),
        "large-384": Weights(
            "timm/swin_large_patch4_window12_384.ms_in22k_ft_in1k",
            87.132,
            MIT,
            size=384,
            resize=384,
            interpolation=BICUBIC,
        ),
    },
    "convnext": {
        "tiny": Weights("convnext_tiny-983f1562.pth", 82.52, BSD, resize=236),
        "small": Weights("convnext_small-0c510722.pth", 83.616, BSD, resize=230),
        "base": Weights("convnext_base-6075fbad.pth", 84.062, BSD, resize=232),
        "large": Weights("convnext_large-ea097f82.pth", 84.414, BSD, resize=232),
        "xlarge": Weights("convnext_xlarge_22k_1k_224_ema.pth", 87.0, MIT, interpolation=BICUBIC),
    },
    "addernet": {
        "50": Weights("ResNet50-AdderNet.pth", 74.9, BSD),
    },
}


def public_weights(prefix: str, suffix: str, name: str = "") -> Weights:
    """Of a network. name: what they have to be called, where that matters.

    Raises ValueError where none are known, or others.
    """
    weights = WEIGHTS.get(prefix, {}).get(suffix)
    if weights is None:
        others = ", ".join(WEIGHTS.get(prefix, {})) or "none"
        raise ValueError(f"{prefix} {suffix}: no public weights are known; of its family: {others}")
    if name not in ("", weights.name, weights.file_name):
        raise ValueError(f"{prefix} {suffix}: its public weights are {weights.name!r}, not {name!r}")
    return weights
