"""The confusion matrix, whose cells open their pictures, and a table of the classes that can be sorted."""

import numpy as np

from ..figures.intervals import wilson
from ..page.document import section, small
from ..page.markup import Html, both, join, tag
from ..page.parts import Cell, Column, columns_of, table
from ..report.run_tables import MOST_PAIRS, confused_pairs
from .run_files import RunFiles

MOST_CLASSES = 30  # rows of the matrix
STEPS = 9  # of the colours of its cells
FIGURES = {  # column of per_class.csv -> (English, Chinese)
    "precision": ("precision", "精确率"),
    "recall": ("recall", "召回率"),
    "f1": ("F1", "F1"),
    "auc": ("AUC", "AUC"),
    "average_precision": ("average precision", "AP"),
    "specificity": ("specificity", "特异度"),
}


def matrix(run: RunFiles) -> Html:
    if run.confusion is None:
        return Html("")
    shown = _shown(run.confusion)
    heading = both("Confusion matrix", "混淆矩阵")
    notes = [both("Rows: true. Columns: predicted.", "行：真实类别。列：预测类别。")]
    if run.answers is not None:
        notes.append(both(" A number opens its pictures.", "点击数字可查看图片。"))
    if len(shown) < len(run.confusion):
        english = f" Shown are the {len(shown)} of {len(run.confusion):,} classes with the most mistakes."
        notes.append(both(english, f"共 {len(run.confusion):,} 个类别，此处为错误最多的 {len(shown)} 个。"))
    grid = tag("div", _grid(run, shown), class_="scroll", tabindex=0)
    return section("matrix", heading, small(*notes), _picker(run), grid, _pairs(run))


def _shown(confusion: np.ndarray) -> list[int]:
    if len(confusion) <= MOST_CLASSES:
        return list(range(len(confusion)))
    mistakes = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diag(confusion)
    return sorted(np.argsort(-mistakes, kind="stable")[:MOST_CLASSES].tolist())


def _grid(run: RunFiles, shown: list[int]) -> Html:
    assert run.confusion is not None
    support = np.maximum(1, run.confusion.sum(axis=1))
    names = [tag("th", run.classes[k], scope="col") for k in shown]
    corner = tag("td", tag("span", both("true \\ predicted", "真实 \\ 预测"), class_="hidden"))
    rows = [tag("tr", corner, *names)]
    for i in shown:
        cells = [tag("td", _count(run, i, j, int(support[i]))) for j in shown]
        rows.append(tag("tr", tag("th", run.classes[i], scope="row"), *cells))
    head, *body = rows
    caption = tag("caption", both("Confusion matrix", "混淆矩阵"), class_="hidden")
    return tag("table", caption, tag("thead", head), tag("tbody", *body), class_="matrix")


def _count(run: RunFiles, i: int, j: int, support: int) -> Html:
    assert run.confusion is not None
    count = int(run.confusion[i, j])
    if not count:
        return Html("")
    colour = f"{'right' if i == j else 'wrong'} a{max(1, round(STEPS * count / support))}"
    return _opener(run, i, j, count, colour)


def _opener(run: RunFiles, i: int, j: int, count: int, colour: str = "") -> Html:
    """A number that opens the pictures of its cell, where there are some."""
    if run.answers is None:
        return tag("span", f"{count:,}", class_=f"cell {colour}".strip())
    label = f"{run.classes[i]} → {run.classes[j]}: {count:,}"
    return tag("button", f"{count:,}", type="button", class_=colour or None, data_cell=f"{i},{j}", aria_label=label)


def _picker(run: RunFiles) -> Html:
    """Two lists of classes, filled by the script, for the cells that the matrix has no room for."""
    if run.answers is None or len(run.classes) <= MOST_CLASSES:
        return Html("")
    true, predicted = (tag("select", id=name) for name in ("pick-true", "pick-predicted"))
    labels = tag("label", both("true ", "真实 "), true), tag("label", both("predicted ", "预测 "), predicted)
    return tag("div", *labels, tag("button", both("show", "查看"), type="button", id="pick"), class_="bar")


def _pairs(run: RunFiles) -> Html:
    assert run.confusion is not None
    pairs = confused_pairs(run.confusion, MOST_PAIRS)
    if not pairs:
        return Html("")
    counts = [("pictures", "图片数"), ("of the class", "占该类")]
    columns = columns_of([("true", "真实"), ("predicted", "预测")], counts)
    rows = [
        [run.classes[i], run.classes[j], Cell(_opener(run, i, j, count), count), Cell(f"{share:.1%}", share)]
        for i, j, count, share in pairs
    ]
    heading = both("Taken for another most often", "最常见的混淆")
    total = int(((run.confusion > 0) & ~np.eye(len(run.confusion), dtype=bool)).sum())
    left = ""
    if total > len(pairs):
        left = small(both(f"{len(pairs)} of {total:,} pairs.", f"共 {total:,} 对，此处为 {len(pairs)} 对。"))
    return join([tag("h3", heading), table(columns, rows, heading, sortable=True), left])


def per_class(run: RunFiles) -> Html:
    if not run.per_class:
        return Html("")
    present = [name for name in FIGURES if name in run.per_class[0]]
    split, in_chinese = run.split_names
    columns = [Column(both("class", "类别"), numeric=False), Column(both(f"in {split}", f"{in_chinese}集图片数"))]
    columns += [Column(both("in train", "训练集图片数"))] if run.counts else []
    columns += [Column(both(*FIGURES[name])) for name in present]
    rows = [[*_row(run, row), *(_share(row, name) for name in present)] for row in run.per_class]
    note = both(
        f"Of {split}. Brackets: intervals of 95 % (Wilson). The heading of a column sorts.",
        f"{in_chinese}集上的结果。方括号内为 95 % 置信区间（Wilson）。点击列标题可排序。",
    )
    heading = both("Class by class", "各类别")
    return section("classes", heading, small(note), table(columns, rows, heading, sortable=True))


def _row(run: RunFiles, row: dict[str, str]) -> list[object]:
    counts = run.counts.get(row["class"], ("", "")) if run.counts else ()
    return [row["class"], row.get("support", ""), *counts[:1]]


def _share(row: dict[str, str], name: str) -> object:
    if not row[name]:
        return ""
    value = float(row[name])
    support = int(row.get("support") or 0)
    interval = f" {wilson(round(value * support), support)}" if name == "recall" and support else ""
    return Cell(f"{100 * value:.1f}{interval}", value)
