"""Time of a forward pass as predict.py prepares it, against the reference network in eval mode, in plain PyTorch.

python benchmarks/forward.py --batches 1 16 --rounds 9 --threads 2
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models import create_model
from tests.references import IMG_SIZES, REFERENCES, randomise
from utils.inference import prepare_for_inference
from utils.timing import Spread, interleaved, ratios, threads

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


def measure(names: tuple[str, str], batch: int, rounds: int) -> Spread:
    """How many times faster ours is, after a check that both give the same logits."""
    reference, ours = REFERENCES[names]().eval(), create_model(*names)
    randomise(reference, 0)
    missing = set(ours.state_dict()) - set(reference.state_dict())
    if missing:
        raise SystemExit(f"{names}: the reference lacks {sorted(missing)[:3]}")
    ours.load_state_dict(reference.state_dict(), strict=False)
    ours = prepare_for_inference(ours).to(memory_format=torch.channels_last)
    plain = torch.randn(batch, 3, *[IMG_SIZES[names]] * 2)
    images = plain.to(memory_format=torch.channels_last)
    expected, seen = reference(plain), ours(images)
    assert (expected - seen).abs().max() <= 1e-4 * expected.abs().max().clamp(min=1), names
    seconds = interleaved({"reference": lambda: reference(plain), "ours": lambda: ours(images)}, rounds=rounds)
    print(f"{' '.join(names):24}{batch:6}", end="")
    print(f"{Spread.of(seconds['reference'])!s:>32}{Spread.of(seconds['ours'])!s:>32}", end="")
    return Spread.of(ratios(seconds["reference"], seconds["ours"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="PREFIX:SUFFIX")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    given, found = parser.parse_args(), []
    print(f"{given.threads} threads, {given.rounds} rounds; median [10th .. 90th percentile]")
    print(f"{'network':24}{'batch':>6}{'reference':>32}{'ours':>32}  times faster")
    with torch.inference_mode(), threads(given.threads):
        for network in given.networks:
            for batch in given.batches:
                ratio = measure(tuple(network.split(":")), batch, given.rounds)
                found.append(ratio.median)
                print(f"  {ratio.median:.2f} [{ratio.low:.2f} .. {ratio.high:.2f}]", flush=True)
    mean = torch.tensor(found).log().mean().exp().item()
    print(f"geometric mean {mean:.2f}, least {min(found):.2f}")


if __name__ == "__main__":
    main()
