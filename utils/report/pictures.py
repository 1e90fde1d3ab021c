"""Pictures, each drawn from files. Nothing here touches pyplot or its global state."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from .answer_pictures import curves, reliability
from .canvas import save
from .curves import losses, schedule, scores
from .per_class import confusion, distribution, figures_per_class

PICTURES: dict[str, Callable[[Path], Figure | None]] = {
    "train_val_loss.jpg": losses,
    "Acc_P_R_F1.jpg": scores,
    "P_R_F1_per_class.jpg": figures_per_class,
    "confusion_matrix.jpg": confusion,
    "data_distribution.jpg": distribution,
    "scheduler.jpg": schedule,
    "curves.jpg": curves,
    "reliability.jpg": reliability,
}


def draw_run(folder: Path, target: Path | None = None) -> list[str]:
    """Draw all pictures that the files of a run folder allow, into `target` or the folder; returns their names.

    Raises DataError or ConfigError naming a file that is not what a run writes.
    """
    drawn = []
    for name, picture in PICTURES.items():
        if (figure := picture(folder)) is not None:
            save(figure, (target or folder) / name)
            drawn.append(name)
    return drawn
