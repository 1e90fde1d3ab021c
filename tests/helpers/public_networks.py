"""Networks of repositories that are no packages, as their modules are named.

Each function below nests layers under the names that the repository gives them, with the widths of one network of it.
"""

import re
from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.peers.networks import tm, tv


def conv(inputs: int, outputs: int, kernel: int = 1, groups: int = 1, *, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, groups=groups, bias=bias)


def named(**modules: nn.Module) -> nn.Module:
    """A module that has others under these names."""
    parent = nn.Module()
    for name, module in modules.items():
        parent.add_module(name, module)
    return parent


def stigma0617_vovnet39() -> nn.Module:
    def layer(name: str, inputs: int, outputs: int, kernel: int) -> OrderedDict[str, nn.Module]:
        return OrderedDict([(f"{name}/conv", conv(inputs, outputs, kernel)), (f"{name}/norm", nn.BatchNorm2d(outputs))])

    widths, outputs, depths = (128, 160, 192, 224), (256, 512, 768, 1024), (1, 1, 2, 2)
    stem = layer("stem_1", 3, 64, 3) | layer("stem_2", 64, 64, 3) | layer("stem_3", 64, 128, 3)
    stages, inputs = {}, 128
    for s, (width, output, depth) in enumerate(zip(widths, outputs, depths), start=2):
        blocks = {}
        for b in range(1, depth + 1):
            name = f"OSA{s}_{b}"
            layers = [nn.Sequential(layer(f"{name}_{i}", inputs if i == 0 else width, width, 3)) for i in range(5)]
            concat = nn.Sequential(layer(f"{name}_concat", inputs + 5 * width, output, 1))
            blocks[name], inputs = named(layers=nn.ModuleList(layers), concat=concat), output
        stages[f"stage{s}"] = named(**blocks)
    return named(stem=nn.Sequential(stem), **stages, classifier=nn.Linear(1024, 1000))


