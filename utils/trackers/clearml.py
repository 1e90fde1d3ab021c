"""ClearML, https://clear.ml/docs/latest/docs/references/sdk/task; its environment variables and clearml.conf hold."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from .tracked import TrackedRun

BY_ITSELF = ("arg_parser", "frameworks", "streams")  # what it would otherwise record without being asked


class ClearML:
    """Its iteration is the epoch."""

    def __init__(self, run: TrackedRun) -> None:
        from clearml import Task

        self.task = Task.init(
            project_name=run.project,
            task_name=run.name,
            reuse_last_task_id=run.id or False,
            continue_last_task=0 if run.id else False,  # 0: iterations count as before, not from the last one on
            auto_resource_monitoring=False,
            **{f"auto_connect_{name}": False for name in BY_ITSELF},
        )
        self.task.set_parameters_as_dict({"config": dict(run.hyperparameters)})
        self.id, self.epoch = self.task.id, self.task.get_last_iteration() if run.id else 0

    def add(self, epoch: int, figures: Mapping[str, float], when: float) -> None:
        logger = self.task.get_logger()
        for name, value in figures.items():
            if math.isfinite(value):  # it would report others as 0
                logger.report_scalar(name, name, value, epoch)

    def conclude(self, epoch: int, figures: Mapping[str, float], pictures: Sequence[Path]) -> None:
        self.add(epoch, figures, 0.0)
        for path in pictures:
            self.task.get_logger().report_image("pictures", path.stem, epoch, local_path=str(path))

    def close(self, *, finished: bool) -> None:
        self.task.flush(wait_for_uploads=True)
        if not finished:
            self.task.mark_stopped()
        self.task.close()
