"""Names of vit, resmlp-mixer, swint, convnext. Ours are timm's 1.0.

Sources of the other names: torchvision 0.29 and, for its older vit files, the names it renames them from;
https://github.com/facebookresearch/deit (ViT as in timm; ResMLP); https://github.com/microsoft/Swin-Transformer, whose
names timm had too before 0.9; https://github.com/facebookresearch/ConvNeXt.
"""

import math
import re

import torch
from torch import Tensor

from .layout import Dialects, Layout, LookAlike, Row, State, has_key


def vit_torchvision(first: str, second: str) -> tuple[Row, ...]:
    """`first`, `second`: names of the linear layers of an MLP. Query, key and value are joined in timm's order."""
    layer, block = "encoder.layers.encoder_layer_{b}.", "blocks.{b}."
    return (
        ("class_token", "cls_token"),
        ("encoder.pos_embedding", "pos_embed"),
        ("conv_proj.", "patch_embed.proj."),
        (f"{layer}ln_{{i}}.", f"{block}norm{{i}}."),
        (f"{layer}self_attention.in_proj_", f"{block}attn.qkv."),
        (f"{layer}self_attention.out_proj.", f"{block}attn.proj."),
        (f"{layer}mlp.{first}.", f"{block}mlp.fc1."),
        (f"{layer}mlp.{second}.", f"{block}mlp.fc2."),
        ("encoder.ln.", "norm."),
        ("heads.head.", "head."),
    )


def swin_torchvision() -> tuple[Row, ...]:
    """features.0 patches; .1 .3 .5 .7 stages; .2 .4 .6 mergings, each in front of the stage with which timm puts it."""
    rows: list[Row] = [
        ("features.0.0.", "patch_embed.proj."),
        ("features.0.2.", "patch_embed.norm."),
        ("head.", "head.fc."),
    ]
    for s in range(4):
        theirs, ours = f"features.{2 * s + 1}.{{b}}.", f"layers.{s}.blocks.{{b}}."
        rows += [(f"{theirs}mlp.{i}.", f"{ours}mlp.{name}.") for i, name in ((0, "fc1"), (3, "fc2"))]
        rows.append((theirs, ours))
        if s > 0:
            rows.append((f"features.{2 * s}.", f"layers.{s}.downsample."))
    return tuple(rows)


def swin_torchvision_buffers(state: State) -> dict[str, Tensor]:
    """For each table of position biases, which of its rows belongs to each pair of positions in a window."""
    buffers = {}
    for key, table in state.items():
        if key.endswith(".relative_position_bias_table"):
            side = (math.isqrt(len(table)) + 1) // 2
            places = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).flatten(1)
            steps = places[:, :, None] - places[:, None, :] + side - 1  # (2, side^2, side^2), each in 0 .. 2 * side - 2
            index = (steps[0] * (2 * side - 1) + steps[1]).flatten()
            buffers[re.sub("bias_table$", "index", key)] = index.to(table.device)
    return buffers


SWIN_MICROSOFT: tuple[Row, ...] = (  # merges at the end of a stage, where timm 1.0 does at the start of the next
    ("layers.{s}.downsample.", "layers.{s+1}.downsample."),
    ("head.", "head.fc."),
)


def convnext_torchvision() -> tuple[Row, ...]:
    """features.0 stem; .1 .3 .5 .7 stages; .2 .4 .6 halvings, each in front of the stage with which timm puts it."""
    rows: list[Row] = [
        ("features.0.", "stem."),
        ("classifier.0.", "head.norm."),
        ("classifier.2.", "head.fc."),
    ]
    layers = {0: "conv_dw", 2: "norm", 3: "mlp.fc1", 5: "mlp.fc2"}
    for s in range(4):
        theirs, ours = f"features.{2 * s + 1}.{{b}}.", f"stages.{s}.blocks.{{b}}."
        rows += [(f"{theirs}block.{i}.", f"{ours}{name}.") for i, name in layers.items()]
        rows.append((f"{theirs}layer_scale", f"{ours}gamma", (1, 1)))
        if s > 0:
            rows.append((f"features.{2 * s}.", f"stages.{s}.downsample."))
    return tuple(rows)


