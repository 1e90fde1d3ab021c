"""A whole checkpoint without a run."""

from utils.config import TrainConfig
from utils.data.preprocess import Preprocess
from utils.data.source import ImageList, PackedPaths, Splits, pack_paths
from utils.run.state import RunState, to_checkpoint
from utils.training.build import make_model, make_recipe, make_state
from utils.training.state import Progress
from utils.weights.best import Best
from utils.weights.checkpoint import save_checkpoint

import numpy as np
import torch

CPU = torch.device("cpu")


def new_state(config, num_classes=3):
    """(TrainState, Preprocess) as at the start of a run."""
    model = make_model(config, CPU, num_classes)
    preprocess = Preprocess.from_config(config)
    return make_state(config, model, make_recipe(config, model, CPU, preprocess), 5), preprocess


def whole_checkpoint(classes=("ant", "bee", "cow"), **changes):
    """What the smallest network leaves after a step. changes: of the config."""
    values = dict(model_prefix="shufflenetv2", model_suffix="0.5", img_size=(32, 32), val_resize=(36, 36), device="cpu")
    config = TrainConfig.plain(**{**values, "epochs": 4, "warmup_epochs": 1, "use_ema": True, **changes})
    state, preprocess = new_state(config, len(classes))
    for parameter in state.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()
    state.scheduler.step()
    state.step = 1
    images = ImageList("none", tuple(classes), PackedPaths(pack_paths(["a.png"])), np.zeros(1, dtype=np.int64))
    row = {"epoch": 1, "train_loss": 1.0, "val_loss": float("nan"), "accuracy": 0.5}
    best = Best(1, 0.5, 1.0, "net")
    run_state = RunState(1, [row], best, progress=Progress(bad=[(0, "empty")]))
    return to_checkpoint(state, run_state, config, Splits(images, images), preprocess)


def folder_with_best(root):
    """The folder below `root` of a run with a best.pth of three classes."""
    folder = root / "logs" / "shufflenetv2_0.5" / "exp0"
    folder.mkdir(parents=True)
    save_checkpoint(folder / "best.pth", whole_checkpoint())
    return folder
