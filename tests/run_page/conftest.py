"""A made-up run with pictures, whose names would do harm to a page that did not escape them."""

import shutil

from utils.figures.summary import summarise
from utils.files import write_json
from utils.report.evaluation import write_tables
from utils.training.metrics import Answers

import numpy as np
import pytest
from PIL import Image

from tests.helpers import ROOT
from tests.helpers.runs import make_run

HARMFUL = ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a&amp;b 'c'", "类别 <b>"]
OF_EACH = 12
WITH_ANSWERS = "predictions.csv", "roc.csv", "pr.csv", "reliability.*", "curves.jpg", "val_results.json", "report.html"


def old_run(folder):
    """The run in logs as it would have been before there were answers of each picture."""
    return shutil.copytree(ROOT / "logs/resnet_18/exp0", folder, ignore=shutil.ignore_patterns(*WITH_ANSWERS))


def colour_of(number):
    """Of picture number so and so: no two are alike."""
    return 40 * (number // 36), 40 * (number // 6 % 6), 40 * (number % 6)


def made_up_logits(targets, classes, seed=0):
    """About two thirds are right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(targets), classes)).astype(np.float32)
    logits[np.arange(len(targets)), targets] += 1.5
    return logits


def judged(folder, names, targets, logits, paths, *, split="test", **changes):
    """The files of a run over classes `names` that was judged by these pictures."""
    prefix = "" if split == "val" else f"{split}_"
    found = summarise(logits, targets)
    make_run(folder, names, confusion=found.confusion, **changes)
    write_tables(folder, paths, Answers(np.arange(len(targets)), targets, logits), names, found, prefix=prefix)
    content = {"split": split, "chosen_on": split == "val", **found.overall(), "unreadable": []}
    write_json(folder / f"{split}_results.json", content)
    return found


@pytest.fixture(scope="session")
def harmful_run(tmp_path_factory):
    """A run folder; each picture is of one colour, that of its row in test_predictions.csv."""
    root = tmp_path_factory.mktemp("report")
    targets = np.repeat(np.arange(len(HARMFUL)), OF_EACH)
    paths = []
    for number in range(len(targets)):
        path = root / "pictures" / f"<img src=x onerror=alert({number})>.png"
        path.parent.mkdir(exist_ok=True)
        size = (24, 16) if number % 3 else (12, 54)
        Image.new("RGB", size, colour_of(number)).save(path)
        paths.append(str(path))
    judged(root / "exp0", HARMFUL, targets, made_up_logits(targets, len(HARMFUL)), paths)
    return root / "exp0"
