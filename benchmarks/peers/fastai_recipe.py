"""fastai's way to train an image classifier, in plain PyTorch. Run by benchmarks/accuracy.py.

With weights `vision_learner(...).fine_tune(epochs)`: https://docs.fast.ai/callback.schedule.html#learner.fine_tune. One
epoch of the head alone at 2e-3, then all at rates that rise from the first layers to the head by 100, up to 1e-3. The
norms of a frozen body are trained, at a tenth of the head's rate (train_bn of https://docs.fast.ai/learner.html). From
scratch `fit_one_cycle(epochs, 3e-3)` after `Resize(460)` and `aug_transforms(size=224, min_scale=0.75)`, as in chapter
7 of its book, https://github.com/fastai/fastbook/blob/master/07_sizing_and_tta.ipynb; the pictures are the same in
both. One cycle: callback/schedule.py; Adam with decoupled weight decay 0.01, which spares norms and biases, moments
0.95 .. 0.85 and 0.99, eps 1e-5: optimizer.py and learner.py; aug_transforms: vision/augment.py; batch 64: data/core.py
of https://github.com/fastai/fastai/tree/master/fastai.

Otherwise than there: the head is the network's own, not two layers behind two kinds of pooling; the body is parted by
half its stages; the epoch of the head counts as one of the epochs that fit; each picture has a crop of its own.
"""

import math

from utils.training.groups import parameter_groups

import torch
from torch import Tensor, nn
from torchvision import transforms

from benchmarks.peers.accuracy_common import Job, Recipe
from models import stages_of

BATCH = 64
PRESIZED = 460 / 224  # sides that pictures have before they are cropped, in those of the network
LEAST_AREA = 0.75
SCRATCH_RATE, BASE_RATE, RATE_RATIO = 3e-3, 2e-3, 100
FROZEN_SHARE = 0.1  # of the head's rate, for the norms of a frozen body
HIGH_MOMENTUM, LOW_MOMENTUM, SQUARES, EPS, WEIGHT_DECAY = 0.95, 0.85, 0.99, 1e-5, 0.01
FINAL_DIVISOR = 1e5
DEGREES, ZOOM, LIGHTING, WARP, CHANCE = 10.0, 1.1, 0.2, 0.2, 0.75
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
CORNERS = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])


def annealed(start: float, end: float, position: float) -> float:
    """Half a cosine from start to end; position: 0..1."""
    return end + (start - end) * (1 + math.cos(math.pi * position)) / 2


def one_cycle(position: float, rise: float, start: float, middle: float, end: float) -> float:
    """From start to middle in the share `rise` of the way, then to the end; position: 0..1."""
    if position < rise:
        return annealed(start, middle, position / rise)
    return annealed(middle, end, (position - rise) / (1 - rise))


def shares_by_depth(network: nn.Module) -> dict[str, float]:
    """Of the head's rate, for each parameter: evenly spaced in the logarithm over half the body, the rest, the head."""
    stages = stages_of(network)
    half = len(stages) // 2
    parts = stages[:half], stages[half:-1], stages[-1:]
    return {name: RATE_RATIO ** (i / 2 - 1) for i, part in enumerate(parts) for _, names in part for name in names}


def drawn(count: int, low: float, high: float, neutral: float) -> Tensor:
    """(count,) values, each with CHANCE between low and high, else neutral."""
    values = torch.empty(count).uniform_(low, high)
    return torch.where(torch.rand(count) < CHANCE, values, torch.full((count,), neutral))


def affine(count: int) -> Tensor:
    """(count, 3, 3): mirrored, turned and enlarged by chance; from the places of the result to those of the picture."""
    mirrored = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    angle = torch.deg2rad(drawn(count, -DEGREES, DEGREES, 0.0))
    scale = 1 / drawn(count, 1.0, ZOOM, 1.0)
    shift = (1 - scale) * (2 * torch.rand(2, count) - 1)
    flip, turn, zoom = (torch.eye(3).repeat(count, 1, 1) for _ in range(3))
    flip[:, 0, 0] = mirrored
    turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
    turn[:, 0, 1] = angle.sin()
    turn[:, 1, 0] = -turn[:, 0, 1]
    zoom[:, 0, 0] = zoom[:, 1, 1] = scale
    zoom[:, 0, 2], zoom[:, 1, 2] = shift
    return flip @ turn @ zoom


def warp(count: int) -> Tensor:
    """(count, 3, 3): perspectives that move the ends of two sides apart, those of the opposite ones together."""
    strengths = torch.stack([drawn(count, -WARP, WARP, 0.0) for _ in range(2)], dim=-1)
    return perspective(CORNERS - CORNERS.prod(dim=1)[:, None] * strengths[:, None])


