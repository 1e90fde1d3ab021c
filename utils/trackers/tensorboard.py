"""TensorBoard: event files in the run folder, where `tensorboard --logdir logs` finds them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .tracked import TrackedRun

OURS = ".run"  # at the end of the names of these files; others in the folder may be the user's
COMPARED = ("accuracy", "f1", "val_loss")  # beside the hyperparameters of runs


class TensorBoard:
    """Writes the files of a run that is resumed anew from its rows, so that no reader sees a point twice."""

    id, epoch = "", 0

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        for path in run.folder.glob(f"events.out.tfevents.*{OURS}"):
            path.unlink()
        self.writer = SummaryWriter(str(run.folder), filename_suffix=OURS)
        plain = (bool, int, float, str)
        values = {key: each if isinstance(each, plain) else str(each) for key, each in run.hyperparameters.items()}
        for summary in hparams(values, dict.fromkeys(COMPARED)):
            self.writer._get_file_writer().add_summary(summary)  # add_hparams would do so in a folder below

    def add(self, epoch: int, figures: Mapping[str, float], when: float) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, epoch, walltime=when)
        self.writer.flush()

    def conclude(self, epoch: int, figures: Mapping[str, float], pictures: Sequence[Path]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, epoch)
        for path in pictures:
            with Image.open(path) as image:
                self.writer.add_image(path.stem, np.asarray(image.convert("RGB")), epoch, dataformats="HWC")

    def close(self, *, finished: bool) -> None:
        self.writer.close()
