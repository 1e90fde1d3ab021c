"""Curves: of the run over its epochs, of each class over thresholds, and how far the probabilities can be trusted."""

from collections.abc import Sequence

import numpy as np

from ..figures.confidence import reliability, risk_by_coverage
from ..page.document import section, small
from ..page.markup import Html, both, tag
from ..page.parts import columns_of, table
from ..page.plot import Axis, Curve, plot
from ..report.answer_tables import PR, ROC, Points, read_points
from .run_files import SPLITS, RunFiles

MOST_CURVES = 10  # of classes or runs, in one plot
FEW = 20  # epochs below which each has a mark
EPOCH = both("epoch", "轮")
CONFIDENCE = {  # of <split>_results.json: (English, Chinese)
    "calibration_error": ("expected calibration error", "期望校准误差（ECE）"),
    "log_loss": ("log loss", "对数损失"),
    "brier": ("Brier score", "Brier 分数"),
}


def share(label: object) -> Axis:
    """Of 0 to 100 %."""
    return Axis(label, low=0.0, high=1.0, percent=True)


def over_epochs(run: RunFiles) -> Html:
    """Losses and scores of results.csv."""
    found = run.results
    if "train_loss" not in found:
        return Html("")
    names = {
        "train_loss": both("train", "训练"),
        "val_loss": both("val", "验证"),
        "ema_val_loss": both("val, averaged weights", "验证，平均权重"),
        "accuracy": both("accuracy", "准确率"),
        "f1": both("F1 (macro)", "F1（宏平均）"),
        "ema_accuracy": both("accuracy, averaged weights", "准确率，平均权重"),
        "ema_f1": both("F1 (macro), averaged weights", "F1（宏平均），平均权重"),
        "lr": both("learning rate", "学习率"),
    }

    def curves(*columns: str) -> list[Curve]:
        present = (column for column in columns if column in found)
        few = len(found["epoch"]) < FEW
        return [
            Curve(names[column], found["epoch"], found[column], place, column.startswith("ema_"), few)
            for place, column in enumerate(present)
        ]

    epoch = Axis(EPOCH)
    plots = [
        plot(both("Loss", "损失"), epoch, Axis("", low=0.0), curves("train_loss", "val_loss", "ema_val_loss")),
        plot(
            both("Scores on val", "验证集得分"),
            epoch,
            share(""),
            curves("accuracy", "f1", "ema_accuracy", "ema_f1"),
        ),
        plot(
            both("Learning rate at the end of each epoch", "每轮结束时的学习率"), epoch, Axis("", low=0.0), curves("lr")
        ),
    ]
    return section("curves", both("The run, epoch by epoch", "训练过程"), tag("div", *plots, class_="plots"))


def compared_epochs(runs: Sequence[tuple[str, dict[str, np.ndarray]]]) -> Html:
    """(name, columns of results.csv) of several runs, over each other."""
    trained = [(name, found) for name, found in runs if "train_loss" in found]

    def curves(column: str) -> list[Curve]:
        """Of averaged weights where the run has them, which are those that best.pth is mostly of."""
        found = []
        for k, (name, columns) in enumerate(trained[:MOST_CURVES]):
            values = columns.get(f"ema_{column}", columns[column])
            found.append(Curve(name, columns["epoch"], values, k, marks=len(values) < FEW))
        return found

    epoch = Axis(EPOCH)
    plots = [
        plot(both("Accuracy on val", "验证集准确率"), epoch, share(""), curves("accuracy")),
        plot(both("F1 on val (macro)", "验证集 F1（宏平均）"), epoch, share(""), curves("f1")),
        plot(both("Loss on val", "验证集损失"), epoch, Axis("", low=0.0), curves("val_loss")),
    ]
    heading = both("The runs, epoch by epoch", "训练过程")
    left = max(0, len(trained) - MOST_CURVES)
    note = small(both(f"Without {left} more runs.", f"另有 {left} 次训练未画出。")) if left else ""
    return section("curves", heading, tag("div", *plots, class_="plots"), note) if trained else Html("")


