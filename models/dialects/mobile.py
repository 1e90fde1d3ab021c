"""Names of the small networks: mobilenetv2, mobilenetv3, efficientnetv1, efficientnetv2, mnasnet, ghostnet.

Ours are torchvision's, and timm's for ghostnet, which are its authors' too
(https://github.com/huawei-noah/Efficient-AI-Backbones). Sources of the other names: timm 1.0;
https://github.com/tonylins/pytorch-mobilenet-v2; mobilenetv2.pytorch and mobilenetv3.pytorch of
https://github.com/d-li14; https://github.com/lukemelas/EfficientNet-PyTorch.
"""

from itertools import chain

from .layout import Dialects, Layout, LookAlike, Row, has_key, is_named

# timm's names of the units of a block: (convolution, norm), or the two layers of squeeze-excitation
Units = tuple[tuple[str, str], ...]
SE = ("se.conv_reduce", "se.conv_expand")
INVERTED: Units = (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3"))
INVERTED_SE: Units = (*INVERTED[:2], SE, INVERTED[2])
SEPARABLE: Units = (("conv_dw", "bn1"), ("conv_pw", "bn2"))
SEPARABLE_SE: Units = (SEPARABLE[0], SE, SEPARABLE[1])
FUSED: Units = (("conv_exp", "bn1"), ("conv_pwl", "bn2"))
PLAIN: Units = (("conv", "bn1"),)


def unit_rows(theirs: str, ours: str, units: Units) -> list[Row]:
    """Rows of a block. torchvision counts its units; within one, 0 is the convolution and 1 the norm, or fc1, fc2."""
    rows: list[Row] = []
    for i, unit in enumerate(units):
        inner = ("fc1", "fc2") if unit == SE else ("0", "1")
        rows += [(f"{theirs}{name}.", f"{ours}{i}.{index}.") for name, index in zip(unit, inner)]
    return rows


def stem_and_head(last: int) -> list[Row]:
    """Rows of what lies around the blocks; features.`last` is the convolution behind them."""
    return [
        ("conv_stem.", "features.0.0."),
        ("bn1.", "features.0.1."),
        ("conv_head.", f"features.{last}.0."),
        ("bn2.", f"features.{last}.1."),
        ("classifier.", "classifier.1."),
    ]


def efficientnet(*stages: Units) -> tuple[Row, ...]:
    """torchvision counts the stages from 1, behind the stem."""
    rows = stem_and_head(len(stages) + 1)
    for s, units in enumerate(stages):
        rows += unit_rows(f"blocks.{s}.{{b}}.", f"features.{s + 1}.{{b}}.block.", units)
    return tuple(rows)


def mobilenetv2() -> tuple[Row, ...]:
    """torchvision counts the blocks through, and does not group the last unit of a block."""
    rows, k = stem_and_head(18), 1
    for s, depth in enumerate((1, 2, 3, 4, 3, 3, 1)):
        *units, last = SEPARABLE if s == 0 else INVERTED
        for b in range(depth):
            theirs, ours = f"blocks.{s}.{b}.", f"features.{k}.conv."
            rows += unit_rows(theirs, ours, tuple(units))
            rows += [(f"{theirs}{name}.", f"{ours}{len(units) + i}.") for i, name in enumerate(last)]
            k += 1
    return tuple(rows)


def mobilenetv3(*stages: tuple[int, Units]) -> tuple[Row, ...]:
    """Stages of (depth, units). torchvision counts the blocks through; its linear layer is a convolution of timm's."""
    rows: list[Row] = [("conv_stem.", "features.0.0."), ("bn1.", "features.0.1.")]
    k = 1
    for s, (depth, units) in enumerate(stages):
        for b in range(depth):
            rows += unit_rows(f"blocks.{s}.{b}.", f"features.{k}.block.", units)
            k += 1
    s = len(stages)  # a convolution only
    rows += [(f"blocks.{s}.0.conv.", f"features.{k}.0."), (f"blocks.{s}.0.bn1.", f"features.{k}.1.")]
    rows += [("conv_head.weight", "classifier.0.weight", (-1, 1, 1)), ("conv_head.bias", "classifier.0.bias")]
    return (*rows, ("classifier.", "classifier.3."))


LARGE = (1, SEPARABLE), (2, INVERTED), (3, INVERTED_SE), (4, INVERTED), (2, INVERTED_SE), (3, INVERTED_SE)
SMALL = (1, SEPARABLE_SE), (2, INVERTED), (3, INVERTED_SE), (2, INVERTED_SE), (3, INVERTED_SE)


def mnasnet() -> tuple[Row, ...]:
    """torchvision: layers.0, .1 stem; .3 .. .7 first block, not grouped; .8 .. .13 stages; .14, .15 behind them."""
    rows: list[Row] = [("conv_stem.", "layers.0."), ("bn1.", "layers.1.")]
    rows += [(f"blocks.0.0.{name}.", f"layers.{i}.") for name, i in zip(chain(*SEPARABLE), (3, 4, 6, 7))]
    for s in range(1, 7):
        names = zip(chain(*INVERTED), (0, 1, 3, 4, 6, 7))
        rows += [(f"blocks.{s}.{{b}}.{name}.", f"layers.{s + 7}.{{b}}.layers.{i}.") for name, i in names]
    return (*rows, ("conv_head.", "layers.14."), ("bn2.", "layers.15."), ("classifier.", "classifier.1."))


def flat_mobilenetv2() -> tuple[Row, ...]:
    """A block is one flat sequence, activations counted; the first block, features.1, does not expand."""
    rows: list[Row] = [("conv.{i}.", "features.18.{i}.")]
    rows += [(f"features.1.conv.{i}.", f"features.1.conv.{to}.") for i, to in {0: "0.0", 1: "0.1", 3: 1, 4: 2}.items()]
    rows += [
        (f"features.{{k}}.conv.{i}.", f"features.{{k}}.conv.{to}.")
        for i, to in {0: "0.0", 1: "0.1", 3: "1.0", 4: "1.1", 6: 2, 7: 3}.items()
    ]
    return (*rows, ("classifier.weight", "classifier.1.weight"), ("classifier.bias", "classifier.1.bias"))


TF_NOTE = (
    "timm's tf_ variants have the same names and shapes but pad asymmetrically: if these are weights of one of them, "
    "its logits are not reproduced"
)
TF_PADDING = "which pads asymmetrically, as TensorFlow does: they would load, with other logits"
TF = (
    LookAlike(f"a tf_ variant of timm's, {TF_PADDING}", is_named(r"tf_(efficientnet|mobilenet)", key=r"^conv_stem\.")),
    LookAlike(f"lukemelas' EfficientNet-PyTorch, {TF_PADDING}", has_key(r"^(_conv_stem|_blocks\.0\._\w+)\.")),
)
TIMM = r"^blocks\.0\.0\.conv"  # torchvision's names of these families begin otherwise


def timm(marker: str, rows: tuple[Row, ...], suffixes: tuple[str, ...], *, eps: tuple[str, ...]) -> Layout:
    """`eps`: the networks that have BatchNorm eps 1e-3 in torchvision and 1e-5 in timm."""
    eps_of = dict.fromkeys(eps, 1e-5)
    notes = dict.fromkeys(suffixes, TF_NOTE)
    return Layout("timm", marker, rows, suffixes, batchnorm_eps=eps_of, notes=notes)


B = ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7")
V2 = (PLAIN, FUSED, FUSED, INVERTED_SE, INVERTED_SE, INVERTED_SE)

DIALECTS = {
    "mobilenetv2": Dialects(
        own=("torchvision",),
        marker=r"^features\.1\.conv\.0\.0\.",
        layouts=(
            Layout("timm", TIMM, mobilenetv2(), ("0.5", "0.75", "1.0")),
            Layout("d-li14", r"^conv\.0\.", flat_mobilenetv2()),
            Layout("tonylins", r"^features\.2\.conv\.7\.", flat_mobilenetv2()),
        ),
        look_alikes=(
            LookAlike(
                "an early network of tonylins', whose first block expands too", has_key(r"^features\.1\.conv\.7\.")
            ),
        ),
    ),
    "mobilenetv3": Dialects(
        own=("torchvision",),
        marker=r"^features\.1\.block\.0\.0\.",
        layouts=(
            timm(r"^blocks\.6\.0\.conv\.", mobilenetv3(*LARGE), ("large",), eps=("large",)),
            timm(r"^blocks\.5\.0\.conv\.", mobilenetv3(*SMALL), ("small",), eps=("small",)),
        ),
        look_alikes=(
            *TF,
            LookAlike(
                "d-li14's network, which has squeeze-excitation in front of the activation, not behind it",
                has_key(r"^features\.\d+\.conv\.\d\.fc\.0\."),
            ),
        ),
    ),
    "efficientnetv1": Dialects(
        own=("torchvision",),
        marker=r"^features\.1\.0\.block\.1\.fc1\.",
        layouts=(timm(TIMM, efficientnet(SEPARABLE_SE, *[INVERTED_SE] * 6), B, eps=("b5", "b6", "b7")),),
        look_alikes=TF,
    ),
    "efficientnetv2": Dialects(
        own=("torchvision",),
        marker=r"^features\.1\.0\.block\.0\.0\.",
        layouts=(
            timm(
                r"^blocks\.6\.0\.conv_pw\.",
                efficientnet(*V2, INVERTED_SE),
                ("medium", "large"),
                eps=("medium", "large"),
            ),
            timm(TIMM, efficientnet(*V2), ("small",), eps=("small",)),
        ),
        look_alikes=TF,
    ),
    "mnasnet": Dialects(
        own=("torchvision",),
        marker=r"^layers\.8\.0\.layers\.0\.",
        layouts=(Layout("timm", TIMM, mnasnet(), ("0.5", "0.75", "1.0")),),
        look_alikes=(
            LookAlike("timm's semnasnet, which has squeeze-excitation too", has_key(r"^blocks\.\d\.\d\.se\.")),
        ),
    ),
    "ghostnet": Dialects(
        own=("timm",),
        marker=r"^blocks\.0\.0\.ghost1\.",
        look_alikes=(LookAlike("a GhostNetV2, which has attention too", has_key(r"\.short_conv\.")),),
    ),
}
