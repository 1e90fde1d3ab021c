"""The top of the page: the verdict in a sentence, and the figures with their intervals."""

from typing import Any

import numpy as np

from ..figures.intervals import Interval, wilson
from ..page.document import section, small
from ..page.markup import Html, both, join, tag, text
from ..page.parts import Column, table
from ..report.best_of_run import best_row
from .run_files import SPLITS, RunFiles

FIGURES = {  # key of <split>_results.json -> (English, Chinese, whether it is a share)
    "accuracy": ("accuracy", "准确率", True),
    "precision": ("precision (macro)", "精确率（宏平均）", True),
    "recall": ("recall (macro)", "召回率（宏平均）", True),
    "f1": ("F1 (macro)", "F1（宏平均）", True),
    "balanced_accuracy": ("balanced accuracy", "平衡准确率", True),
    "top_5_accuracy": ("accuracy, top 5", "前 5 准确率", True),
    "macro_auc": ("AUC, one against the rest (macro)", "AUC，一对多（宏平均）", False),
    "macro_average_precision": ("average precision (macro)", "平均精确率 AP（宏平均）", False),
    "cohens_kappa": ("Cohen's kappa", "Cohen κ 系数", False),
    "matthews_coefficient": ("Matthews' coefficient", "马修斯相关系数", False),
    "threshold": ("threshold of best F1", "F1 最佳阈值", False),
    "f1_at_threshold": ("F1 at this threshold", "该阈值下的 F1", True),
}


def percent(share: float) -> str:
    return "" if share != share else f"{100 * share:.1f} %"


def verdict(run: RunFiles, *, under_way: bool) -> Html:
    """One sentence on how good the network is, and one on what it is worst at."""
    if run.confusion is None or not run.confusion.sum():
        said = [_progress(run, under_way=under_way)]
    else:
        said = [_accuracy(run), _doubts(run), _worst(run)]
        said += [_progress(run, under_way=True)] if under_way else []
    return tag("div", *said, class_="verdict plain", id="verdict")


def _accuracy(run: RunFiles) -> Html:
    assert run.confusion is not None
    right = int(np.trace(run.confusion))
    images = int(run.confusion.sum())
    share = f"{percent(right / images)} {wilson(right, images)}"
    name, in_chinese = run.split_names
    english = f" of {images:,} {name} pictures are right"
    chinese = f"：{images:,} 张{in_chinese}图片的准确率"
    english += ", by which the epoch was chosen." if run.chosen_on else "."
    chinese += "（这一轮正是按它们选出的）。" if run.chosen_on else "。"
    return join([tag("b", share), both(english, chinese)])


def _doubts(run: RunFiles) -> Html:
    doubted = 0 if run.answers is None else int(run.answers.doubted().sum())
    if not doubted:
        return Html("")
    english = f" {doubted:,} may be mislabelled." if doubted > 1 else " One may be mislabelled."
    return both(english, f"{doubted:,} 张的标注可能有误。")


def _worst(run: RunFiles) -> Html:
    """The two classes that are taken for each other most, or the one that is taken for another."""
    assert run.confusion is not None
    mistakes = run.confusion - np.diag(np.diag(run.confusion))
    if not mistakes.any():
        return both(" No picture is wrong.", "没有一张判断错误。")
    pairs = mistakes + mistakes.T
    i, j = (int(k) for k in np.unravel_index(np.triu(pairs).argmax(), pairs.shape))
    if mistakes[i, j] and mistakes[j, i]:
        a, b = (tag("b", run.classes[k]) for k in (i, j))
        return both(
            join([" ", a, " and ", b, f" are taken for each other most, {_times(pairs[i, j])}."]),
            join([a, " 与 ", b, f" 最常混淆，共 {pairs[i, j]:,} 次。"]),
        )
    a, b = (tag("b", run.classes[k]) for k in ((i, j) if mistakes[i, j] else (j, i)))
    return both(
        join([" ", a, " is taken for ", b, f" most, {_times(pairs[i, j])}."]),
        join([a, " 最常被当作 ", b, f"，共 {pairs[i, j]:,} 次。"]),
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _progress(run: RunFiles, *, under_way: bool) -> Html:
    epochs = run.config.epochs
    if not run.epochs:
        return both("No epoch is finished yet.", "还没有完成一轮训练。")
    found = best_row(run.results)
    best = Html("")
    if found is not None:
        value, epoch = run.results[f"{found[1]}accuracy"][found[0]], run.results["epoch"][found[0]]
        english = f" The best accuracy so far is {percent(value)}, in epoch {epoch:.0f}."
        best = both(english, f"目前最好的准确率为 {percent(value)}（第 {epoch:.0f} 轮）。")
    said = both(f" Epoch {run.epochs} of {epochs} is finished.", f"已完成第 {run.epochs} 轮，共 {epochs} 轮。")
    again = both(" This page refreshes itself.", "本页会自动刷新。") if under_way else ""
    return join([said, best, again])


def figures(run: RunFiles) -> Html:
    """A column for each split that the network was judged by."""
    splits = [split for split in SPLITS if split in run.summaries]
    names = {split: both(SPLITS[split][0], f"{SPLITS[split][1]}集") for split in splits}
    if run.summaries.get("val", {}).get("chosen_on"):
        names["val"] = both("val (chosen on)", "验证集（据此选轮）")
    columns = [Column(both("figure", "指标"), numeric=False), *(Column(names[split]) for split in splits)]
    rows = [
        [both(english, chinese), *(_figure(run.summaries[split], key, share=share) for split in splits)]
        for key, (english, chinese, share) in FIGURES.items()
        if any(run.summaries[split].get(key) is not None for split in splits)
    ]
    if not rows:
        return Html("")
    images = [both("pictures", "图片数"), *(f"{run.summaries[split].get('images', 0):,}" for split in splits)]
    note = both(
        "Brackets: intervals of 95 %, Wilson's for the accuracy, by bootstrap over the pictures for the others.",
        "方括号内为 95 % 置信区间：准确率用 Wilson 区间，其余对图片做自助法（bootstrap）。",
    )
    label = both("Figures", "指标")
    return section("figures", label, table(columns, [images, *rows], label), small(note), _unreadable(run))


def _figure(summary: dict[str, Any], key: str, *, share: bool) -> Html:
    value = summary.get(key)
    interval = summary.get(f"{key}_interval")
    if value is None:
        return Html("")
    shown = percent(value) if share else f"{value:.4g}"
    if interval:
        between = Interval(*interval)
        shown += f" {between}" if share else f" [{between.low:.3g}, {between.high:.3g}]"
    return text(shown)


def _unreadable(run: RunFiles) -> Html:
    count = len(run.summaries[run.split].get("unreadable", ()))
    if not count:
        return Html("")
    return small(both(f"{count:,} pictures could not be read and are left out.", f"{count:,} 张图片无法读取，未计入。"))
