"""Time of `python predict.py` on one image, from the start of the process, against a least script and `import torch`.

The peer, benchmarks/peers/predict_one.py, imports torch, torchvision and timm and reads the same checkpoint. Answer:
until the last class is printed. End: of the process, for which ours has drawn a picture, too.

python benchmarks/predict_start.py --rounds 9
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.data.demo import make_digits
from utils.timing import Spread, ratios

import torch

from benchmarks.common import moments, print_row


def checkpoint(data: Path, logs: Path) -> Path:
    """best.pth of an epoch of resnet 18."""
    settings = [f"img_path={data}", f"log_root={logs}", "epochs=1", "warmup_epochs=0", "use_ema=False", "device=cpu"]
    moments(["train.py", *(word for setting in settings for word in ("--set", setting))], "epoch ")
    return next(logs.rglob("best.pth"))


def answers(commands: dict[str, list[str]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """(seconds until the answer, seconds until the end) of each command in turn, after one turn that does not count."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for i in range(rounds + 1):
        for name, command in commands.items():
            *_, answer, end = [0.0, *moments(command, "%")]
            if i > 0:
                found[name].append((answer or end, end))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        data = Path(place, "digits")
        make_digits(data)
        weights = checkpoint(data, Path(place, "logs"))
        image = next(data.glob("val/3/*"))
        settings = [f"load_from={weights}", f"predict_img_path={image}", "device=cpu"]
        commands = {
            "import torch": ["-c", "import torch"],
            "theirs": ["benchmarks/peers/predict_one.py", str(weights), str(image)],
            "ours": ["predict.py", *(word for setting in settings for word in ("--set", setting))],
        }
        found = answers(commands, given.rounds)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {given.rounds} rounds\n")
    print_row(["seconds", "answer", "end"])
    print_row(["---"] * 3)
    for name, pairs in found.items():
        print_row([name, *(str(Spread.of(values)) for values in zip(*pairs))])
    first = {name: [answer for answer, _ in pairs] for name, pairs in found.items()}
    share = Spread.of(ratios(first["ours"], first["theirs"]))
    above = Spread.of([a - b for a, b in zip(first["ours"], first["import torch"])])
    print(f"\nours / theirs {share.median:.2f} [{share.low:.2f} .. {share.high:.2f}]; ours - import torch {above}")


if __name__ == "__main__":
    main()