def perspective(targets: Tensor) -> Tensor:
    """(N, 3, 3) that take CORNERS to `targets` (N, 4, 2)."""
    count = len(targets)
    ones = torch.cat([CORNERS, torch.ones(4, 1)], dim=1).expand(count, 4, 3)
    zeros = torch.zeros_like(ones)
    u, v = targets[..., :1], targets[..., 1:]
    rows = [torch.cat([ones, zeros, -u * ones[..., :2]], dim=2), torch.cat([zeros, ones, -v * ones[..., :2]], dim=2)]
    found = torch.linalg.solve(torch.cat(rows, dim=1), torch.cat([u, v], dim=1))
    return torch.cat([found[..., 0], torch.ones(count, 1)], dim=1).view(count, 3, 3)


def lighted(images: Tensor) -> Tensor:
    """Brightness and contrast changed in the logits of pixels in 0..1."""
    count = len(images)
    brightness = drawn(count, 0.5 * (1 - LIGHTING), 0.5 * (1 + LIGHTING), 0.5).logit()
    contrast = drawn(count, math.log(1 - LIGHTING), -math.log(1 - LIGHTING), 0.0).exp()
    shift, factor = (values.to(images.device)[:, None, None, None] for values in (brightness, contrast))
    return ((images.logit(eps=1e-5) + shift) * factor).sigmoid()


def aug_transforms(images: Tensor) -> Tensor:
    """(N, 3, H, W) of pixels in 0..1, each changed by chance, with one interpolation."""
    count, _, height, width = images.shape
    x, y = torch.meshgrid(torch.linspace(-1, 1, width), torch.linspace(-1, 1, height), indexing="xy")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(1, -1, 3)
    found = places @ (warp(count) @ affine(count)).transpose(1, 2)
    grid = (found[..., :2] / found[..., 2:]).view(count, height, width, 2).to(images)
    moved = nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=True)
    return lighted(moved)


class FastaiRecipe(Recipe):
    def __init__(self, job: Job, images: int) -> None:
        super().__init__(job, images)
        self.batch_size = BATCH
        self.head_epochs = 1 if job.weights else 0
        self.least_epochs = self.head_epochs + 1
        side, large = job.side, round(PRESIZED * job.side)
        crops = [transforms.RandomCrop(large), transforms.RandomResizedCrop(side, (LEAST_AREA, 1.0), (1.0, 1.0))]
        self.train_transform = transforms.Compose([transforms.Resize(large), *crops, transforms.ToTensor()])
        self.normalize = transforms.Normalize(job.mean, job.std)
        centre = [transforms.Resize(side), transforms.CenterCrop(side)]
        self.val_transform = transforms.Compose([*centre, transforms.ToTensor(), self.normalize])

    def begin(self, network: nn.Module, epochs: int, steps: int) -> None:
        shares = shares_by_depth(network) if self.job.weights else {}
        groups = parameter_groups(network, 1.0, WEIGHT_DECAY, shares=shares)
        self.optimizer = torch.optim.AdamW([{**group, "share": group["lr"]} for group in groups], eps=EPS)
        self.network, self.epochs, self.steps = network, epochs, steps

    def before_epoch(self, epoch: int) -> None:
        """The body is frozen in the epoch of the head, but for its norms."""
        head = set(stages_of(self.network)[-1][1])
        normed = {id(p) for module in self.network.modules() if isinstance(module, NORMS) for p in module.parameters()}
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(epoch >= self.head_epochs or name in head or id(parameter) in normed)

    def before_step(self, step: int) -> None:
        before, after = self.head_epochs * self.steps, (self.epochs - self.head_epochs) * self.steps
        if step < before:
            self.set_rates(step / before, BASE_RATE, rise=0.99, divisor=25.0, frozen=True)
        elif self.job.weights:
            self.set_rates((step - before) / after, BASE_RATE / 2, rise=0.3, divisor=5.0)
        else:
            self.set_rates(step / after, SCRATCH_RATE, rise=0.25, divisor=25.0)

    def set_rates(self, position: float, rate: float, *, rise: float, divisor: float, frozen: bool = False) -> None:
        """position: 0..1 in the cycle. rate: of the head, at its highest."""
        momentum = one_cycle(position, rise, HIGH_MOMENTUM, LOW_MOMENTUM, HIGH_MOMENTUM)
        for group in self.optimizer.param_groups:
            peak = rate * (FROZEN_SHARE if frozen and group["share"] < 1 else group["share"])
            group["lr"] = one_cycle(position, rise, peak / divisor, peak, peak / FINAL_DIVISOR)
            group["betas"] = momentum, SQUARES

    def augment(self, images: Tensor) -> Tensor:
        return self.normalize(aug_transforms(images))
