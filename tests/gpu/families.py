"""The smallest network of each family, and how near two devices can come to each other with it."""

import torch

NETWORKS = {
    "vgg": "11", "resnet": "18", "resnext": "50-32x4d", "regnetx": "200mf", "regnety": "200mf",
    "mobilenetv2": "0.25", "mobilenetv3": "small", "ghostnet": "0.5", "efficientnetv1": "b0",
    "efficientnetv2": "small", "shufflenetv2": "0.5", "densenet": "121", "xception": "299", "vit": "base-patch16",
    "resmlp-mixer": "12", "vovnet": "27slim", "se-resnet": "18", "squeezenet": "1.1", "mnasnet": "0.5",
    "swint": "tiny-224", "convnext": "tiny", "addernet": "50",
}  # fmt: skip
REHEARSED = {"regnetx", "shufflenetv2", "squeezenet"}  # about a second a step on a CPU, also in float16

# Where every activation is smooth, float32 of two devices differs by rounding alone. Elsewhere a rounding can move the
# input of a ReLU, of a pooling or of a clipped distance across its kink, and that path's gradient is another.
SMOOTH = {"vit", "resmlp-mixer", "swint", "convnext", "efficientnetv1", "efficientnetv2"}

# Halved scales of BatchNorm: the logits of these are ten times as large as others' while they are fresh, and with them
# what half precision does to them.
DAMPED = {"efficientnetv1", "efficientnetv2", "mnasnet"}

# Least cosines, to what a CPU has in float32, of the gradients of the head, which only the way forward blurs, and of
# all gradients together. Autocast on a CPU had no less than .946 and .9973 at the head; of all, see BLURRED.
HEAD = {torch.float32: 0.999, torch.float16: 0.99, torch.bfloat16: 0.9}
WHOLE = {torch.float32: 0.9, torch.float16: 0.7, torch.bfloat16: 0.7}
# Fresh, these blow a rounding up from layer to layer: bfloat16 on a CPU had cosines of .26 to .59, the others .84 and
# more; an H100 .09 with mobilenetv2. Gradients that have nothing to do with each other have less than .01, for as many
# numbers as there are.
BLURRED = {"mobilenetv2": 0.05, "shufflenetv2": 0.1, "mnasnet": 0.1, "resnext": 0.1}
ADDERS = 0.4  # a layer without a gradient but for roundings scales those up: .73 between float32 and float64 on a CPU
LOSS = {torch.float32: 2e-3, torch.float16: 0.03, torch.bfloat16: 0.1}  # shares: half as much on a CPU, but for mnasnet


def least_cosine(prefix, dtype):
    if prefix == "addernet":
        return ADDERS
    return BLURRED.get(prefix, WHOLE[dtype]) if dtype == torch.bfloat16 else WHOLE[dtype]


def distance_tolerance(prefix):
    """Of float32 gradients, as a share of their length: .06 between CPUs at most, .017 if they are not BLURRED, and
    convolutions of a GPU round more. A wrong gradient is apart by 1 and more.
    """
    return 5e-3 if prefix in SMOOTH else 0.4 if prefix in BLURRED else 0.2


def loss_tolerance(prefix, dtype):
    return 0.2 if prefix == "mnasnet" and dtype == torch.bfloat16 else LOSS[dtype]
