"""What the rules look at: pictures, classes, the network, the weights that it starts from, the machine."""

import re
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models import create_model, family_of, native_img_size, stages_of
from models.heads import linear_head

from ..config.keys import TrainConfig
from ..data.preprocess import Preprocess
from ..data.source import Source
from ..training.build import own_drop_rates
from .pictures import look_at

IMAGENET = 1000  # classes, of public weights
SETTLED = 200  # batches from which on what BatchNorm's averages began at has no weight: 0.9 ** 200 is below 1e-9
SIDE = re.compile(r"(?:^|[^a-z])(left|right)(?:$|[^a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Expected:
    """How the weights that a run starts from want pictures."""

    preprocess: Preprocess
    source: str  # who says so, in words
    source_of_mean: str = ""  # of mean and std, where that is another

    classes: tuple[str, ...] = ()  # that their head knows by name
    batches: int | None = None  # the fewest that one of their BatchNorms has averaged over; None where they do not say

    @property
    def mean_by(self) -> str:
        return self.source_of_mean or self.source


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that rules look at."""

    images: int  # of train
    classes: tuple[str, ...]
    size: tuple[int, int] = (224, 224)  # (height, width) of the pictures, the median of each
    grey: bool = False  # whether none of them has colours
    norm: str = "batch"  # how the network normalises: 'batch', 'layer' or 'none'
    native: int = 224  # side of the images that the network is meant for
    least: int = 1  # side below which it takes none
    stages: int = 6  # of the network, the head included
    drop_path: float = 0.0  # that it has by itself, as dropout
    dropout: float = 0.0
    drops_paths: bool = False  # whether it takes drop_path
    linear_head: bool = True  # whether its head is one linear layer
    knows_classes: bool = False  # whether the weights bring a head for these very classes
    as_tested: bool = False  # whether pictures are to be those that the weights were tested on: their head answers
    expected: Expected | None = None  # by the weights that it starts from; None where it starts from none
    device: str = "cpu"  # 'cpu', 'cuda' or 'mps'
    processes: int = 1
    affordable_epochs: int | None = None  # what max_minutes leaves time for; None without a limit
    affordable_side: int | None = None  # of pictures, with which enough epochs fit; None without a limit

    @property
    def side(self) -> int:
        """The shorter one."""
        return min(self.size)

    @property
    def unsettled(self) -> str:
        """Why BatchNorm's averages are not what evaluation of the weights needs, in words; '' where they are."""
        if self.norm != "batch" or not self.expected or (self.expected.batches or SETTLED) >= SETTLED:
            return ""
        return f"BatchNorm's averages are of {self.expected.batches} batches, too few to go by"

    @property
    def signs(self) -> str:
        """Why a mirrored or turned picture may be one of another class, in words; '' where it is not."""
        if all(name.isdecimal() for name in self.classes):
            return "class names are numbers"
        if all(len(name) == 1 and name.isalpha() for name in self.classes):
            return "class names are letters"
        if any(SIDE.search(name.replace("_", " ")) for name in self.classes):
            return "class names tell left from right"
        return "all pictures are grey" if self.grey else ""


def facts_of(
    config: TrainConfig, images: Source, expected: Expected | None, device: torch.device, processes: int
) -> Facts:
    """images: of train. Raises ValueError for a network that there is not."""
    family = family_of(config.model_prefix)
    with torch.device("meta"):
        network = create_model(config.model_prefix, config.model_suffix)
    drops = own_drop_rates(config.model_prefix, config.model_suffix)
    size, grey = look_at(images)
    head_answers = config.only_val or len(images.classes) == IMAGENET
    return Facts(
        images=len(images),
        classes=tuple(images.classes),
        size=size,
        grey=grey,
        norm=norm_of(network),
        native=native_img_size(config.model_prefix, config.model_suffix),
        least=family.min_img_size_of(config.model_suffix),
        stages=len(stages_of(network)),
        drop_path=drops.get("drop_path", 0.0),
        dropout=drops.get("dropout", 0.0),
        drops_paths="drop_path" in drops,
        linear_head=linear_head(network) is not None,
        knows_classes=expected is not None and expected.classes == tuple(images.classes),
        as_tested=expected is not None and (bool(expected.classes) or head_answers),
        expected=expected,
        device=device.type,
        processes=processes,
    )


def norm_of(network: nn.Module) -> str:
    """'batch', 'layer' or 'none'."""
    kinds = [type(module) for module in network.modules()]
    if any(issubclass(kind, _BatchNorm) for kind in kinds):
        return "batch"
    return "layer" if any(issubclass(kind, nn.LayerNorm) for kind in kinds) else "none"
