"""The value of each key that is 'auto', and why: small functions of the facts and of the keys before them.

Where a rule has a number, its docstring has the source: a paper, a peer's default, or a row of docs/recipe.md.
"""

import math

from ..config.keys import TrainConfig
from . import length
from .facts import Facts
from .length import SEEN_OFTEN, STRIDE
from .registry import RULES, Found, clamped, rounded, rule

__all__ = ["RULES", "length"]  # RULES is filled by the functions below, and first of all by those of length.py

SMALLEST, LARGEST = 32, 224  # sides that are found for networks without weights
MANY = 20_000  # pictures
LEAST_OF_WEIGHTS = 160  # side at which weights from ImageNet still see what they have learnt
SMALL_PICTURE = 64  # pixels of the shorter side
BLOCKS = 10  # stages from which on a network counts as one of blocks of equal size


def steps_of(f: Facts, c: TrainConfig) -> int:
    """Optimizer steps of the whole run."""
    return math.ceil(f.images / (c.batch_size * f.processes * c.accumulate_steps)) * c.epochs


# --- pictures


@rule
def mean(f: Facts, c: TrainConfig) -> Found:
    return (f.expected.preprocess.mean, f.expected.mean_by) if f.expected else ((0.5, 0.5, 0.5), "the middle of 0..1")


@rule
def std(f: Facts, c: TrainConfig) -> Found:
    return (f.expected.preprocess.std, f.expected.mean_by) if f.expected else ((0.5, 0.5, 0.5), "brings 0..1 to -1..1")


@rule
def interpolation(f: Facts, c: TrainConfig) -> Found:
    return (f.expected.preprocess.interpolation, f.expected.source) if f.expected else ("bilinear", "antialiased")


@rule
def resize_mode(f: Facts, c: TrainConfig) -> Found:
    """Public weights are tested on the middle of pictures; for other classes than theirs the whole serves better."""
    if f.expected and f.as_tested:
        return f.expected.preprocess.resize_mode, f.expected.source
    return "squash", "nothing is cut away"


@rule
def img_size(f: Facts, c: TrainConfig) -> Found:
    """The pictures' own, as enlarging adds no detail."""
    if f.expected:
        wanted = f.expected.preprocess.img_size
        bounds = wanted if c.val_resize == "auto" else c.val_resize
        enough = max(LEAST_OF_WEIGHTS, STRIDE * math.ceil(f.side / STRIDE))
        if f.norm == "batch" and enough < min(wanted):  # others have tables that follow the size
            why = f"less than the {min(wanted)} of the weights, as the pictures have {f.side} in the median"
            return tuple(min(side, enough, bound) for side, bound in zip(wanted, bounds)), why
        return tuple(map(min, wanted, bounds)), f.expected.source
    side = int(clamped(STRIDE * round(f.side / STRIDE), SMALLEST, LARGEST))
    if c.val_resize != "auto":
        side = min(side, *c.val_resize)
    if f.affordable_side is not None and f.affordable_side < side:
        side = max(f.affordable_side, f.least)
        return (side, side), f"of larger ones fewer than {SEEN_OFTEN} epochs fit max_minutes = {c.max_minutes:g}"
    side = max(side, f.least)
    return (side, side), f"the shorter side of the pictures, {f.side} in the median, within {SMALLEST}..{LARGEST}"


@rule
def val_resize(f: Facts, c: TrainConfig) -> Found:
    if f.expected and c.resize_mode == f.expected.preprocess.resize_mode:
        return f.expected.preprocess.resized(c.img_size).val_resize, f.expected.source
    return c.img_size, "nothing is cut away"


# --- augmentation


@rule
def augment(f: Facts, c: TrainConfig) -> Found:
    """TrivialAugment: https://arxiv.org/abs/2103.10158."""
    if f.signs:
        return "simple", f"{f.signs}: a picture that is turned or recoloured may be one of another class"
    if not f.expected and c.epochs < SEEN_OFTEN:  # docs/recipe.md has both
        return "simple", f"in {c.epochs} epochs a new network hardly learns the pictures themselves"
    return "tawide", "TrivialAugment, which has nothing to tune"


@rule
def horizontal_flip(f: Facts, c: TrainConfig) -> Found:
    return (0.0, f"{f.signs}: its mirror image may be of another class") if f.signs else (0.5, "as everywhere")


@rule
def crop_scale(f: Facts, c: TrainConfig) -> Found:
    """Torchvision's 8 to 100 % are for a million photographs; docs/recipe.md has small sets with other shares."""
    if f.signs or f.side <= SMALL_PICTURE:
        return (0.5, 1.0), "what such pictures show fills them"
    if f.expected:
        return (0.35, 1.0), "weights know small objects; classes of few pictures need the whole"
    if c.epochs < SEEN_OFTEN:  # 35 % is fast.ai's share for 18 epochs of ImageNet
        return (0.5 if f.images < 10_000 else 0.35, 1.0), f"{c.epochs} epochs are few"
    if f.images < 10_000:
        return (0.25, 1.0), f"{f.images:,} pictures are few"
    return (0.08, 1.0), "as for ImageNet"


@rule
def random_erase_prob(f: Facts, c: TrainConfig) -> Found:
    return 0.0, "none"


# --- mixing


@rule
def mixup_prob(f: Facts, c: TrainConfig) -> Found:
    return _mixing(f, c)


@rule
def cutmix_prob(f: Facts, c: TrainConfig) -> Found:
    return _mixing(f, c)


