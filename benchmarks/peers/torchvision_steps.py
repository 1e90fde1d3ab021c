"""torchvision's training step, as its references/classification/train.py makes it; in bfloat16, which needs no scaler.

https://github.com/pytorch/vision/blob/main/references/classification/train.py. Faster than there: the optimizer is
fused, weights and images are channels_last, and images are normalised already, as that script does while loading.
"""

from collections.abc import Iterator

import torch
import torchvision
from torch import nn

from benchmarks.gpu_row import CLASSES, LEARNING_RATE, MOMENTUM, SMOOTHING, Row
from benchmarks.peers.train_references import accuracies


def make_model(row: Row, device: torch.device) -> nn.Module:
    with device:  # dropout and drop-path are those of the row by default
        model = torchvision.models.get_model(row.peer(1), weights=None, num_classes=CLASSES)
    return model.to(device=device, memory_format=torch.channels_last).train()


def make_optimizer(row: Row, model: nn.Module) -> torch.optim.Optimizer:
    options = {"lr": LEARNING_RATE, "weight_decay": row.weight_decay, "fused": True}
    if row.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=MOMENTUM, **options)
    return torch.optim.AdamW(model.parameters(), **options)


def steps(row: Row, device: torch.device) -> Iterator[None]:
    model = make_model(row, device)
    images = torch.randn(row.batch_size, 3, row.img_size, row.img_size, device=device)
    targets = torch.randint(CLASSES, (row.batch_size,), device=device)
    network = torch.compile(model) if row.compile else model
    data = images.contiguous(memory_format=torch.channels_last), targets
    return _train(network, make_optimizer(row, model), data, device)


def _train(
    network: nn.Module, optimizer: torch.optim.Optimizer, data: tuple[torch.Tensor, ...], device: torch.device
) -> Iterator[None]:
    criterion, (images, targets) = nn.CrossEntropyLoss(label_smoothing=SMOOTHING), data
    logged = []
    while True:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type != "cpu"):  # slow there
            output = network(images)
            loss = criterion(output, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            top1, top5 = accuracies(output, targets)
        logged = [*logged[-9:], (loss.item(), top1.item(), top5.item())]
        yield
