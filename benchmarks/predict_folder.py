"""Prediction on a folder of photographs: processes that read while resnet 18 computes, against reading in turn with it.

In turn, threads read the images of a batch, then it is computed: what predict.py does on a CPU, where --device-ms lets
a device be slept in the network's place. Python is idle then, as it is not beside a real GPU.

python benchmarks/predict_folder.py --device cuda --photographs 1000
python benchmarks/predict_folder.py --processes 2 --device-ms 10
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
from utils.prediction.reading import read_by_processes, read_by_threads
from utils.threads import available_cores
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


def run_all(paths: list[str], batch_size: int, device: torch.device, device_ms: float, processes: int):
    found = classifier(device, device_ms)
    keep_freed_memory()
    given = found.reader, paths, batch_size

    def run() -> None:
        pin = device.type == "cuda"
        for batch in read_by_processes(*given, processes, pin=pin) if processes else read_by_threads(*given):
            found.probabilities(batch.images)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=200)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32], help="predict.py's is 32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves them as they are")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--device-ms", type=float, default=0.0, help="slept for an image in the place of a network")
    parser.add_argument("--processes", type=int, default=available_cores(), help="that read")
    given = parser.parse_args()
    device = pick_device(given.device)
    where = f"a device of {given.device_ms:g} ms an image" if given.device_ms else f"resnet 18 on {device}"
    with tempfile.TemporaryDirectory() as place:
        paths = list(map(str, write_photographs(Path(place), SIZE, given.photographs)))
        print_header(f"{len(paths)} photographs", "in turn", threads=torch.get_num_threads(), rounds=given.rounds)
        for batch_size in given.batch_sizes:
            common = paths, batch_size, device, given.device_ms
            sides = {"theirs": partial(run_all, *common, 0), "ours": partial(run_all, *common, given.processes)}
            seconds = compare(sides, rounds=given.rounds, threads=given.threads, warmup=1)
            print_row(comparison(f"{where}, {given.processes} processes, {batch_size} at a time", seconds))


if __name__ == "__main__":
    main()
