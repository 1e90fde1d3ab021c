"""predictions.csv read back, the labels that are doubted, and which images a page names."""

from utils.errors import DataError
from utils.run_page import choose as choosing
from utils.run_page.answers import Answers, read_answers
from utils.run_page.choose import LISTED, OF_CELL, OF_RIGHT, choose

import numpy as np
import pytest

from tests.run_page.conftest import judged, made_up_logits

NAMES = ["=ant", "b,e\ne", "cow"]


@pytest.fixture
def written(tmp_path):
    targets = np.repeat(np.arange(3), 20)
    logits = made_up_logits(targets, 3)
    paths = [f"+a {number}\n.png" for number in range(60)]
    return tmp_path, targets, logits, paths, judged(tmp_path, NAMES, targets, logits, paths)


def test_answers_come_back_as_they_were(written):
    folder, targets, logits, paths, found = written
    answers = read_answers(folder / "test_predictions.csv", NAMES)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert answers.paths == paths
    assert (answers.true == targets).all()
    assert (answers.predicted == logits.argmax(axis=1)).all()
    assert answers.p_predicted == pytest.approx(probabilities.max(axis=1), rel=1e-5)
    assert answers.loss == pytest.approx(-np.log(answers.p_true))
    assert (answers.confusion() == found.confusion).all()
    assert ((answers.rank == 1) == ~answers.wrong).all()


def test_a_folder_without_answers_has_none(tmp_path):
    assert read_answers(tmp_path / "predictions.csv", NAMES) is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("", "no column"),
        ("path,true\n", "no column"),
        ("a.png,cow,cow\n", r"row \d+: expected 11 cells"),
        ("a.png,cow,dog,0,0,0,0,1,0,0,1\n", r"row \d+: predicted: 'dog' is none of the classes"),
        ("a.png,cow,cow,much,0,0,0,1,0,0,1\n", "expected numbers in the columns"),
        ("a.png,cow,cow,nan,0,0,0,1,0,0,1\n", r"row \d+: expected numbers as p_true"),
    ],
)
def test_a_damaged_table_is_named(written, damage, message):
    path = written[0] / "test_predictions.csv"
    (written[0] / "test_results.json").unlink()  # which says that there are 60 rows
    path.write_text((path.read_text(encoding="utf-8") if damage[:1] == "a" else "") + damage, encoding="utf-8")
    with pytest.raises(DataError, match=rf"test_predictions\.csv: {message}"):
        read_answers(path, NAMES)


@pytest.mark.parametrize(
    ("column", "value"),
    [*(("rank", each) for each in ("1e300", "-5", "0", "1.5", "4", "inf")), ("p_true", "7"), ("p_predicted", "-1")],
)
def test_figures_that_no_network_has_are_named_with_their_row(tmp_path, column, value):
    row = {"path": "a.png", "true": "cow", "predicted": "cow", "p_true": "1.0000001", "p_predicted": "-1e-7"}
    row |= {"margin": "1", "loss": "0", "rank": "3"}
    path = tmp_path / "predictions.csv"
    lines = [",".join(cells) for cells in (row, row.values(), {**row, column: value}.values())]
    path.write_text("\n".join(lines[:2]), encoding="utf-8")
    assert read_answers(path, NAMES).rank.tolist() == [3]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=rf"predictions\.csv: row 3: {column}: expected .* in \S+, got "):
        read_answers(path, NAMES)


def answers_of(rows, classes=2):
    """rows: (true, predicted, p_true, p_predicted)"""
    true, predicted, p_true, p_predicted = map(np.array, zip(*rows))
    names = [str(k) for k in range(classes)]
    paths = [f"{i}.png" for i in range(len(rows))]
    return Answers(names, paths, true, predicted, p_true, p_predicted, -np.log(p_true), np.ones(len(rows), dtype=int))


def test_a_label_is_doubted_where_the_network_is_as_sure_of_another_class_as_of_its_own_images():
    sure = [(1, 1, 0.99, 0.99)] * 3 + [(0, 0, 0.92, 0.92)] * 3  # class 1: 0.99 on average, class 0 less
    less, as_much = (0, 1, 0.05, 0.95), (0, 1, 0.005, 0.995)
    assert answers_of([*sure, less, as_much]).doubted().tolist() == [False] * 7 + [True]


def test_a_weak_network_doubts_no_label():
    rows = [(0, 0, 0.55, 0.55), (1, 1, 0.6, 0.6), (0, 1, 0.2, 0.8), (1, 0, 0.11, 0.89)]
    assert not answers_of(rows).doubted().any()


def test_lists_begin_with_the_surest_mistake_and_the_highest_loss():
    rows = [(0, 1, 0.4, 0.6), (0, 1, 0.1, 0.9), (1, 1, 0.99, 0.99), (1, 0, 0.3, 0.7), (0, 0, 0.55, 0.55)]
    chosen = choose(answers_of(rows))
    assert chosen.confident == [1, 3, 0]
    assert chosen.losses == [1, 3, 0, 4, 2]
    assert chosen.cells == {(0, 1): [1, 0], (1, 0): [3], (0, 0): [4], (1, 1): [2]}  # mistakes first
    assert chosen.in_order() == [1, 3, 0, 4, 2]


def test_one_kind_of_mistake_does_not_fill_the_page():
    many = [(0, 1, 0.01, 0.9)] * 500 + [(1, 1, 0.7, 0.7)] * 500 + [(1, 0, 0.45, 0.55)]
    chosen = choose(answers_of(many))
    assert {cell: len(members) for cell, members in chosen.cells.items()} == {
        (0, 1): OF_CELL,
        (1, 0): 1,
        (1, 1): OF_RIGHT,
    }
    assert len(chosen.confident) == len(chosen.losses) == LISTED
    assert chosen.in_order().index(1000) <= 2 * LISTED  # read before the rest of the great cell


def test_many_classes_name_no_more_images_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(choosing, "MOST_NAMED", 500)
    true, predicted = np.random.default_rng(0).integers(0, 100, (2, 3000))
    halves = np.full(3000, 0.5)
    chosen = choose(Answers([str(k) for k in range(100)], [""] * 3000, true, predicted, halves, halves, halves, true))
    assert sum(map(len, chosen.cells.values())) == 500
