"""Swin Transformer: "Hierarchical Vision Transformer using Shifted Windows", https://arxiv.org/abs/2103.14030.

State-dict keys: timm. Key map: patch_embed (proj, norm); layers.i with downsample (norm, reduction; none in the first)
and blocks.j with norm1, attn (relative_position_bias_table, qkv, proj), norm2, mlp (fc1, fc2); norm; head.fc. No table
of indices and no mask is stored: both follow from the shapes. Reference: timm.models.swin_transformer of timm 1.0.31.
Public weights: timm/swin_tiny_patch4_window7_224.ms_in1k and kin on the Hugging Face hub and Microsoft's
swin_tiny_patch4_window7_224.pth and kin under other keys, MIT; torchvision's swin_t-704ceda3.pth, BSD-3-Clause.
"""

from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .layers import DropPath, Mlp, PatchEmbed, grid_of_table, init_linear_trunc_normal, patch_grid, ramp
from .libraries import LibraryName, named
from .registry import register

VARIANTS = {  # Section 3.3 of the paper; drop_path: configs/swin of the authors
    "base-224": dict(dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), window=7, drop_path=0.5),
    "base-384": dict(
        dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), window=12, drop_path=0.5, img_size=(384, 384)
    ),
    "small-224": dict(dim=96, depths=(2, 2, 18, 2), heads=(3, 6, 12, 24), window=7, drop_path=0.3),
    "tiny-224": dict(dim=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), window=7, drop_path=0.2),
    "large-224": dict(dim=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48), window=7, drop_path=0.2),
    "large-384": dict(
        dim=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48), window=12, drop_path=0.2, img_size=(384, 384)
    ),
}
OF_TIMM = {
    suffix: LibraryName("swin_{}_patch4_window{window}_{}".format(*suffix.split("-"), window=variant["window"]))
    for suffix, variant in VARIANTS.items()
}


class WindowAttention(nn.Module):
    """Attention within windows of h x w positions, biased by relative position; (N, windows, h * w, C) -> the same."""

    def __init__(self, dim: int, heads: int, window: tuple[int, int]) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.offsets = (2 * window[0] - 1, 2 * window[1] - 1)  # how many differences two positions can have
        self.relative_position_bias_table = nn.Parameter(torch.empty(self.offsets[0] * self.offsets[1], heads))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """mask: (windows, h * w, h * w), added to the scores of every head."""
        windows = x.shape[1]
        bias = self.bias()
        bias = bias.expand(windows, -1, -1, -1) if mask is None else bias + mask[:, None]
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # (N, windows, h * w, 3, heads, C / heads)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3).unbind(0)  # windows join the heads: one bias for all N
        x = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.flatten(0, 1).to(q.dtype))
        x = x.unflatten(1, (windows, self.heads)).transpose(2, 3).flatten(3)
        return self.proj(x)

    def bias(self) -> Tensor:
        """What every position (row) adds to its score for every other: (heads, h * w, h * w)."""
        table = self.relative_position_bias_table.unflatten(0, self.offsets)
        # entry (y, x, head, i, j) of the sliding windows is the difference (y + i - h + 1, x + j - w + 1)
        sliding = table.unfold(0, self.window[0], 1).unfold(1, self.window[1], 1)
        return sliding.flip(-2, -1).permute(2, 0, 1, 3, 4).flatten(3, 4).flatten(1, 2)


