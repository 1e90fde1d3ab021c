"""Time of a training step as train.py runs it on a CPU, against the reference network in a plain PyTorch loop.

Both learn the same batch with SGD with momentum, float32, with the same drop-path rate; ours through the engine (checks
of loss and gradient, schedule, memory format), theirs through forward, backward and step. Each side has a process of
its own and the two take turns.

python benchmarks/training_step.py --batch-size 16 --rounds 5 --threads 2
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.config import TrainConfig
from utils.cpu.allocator import keep_freed_memory
from utils.data.batches import Batch
from utils.data.preprocess import Preprocess
from utils.training.build import make_freezing, make_model, make_recipe, make_state
from utils.training.engine import train_step
from utils.training.freezing import train_mode

import torch
from torch import nn

from benchmarks.common import compare, comparison, gain, print_header, print_mean, print_row
from benchmarks.peers.networks import REFERENCES

NETWORKS = ["resnet:18", "resnet:50", "mobilenetv2:1.0", "convnext:tiny", "swint:tiny-224", "vit:base-patch16"]
DROP_PATH = {"convnext": 0.1, "swint": 0.2}  # of our variants; torchvision's networks have none


def ours(names: tuple[str, str], batch_size: int, freeze: str = "") -> Callable[[], object]:
    keep_freed_memory()
    device = torch.device("cpu")
    settings = dict(model_prefix=names[0], model_suffix=names[1], optimizer_type="sgd", init_lr=1e-3)
    config = TrainConfig.plain(**settings, batch_size=batch_size, img_size=(224, 224), freeze=freeze)
    model = make_model(config, device, 1000)
    make_freezing(config, model)
    train_mode(model)
    recipe = make_recipe(config, model, device, Preprocess.from_config(config))
    state = make_state(config, model, recipe, steps_per_epoch=1000)
    images, targets = data(batch_size)
    batch = Batch(images, targets, torch.zeros(batch_size, 4, dtype=torch.int64), torch.arange(batch_size), [])
    return partial(train_step, state, model, [batch], recipe, None)


def theirs(names: tuple[str, str], batch_size: int) -> Callable[[], None]:
    rate = {"drop_path_rate": DROP_PATH[names[0]]} if names[0] in DROP_PATH else {}
    model = REFERENCES[names](**rate).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    images, targets = data(batch_size)
    images = ((images.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).contiguous()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images), targets).backward()
        optimizer.step()

    return step


def data(batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, H, W, 3) uint8 images and (N,) targets."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (batch_size, 224, 224, 3), dtype=torch.uint8, generator=generator)
    return images, torch.randint(1000, (batch_size,), generator=generator)


Side = Callable[[tuple[str, str], int], Callable[[], object]]  # two words and a batch size -> a step


def compare_steps(description: str | None, peer: str, networks: list[str], *, theirs: Side, ours: Side) -> None:
    """What a script that times steps of two sides does: its options, a row a network, and the mean."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=networks, metavar="PREFIX:SUFFIX")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    given, gains = parser.parse_args(), []
    print_header(f"step, batch {given.batch_size}", peer, threads=given.threads, rounds=given.rounds)
    for network in given.networks:
        prefix, suffix = network.split(":")
        sides = {"theirs": theirs, "ours": ours}
        made = {name: partial(side, (prefix, suffix), given.batch_size) for name, side in sides.items()}
        seconds = compare(made, rounds=given.rounds, threads=given.threads)
        gains.append(gain(seconds).median)
        print_row(comparison(f"{prefix} {suffix}", seconds))
    print_mean(gains)


if __name__ == "__main__":
    compare_steps(__doc__, "reference", NETWORKS, theirs=theirs, ours=ours)
