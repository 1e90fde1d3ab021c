"""Vision Transformer: "An Image is Worth 16x16 Words", https://arxiv.org/abs/2010.11929. Keys: timm.

Key map: patch_embed.proj, cls_token and pos_embed make the tokens (the class token first, then the patches row by
row); blocks.i with norm1, attn (qkv: queries, keys and values of all heads in one matrix; proj), norm2, mlp (fc1,
fc2); norm; head reads the class token. Reference: timm.models.vision_transformer, vit_*_patch*_224. Public weights:
timm/vit_base_patch16_224.augreg2_in21k_ft_in1k and kin on the Hugging Face hub, Apache-2.0, and torchvision's
vit_b_16-c867db91.pth and kin under other keys, BSD-3-Clause.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .layers import (
    DropPath,
    Mlp,
    PatchEmbed,
    check_exact_img_size,
    grid_of_table,
    init_linear_trunc_normal,
    patch_grid,
    ramp,
    size_of_square,
)
from .libraries import LibraryName, named, underscores
from .registry import register

VARIANTS: dict[str, dict[str, Any]] = {  # Table 1 of the paper; dropout: vit_jax/configs/models.py of the authors
    "base-patch16": dict(patch=16, dim=768, depth=12, heads=12),
    "base-patch32": dict(patch=32, dim=768, depth=12, heads=12),
    "large-patch16": dict(patch=16, dim=1024, depth=24, heads=16, dropout=0.1),
    "large-patch32": dict(patch=32, dim=1024, depth=24, heads=16),
    "huge-patch14": dict(patch=14, dim=1280, depth=32, heads=16, dropout=0.1),
}
OF_TORCHVISION = {name: LibraryName(f"vit_{name[0]}_{variant['patch']}") for name, variant in VARIANTS.items()}


class Attention(nn.Module):
    """Every token attends to every token, in each head by itself; (N, L, C) -> (N, L, C)."""

    def __init__(self, dim: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # (N, L, 3, heads, C / heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = nn.functional.scaled_dot_product_attention(q, k, v)  # (N, heads, L, C / heads)
        return self.dropout(self.proj(x.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    """x + attn(norm1(x)), then x + mlp(norm2(x)); (N, L, C) -> (N, L, C)."""

    def __init__(self, dim: int, heads: int, *, dropout: float = 0.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads, dropout=dropout)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim, dropout=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


@register(
    "vit",
    VARIANTS,
    stages=("patch_embed cls_token pos_embed", "blocks.* norm"),
    head="head",
    cam=r"blocks\.\d+\.norm1",  # what follows the last attention changes the class token alone
    tokens=True,
    tables=r"pos_embed",
    libraries=dict(timm=named("vit_{}_224", *VARIANTS, clean=underscores), torchvision=OF_TORCHVISION),
)
class VisionTransformer(nn.Module):
    """(N, 3, H, W) images of exactly `img_size` (height, width) -> (N, num_classes) logits.

    dropout: after every linear layer but qkv and head, and on the tokens (appendix B.1 of the paper).
    """

    def __init__(
        self,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        *,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        img_size: tuple[int, int] = (224, 224),
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.img_size = img_size
        self.grid = patch_grid(img_size, patch)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + self.grid[0] * self.grid[1], dim))
        self.patch_embed = PatchEmbed(patch, dim)
        self.dropout = nn.Dropout(dropout)
        rates = ramp(drop_path, depth)
        self.blocks = nn.Sequential(*(Block(dim, heads, dropout=dropout, drop_path=rate) for rate in rates))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, num_classes)
        nn.init.normal_(self.cls_token, std=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.apply(init_linear_trunc_normal)

    def forward(self, x: Tensor) -> Tensor:
        check_exact_img_size(x.shape[-2:], self.img_size)
        x = self.patch_embed(x).flatten(2).transpose(1, 2)  # (N, patches, C)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        x = self.norm(self.blocks(self.dropout(x + self.pos_embed)))
        return self.head(x[:, 0])

    def fit_to_size(
        self, state: dict[str, Tensor], img_size: tuple[int, int] | None = None
    ) -> tuple[dict[str, Tensor], list[str]]:
        """A copy of `state`, made for images of `img_size`, with the position table of this network's size.

        Returns it and a sentence for each kind of change. Where img_size is None nothing tells rows from columns, and
        layers.grid_of_table says what is assumed. Raises ValueError where that is nothing, or for another variant.
        """
        state = dict(state)
        table = state.get("pos_embed")
        if table is None:
            return state, []
        dim = self.pos_embed.shape[-1]
        if table.ndim != 3 or table.shape[0] != 1 or table.shape[-1] != dim:
            raise ValueError(f"pos_embed: {tuple(table.shape)} is no position table of {dim} channels")
        patch = state.get("patch_embed.proj.weight", self.patch_embed.proj.weight).shape[-1]
        known = img_size and patch_grid(img_size, patch)
        old, guess = grid_of_table(table.shape[1] - 1, "pos_embed without the class token", self.grid, known)
        if old == self.grid:
            return state, [f"pos_embed {guess}"] if guess else []
        patches = table[:, 1:].float().transpose(1, 2).unflatten(-1, old)  # (1, C, rows, columns)
        patches = nn.functional.interpolate(patches, size=self.grid, mode="bicubic", antialias=True)
        patches = patches.flatten(2).transpose(1, 2).to(table.dtype)
        state["pos_embed"] = torch.cat((table[:, :1], patches), dim=1)
        sizes = f"from {old[0]}x{old[1]} to {self.grid[0]}x{self.grid[1]} patches (bicubic)"
        return state, [f"pos_embed resized {sizes}{guess}"]

    @staticmethod
    def size_of(state: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """(height, width) of the images that `state` is for, if its patches fill a square, else None."""
        if "pos_embed" not in state or "patch_embed.proj.weight" not in state:
            return None
        return size_of_square(state["pos_embed"].shape[1] - 1, state["patch_embed.proj.weight"].shape[-1])
