"""Training on a GPU: our steps beside timm's and torchvision's, AdderNet, our loader and whole epochs.

Each side has a process of its own; they hold the same network, take turns on the same GPU and compute in bfloat16 with
channels_last. A row is the median of the rounds; "ours / better peer" is above 1 where ours is faster. Idle is what the
profiler finds between kernels. --profile shows instead where the host's time goes in a step of ours.

python benchmarks/gpu.py --minutes 4 --json gpu.jsonl
python benchmarks/gpu.py --profile resnet:50 --batch-sizes 32
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli import run_command
from utils.errors import UserError
from utils.threads import available_cores

from benchmarks.gpu_plan import Plan
from benchmarks.gpu_process import Side, SideError, close_all, gather

NETWORKS = ["resnet:50", "mobilenetv3:large", "convnext:tiny", "vit:base-patch16", "swint:tiny-224"]
LOADED = ["resnet:50", "mobilenetv3:large"]
SIDES = ["ours", "timm", "torchvision"]
PARTS = ["steps", "addernet", "loading"]
DRY = dict(
    networks=["resnet:18", "mobilenetv3:small"], batch_sizes=[2], compile=["off"], rounds=1, seconds=0.0, steps=1
)
DRY |= dict(
    warmup=1, profiled=1, img_size=32, photographs=8, loader_batch=4, adder_batch=2, workers=2, loaded=["resnet:18"]
)
START = 120.0  # seconds that the processes have to load torch


def run(given: argparse.Namespace) -> None:
    plan, names = Plan(given.minutes), ["ours"] if given.profile else SIDES
    with ExitStack() as stack:
        sides = {name: Side(name, given.device) for name in names}
        stack.callback(close_all, list(sides.values()))
        from benchmarks import gpu_report  # loads torch, while the processes do

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        if not given.profile and "loading" in given.parts:
            gpu_report.write_photographs(folder, given.photographs)
        living = started(sides)
        card = gpu_report.print_versions(living["ours"])
        if not given.profile:
            gpu_report.fill(plan, living, card, folder, given)
            plan.run(gpu_report.note)
        for network in given.profile or (["resnet:18"] if given.dry_run else []):
            gpu_report.print_host(living["ours"], network, given)


def started(sides: dict[str, Side]) -> dict[str, Side]:
    """Those that could load what they need. Raises UserError without ours."""
    living = dict(sides)
    answers = gather(list(sides.values()), START)
    for name, answer in answers.items():
        if isinstance(answer, SideError):
            print(f"{name} is left out: {answer}", flush=True)
            living.pop(name)
    if "ours" not in living:
        raise UserError("nothing to compare without our side")
    return living


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--minutes", type=float, default=4.0, help="for the whole program; rows that would take longer are left out")
    add("--networks", nargs="+", default=NETWORKS, metavar="PREFIX:SUFFIX", help="of the training steps")
    add("--batch-sizes", nargs="+", type=int, default=[256, 32], help="the smallest is measured first")
    add("--compile", nargs="+", choices=["off", "on"], default=["off", "on"], help="the kinds of steps; off is first")
    add("--cuda-graphs", choices=["auto", "none"], default="auto", help="of our steps")
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--loaded", nargs="+", default=LOADED, metavar="PREFIX:SUFFIX", help="networks of whole epochs, from files")
    add("--device", choices=["cuda", "cpu"], default="cuda")
    add("--json", type=Path, metavar="FILE", help="append each row to it, as a line of JSON")
    add("--profile", nargs="+", metavar="PREFIX:SUFFIX", help="show the host's time in a step of ours, nothing else")
    add("--rounds", type=int, default=3, help="of each row; the third and later ones if time allows")
    add("--dry-run", action="store_true", help="tiny sizes, to see that all works")
    parser.set_defaults(
        seconds=0.7, steps=5, warmup=3, profiled=5, img_size=224, photographs=1500, loader_batch=256, adder_batch=64
    )
    parser.set_defaults(workers=available_cores())
    given = parser.parse_args(words)
    if given.dry_run:
        vars(given).update(DRY)
    return given


def main() -> int:
    given = parse_arguments()
    return run_command(lambda: run(given))


if __name__ == "__main__":
    sys.exit(main())
