"""Prediction on a folder of photographs as predict.py makes it, against reading and computing in turn.

theirs: what predict.py did before, the images of a batch read by threads, then computed, then those of the next.
--device cuda: the network computes there, as predict.py lets it; with "cpu" a second row shows a device that is slept:
--device-ms is its time for an image.

python benchmarks/predict_folder.py --photographs 40 --rounds 3
"""

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cpu.allocator import keep_freed_memory
from utils.cpu.folding import prepare_for_inference
from utils.data.preprocess import Preprocess
from utils.distributed import pick_device
from utils.prediction.classifier import Classifier
from utils.training.amp import amp_dtype

import torch

from benchmarks.common import compare, comparison, print_header, print_row
from benchmarks.photographs import write_photographs
from models import create_model

SIZE = (4032, 3024)  # 12 megapixels


def classifier(device: torch.device, device_ms: float) -> Classifier:
    """resnet 18 at 224 in the precision of 'auto', or what sleeps in its place."""
    network = create_model("resnet", "18", 10).to(device, memory_format=torch.channels_last).eval()
    precision = amp_dtype(device, network, use_apex=True, name="auto")
    if precision is None:
        prepare_for_inference(network)

    def asleep(images: torch.Tensor) -> torch.Tensor:
        time.sleep(len(images) * device_ms / 1000)
        return images.new_zeros(len(images), 10)

    steps = Preprocess((224, 224), (256, 256), (0.5,) * 3, (0.5,) * 3, dct_scaling=True)
    names = [str(i) for i in range(10)]
    model = asleep if device_ms else network
    return Classifier(Path("none"), model, names, steps, device, precision, True, "")


def in_turn(paths: list[str], batch_size: int, device: torch.device, device_ms: float):
    found = classifier(device, device_ms)
    keep_freed_memory()

    def run() -> None:
        for start in range(0, len(paths), batch_size):
            list(found.in_batches(paths[start : start + batch_size], batch_size, 1))

    return run


def at_once(paths: list[str], batch_size: int, device: torch.device, device_ms: float):
    found = classifier(device, device_ms)
    keep_freed_memory()
    return lambda: list(found.in_batches(paths, batch_size, 1, len(paths)))


def rows(device: torch.device, device_ms: float) -> list[tuple[str, float]]:
    """(name, milliseconds that are slept)."""
    asleep = (f"a device of {device_ms:g} ms an image", device_ms)
    return [("on this GPU", 0.0)] if device.type == "cuda" else [("on this CPU", 0.0), asleep]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=40)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32], help="predict.py's is 32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves them as they are")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--device-ms", type=float, default=20.0, help="of the row of a device that is slept")
    given = parser.parse_args()
    device = pick_device(given.device)
    with tempfile.TemporaryDirectory() as place:
        paths = list(map(str, write_photographs(Path(place), SIZE, given.photographs)))
        print_header(f"{len(paths)} photographs", "in turn", threads=torch.get_num_threads(), rounds=given.rounds)
        for batch_size in given.batch_sizes:
            for name, device_ms in rows(device, given.device_ms):
                build = {"theirs": in_turn, "ours": at_once}
                sides = {side: partial(make, paths, batch_size, device, device_ms) for side, make in build.items()}
                seconds = compare(sides, rounds=given.rounds, threads=given.threads, warmup=1)
                print_row(comparison(f"{name}, {batch_size} at a time", seconds))


if __name__ == "__main__":
    main()