CONVNEXT_META: tuple[Row, ...] = (
    ("downsample_layers.0.", "stem."),
    ("downsample_layers.{s}.", "stages.{s}.downsample."),
    ("stages.{s}.{b}.dwconv.", "stages.{s}.blocks.{b}.conv_dw."),
    ("stages.{s}.{b}.pwconv{i}.", "stages.{s}.blocks.{b}.mlp.fc{i}."),
    ("stages.{s}.{b}.", "stages.{s}.blocks.{b}."),
    ("norm.", "head.norm."),
    ("head.", "head.fc."),
)

RESMLP_META: tuple[Row, ...] = (
    ("patch_embed.", "stem."),
    ("blocks.{b}.attn.", "blocks.{b}.linear_tokens."),
    ("blocks.{b}.mlp.", "blocks.{b}.mlp_channels."),
    ("blocks.{b}.gamma_{i}", "blocks.{b}.ls{i}"),
)

VIT = ("base-patch16", "base-patch32", "large-patch16", "large-patch32", "huge-patch14")

DIALECTS = {
    "vit": Dialects(
        own=("timm",),
        marker=r"^blocks\.0\.attn\.qkv\.",
        layouts=(
            Layout("older torchvision", r"\.mlp\.linear_1\.", vit_torchvision("linear_1", "linear_2")),
            Layout("torchvision", r"^encoder\.layers\.encoder_layer_0\.", vit_torchvision("0", "3"), VIT),
        ),
        look_alikes=(
            LookAlike("a ViT that classifies by the mean over patches, as MAE's", has_key(r"^fc_norm\.")),
            LookAlike("a distilled DeiT, which has two heads", has_key(r"^(dist_token|head_dist\.)")),
            LookAlike("a ViT with layer scale, as DeiT III", has_key(r"^blocks\.0\.(ls1\.gamma|gamma_1)$")),
            LookAlike("a ViT with a norm in front of its blocks, as CLIP's", has_key(r"^norm_pre\.")),
            LookAlike("a ViT with a hidden layer in its head", has_key(r"^pre_logits\.")),
        ),
    ),
    "resmlp-mixer": Dialects(
        own=("timm",),
        marker=r"^blocks\.0\.linear_tokens\.",
        layouts=(Layout("Meta", r"^blocks\.0\.gamma_1$", RESMLP_META),),
    ),
    "swint": Dialects(
        own=("timm",),
        marker=r"^layers\.0\.blocks\.0\.attn\.",
        layouts=(
            Layout(
                "torchvision",
                r"^features\.1\.0\.attn\.",
                swin_torchvision(),
                ("base-224", "small-224", "tiny-224"),
                buffers=swin_torchvision_buffers,
            ),
            Layout("Microsoft", r"^layers\.0\.downsample\.", SWIN_MICROSOFT),
        ),
        look_alikes=(LookAlike("a Swin V2, whose attention differs", has_key(r"\.attn\.(logit_scale$|cpb_mlp\.)")),),
        drop=r"\.(relative_position_index|attn_mask)$",
    ),
    "convnext": Dialects(
        own=("timm",),
        marker=r"^stages\.0\.blocks\.0\.conv_dw\.",
        layouts=(
            Layout(
                "torchvision",
                r"^features\.1\.0\.layer_scale$",
                convnext_torchvision(),
                ("tiny", "small", "base", "large"),
            ),
            Layout("Meta", r"^downsample_layers\.", CONVNEXT_META),
        ),
        look_alikes=(LookAlike("a ConvNeXt V2, which has response normalisation too", has_key(r"\.grn\.")),),
    ),
}
