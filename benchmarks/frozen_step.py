"""Time of a training step on a CPU with `freeze = 'body'`, against that of the whole network.

Both are steps of train.py (SGD with momentum, float32), each in a process of its own, in turn. A frozen body runs
forward alone, and nothing of it is kept.

python benchmarks/frozen_step.py --batch-size 16 --rounds 5 --threads 2
"""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.training.freezing import BODY

from benchmarks.training_step import compare_steps, ours

NETWORKS = ["resnet:18", "resnet:50", "mobilenetv2:1.0", "convnext:tiny", "vit:base-patch16"]

if __name__ == "__main__":
    compare_steps(__doc__, "whole network", NETWORKS, theirs=ours, ours=partial(ours, freeze=BODY))
