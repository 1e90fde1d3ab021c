"""Reading ahead: in order, while others compute, and never more than a few batches of it."""

import threading

from utils.config import PredictConfig
from utils.prediction.classifier import load_classifier
from utils.prediction.reading import AHEAD, read_ahead

import pytest
import torch

from tests.helpers.checkpoints import CPU, folder_with_best
from tests.helpers.runs import wait_for


def test_batches_come_in_order_whoever_is_read_first():
    late = threading.Event()

    def read(path):
        if path == "0":
            late.wait(10)
        elif path == "4":
            late.set()
        return path.upper()

    found = list(read_ahead(read, map(str, range(7)), 3))
    assert found == [[(str(i), str(i)) for i in part] for part in ((0, 1, 2), (3, 4, 5), (6,))]


def test_the_next_batch_is_read_while_one_is_computed_and_no_more_than_that():
    started = []
    batches = read_ahead(lambda path: started.append(path), map(str, range(1000)), 4)
    next(batches)
    wait_for(lambda: len(started) == (AHEAD + 1) * 4, 10)
    next(batches)
    wait_for(lambda: len(started) == (AHEAD + 2) * 4, 10)
    batches.close()
    assert len(started) == (AHEAD + 2) * 4


def test_what_reading_raises_reaches_whoever_asks():
    def read(path):
        raise ZeroDivisionError(path)

    with pytest.raises(ZeroDivisionError, match="a"):
        list(read_ahead(read, ["a", "b"], 1))


def test_the_answers_are_those_of_each_batch_by_itself_bit_for_bit(data, tmp_path):
    config = PredictConfig(load_from=str(folder_with_best(tmp_path)), device="cpu")
    classifier = load_classifier(config, CPU)
    (data / "val/bee/broken.png").write_bytes(b"no picture")
    paths = sorted(map(str, (data / "val").rglob("*.png")))
    found = [each for batch in classifier.in_batches(paths, 4, 3) for each in batch.predictions]
    assert [each.path for each in found] == paths
    assert [each.path for each in found if each.error] == [str(data / "val/bee/broken.png")]
    for start in range(0, len(paths), 4):
        read = {path: classifier.read(path) for path in paths[start : start + 4]}
        images = {path: image for path, image in read.items() if isinstance(image, torch.Tensor)}
        for path, row in zip(images, classifier.probabilities(torch.stack(list(images.values())))):
            [one] = [each for each in found if each.path == path]
            assert dict(one.ranked) == dict(zip(classifier.classes, row.tolist()))
