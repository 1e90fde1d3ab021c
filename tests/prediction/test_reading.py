"""Reading for a prediction: in order, by threads or by processes, with the same answers."""

import multiprocessing
import time
from types import SimpleNamespace

from utils.config import PredictConfig
from utils.data import workers
from utils.errors import ImageError
from utils.prediction import classifier as in_classifier
from utils.prediction.classifier import load_classifier
from utils.prediction.reading import Reader, processes_for, read_by_threads

import pytest
import torch

import predict
from tests.helpers.checkpoints import CPU, folder_with_best


def test_nothing_is_read_while_a_batch_is_computed_in_this_process(monkeypatch):
    started = []
    monkeypatch.setattr(Reader, "__call__", lambda self, path: started.append(path) or ImageError(path))
    batches = read_by_threads(Reader(steps=None), map(str, range(9)), 4)
    assert next(batches).paths == ["0", "1", "2", "3"]
    time.sleep(0.05)
    assert len(started) == 4
    assert [batch.paths for batch in batches] == [["4", "5", "6", "7"], ["8"]]


def test_what_reading_raises_reaches_whoever_asks(monkeypatch):
    def read(self, path):
        raise ZeroDivisionError(path)

    monkeypatch.setattr(Reader, "__call__", read)
    with pytest.raises(ZeroDivisionError, match="a"):
        list(read_by_threads(Reader(steps=None), ["a", "b"], 1))


def test_the_answers_are_those_of_each_batch_by_itself_bit_for_bit(data, tmp_path):
    config = PredictConfig(load_from=str(folder_with_best(tmp_path)), device="cpu")
    classifier = load_classifier(config, CPU)
    (data / "val/bee/broken.png").write_bytes(b"no picture")
    paths = sorted(map(str, (data / "val").rglob("*.png")))
    found = [each for batch in classifier.in_batches(paths, 4, 3) for each in batch.predictions]
    assert [each.path for each in found] == paths
    assert [each.path for each in found if each.error] == [str(data / "val/bee/broken.png")]
    for start in range(0, len(paths), 4):
        read = {path: classifier.reader(path) for path in paths[start : start + 4]}
        images = {path: image for path, image in read.items() if isinstance(image, torch.Tensor)}
        for path, row in zip(images, classifier.probabilities(torch.stack(list(images.values())))):
            [one] = [each for each in found if each.path == path]
            assert dict(one.ranked) == dict(zip(classifier.classes, row.tolist()))


def by_processes(monkeypatch, number):
    """Whatever the device; returns how many images it was asked for."""
    asked = []
    monkeypatch.setattr(in_classifier, "processes_for", lambda device, count, *_: asked.append(count) or number)
    return asked


@pytest.mark.parametrize("tta", ["none", "crops5"])
def test_processes_give_the_answers_of_threads(data, tmp_path, monkeypatch, tta):
    (data / "val/bee/broken.png").write_bytes(b"no picture")
    settings = dict(load_from=str(folder_with_best(tmp_path)), predict_img_path=str(data / "val"), device="cpu")
    config = PredictConfig(**settings, batch_size=4, tta=tta, output=str(tmp_path / "out.csv"))
    found = [predict.run(config), (tmp_path / "out.csv").read_bytes()]
    asked = by_processes(monkeypatch, 2)
    assert [predict.run(config), (tmp_path / "out.csv").read_bytes()] == found
    assert asked == [12]  # 10 images in batches of 4
    assert [each.path for each in found[0] if each.error] == [str(data / "val/bee/broken.png")]


def test_processes_end_with_the_answers_that_are_taken(data, tmp_path, monkeypatch):
    config = PredictConfig(load_from=str(folder_with_best(tmp_path)), device="cpu")
    by_processes(monkeypatch, 2)
    paths = sorted(map(str, (data / "val").rglob("*.png")))
    batches = load_classifier(config, CPU).in_batches(paths * 50, 2, 1, 450)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    batches.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("device", "count", "free", "expected"),
    [
        ("cuda", 512, 2**30, 16),
        ("cuda", 511, 2**30, 0),  # not a batch for each
        ("cuda", 512, 40 * 2**20, 3),  # (35 MiB / 4.6 - 1) / 2
        ("cuda", 512, 2**20, 0),
        ("cpu", 10**6, 2**30, 0),
        ("mps", 10**6, 2**30, 0),
    ],
)
def test_processes_read_where_there_are_many_images_for_a_gpu(monkeypatch, tmp_path, device, count, free, expected):
    monkeypatch.setattr(workers, "available_cores", lambda: 16)
    monkeypatch.setattr(workers, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(workers.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    assert processes_for(torch.device(device), count, 32, (224, 224)) == expected