def pycls_regnet_200mf(*, squeeze: bool) -> nn.Module:
    stages, inputs = {}, 32
    for s, (width, depth) in enumerate(zip((24, 56, 152, 368), (1, 1, 4, 7)), start=1):
        blocks = {}
        for b in range(1, depth + 1):
            norms = {name: nn.BatchNorm2d(width) for name in ("a_bn", "b_bn", "c_bn")}
            f = named(a=conv(inputs, width), b=conv(width, width, 3, width // 8), c=conv(width, width), **norms)
            if squeeze:
                inner = round(inputs * 0.25)
                f.se = named(
                    f_ex=nn.Sequential(
                        conv(width, inner, bias=True), nn.ReLU(), conv(inner, width, bias=True), nn.Sigmoid()
                    )
                )
            shortcut = {} if width == inputs else {"proj": conv(inputs, width), "bn": nn.BatchNorm2d(width)}
            blocks[f"b{b}"], inputs = named(**shortcut, f=f), width
        stages[f"s{s}"] = named(**blocks)
    stem = named(conv=conv(3, 32, 3), bn=nn.BatchNorm2d(32))
    return named(stem=stem, **stages, head=named(fc=nn.Linear(368, 1000)))


def flat_mobilenetv2(*, d_li14: bool) -> nn.Module:
    """tonylins' network keeps its last convolution among the features, d-li14's apart."""

    def unit(inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> list[nn.Module]:
        return [conv(inputs, outputs, kernel, groups), nn.BatchNorm2d(outputs), nn.ReLU6()]

    features, inputs = [nn.Sequential(*unit(3, 32, 3))], 32
    settings = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
    for expansion, width, depth in settings:
        for _ in range(depth):
            inner = inputs * expansion
            expand = unit(inputs, inner) if expansion > 1 else []
            block = nn.Sequential(*expand, *unit(inner, inner, 3, inner), *unit(inner, width)[:-1])
            features.append(named(conv=block))
            inputs = width
    last = nn.Sequential(*unit(320, 1280))
    if d_li14:
        return named(features=nn.Sequential(*features), conv=last, classifier=nn.Linear(1280, 1000))
    return named(features=nn.Sequential(*features, last), classifier=nn.Linear(1280, 1000))


def microsoft_swin_tiny() -> nn.Module:
    """Merging at the end of a stage; buffers stored."""
    layers = []
    for s, (heads, depth) in enumerate(zip((3, 6, 12, 24), (2, 2, 6, 2))):
        dim, side = 96 * 2**s, 56 // 2**s
        blocks = []
        for b in range(depth):
            attn = named(qkv=nn.Linear(dim, 3 * dim), proj=nn.Linear(dim, dim))
            attn.relative_position_bias_table = nn.Parameter(torch.zeros(169, heads))
            attn.register_buffer("relative_position_index", torch.zeros(49, 49, dtype=torch.int64))
            mlp = named(fc1=nn.Linear(dim, 4 * dim), fc2=nn.Linear(4 * dim, dim))
            blocks.append(named(norm1=nn.LayerNorm(dim), attn=attn, norm2=nn.LayerNorm(dim), mlp=mlp))
            if b % 2 and s < 3:
                blocks[-1].register_buffer("attn_mask", torch.zeros((side // 7) ** 2, 49, 49))
        layers.append(named(blocks=nn.ModuleList(blocks)))
        if s < 3:
            layers[-1].downsample = named(reduction=nn.Linear(4 * dim, 2 * dim, bias=False), norm=nn.LayerNorm(4 * dim))
    return named(
        patch_embed=named(proj=conv(3, 96, 4, bias=True), norm=nn.LayerNorm(96)),
        layers=nn.ModuleList(layers),
        norm=nn.LayerNorm(768),
        head=nn.Linear(768, 1000),
    )


def meta_convnext_tiny() -> nn.Module:
    dims = (96, 192, 384, 768)
    halvings = [nn.Sequential(conv(3, 96, 4, bias=True), nn.LayerNorm(96))]
    halvings += [nn.Sequential(nn.LayerNorm(a), conv(a, b, 2, bias=True)) for a, b in pairwise(dims)]
    stages = nn.ModuleList()
    for dim, depth in zip(dims, (3, 3, 9, 3)):
        stages.append(nn.Sequential())
        for _ in range(depth):
            pointwise = dict(pwconv1=nn.Linear(dim, 4 * dim), pwconv2=nn.Linear(4 * dim, dim))
            block = named(dwconv=conv(dim, dim, 7, dim, bias=True), norm=nn.LayerNorm(dim), **pointwise)
            block.gamma = nn.Parameter(torch.zeros(dim))
            stages[-1].append(block)
    last = dict(norm=nn.LayerNorm(768), head=nn.Linear(768, 1000))
    return named(downsample_layers=nn.ModuleList(halvings), stages=stages, **last)


def meta_resmlp_12() -> nn.Module:
    def affine() -> nn.Module:
        module = nn.Module()
        module.alpha = nn.Parameter(torch.ones(384))
        module.beta = nn.Parameter(torch.zeros(384))
        return module

    blocks = nn.ModuleList()
    for _ in range(12):
        mlp = named(fc1=nn.Linear(384, 1536), fc2=nn.Linear(1536, 384))
        blocks.append(named(norm1=affine(), attn=nn.Linear(196, 196), norm2=affine(), mlp=mlp))
        blocks[-1].gamma_1 = nn.Parameter(torch.zeros(384))
        blocks[-1].gamma_2 = nn.Parameter(torch.zeros(384))
    patches = named(proj=conv(3, 384, 16, bias=True))
    return named(patch_embed=patches, blocks=blocks, norm=affine(), head=nn.Linear(384, 1000))


def renamed(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """A state dict whose names differ from a library's by a few substitutions, as regular expressions."""
    for pattern, replacement in names.items():
        state = {re.sub(pattern, replacement, name): tensor for name, tensor in state.items()}
    return state


def older_densenet() -> dict[str, Tensor]:
    state = renamed(tv("densenet121")().state_dict(), {r"\.(norm|conv)([12])\.": r".\1.\2."})
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


NETWORKS = {  # (prefix, suffix, layout): the state dict as the repository's code stores it
    ("vovnet", "39", "stigma0617"): lambda: stigma0617_vovnet39().state_dict(),
    ("regnetx", "200mf", "pycls"): lambda: pycls_regnet_200mf(squeeze=False).state_dict(),
    ("regnety", "200mf", "pycls"): lambda: pycls_regnet_200mf(squeeze=True).state_dict(),
    ("mobilenetv2", "1.0", "tonylins"): lambda: flat_mobilenetv2(d_li14=False).state_dict(),
    ("mobilenetv2", "1.0", "d-li14"): lambda: flat_mobilenetv2(d_li14=True).state_dict(),
    ("swint", "tiny-224", "Microsoft"): lambda: microsoft_swin_tiny().state_dict(),
    ("convnext", "tiny", "Meta"): lambda: meta_convnext_tiny().state_dict(),
    ("resmlp-mixer", "12", "Meta"): lambda: meta_resmlp_12().state_dict(),
    ("xception", "299", "Cadene"): lambda: renamed(tm("legacy_xception")().state_dict(), {"^fc": "last_linear"}),
    ("densenet", "121", "older torchvision"): older_densenet,
    ("vit", "base-patch32", "older torchvision"): lambda: renamed(
        tv("vit_b_32")().state_dict(), {r"\.mlp\.0\.": ".mlp.linear_1.", r"\.mlp\.3\.": ".mlp.linear_2."}
    ),
}
