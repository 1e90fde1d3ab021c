"""A short form of torchvision's references/classification/train.py: its pipeline, loop, meters and evaluation.

https://github.com/pytorch/vision/blob/main/references/classification/train.py. It prints a line after each epoch.
"""

import argparse
from pathlib import Path

import torch
import torchvision
from torch import nn
from torchvision import transforms


def accuracies(output, target):
    topk = 1, min(5, output.shape[1])
    _, predicted = output.topk(max(topk), 1)
    hits = predicted.t().eq(target[None])
    return [hits[:k].flatten().sum(dtype=torch.float32) * (100.0 / len(target)) for k in topk]


def train_one_epoch(model, criterion, optimizer, loader):
    model.train()
    sums = torch.zeros(3)
    for image, target in loader:
        output = model(image)
        loss = criterion(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        acc1, acc5 = accuracies(output, target)
        sums += torch.tensor([loss.item(), acc1.item(), acc5.item()]) * len(target)


def evaluate(model, criterion, loader):
    model.eval()
    sums, images = torch.zeros(3), 0
    with torch.inference_mode():
        for image, target in loader:
            output = model(image)
            acc1, acc5 = accuracies(output, target)
            sums += torch.tensor([criterion(output, target).item(), acc1.item(), acc5.item()]) * len(target)
            images += len(target)
    return sums[1].item() / images


def loaders(args):
    to_tensor = [
        transforms.PILToTensor(),
        transforms.ConvertImageDtype(torch.float),
        transforms.Normalize(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    ]
    crop = [transforms.RandomResizedCrop(args.size, antialias=True)]
    resize = [transforms.Resize(args.size, antialias=True), transforms.CenterCrop(args.size)]
    train = torchvision.datasets.ImageFolder(Path(args.data, "train"), transforms.Compose(crop + to_tensor))
    val = torchvision.datasets.ImageFolder(Path(args.data, "val"), transforms.Compose(resize + to_tensor))
    common = {"batch_size": args.batch_size, "num_workers": args.workers, "pin_memory": torch.cuda.is_available()}
    samplers = torch.utils.data.RandomSampler(train), torch.utils.data.SequentialSampler(val)
    return [torch.utils.data.DataLoader(data, sampler=s, **common) for data, s in zip((train, val), samplers)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    train_loader, val_loader = loaders(args)
    model = torchvision.models.get_model(args.model, num_classes=len(train_loader.dataset.classes))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    for epoch in range(args.epochs):
        train_one_epoch(model, criterion, optimizer, train_loader)
        scheduler.step()
        accuracy = evaluate(model, criterion, val_loader)
        checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(checkpoint, Path(args.output, f"model_{epoch}.pth"))
        torch.save(checkpoint, Path(args.output, "checkpoint.pth"))
        print(f"epoch {epoch + 1} acc1 {accuracy:.2f}", flush=True)


if __name__ == "__main__":
    main()
