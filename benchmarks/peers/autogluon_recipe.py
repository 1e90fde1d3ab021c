"""AutoGluon MultiModal's way to train an image classifier, in plain PyTorch. Run by benchmarks/accuracy.py.

Figures: https://auto.gluon.ai/stable/tutorials/multimodal/advanced_topics/customization.html and, in
https://github.com/autogluon/autogluon/tree/master/multimodal/src/autogluon/multimodal, configs/{optim,env,model}/
default.yaml, data/trivial_augmenter.py and optim/lr: AdamW at 1e-4, 0.9 times that in each layer before the last,
weight decay 1e-3 (not on biases and norms), a cosine to 0 after a tenth of warm-up, gradients clipped at norm 1, batch
128, the shorter side resized (bicubic) and the centre cropped in training too, then TrivialAugment.

Otherwise than there: layers are the stages of our network, as theirs are of timm's; a batch of 128 is one step, where
they accumulate 8 at a time, and 32 in sets that have fewer than 8 such batches; val is looked at once an epoch (there
twice); no early stopping, as the time is given, and no average of the best three checkpoints ("greedy soup"). It knows
no training from scratch: the same figures are used there.
"""

import math
import random

from utils.training.groups import parameter_groups, rate_shares

import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import nn
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from benchmarks.peers.accuracy_common import LEAST_STEPS, Job, Recipe

RATE, LAYER_DECAY, WEIGHT_DECAY = 1e-4, 0.9, 1e-3
WARMUP_SHARE = 0.1  # of all steps
BATCH, SMALL_BATCH = 128, 32
STRENGTHS = 30  # of TrivialAugment, beside 0


def enhanced(kind):
    return lambda image, level, sign: kind(image).enhance(0.1 + 1.7 * level)


def moved(matrix):
    """matrix: function of the signed level, of the six numbers that Pillow wants."""
    return lambda image, level, sign: image.transform(image.size, Image.Transform.AFFINE, matrix(sign * level))


OPERATIONS = [  # functions of image, level in 0..1 and sign
    lambda image, level, sign: image,
    lambda image, level, sign: ImageOps.autocontrast(image),
    lambda image, level, sign: ImageOps.equalize(image),
    lambda image, level, sign: image.rotate(sign * int(30 * level)),
    lambda image, level, sign: ImageOps.solarize(image, 256 - int(256 * level)),
    lambda image, level, sign: ImageOps.posterize(image, max(1, 4 - int(4 * level))),  # Pillow takes no 0
    *map(enhanced, (ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Brightness, ImageEnhance.Sharpness)),
    moved(lambda level: (1, 0.3 * level, 0, 0, 1, 0)),
    moved(lambda level: (1, 0, 0, 0.3 * level, 1, 0)),
    moved(lambda level: (1, 0, int(10 * level), 0, 1, 0)),
    moved(lambda level: (1, 0, 0, 0, 1, int(10 * level))),
]


def trivial_augment(image: Image.Image) -> Image.Image:
    """One operation at one strength; smaller ones than those of torchvision's TrivialAugmentWide."""
    level = random.randint(0, STRENGTHS) / STRENGTHS
    return random.choice(OPERATIONS)(image, level, random.choice((-1, 1)))


def share_of_rate(step: int, steps: int) -> float:
    """Of the highest rate, in step 0, 1, ... of so many."""
    warmup = int(WARMUP_SHARE * steps)
    if step < warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class AutogluonRecipe(Recipe):
    drop_last = False
    clip_norm = 1.0

    def __init__(self, job: Job, images: int) -> None:
        super().__init__(job, images)
        self.batch_size = BATCH if images >= LEAST_STEPS * BATCH else SMALL_BATCH
        centre = [transforms.Resize(job.side, InterpolationMode.BICUBIC), transforms.CenterCrop(job.side)]
        normalized = [transforms.ToTensor(), transforms.Normalize(job.mean, job.std)]
        self.train_transform = transforms.Compose([*centre, trivial_augment, *normalized])
        self.val_transform = transforms.Compose([*centre, *normalized])

    def begin(self, network: nn.Module, epochs: int, steps: int) -> None:
        groups = parameter_groups(network, RATE, WEIGHT_DECAY, shares=rate_shares(network, LAYER_DECAY, 1.0))
        self.optimizer = torch.optim.AdamW(groups)
        self.peaks, self.steps = [group["lr"] for group in groups], epochs * steps

    def before_step(self, step: int) -> None:
        for group, peak in zip(self.optimizer.param_groups, self.peaks):
            group["lr"] = peak * share_of_rate(step, self.steps)