def _mixing(f: Facts, c: TrainConfig) -> Found:
    """timm's and torchvision's recipes mix where they train for hundreds of epochs."""
    long = f.images >= MANY if f.expected else c.epochs >= 100 and f.images >= 5_000
    return (0.5, "many pictures, seen often") if long else (0.0, "the run is too short for it")


@rule
def mix_off_epochs(f: Facts, c: TrainConfig) -> Found:
    if not (c.mixup_prob or c.cutmix_prob):
        return 0, "nothing is mixed"
    return min(math.ceil(c.epochs / 10), c.epochs - 1), "the last tenth sees pictures as they are"


# --- optimizer


@rule
def optimizer_type(f: Facts, c: TrainConfig) -> Found:
    if c.nesterov:
        return "sgd", "nesterov is its momentum"
    return "adamw", "hardly depends on the rate"


@rule
def layer_decay(f: Facts, c: TrainConfig) -> Found:
    """0.9 by stages as AutoGluon's; 0.75 by blocks as BEiT's and MAE's fine-tuning, https://arxiv.org/abs/2111.06377."""
    if not f.expected:
        return 1.0, "nothing is pretrained"
    if f.stages > BLOCKS:
        return 0.75, f"pretrained, {f.stages} stages"
    return 0.9, f"pretrained, {f.stages} stages"


@rule
def init_lr(f: Facts, c: TrainConfig) -> Found:
    together = c.batch_size * f.processes * c.accumulate_steps
    if c.optimizer_type in ("sgd", "rmsprop"):
        base, images = (0.01, 128) if f.expected else (0.05, 128)
        share = together / images
    else:
        base, images = _adam_rate(f)
        share = math.sqrt(together / images)
    return rounded(base * share), f"{base:g} for {images} pictures a step, of which there are {together}"


def _adam_rate(f: Facts) -> tuple[float, int]:
    if f.expected:
        return (1e-4 if f.norm == "layer" else 2e-4), 64
    return {"batch": (2e-3, 128), "layer": (1e-3, 256), "none": (3e-4, 128)}[f.norm]


@rule
def min_lr(f: Facts, c: TrainConfig) -> Found:
    return 0.0, "the cosine falls to its end"


@rule
def head_init(f: Facts, c: TrainConfig) -> Found:
    """LP-FT: https://arxiv.org/abs/2202.10054."""
    if not f.expected or f.knows_classes:
        return "default", "the weights bring one" if f.knows_classes else "nothing is pretrained"
    if f.unsettled:
        return "default", f.unsettled
    if not f.linear_head or f.images >= MANY:
        return "default", "no linear layer" if not f.linear_head else f"{f.images:,} pictures teach it soon enough"
    return "probe", "its errors, if it began at random, would spoil what is pretrained"


@rule
def freeze_bn(f: Facts, c: TrainConfig) -> Found:
    """As detection has it, https://arxiv.org/abs/1611.10012: averages over few pictures would spoil what is pretrained.

    docs/recipe.md has both.
    """
    if not f.expected or f.norm != "batch":
        return False, "the network has none" if f.norm != "batch" else "nothing is pretrained"
    if f.images >= MANY:
        return False, f"{f.images:,} pictures make averages of their own"
    if f.unsettled:
        return False, f.unsettled
    return True, f"averages over {c.batch_size} pictures are worse than those of the weights"


@rule
def head_lr_mult(f: Facts, c: TrainConfig) -> Found:
    """A head that begins at random wants about 1e-3 for 64 pictures."""
    if not f.expected:
        return 1.0, "nothing is pretrained"
    if c.head_init == "probe" or f.knows_classes:
        return 1.0, "the head is fitted already"
    return (10.0 if f.norm == "layer" else 5.0), "the head is new, the rest is not"


@rule
def freeze_epochs(f: Facts, c: TrainConfig) -> Found:
    if f.expected and (c.head_init == "probe" or f.knows_classes):
        return 0, "the head is fitted already"
    if f.unsettled:
        return 0, f"{f.unsettled}, as a frozen body would"
    if f.expected and c.epochs > 1 and not c.freeze:
        return 1, "the new head first: its errors would spoil what is pretrained"
    return 0, "the body is frozen already" if c.freeze else "nothing is pretrained, or the run is short"


@rule
def weight_decay(f: Facts, c: TrainConfig) -> Found:
    if c.optimizer_type != "adamw":
        return 5e-4, "of gradients, as it is added to them"
    return (0.01, "little is to be unlearnt") if f.expected else (0.05, "as AdamW wants it")


@rule
def clip_grad(f: Facts, c: TrainConfig) -> Found:
    return 1.0, "against single steps that go wrong"


@rule
def smoothing(f: Facts, c: TrainConfig) -> Found:
    return 0.1, "few labels are certain"


@rule
def drop_path(f: Facts, c: TrainConfig) -> Found:
    if f.expected and f.drops_paths:
        return 0.1, "pretrained"
    return f.drop_path, "the network's own" if f.drops_paths else "the network has none"


@rule
def dropout(f: Facts, c: TrainConfig) -> Found:
    return f.dropout, "the network's own"


@rule
def use_ema(f: Facts, c: TrainConfig) -> Found:
    return True, "costs little, and the better weights are kept"


@rule
def ema_decay(f: Facts, c: TrainConfig) -> Found:
    span = clamped(steps_of(f, c) / 10 / c.ema_steps, 10, 5000)
    return round(1 - 1 / span, 5), f"averages over {span:.0f} updates, a tenth of the run"
