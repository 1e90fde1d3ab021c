"""Every csv that is written: one function, UTF-8 without a byte order mark, lines that end in a line feed."""

import csv
import re
import shutil

from utils.costs.table import write_rows
from utils.prediction.predictions import Prediction, write_predictions
from utils.recipe.row import Row
from utils.run.folder import RunFolder

import pytest

from tests.helpers import ROOT
from tests.helpers.image_files import noisy_image
from tests.helpers.runs import make_run
from tools import check_data, create_data

NAMES = ["猫", "Zoë", "ant"]
FIRST = {  # file -> its first column, which a mark would rename for a script that reads plain UTF-8
    **{"results.csv": "epoch", "most_confused.csv": "true", "per_class.csv": "class", "class_counts.csv": "class"},
    **{"confusion_matrix.csv": "true \\ predicted", "recipe.csv": "key"},
    **{"predictions.csv": "path", "costs.csv": "network"},
    **{"files.csv": "path", "duplicates.csv": "set", "train.csv": "path", "val.csv": "path"},
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Name -> path of one csv of every kind, over classes whose names are not ASCII."""
    root = tmp_path_factory.mktemp("tables")
    make_run(root / "run", NAMES)
    RunFolder(root / "run").record_recipe([Row("epochs", 3, "è")])
    write_predictions(root / "predictions.csv", [Prediction("é.png", [("猫", 0.5), ("Zoë", 0.25)])], 2)
    write_rows(root / "costs.csv", [{"network": "é", "parameters": 1}])
    for label in NAMES:
        (root / "photos/train" / label).mkdir(parents=True)
        for number in range(4):
            noisy_image(label, number, (40, 32)).save(root / "photos/train" / label / f"é{number}.png")
    shutil.copytree(root / "photos/train/猫", root / "photos/train/猫/again")
    assert check_data.main([str(root / "photos")]) == 0
    assert create_data.main([str(root / "photos/train"), str(root / "divided"), "--manifest"]) == 0
    return {path.name: path for path in root.rglob("*.csv")}


def test_there_is_one_of_each_kind(tables):
    assert sorted(tables) == sorted(FIRST)


@pytest.mark.parametrize("name", FIRST)
def test_tables_are_plain_utf_8_and_their_lines_end_alike(name, tables):
    content = tables[name].read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf")
    assert not content.isascii() or name == "results.csv"  # which has no texts
    assert b"\r" not in content
    assert content.endswith(b"\n")
    with open(tables[name], encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))[FIRST[name]] is not None


def test_one_module_writes_them():
    files = [*(ROOT / "utils").rglob("*.py"), *(ROOT / "tools").glob("*.py"), *ROOT.glob("*.py")]
    writes = re.compile(r"\.(writer|DictWriter|to_csv|savetxt)\(")
    found = [path for path in files if writes.search(path.read_text(encoding="utf-8"))]
    assert found == [ROOT / "utils/tables.py"]