def by_class(run: RunFiles) -> Html:
    """roc.csv and pr.csv; of many classes the ones that are ranked worst."""
    areas = {row["class"]: float(row["auc"]) for row in run.per_class if row.get("auc")}
    names = sorted(areas, key=lambda name: areas[name])[:MOST_CURVES]
    if not names:
        return Html("")
    note = ""
    if len(areas) > len(names):
        note = both(
            f"The {len(names)} classes of the smallest AUC, of {len(areas):,}.",
            f"共 {len(areas):,} 个类别，此处为 AUC 最小的 {len(names)} 个。",
        )
    recall = both("recall", "召回率")
    roc = (
        (ROC, "false_positive_rate", "true_positive_rate"),
        both("ROC", "ROC 曲线"),
        both("false positives", "假阳性率"),
    )
    pr = (PR, "recall", "precision"), both("Precision against recall", "精确率与召回率"), recall
    plots = []
    for (file, across, down), title, label in (roc, pr):
        points = _points(run, file, across, down)
        curves = [Curve(name, *points[name], k) for k, name in enumerate(names) if name in points]
        plots.append(plot(title, share(label), share(""), curves))
    heading = both("Each class against the others, by threshold", "各类别随阈值的变化")
    return section("thresholds", heading, tag("div", *plots, class_="plots"), small(note) if note else "")


def _points(run: RunFiles, file: str, across: str, down: str) -> dict[str, Points]:
    """Of each class; empty where the file is missing."""
    path = run.folder / f"{run.prefix}{file}"
    return read_points(path, across, down) if path.is_file() else {}


def calibration(run: RunFiles) -> Html:
    """Whether a probability means what it says, and what is gained by leaving the unsure pictures to people."""
    parts: list[Html] = []
    if run.answers is not None and len(run.answers.paths):
        sure, right = run.answers.p_predicted, ~run.answers.wrong
        bins = reliability(sure, right)
        risk = risk_by_coverage(sure, right)
        said = both("said", "模型给出的概率")
        diagonal = np.array([0.0, 1.0])
        ideal = Curve(both("as it should be", "理想情况"), diagonal, diagonal, 9, dashed=True)
        found = Curve(both("found", "实际"), bins.confidence, bins.accuracy, 0, marks=True)
        reliable = plot(
            both("Right, of those with such a probability", "该概率下的实际准确率"),
            share(said),
            share(""),
            [found, ideal],
        )
        kept = np.arange(1, len(risk) + 1) / len(risk)
        coverage = plot(
            both("Wrong, of the surest pictures", "只看最有把握的图片时的错误率"),
            share(both("share of the pictures that are answered", "作答图片的比例")),
            Axis("", low=0.0, percent=True),
            [Curve(both("wrong", "错误率"), kept, risk, 1)],
        )
        parts.append(tag("div", reliable, coverage, class_="plots"))
    return section("calibration", both("Confidence", "置信度"), *parts, _before_and_after(run))


def _before_and_after(run: RunFiles) -> Html:
    rows = [
        [both(english, chinese), both(*names), f"{found[f'uncalibrated_{key}']:.4f}", f"{found[key]:.4f}"]
        for key, (english, chinese) in CONFIDENCE.items()
        for split, names in SPLITS.items()
        if (found := run.summaries.get(split, {})).get(key) is not None and f"uncalibrated_{key}" in found
    ]
    if not rows:
        return Html("")
    words = [("the less, the better", "越小越好"), ("split", "数据集")]
    columns = columns_of(words, [("as the network says", "校准前"), ("calibrated", "校准后")])
    temperature = run.summaries[run.split].get("temperature", 1.0)
    note = both(f"Temperature, fitted on val: {temperature:.3f}", f"温度（在验证集上拟合）：{temperature:.3f}")
    return Html(table(columns, rows, both("Confidence", "置信度")) + small(note))
