"""Every tracker: what it is sent, once, also by runs that are resumed, that were killed, or that it failed."""

from utils.trackers.memory import FILE, Known, Memory
from utils.trackers.registry import absent

import numpy as np
import pytest

from tests.trackers.conftest import CONFIG, row, rows


def curve(points, name="train_loss"):
    return [(step, pytest.approx(value)) for step, value in points[name]]


def expected(*losses):
    return [(step, np.float32(loss)) for step, loss in enumerate(losses, 1)]


def test_it_has_every_figure_of_every_epoch_and_the_end_of_the_run(tracker):
    tracker.process([rows(1), rows(2), rows(3)])
    found = tracker.read()
    assert set(found.points) == {"train_loss", "accuracy", "lr", "seconds", "test/accuracy"}
    for name in set(row(1)) - {"epoch"}:
        assert curve(found.points, name) == [(each["epoch"], np.float32(each[name])) for each in rows(3)]
    assert curve(found.points, "test/accuracy") == [(3, np.float32(0.9))]
    assert found.pictures in (dict.fromkeys(("confusion_matrix", "scheduler"), steps) for steps in ([3], None))
    assert found.state in ("finished", None)


def test_the_keys_of_the_config_are_its_hyperparameters(tracker):
    tracker.process([rows(1)])
    found = tracker.read().config
    assert found.keys() == CONFIG.keys()
    for key, value in CONFIG.items():
        assert found[key] == value or str(found[key]) == str(value), key


def test_a_run_that_is_resumed_goes_on_in_the_same_curve(tracker):
    tracker.process([rows(1), rows(2)], end="stopped")
    assert tracker.read().state in ("failed", None)
    tracker.process([rows(2), rows(3), rows(4)])
    found = tracker.read()
    assert curve(found.points) == expected(1, 1 / 2, 1 / 3, 1 / 4)
    assert curve(found.points, "test/accuracy") == [(4, np.float32(0.9))]
    assert found.state in ("finished", None)


def test_no_point_comes_twice_where_a_run_is_resumed_from_an_earlier_epoch(tracker):
    tracker.process([rows(1), rows(2), rows(3)], end="killed")
    again = [*rows(1), row(2, 7.0), row(3, 7.0), row(4)]
    tracker.process([again[:1], again[:2], again[:3], again])
    kept = (7.0, 7.0) if tracker.name == "tensorboard" else (1 / 2, 1 / 3)  # a server forgets no point
    assert curve(tracker.read().points) == expected(1, *kept, 1 / 4)


def test_what_was_not_sent_before_comes_with_the_resumed_run(tracker):
    tracker.process([rows(1)], end="killed")
    tracker.process([rows(3), rows(4)])
    assert [step for step, _ in tracker.read().points["accuracy"]] == [1, 2, 3, 4]


def test_the_end_comes_once_though_a_finished_run_is_resumed(tracker):
    for _ in range(2):
        tracker.process([rows(2)])
    found = tracker.read()
    assert curve(found.points, "test/accuracy") == [(2, np.float32(0.9))]
    assert all(steps in ([2], None) for steps in found.pictures.values())


def test_a_loss_that_is_no_number_breaks_nothing(tracker):
    tracker.process([[row(1, float("nan"))], [row(1, float("nan")), row(2, float("inf"))]])
    assert [step for step, _ in tracker.read().points["accuracy"]] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"mlflow": 3}', b'{"mlflow": {"id": 5}}', b'{"mlflow": {"x": ""}}'])
def test_a_memory_that_is_damaged_is_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert Memory(tmp_path).of("mlflow") == Known()


def test_what_could_not_be_written_is_written_the_next_time(tmp_path, monkeypatch):
    memory = Memory(tmp_path / "missing")
    with pytest.raises(OSError, match="missing"):
        memory.keep("mlflow", Known("a", 3))
    (tmp_path / "missing").mkdir()
    memory.keep("mlflow", Known("a", 3))
    assert Memory(tmp_path / "missing").of("mlflow") == Known("a", 3)


def test_event_files_of_others_in_the_run_folder_stay(tmp_path):
    from utils.trackers.tensorboard import TensorBoard
    from utils.trackers.tracked import TrackedRun

    other = tmp_path / "events.out.tfevents.1.host.2.0"
    other.write_bytes(b"of the user")
    for _ in range(2):
        TensorBoard(TrackedRun(tmp_path, "", "", {})).close(finished=True)
    assert other.read_bytes() == b"of the user"
    assert len(list(tmp_path.glob("events*"))) == 2


def test_a_folder_of_the_name_is_no_package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tracker_of_nobody").mkdir()  # W&B makes such a one, wandb, wherever it runs
    assert absent(["tensorboard", "tracker_of_nobody"]) == ["tracker_of_nobody"]
