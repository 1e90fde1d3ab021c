"""Names of the larger convolutional networks: vgg, resnet, regnet, densenet, vovnet, se-resnet and others.

Ours are torchvision's for vgg resnet resnext densenet squeezenet shufflenetv2, the authors' for addernet, timm's for
the others. Sources of the other names: timm 1.0; torchvision 0.29, which renames its older densenet files on loading;
https://github.com/facebookresearch/pycls; https://github.com/Cadene/pretrained-models.pytorch;
https://github.com/stigma0617/VoVNet.pytorch.
"""

from .layout import Dialects, Layout, LookAlike, Row, has_key, has_widths, is_named

VGG_TIMM: tuple[Row, ...] = (  # its hidden linear layers are convolutions
    ("pre_logits.fc1.weight", "classifier.0.weight", (512, 7, 7)),
    ("pre_logits.fc1.bias", "classifier.0.bias"),
    ("pre_logits.fc2.weight", "classifier.3.weight", (4096, 1, 1)),
    ("pre_logits.fc2.bias", "classifier.3.bias"),
    ("head.fc.", "classifier.6."),
)

DENSENET_OLD: tuple[Row, ...] = (
    ("features.denseblock{s}.denselayer{b}.norm.{i}.", "features.denseblock{s}.denselayer{b}.norm{i}."),
    ("features.denseblock{s}.denselayer{b}.conv.{i}.", "features.denseblock{s}.denselayer{b}.conv{i}."),
)


def regnet_rows(theirs: str, ours: str, names: dict[str, str]) -> list[Row]:
    """Rows of one block; `names`: theirs -> ours, behind the name of the block."""
    return [(f"{theirs}.{name}.", f"{ours}.{our_name}.") for name, our_name in names.items()]


REGNET_TORCHVISION: tuple[Row, ...] = (
    ("stem.0.", "stem.conv."),
    ("stem.1.", "stem.bn."),
    *regnet_rows(
        "trunk_output.block{s}.block{s}-{b}",
        "s{s}.b{b+1}",
        {
            "proj.0": "downsample.conv",
            "proj.1": "downsample.bn",
            "f.a.0": "conv1.conv",
            "f.a.1": "conv1.bn",
            "f.b.0": "conv2.conv",
            "f.b.1": "conv2.bn",
            "f.se": "se",
            "f.c.0": "conv3.conv",
            "f.c.1": "conv3.bn",
        },
    ),
    ("fc.", "head.fc."),
)
REGNET_PYCLS: tuple[Row, ...] = tuple(
    regnet_rows(
        "s{s}.b{b}",
        "s{s}.b{b}",
        {
            "proj": "downsample.conv",
            "bn": "downsample.bn",
            "f.a": "conv1.conv",
            "f.a_bn": "conv1.bn",
            "f.b": "conv2.conv",
            "f.b_bn": "conv2.bn",
            "f.se.f_ex.0": "se.fc1",
            "f.se.f_ex.2": "se.fc2",
            "f.c": "conv3.conv",
            "f.c_bn": "conv3.bn",
        },
    )
)


def regnet(suffixes: tuple[str, ...], *look_alikes: LookAlike) -> Dialects:
    """`suffixes`: the networks whose widths torchvision has too."""
    return Dialects(
        own=("timm",),
        marker=r"^s1\.b1\.conv1\.conv\.",
        layouts=(
            Layout("torchvision", r"^trunk_output\.block1\.", REGNET_TORCHVISION, suffixes),
            Layout("pycls", r"^s1\.b1\.f\.a\.", REGNET_PYCLS),
        ),
        look_alikes=look_alikes,
    )


def other_widths(name: str, **widths: int) -> LookAlike:
    """A RegNet of torchvision's that is not the published one; `widths` of stages tell it apart."""
    tests = {f"{stage}.b1.conv3.conv.weight": width for stage, width in widths.items()}
    return LookAlike(f"torchvision's {name}, whose stages have other widths", has_widths(tests))


