"""What an evaluation counts, beside its loss and confusion matrix: each with a small meter of its own."""

from utils import distributed
from utils.config.keys import TrainConfig
from utils.data.listing import scan
from utils.data.loaders import val_loader
from utils.data.preprocess import Preprocess
from utils.training.evaluate import evaluate, evaluate_classes

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from tests.helpers.steps import CLASSES, SIDE, linear, recipe


@pytest.fixture
def loader(image_folder):
    """The val images of three classes, one pass a call."""
    root = image_folder({"val": {"ant": 3, "bee": 2, "cow": 4}}, size=(8, 8))
    config = TrainConfig.plain(img_size=(SIDE, SIDE), val_resize=(SIDE, SIDE), batch_size=2)
    images = scan(root / "val", ["ant", "bee", "cow"])
    return val_loader(config, images, Preprocess.from_config(config), rank=0, world_size=1, workers=0, pin=False)


class Table:
    """A row for every image: index, true class, predicted, probability of that."""

    def __init__(self):
        self.rows = []

    def update(self, batch, logits):
        top = logits.softmax(1).max(1)
        self.rows += zip(batch.indices.tolist(), batch.targets.tolist(), top.indices.tolist(), top.values.tolist())

    def reduce(self):
        self.rows = sorted(row for rows in distributed.gather(self.rows) for row in rows)

    def result(self):
        return self.rows


class Scores:
    """Probabilities and true classes, from which the area under the ROC curve and calibration follow."""

    def __init__(self):
        self.probabilities, self.targets = [], []

    def update(self, batch, logits):
        self.probabilities.append(logits.softmax(1))
        self.targets.append(batch.targets)

    def reduce(self):
        self.probabilities = torch.cat(distributed.gather(torch.cat(self.probabilities))).numpy()
        self.targets = torch.cat(distributed.gather(torch.cat(self.targets))).numpy()

    def auc(self):
        return roc_auc_score(self.targets, self.probabilities, multi_class="ovr")

    def calibration(self):
        """Share of right answers less mean confidence."""
        right = self.probabilities.argmax(1) == self.targets
        return right.mean() - self.probabilities.max(1).mean()


def test_a_table_of_every_image_agrees_with_the_confusion_matrix(loader):
    table = Table()
    evaluate([linear()], loader, recipe(), [[table]])
    [evaluation] = evaluate_classes([linear()], loader, recipe(), CLASSES)
    assert [row[0] for row in table.result()] == list(range(len(loader.dataset)))
    counts = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for _, true, predicted, _ in table.result():
        counts[true, predicted] += 1
    assert np.array_equal(counts, evaluation.confusion.numpy())


def test_figures_that_need_every_probability(loader):
    scores = Scores()
    evaluate([linear()], loader, recipe(), [[scores]])
    assert 0 <= scores.auc() <= 1
    assert -1 <= scores.calibration() <= 1


def test_each_model_has_meters_of_its_own(loader):
    one = linear()
    other = linear()
    nn.init.normal_(other[-1].weight)
    first = Table()
    second = Table()
    evaluate([one, other], loader, recipe(), [[first], [second]])
    alone = Table()
    evaluate([other], loader, recipe(), [[alone]])
    assert second.result() == alone.result()
    assert first.result() != second.result()
