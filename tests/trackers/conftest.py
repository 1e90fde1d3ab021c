"""Trackers whose curves can be read back: two real ones on the disk, the others recorded."""

import sys
from types import SimpleNamespace

from utils.trackers.memory import Memory
from utils.trackers.registry import TRACKERS
from utils.trackers.tracked import TrackedRun
from utils.trackers.worker import Conclusion, Job, Worker, finish

import numpy as np
import pytest
from PIL import Image

from tests.helpers.fake_trackers import FAKES, Server

CONFIG = {"epochs": 5, "init_lr": 0.1, "use_ema": True, "model_prefix": "resnet", "steps": [30, 60], "load_from": ""}


def row(epoch, value=None):
    """Of results.csv. value: its train_loss."""
    loss = 1 / epoch if value is None else value
    return {"epoch": epoch, "train_loss": loss, "accuracy": 1 - 1 / (1 + epoch), "lr": 0.1, "seconds": 2.0}


def rows(last):
    return [row(epoch) for epoch in range(1, last + 1)]


@pytest.fixture
def mlflow_store(tmp_path, monkeypatch):
    """MLflow's local files, of which the version of today wants to be allowed to write them."""
    values = {"MLFLOW_TRACKING_URI": (tmp_path / "mlruns").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    for name, value in {**values, "MLFLOW_DISABLE_TELEMETRY": "true"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=TRACKERS)
def tracker(request, tmp_path, monkeypatch, mlflow_store):
    """One of the five: .process(...) is what a process does with it, .read() what it has then."""
    name, server, folder = request.param, Server(), tmp_path / "exp0"
    folder.mkdir()
    if name in FAKES:
        monkeypatch.setitem(sys.modules, name, FAKES[name](server))

    def process(jobs, *, end="finished"):
        """A thread that is given each list of rows, when it is done with the one before; then it ends."""
        run = TrackedRun(folder, "pets", "resnet_18/exp0", CONFIG)
        worker = Worker(name, TRACKERS[name], run, Memory(folder))
        for job in jobs:  # in this thread, one after the other
            worker._try(Job(job))
            assert worker.problem == ""
        if end == "killed":
            return worker
        conclusion = Conclusion({"test/accuracy": 0.9}, sorted(tmp_path.glob("*.jpg"))) if end == "finished" else None
        worker.start()
        finish([worker], Job(jobs[-1], is_last=True, conclusion=conclusion), 60)
        assert worker.is_done, worker.problem
        return worker

    def read():
        return READERS[name](folder, server)

    for number, title in enumerate(("confusion_matrix", "scheduler")):
        Image.fromarray(np.full((8, 10, 3), 60 * number, np.uint8)).save(tmp_path / f"{title}.jpg")
    return SimpleNamespace(name=name, process=process, read=read, folder=folder, server=server)


def from_server(folder, server):
    [run] = server.runs.values()
    pictures = {name: [step for step, _ in found] for name, found in run["pictures"].items()}
    return SimpleNamespace(points=run["points"], config=run["config"], pictures=pictures, state=run["state"])


def from_event_files(folder, server):
    from tensorboard.backend.event_processing.event_accumulator import STORE_EVERYTHING_SIZE_GUIDANCE, EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    [file] = folder.glob("events.out.tfevents.*")  # so that no reader finds more
    events = EventAccumulator(str(file), STORE_EVERYTHING_SIZE_GUIDANCE, purge_orphaned_data=False).Reload()
    tags = events.Tags()
    points = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    pictures = {tag: [event.step for event in events.Images(tag)] for tag in tags["images"]}
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    values = HParamsPluginData.FromString(content).session_start_info.hparams
    config = {key: getattr(value, value.WhichOneof("kind")) for key, value in values.items()}
    return SimpleNamespace(points=points, config=config, pictures=pictures, state=None)


def from_mlflow(folder, server):
    from mlflow import MlflowClient

    client = MlflowClient()
    [run] = client.search_runs([client.get_experiment_by_name("pets").experiment_id])
    id = run.info.run_id
    histories = {name: client.get_metric_history(id, name) for name in run.data.metrics}
    points = {name: [(point.step, point.value) for point in history] for name, history in histories.items()}
    files = [item.path for item in client.list_artifacts(id, "pictures")]
    pictures = {path.removeprefix("pictures/").removesuffix(".jpg"): None for path in files}
    state = {"FINISHED": "finished", "KILLED": "failed", "RUNNING": "running"}[run.info.status]
    return SimpleNamespace(points=points, config=run.data.params, pictures=pictures, state=state)


READERS = {"tensorboard": from_event_files, "mlflow": from_mlflow, **dict.fromkeys(FAKES, from_server)}
