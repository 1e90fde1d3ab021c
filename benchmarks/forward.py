"""Time of a forward pass as predict.py prepares it on a CPU, against the reference network in eval mode.

One variant of each family; adder networks have no reference in a package. Ours has norms folded into convolutions, the
memory format and the C library's memory of predict.py; theirs is plain PyTorch. Both have the same initial weights, and
their logits are compared. Each side has a process of its own and the two take turns.

python benchmarks/forward.py --batches 1 16 --rounds 9 --threads 2
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cpu.allocator import keep_freed_memory
from utils.cpu.folding import prepare_for_inference

import torch
from torch import Tensor, nn

from benchmarks.common import compare, comparison, gain, print_header, print_mean, print_row
from benchmarks.peers.networks import IMG_SIZES, REFERENCES
from models import create_model

NETWORKS = [
    "vgg:bn11",
    "resnet:18",
    "resnext:50-32x4d",
    "regnetx:400mf",
    "regnety:400mf",
    "mobilenetv2:1.0",
    "mobilenetv3:large",
    "ghostnet:1.0",
    "efficientnetv1:b0",
    "efficientnetv2:small",
    "shufflenetv2:1.0",
    "densenet:121",
    "xception:299",
    "vit:base-patch16",
    "resmlp-mixer:12",
    "vovnet:27slim",
    "se-resnet:18",
    "squeezenet:1.1",
    "mnasnet:1.0",
    "swint:tiny-224",
    "convnext:tiny",
]
PICTURES_A_TURN = 16


def theirs(names: tuple[str, str], batch: int) -> Callable[[], Tensor]:
    return partial(forward, reference(names), pictures(names, batch))


def ours(names: tuple[str, str], batch: int) -> Callable[[], Tensor]:
    keep_freed_memory()
    model = create_model(*names)
    expected = reference(names)
    images = pictures(names, batch)
    missing, _ = model.load_state_dict(expected.state_dict(), strict=False)
    model = prepare_for_inference(model).to(memory_format=torch.channels_last)
    seen = forward(model, images.to(memory_format=torch.channels_last))
    wanted = forward(expected, images)
    if missing or (seen - wanted).abs().max() > 1e-3 * wanted.abs().max():  # rounding; a test compares in float64
        raise SystemExit(f"{' '.join(names)}: the logits differ")
    return partial(forward, model, images.to(memory_format=torch.channels_last))


def reference(names: tuple[str, str]) -> nn.Module:
    """With its initial weights: with random norms, rounding in float32 dominates the logits of some networks."""
    torch.manual_seed(0)
    return REFERENCES[names]().eval()


def pictures(names: tuple[str, str], batch: int) -> Tensor:
    return torch.randn(batch, 3, *[IMG_SIZES[names]] * 2, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def forward(model: nn.Module, images: Tensor) -> Tensor:
    return model(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="PREFIX:SUFFIX")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    given, gains = parser.parse_args(), []
    print_header("forward", "reference", threads=given.threads, rounds=given.rounds)
    for network in given.networks:
        names = tuple(network.split(":"))
        for batch in given.batches:
            sides = {side.__name__: partial(side, names, batch) for side in (theirs, ours)}
            calls = max(1, PICTURES_A_TURN // batch)
            seconds = compare(sides, rounds=given.rounds, threads=given.threads, calls=calls)
            gains.append(gain(seconds).median)
            print_row(comparison(f"{' '.join(names)}, batch {batch}", seconds))
    print_mean(gains)


if __name__ == "__main__":
    main()
