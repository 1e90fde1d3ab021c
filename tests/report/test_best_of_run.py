"""Which epoch is marked: that of best.json, else the best by the figures."""

from utils.errors import DataError
from utils.report.best_of_run import row_of_best, write

import numpy as np
import pytest

RESULTS = {
    "epoch": np.array([1.0, 2.0, 3.0]),
    "accuracy": np.array([0.5, 0.7, 0.6]),
    "val_loss": np.array([0.9, 0.8, 0.7]),
    "ema_accuracy": np.array([0.4, 0.5, 0.6]),
    "ema_val_loss": np.array([0.9, 0.9, 0.9]),
}


def test_a_run_without_the_file_goes_by_its_figures(tmp_path):
    assert row_of_best(tmp_path, RESULTS, "accuracy") == (1, "")
    assert row_of_best(tmp_path, RESULTS, "val_loss") == (2, "")
    assert row_of_best(tmp_path, {}, "val_loss") is None


@pytest.mark.parametrize(("epoch", "weights", "row"), [(1, "raw", (0, "")), (3, "averaged", (2, "ema_"))])
def test_the_file_goes_before_the_figures(tmp_path, epoch, weights, row):
    write(tmp_path, epoch, weights, "val_loss")
    assert row_of_best(tmp_path, RESULTS, "accuracy") == row


def test_an_epoch_that_the_table_does_not_have_is_not_marked(tmp_path):
    """best.pth is of one that comes again."""
    write(tmp_path, 4, "raw", "accuracy")
    assert row_of_best(tmp_path, RESULTS, "accuracy") == (1, "")
    assert row_of_best(tmp_path, {}, "accuracy") is None


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"epoch": "1", "weights": "raw"}', '{"epoch": 1, "weights": "net"}', "[" * 9**6]
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "best.json").write_text(text)
    with pytest.raises(DataError, match=r"best\.json: expected an epoch, and weights among raw, averaged"):
        row_of_best(tmp_path, RESULTS, "accuracy")