def vovnet_authors() -> tuple[Row, ...]:
    """The authors' module names repeat those of the modules around them."""
    rows: list[Row] = [("classifier.", "head.fc.")]
    block, ours = "stage{s+2}.OSA{s+2}_{b+1}", "stages.{s}.blocks.{b}"
    for part, our_part in (("conv", "conv"), ("norm", "bn")):
        rows += [
            (f"stem.stem_{{i+1}}/{part}.", f"stem.{{i}}.{our_part}."),
            (f"{block}.layers.{{i}}.OSA{{s+2}}_{{b+1}}_{{i}}/{part}.", f"{ours}.conv_mid.{{i}}.{our_part}."),
            (f"{block}.concat.OSA{{s+2}}_{{b+1}}_concat/{part}.", f"{ours}.conv_concat.{our_part}."),
        ]
    return tuple(rows)


VOVNET_NOTE = (
    "timm's vovnet39a and vovnet57a have the same names and shapes but no shortcuts: if these are weights of one of "
    "them, its logits are not reproduced"
)
RESNET = Dialects(
    own=("torchvision", "timm"),
    marker=r"^layer1\.0\.conv1\.weight",
    look_alikes=(
        LookAlike("an SE-ResNet, whose blocks have squeeze-excitation too", has_key(r"^layer\d\.\d+\.se(_module)?\.")),
        LookAlike("an AdderNet, which has adder layers for convolutions", has_key(r"^layer\d\.\d+\.conv\d\.adder$")),
    ),
)

DIALECTS = {
    "vgg": Dialects(
        own=("torchvision",),
        marker=r"^features\.0\.weight",
        layouts=(
            Layout("timm", r"^pre_logits\.fc1\.", VGG_TIMM, ("11", "13", "16", "19", "bn11", "bn13", "bn16", "bn19")),
        ),
    ),
    "resnet": RESNET,
    "resnext": RESNET,
    "regnetx": regnet(
        ("800mf", "1.6gf", "3.2gf", "8.0gf", "16gf", "32gf"),
        other_widths("regnet_x_400mf (timm's regnetx_004_tv)", s4=400),
    ),
    "regnety": regnet(
        ("400mf", "1.6gf", "3.2gf", "16gf", "32gf"),
        other_widths("regnet_y_800mf (timm's regnety_008_tv)", s4=784),
        other_widths("regnet_y_8gf (timm's regnety_080_tv)", s1=224, s4=2016),
    ),
    "shufflenetv2": Dialects(own=("torchvision",), marker=r"^stage2\.0\.branch2\."),
    "densenet": Dialects(
        own=("torchvision", "timm"),
        marker=r"^features\.denseblock1\.denselayer1\.norm1\.",
        layouts=(Layout("older torchvision", r"\.denselayer1\.norm\.1\.", DENSENET_OLD),),
    ),
    "xception": Dialects(
        own=("timm",),
        marker=r"^block12\.rep\.",
        layouts=(Layout("Cadene", r"^last_linear\.", (("last_linear.", "fc."),)),),
    ),
    "vovnet": Dialects(
        own=("timm",),
        marker=r"^stages\.0\.blocks\.0\.conv_mid\.",
        layouts=(Layout("stigma0617", r"^stem\.stem_1/", vovnet_authors()),),
        look_alikes=(
            LookAlike(
                "timm's ese_vovnet, which has squeeze-excitation too", has_key(r"^stages\.\d\.blocks\.\d\.attn\.")
            ),
            LookAlike(
                "timm's vovnet39a or vovnet57a, which have no shortcuts: they would load, with other logits",
                is_named(r"vovnet(39|57)a", key=r"^stages\.0\.blocks\.0\.conv_mid\."),
            ),
        ),
        notes=dict.fromkeys(("39", "57"), VOVNET_NOTE),  # 27slim has no block that repeats
    ),
    "se-resnet": Dialects(
        own=("timm",),
        marker=r"^layer1\.0\.se_module\.",
        look_alikes=(
            LookAlike(
                "timm's seresnet (without legacy_), which pads its max pool and has the stride on the 3x3 convolution: "
                "the same shapes would give other logits",
                has_key(r"^layer\d\.\d+\.se\."),
            ),
        ),
    ),
    "squeezenet": Dialects(own=("torchvision",), marker=r"^features\.\d+\.squeeze\."),
    "addernet": Dialects(
        own=("Huawei",),
        marker=r"^layer1\.0\.conv1\.adder$",
        look_alikes=(
            LookAlike("a ResNet with convolutions for adder layers", has_key(r"^layer\d\.\d+\.conv\d\.weight")),
        ),
    ),
}