class Block(nn.Module):
    """x + attn(norm1(x)) over windows moved by `shift`, then x + mlp(norm2(x)); (N, H, W, C) -> (N, H, W, C)."""

    def __init__(
        self, dim: int, heads: int, window: tuple[int, int], shift: tuple[int, int], *, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, 4 * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def attend(self, x: Tensor) -> Tensor:
        """Roll the map by the shift, fill it up to whole windows, attend within each, and undo both.

        In this order, and with what fills it up taking part in the attention, as the reference does.
        """
        height, width = x.shape[1:3]
        shifted = any(self.shift)
        if shifted:
            x = torch.roll(x, (-self.shift[0], -self.shift[1]), dims=(1, 2))
        below, right = -height % self.window[0], -width % self.window[1]
        if below or right:
            x = nn.functional.pad(x, (0, 0, 0, right, 0, below))
        rows, columns = (height + below) // self.window[0], (width + right) // self.window[1]
        mask = shift_mask((rows, columns), self.window, self.shift, x.device) if shifted else None
        x = self.attn(to_windows(x, self.window), mask)
        x = x.unflatten(2, self.window).unflatten(1, (rows, columns)).transpose(2, 3)
        x = x.flatten(3, 4).flatten(1, 2)[:, :height, :width]
        return torch.roll(x, self.shift, dims=(1, 2)) if shifted else x


def offsets_of(count: int, size: tuple[int, int]) -> tuple[int, int]:
    """How many differences along each side a table of `count` of them has for windows on maps of `size`.

    A window is cut to the map, so that one shape alone gives as many. Raises ValueError if none does.
    """
    windows = ((min(side, size[0]), min(side, size[1])) for side in range(1, max(size) + 1))
    sides = ((2 * height - 1, 2 * width - 1) for height, width in windows)
    for pair in sides:
        if pair[0] * pair[1] == count:
            return pair
    raise ValueError(f"a bias table of {count} entries is for no window on maps of {size[0]}x{size[1]}")


def to_windows(x: Tensor, window: tuple[int, int]) -> Tensor:
    """(N, rows * h, columns * w, C) -> (N, rows * columns, h * w, C)."""
    x = x.unflatten(2, (-1, window[1])).unflatten(1, (-1, window[0]))  # (N, rows, h, columns, w, C)
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def shift_mask(grid: tuple[int, int], window: tuple[int, int], shift: tuple[int, int], device: torch.device) -> Tensor:
    """-100 between positions that only the roll brought into one window, else 0: (rows * columns, h * w, h * w)."""
    height, width = grid[0] * window[0], grid[1] * window[1]
    from_top = torch.arange(height, device=device) >= height - shift[0]  # nowhere if the shift is 0
    from_left = torch.arange(width, device=device) >= width - shift[1]
    region = 2 * from_top[:, None] + from_left  # one number for each of up to four parts
    region = to_windows(region[None, :, :, None], window)[0, :, :, 0]
    return (region[:, :, None] != region[:, None, :]) * -100.0


class PatchMerging(nn.Module):
    """The four neighbours of every 2 x 2 square in one position; (N, H, W, C) -> (N, H / 2, W / 2, dim), rounded up."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * in_dim)
        self.reduction = nn.Linear(4 * in_dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        if height % 2 or width % 2:
            x = nn.functional.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        x = x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (N, H / 2, 2, W / 2, 2, C)
        x = x.permute(0, 1, 3, 4, 2, 5).flatten(3)  # the upper left neighbour first, then the one below it
        return self.reduction(self.norm(x))


class Stage(nn.Module):
    """PatchMerging unless it is the first stage, then blocks, every second one shifted by half a window.

    (N, H, W, in_dim) -> (N, H', W', dim). size: the H' and W' that windows are made for: they are no larger, and along
    a side that one window covers there is nothing to shift.
    """

    def __init__(
        self, in_dim: int, dim: int, heads: int, window: int, size: tuple[int, int], *, rates: list[float]
    ) -> None:
        super().__init__()
        self.downsample = PatchMerging(in_dim, dim) if in_dim != dim else nn.Identity()
        sides = (min(window, size[0]), min(window, size[1]))
        shift = (window // 2 if size[0] > window else 0, window // 2 if size[1] > window else 0)
        self.blocks = nn.Sequential(
            *(Block(dim, heads, sides, shift if i % 2 else (0, 0), drop_path=rate) for i, rate in enumerate(rates))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class NormedPatchEmbed(PatchEmbed):
    """A linear map of every patch and a norm: keys proj, norm; (N, 3, H, W) -> (N, H / patch, W / patch, dim)."""

    def __init__(self, patch: int, dim: int) -> None:
        super().__init__(patch, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x).permute(0, 2, 3, 1))


class Head(nn.Module):
    """The mean over positions and the classifier; (N, H, W, C) -> (N, num_classes)."""

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((1, 2)))


@register(
    "swint",
    VARIANTS,
    stages=("patch_embed", "layers.* norm"),
    head="head.fc",
    cam=r"layers\.\d\.blocks\.\d+\.norm1",  # the last attention mixes what is left of the map
    channels_last=r"(?!patch_embed\.proj)(?!.*\.attn).*",
    img_size={suffix: int(suffix.rpartition("-")[2]) for suffix in VARIANTS},
    tables=r".*\.relative_position_bias_table",
    libraries=dict(
        timm=OF_TIMM,
        torchvision=named("swin_{}", "base-224", "small-224", "tiny-224", clean=lambda suffix: suffix[0]),
    ),
)
class SwinTransformer(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits, at any H and W; patches of 4 x 4 pixels.

    img_size: (height, width) that the windows are made for. At other sizes maps are filled up to whole windows.
    """

    def __init__(
        self,
        dim: int,
        depths: tuple[int, ...],
        heads: tuple[int, ...],
        window: int,
        *,
        drop_path: float = 0.0,
        img_size: tuple[int, int] = (224, 224),
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        rates = ramp(drop_path, sum(depths))
        size = patch_grid(img_size, 4)
        self.patch_embed = NormedPatchEmbed(4, dim)
        stages, in_dim = [], dim
        for i, depth in enumerate(depths):
            if i > 0:
                dim, size = 2 * in_dim, patch_grid(size, 2)
            first = sum(depths[:i])
            stages.append(Stage(in_dim, dim, heads[i], window, size, rates=rates[first : first + depth]))
            in_dim = dim
        self.layers = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(dim)
        self.head = Head(dim, num_classes)
        self.apply(init_linear_trunc_normal)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)  # (N, H / 4, W / 4, C)
        return self.head(self.norm(self.layers(x)))

    def fit_to_size(
        self, state: dict[str, Tensor], img_size: tuple[int, int] | None = None
    ) -> tuple[dict[str, Tensor], list[str]]:
        """A copy of `state`, made for images of `img_size`, with bias tables for this network's windows.

        Returns it and a sentence for each kind of change. Where img_size is None nothing tells rows from columns, and
        layers.grid_of_table says what is assumed. Raises ValueError where that is nothing, or for another variant.
        """
        state = dict(state)
        changes: Counter[str] = Counter()
        for name, module in self.named_modules():
            key = f"{name}.relative_position_bias_table"
            if not isinstance(module, WindowAttention) or key not in state:
                continue
            table = state[key]
            if table.ndim != 2 or table.shape[1] != module.heads:
                raise ValueError(f"{key}: {tuple(table.shape)} is no table for {module.heads} heads")
            known = img_size and offsets_of(len(table), patch_grid(img_size, 4 * 2 ** int(name.split(".")[1])))
            offsets, guess = grid_of_table(len(table), key, module.offsets, known)
            if offsets == module.offsets:
                changes += Counter([f"bias tables {guess}"] if guess else [])
                continue
            maps = table.float().T.unflatten(1, offsets)[None]  # (1, heads, rows, columns)
            maps = nn.functional.interpolate(maps, size=module.offsets, mode="bicubic")
            state[key] = maps[0].flatten(1).T.contiguous().to(table.dtype)
            old, new = (f"{(rows + 1) // 2}x{(columns + 1) // 2}" for rows, columns in (offsets, module.offsets))
            changes[f"bias tables resized from windows of {old} to {new} (bicubic){guess}"] += 1
        return state, [f"{count} relative position {change}" for change, count in changes.items()]

    @staticmethod
    def size_of(state: Mapping[str, Tensor]) -> None:
        """None: images of many sizes have windows of the same size, and the tables show no more than that."""
