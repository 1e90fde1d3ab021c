"""timm's way to train, from its own parts: transforms, loss, optimizer and schedule. Run by benchmarks/accuracy.py.

From scratch the defaults of https://github.com/huggingface/pytorch-image-models/blob/main/train.py: SGD with Nesterov's
momentum 0.9, rate 0.1 for 256 images a step and in proportion (--lr-base, --lr-base-size), weight decay 2e-5, batch
128, label smoothing 0.1, random interpolation, a cosine by epochs from 5 of warm-up (from 1e-5) down to 0. They are
for 300 epochs of ImageNet; here warm-up is at most a fifth of the epochs, and a small set has smaller batches.

With weights the one fine-tuning of its documentation, hfdocs/source/training_script.mdx there, "Multi-label
classification": `--model resnet50 --pretrained --batch-size 32 --epochs 30 --opt adamw --lr 1e-4 --weight-decay 0.01`.
"""

from timm.data import create_transform
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch import Tensor, nn

from benchmarks.peers.accuracy_common import Job, Recipe, batch_for

BASE_RATE, BASE_SIZE = 0.1, 256  # images that the rate is for
WARMUP_EPOCHS, WARMUP_RATE, WARMUP_SHARE = 5, 1e-5, 5  # at most one epoch in five
CROP_PCT = 0.875
SMOOTHING = 0.1
SCRATCH = dict(opt="sgd", momentum=0.9, weight_decay=2e-5)  # timm's sgd is Nesterov's
FINE_TUNING = dict(opt="adamw", lr=1e-4, weight_decay=0.01)


class TimmRecipe(Recipe):
    def __init__(self, job: Job, images: int) -> None:
        super().__init__(job, images)
        self.batch_size = batch_for(images, 32 if job.weights else 128)
        common = dict(input_size=job.side, mean=job.mean, std=job.std)
        self.train_transform = create_transform(**common, is_training=True, interpolation="random")
        self.val_transform = create_transform(**common, interpolation=job.interpolation, crop_pct=CROP_PCT)
        self.smoothed = LabelSmoothingCrossEntropy(SMOOTHING)

    def begin(self, network: nn.Module, epochs: int, steps: int) -> None:
        scaled = {"lr": BASE_RATE * self.batch_size / BASE_SIZE}
        self.optimizer = create_optimizer_v2(network, **(FINE_TUNING if self.job.weights else {**SCRATCH, **scaled}))
        warmup = min(WARMUP_EPOCHS, epochs // WARMUP_SHARE)
        self.schedule = CosineLRScheduler(
            self.optimizer, t_initial=epochs, warmup_t=warmup, warmup_lr_init=WARMUP_RATE if warmup else 0.0
        )

    def before_epoch(self, epoch: int) -> None:
        self.schedule.step(epoch)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.smoothed(logits, targets)
