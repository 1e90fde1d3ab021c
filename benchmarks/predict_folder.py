"""Images a second of prediction on a folder of photographs: reading ahead, against reading and computing in turn.

theirs: what predict.py did before, the images of a batch read by threads, then computed, then those of the next.
--device-ms: the network's time for an image is slept, not computed, as on a device beside the CPU such as a GPU.

python benchmarks/predict_folder.py --photographs 40 --rounds 3
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cpu.allocator import keep_freed_memory
from utils.cpu.folding import prepare_for_inference
from utils.data.preprocess import Preprocess
from utils.prediction.classifier import Classifier
from utils.prediction.reading import read_ahead
from utils.threads import reading_threads

import torch

from benchmarks.common import compare, comparison, print_header, print_row
from benchmarks.photographs import write_photographs
from models import create_model

SIZE = (4032, 3024)  # 12 megapixels


def classifier(device_ms: float) -> Classifier:
    """resnet 18 at 224, or what sleeps in its place."""
    network = prepare_for_inference(create_model("resnet", "18", 10)).to(memory_format=torch.channels_last)

    def asleep(images: torch.Tensor) -> torch.Tensor:
        time.sleep(len(images) * device_ms / 1000)
        return images.new_zeros(len(images), 10)

    steps = Preprocess((224, 224), (256, 256), (0.5,) * 3, (0.5,) * 3, dct_scaling=True)
    names = [str(i) for i in range(10)]
    model = asleep if device_ms else network
    return Classifier(Path("none"), model, names, steps, torch.device("cpu"), None, True, "")


def in_turn(paths: list[str], batch_size: int, device_ms: float):
    found = classifier(device_ms)
    keep_freed_memory()

    def run() -> None:
        for start in range(0, len(paths), batch_size):
            with ThreadPoolExecutor(reading_threads()) as pool:
                images = list(pool.map(found.read, paths[start : start + batch_size]))
            found.probabilities(torch.stack(images))

    return run


def ahead(paths: list[str], batch_size: int, device_ms: float):
    found = classifier(device_ms)
    keep_freed_memory()

    def run() -> None:
        for batch in read_ahead(found.read, paths, batch_size):
            found.probabilities(torch.stack([image for _, image in batch]))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves them as they are")
    parser.add_argument("--device-ms", type=float, default=20.0, help="of the second row")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        paths = list(map(str, write_photographs(Path(place), SIZE, given.photographs)))
        print_header(f"{len(paths)} photographs", "in turn", threads=torch.get_num_threads(), rounds=given.rounds)
        for name, device_ms in (("on this CPU", 0.0), (f"device of {given.device_ms:g} ms an image", given.device_ms)):
            build = {"theirs": in_turn, "ours": ahead}
            sides = {side: partial(make, paths, given.batch_size, device_ms) for side, make in build.items()}
            print_row(comparison(name, compare(sides, rounds=given.rounds, threads=given.threads, warmup=1)))


if __name__ == "__main__":
    main()
