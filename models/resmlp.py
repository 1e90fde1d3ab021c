"""ResMLP: "Feedforward networks for image classification", https://arxiv.org/abs/2105.03404. Keys: timm.

Key map: stem.proj; blocks.i with norm1, linear_tokens (one matrix over the positions of the patches, the same for
every channel), ls1, norm2, mlp_channels (fc1, fc2), ls2; norm; head. A norm is an affine map: alpha, beta.
Reference: timm.models.mlp_mixer, resmlp_*_224. Public weights: timm/resmlp_12_224.fb_in1k and kin on the Hugging Face
hub, and Meta's resmlp_12_no_dist.pth and kin under other keys, Apache-2.0.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .layers import DropPath, Mlp, PatchEmbed, check_exact_img_size, grid_of_table, patch_grid, size_of_square
from .libraries import LibraryName, named
from .registry import register

VARIANTS = {  # Section 3 of the paper; scale: what ls1 and ls2 start from in the reference
    "12": dict(depth=12, dim=384, patch=16, scale=1e-4),
    "24": dict(depth=24, dim=384, patch=16, scale=1e-5),
    "36": dict(depth=36, dim=384, patch=16, scale=1e-6),
    "B24": dict(depth=24, dim=768, patch=8, scale=1e-6),
}


class Affine(nn.Module):
    """alpha * x + beta for every channel; (N, L, C) -> (N, L, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, 1, dim))
        self.beta = nn.Parameter(torch.zeros(1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.beta, self.alpha, x)


class Block(nn.Module):
    """x + ls1 * linear_tokens(norm1(x)), then x + ls2 * mlp_channels(norm2(x)); (N, tokens, C) -> (N, tokens, C)."""

    def __init__(self, dim: int, tokens: int, scale: float, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.ls1 = nn.Parameter(torch.full((dim,), scale))
        self.ls2 = nn.Parameter(torch.full((dim,), scale))
        self.norm1 = Affine(dim)
        self.linear_tokens = nn.Linear(tokens, tokens)
        self.norm2 = Affine(dim)
        self.mlp_channels = Mlp(dim, 4 * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.linear_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.drop_path(self.ls1 * mixed)
        return x + self.drop_path(self.ls2 * self.mlp_channels(self.norm2(x)))


@register(
    "resmlp-mixer",
    VARIANTS,
    stages=("stem", "blocks.* norm"),
    head="head",
    cam=r"norm",
    tokens=True,
    tables=r"blocks\.\d+\.linear_tokens\.(weight|bias)",
    libraries=dict(timm={**named("resmlp_{}_224", "12", "24", "36"), "B24": LibraryName("resmlp_big_24_224")}),
)
class ResMLP(nn.Module):
    """(N, 3, H, W) images of exactly `img_size` (height, width) -> (N, num_classes) logits.

    drop_path: the same for all blocks; the paper trains with the settings of DeiT, where it is 0.1.
    """

    def __init__(
        self,
        depth: int,
        dim: int,
        patch: int,
        scale: float,
        *,
        drop_path: float = 0.1,
        img_size: tuple[int, int] = (224, 224),
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.img_size = img_size
        self.grid = patch_grid(img_size, patch)
        tokens = self.grid[0] * self.grid[1]
        self.stem = PatchEmbed(patch, dim)
        self.blocks = nn.Sequential(*(Block(dim, tokens, scale, drop_path=drop_path) for _ in range(depth)))
        self.norm = Affine(dim)
        self.head = nn.Linear(dim, num_classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        check_exact_img_size(x.shape[-2:], self.img_size)
        x = self.stem(x).flatten(2).transpose(1, 2)  # (N, tokens, C)
        x = self.norm(self.blocks(x))
        return self.head(x.mean(1))

    def fit_to_size(
        self, state: dict[str, Tensor], img_size: tuple[int, int] | None = None
    ) -> tuple[dict[str, Tensor], list[str]]:
        """A copy of `state`, made for images of `img_size`, with token mixing on this network's grid.

        The mixing becomes: resample the tokens to the other network's grid, mix them there, resample the result back.
        That is again one matrix and one bias over this grid, and what it makes of a constant map stays the same map.
        Returns the copy and a sentence for each kind of change. Where img_size is None nothing tells rows from columns,
        and layers.grid_of_table says what is assumed. Raises ValueError where that is nothing.
        """
        fitted = dict(state)
        keys = [key for key in state if key.endswith("linear_tokens.weight")]
        if not keys:
            return fitted, []
        known = img_size and patch_grid(img_size, state.get("stem.proj.weight", self.stem.proj.weight).shape[-1])
        grid, guess = grid_of_table(len(state[keys[0]]), keys[0], self.grid, known)
        if grid == self.grid:
            return fitted, [f"linear_tokens {guess}"] if guess else []
        there = resampling(grid, self.grid)
        back = resampling(self.grid, grid)
        old = f"{grid[0]}x{grid[1]}"
        for key in keys:
            matrix = state[key].float()
            bias_key = key.removesuffix("weight") + "bias"
            if matrix.shape != (grid[0] * grid[1],) * 2:
                raise ValueError(f"{key}: {tuple(matrix.shape)} is no matrix over {old} patches")
            fitted[key] = (there.to(matrix) @ matrix @ back.to(matrix)).to(state[key].dtype)
            if bias_key in state:
                fitted[bias_key] = (there.to(matrix) @ state[bias_key].float()).to(state[bias_key].dtype)
        new = f"{self.grid[0]}x{self.grid[1]}"
        sizes = f"from {old} to {new} patches (bicubic)"
        return fitted, [f"linear_tokens of {len(keys)} blocks resampled {sizes}{guess}"]

    @staticmethod
    def size_of(state: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """(height, width) of the images that `state` is for, if its patches fill a square, else None."""
        if "blocks.0.linear_tokens.weight" not in state or "stem.proj.weight" not in state:
            return None
        return size_of_square(len(state["blocks.0.linear_tokens.weight"]), state["stem.proj.weight"].shape[-1])


def resampling(old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """The matrix (new positions, old positions), rows summing to 1, of bicubic resizing of a map, antialiased."""
    count = old[0] * old[1]
    units = torch.eye(count).view(count, 1, *old)
    return nn.functional.interpolate(units, size=new, mode="bicubic", antialias=True).flatten(1).T


def init_weights(network: "ResMLP") -> None:
    """Glorot-uniform linear layers, LeCun-normal patch embedding, a head of zeros, as the reference."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            deviation = 1 / math.sqrt(module.weight[0].numel()) / 0.87962566103423978  # undoes the truncation's loss
            nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if "mlp" in name:
                nn.init.normal_(module.bias, std=1e-6)
            else:
                nn.init.zeros_(module.bias)
    nn.init.zeros_(network.head.weight)
