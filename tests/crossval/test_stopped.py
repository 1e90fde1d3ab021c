"""Cross-validations that are stopped while a fold ends."""

import os
import signal

from utils.report.file_names import FOLDS
from utils.run.page import Page


def test_a_signal_that_comes_when_a_fold_is_done_stops_the_folds_that_are_left(photos, validate, monkeypatch):
    """Nothing of the fold is left to be saved, so that it ends well; the signal is not lost with it."""
    finish, runs = Page.finish, []

    def signalled(self):
        if not runs:
            os.kill(os.getpid(), signal.SIGTERM)
        runs.append(self)
        finish(self)

    monkeypatch.setattr(Page, "finish", signalled)
    status, out, err, folder = validate(photos, "--folds", 2)
    assert (status, len(runs), err.count("Traceback")) == (143, 1, 0)
    assert f"tools/cross_validate.py --resume {folder} goes on" in out
    fold = folder / "shufflenetv2_0.5" / "fold0"
    assert all((fold / name).is_file() for name in ("best.pth", "predictions.csv"))
    assert validate("--resume", folder)[0] == 0
    assert len(runs) == 2, "the fold that was done is not trained again"
    assert '"pooled"' in (folder / FOLDS).read_text()
