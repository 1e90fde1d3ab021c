"""timm's training step and loader, as its train.py composes them: --amp --amp-dtype bfloat16 --channels-last.

https://github.com/huggingface/pytorch-image-models/blob/main/train.py, with --opt-kwargs fused=True. bfloat16 needs no
loss scaler; the loss is read every LOG_INTERVAL steps.
"""

import time
from collections.abc import Iterator
from itertools import repeat

import timm
import torch
from timm.data import ImageDataset, create_loader
from timm.data.loader import PrefetchLoader
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from torch import nn

from benchmarks.gpu_row import CLASSES, LEARNING_RATE, MOMENTUM, SMOOTHING, Loading, Row

LOG_INTERVAL = 50
OPTIMIZERS = {"sgd": "momentum", "adamw": "adamw"}  # timm's word; its "sgd" is Nesterov's


def make_model(row: Row, device: torch.device) -> nn.Module:
    options = {"drop_path_rate": row.drop_path} if row.drop_path else {}
    options |= {"drop_rate": row.dropout} if row.dropout else {}
    with device:
        model = timm.create_model(row.peer(0), num_classes=CLASSES, **options)
    return model.to(device=device, memory_format=torch.channels_last).train()


def steps(row: Row, device: torch.device) -> Iterator[None]:
    torch.backends.cuda.matmul.allow_tf32 = True
    model = make_model(row, device)
    options = {"lr": LEARNING_RATE, "weight_decay": row.weight_decay, "momentum": MOMENTUM, "fused": True}
    optimizer = create_optimizer_v2(model, opt=OPTIMIZERS[row.optimizer], **options)
    images = torch.randint(256, (row.batch_size, 3, row.img_size, row.img_size), dtype=torch.uint8, device=device)
    targets = torch.randint(CLASSES, (row.batch_size,), device=device)
    loader = PrefetchLoader(repeat((images, targets)), device=device)
    network = torch.compile(model, backend="inductor") if row.compile else model
    return _train(network, optimizer, loader, device)


def _train(network: nn.Module, optimizer: torch.optim.Optimizer, loader: PrefetchLoader, device: torch.device):
    loss_fn = LabelSmoothingCrossEntropy(SMOOTHING).to(device)
    for number, (images, targets) in enumerate(loader):
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type != "cpu"):  # slow there
            loss = loss_fn(network(images), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if number % LOG_INTERVAL == 0:
            loss.item()
        yield


def loader_speed(loading: Loading, device: torch.device) -> float:
    """Images a second, once each worker has delivered a batch."""
    dataset = ImageDataset(loading.folder)
    samples = dataset.reader.samples
    dataset.reader.samples = (samples * -(-loading.images // len(samples)))[: loading.images]
    options = {"color_jitter": 0.0, "interpolation": "bilinear", "pin_memory": device.type == "cuda", "device": device}
    size = (3, loading.img_size, loading.img_size)
    loader = create_loader(dataset, size, loading.batch_size, True, num_workers=loading.workers, **options)
    start, images = 0.0, 0
    for number, (batch, _) in enumerate(loader):
        if number >= loading.workers:
            images += len(batch)
        elif number == loading.workers - 1:
            start = time.perf_counter()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return images / (time.perf_counter() - start)
