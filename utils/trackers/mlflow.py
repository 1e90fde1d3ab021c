"""MLflow, https://mlflow.org/docs/latest/api_reference; its environment variables hold, such as MLFLOW_TRACKING_URI."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..log import log
from .tracked import TrackedRun

MOST_PARAMETERS = 100  # of a call
MOST_LETTERS = 500  # of a parameter
ALWAYS = "train_loss"  # a figure that every epoch has


class MLflow:
    """Adds every point that it is given, so the steps that it has are asked for."""

    def __init__(self, run: TrackedRun) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self.metric, self.client = Metric, MlflowClient()
        if run.id:
            self.id = run.id
            self.client.update_run(self.id, status="RUNNING")
        else:
            self.id = self._begin(run)
            values = [Param(key, str(value)[:MOST_LETTERS]) for key, value in run.hyperparameters.items()]
            for start in range(0, len(values), MOST_PARAMETERS):
                self.client.log_batch(self.id, params=values[start : start + MOST_PARAMETERS])
        log.info(f"mlflow: run {self.id} at {self.client.tracking_uri}")
        self.epoch = max((point.step for point in self.client.get_metric_history(self.id, ALWAYS)), default=0)

    def _begin(self, run: TrackedRun) -> str:
        found = self.client.get_experiment_by_name(run.project)
        experiment = found.experiment_id if found else self.client.create_experiment(run.project)
        return self.client.create_run(experiment, run_name=run.name).info.run_id

    def add(self, epoch: int, figures: Mapping[str, float], when: float) -> None:
        milliseconds = round(1000 * when)
        points = [self.metric(name, value, milliseconds, epoch) for name, value in figures.items()]
        self.client.log_batch(self.id, metrics=points)

    def conclude(self, epoch: int, figures: Mapping[str, float], pictures: Sequence[Path]) -> None:
        self.add(epoch, figures, time.time())
        for path in pictures:
            self.client.log_artifact(self.id, str(path), "pictures")

    def close(self, *, finished: bool) -> None:
        self.client.set_terminated(self.id, "FINISHED" if finished else "KILLED")
