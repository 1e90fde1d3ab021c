"""Tables: no text in them runs as a formula, and every text comes back as it was."""

import csv

from utils import tables
from utils.report import run_tables
from utils.training.metrics import metrics_from

import numpy as np
import pytest

FORMULAS = [
    "=1+1",
    "+A1",
    "-A1",
    "@SUM(A1)",
    "-1",
    "+1",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    '=HYPERLINK("http://x","y")',
    "-2+3",
]
PLAIN = ["cat", "猫", "a,b;c", 'quo"te', "two\nlines", "a\rb", "", " =1", "'tis", "'", "''", "<script>x()</script>"]
QUOTED = ["'=1", "''=1", "'-1", "'＝"]


@pytest.mark.parametrize("text", FORMULAS + QUOTED)
def test_what_begins_as_a_formula_begins_with_an_apostrophe(text):
    assert tables.inert(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay_as_they_are(text):
    assert tables.inert(text) == text


def test_every_text_comes_back_from_a_file_in_which_none_is_a_formula(tmp_path):
    texts = [*FORMULAS, *PLAIN, *QUOTED, "\udcff"]
    tables.write_csv(tmp_path / "x.csv", ["=header", "n"], [[text, i] for i, text in enumerate(texts)])
    assert tables.read_csv(tmp_path / "x.csv") == [{"=header": text, "n": str(i)} for i, text in enumerate(texts)]
    with open(tmp_path / "x.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    formulas = [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n＝"))]
    assert not formulas


def test_numbers_are_no_texts(tmp_path):
    tables.write_csv(tmp_path / "x.csv", ["a", "b"], [[-1, np.float64(-0.5)]])
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "a,b\n-1,-0.5\n"


def test_the_tables_of_a_run_give_the_true_names_of_classes(tmp_path):
    names = [*FORMULAS, *(name for name in PLAIN if name), *QUOTED]
    confusion = np.random.default_rng(0).integers(0, 9, (len(names),) * 2)
    run_tables.write_evaluation(tmp_path, confusion, metrics_from(confusion), names)
    run_tables.write_counts(tmp_path, names, confusion[0], confusion[1])
    assert run_tables.read_per_class(tmp_path)[0] == names
    read, counts = run_tables.read_confusion(tmp_path)
    assert read == names
    assert np.array_equal(counts, confusion)
    assert run_tables.read_counts(tmp_path)[0] == names
    run_tables.write_results_text(tmp_path, 1, metrics_from(confusion), names)
    assert len((tmp_path / run_tables.RESULTS_TEXT).read_text(encoding="utf-8").splitlines()) == 2
