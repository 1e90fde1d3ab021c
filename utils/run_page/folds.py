"""The page of a cross-validation: of all images, each judged by networks that never saw it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..page.document import section, small
from ..page.markup import Html, both
from ..page.parts import Column, table
from ..report.file_names import CONFIG, DIVISION, FIGURES, FOLDS
from ..report.run_tables import expecting
from ..tables import read_csv
from .classes import matrix, per_class
from .curves import by_class, calibration
from .look import Limits
from .origin import again, environment, recipe
from .overview import figures, verdict
from .read import read_object, read_out_of_fold
from .run_files import RunFiles
from .shell import REPORT, find_pictures, page_of, replace_page

HEADINGS = {
    "accuracy": ("accuracy", "准确率"),
    "precision": ("precision", "精确率"),
    "recall": ("recall", "召回率"),
    "f1": ("F1", "F1"),
    "log_loss": ("log loss", "对数损失"),
}


def write_fold_report(folder: Path, limits: Limits, *, language: str = "auto", target: Path | None = None) -> list[str]:
    """The page of a cross-validation in `target` or its folder; what it lacks, in words. Raises as `write_report`."""
    summary = read_object(folder / FOLDS)
    with expecting(folder / FOLDS, "what tools/cross_validate.py writes at its end"):
        folds = {row["fold"]: folder / row["run"] for row in summary["rows"] if row["repeat"] == 0}
        run = read_out_of_fold(folder, folds[0])
        by_fold = _folds(summary)
        repeat = again(run, _words(summary["request"], folder))
    found = find_pictures(run, limits, _run_of(run, folds))
    parts = [verdict(run, under_way=False), figures(run), by_fold, matrix(run), per_class(run), found.parts]
    parts += [by_class(run), calibration(run), recipe(run), environment(run), repeat]
    page = page_of(run, parts, language=language, data=found.data)
    return replace_page(target or folder / REPORT, page, found)


def _folds(summary: dict[str, Any]) -> Html:
    """A row for each fold, then their mean and standard deviation."""
    rows = summary["rows"]
    several = any(row["repeat"] for row in rows)
    names = [f"{row['repeat']}.{row['fold']}" if several else str(row["fold"]) for row in rows]
    cells = [[name, f"{row['images']:,}", *_figures(row)] for name, row in zip(names, rows)]
    cells += [[both("mean", "平均"), "", *_figures(summary["mean"])]]
    cells += [[both("standard deviation", "标准差"), "", *_figures(summary["sd"])]]
    columns = [Column(both("repeat.fold", "轮次.折") if several else both("fold", "折"), numeric=False)]
    columns += [Column(both("pictures", "图片数")), *(Column(both(*HEADINGS[name])) for name in FIGURES)]
    heading = both("Fold by fold", "各折结果")
    note = both(
        "Each network judges the fold that it was not trained on. Its epoch is the best one on that fold, which "
        "flatters the figures a little.",
        "每个网络只评估自己没有训练过的那一折；轮次也按该折选出，因此结果略偏乐观。",
    )
    return section("folds", heading, table(columns, cells, heading), small(note), _repeats(summary, several=several))


def _figures(row: dict[str, Any]) -> list[str]:
    return [f"{row[name]:.4f}" for name in FIGURES]


def _repeats(summary: dict[str, Any], *, several: bool) -> Html:
    """That a picture was judged several times, and what one network comes to."""
    if not several:
        return Html("")
    accuracy = f"{100 * summary['pooled']['accuracy']:.1f} %"
    return small(
        both(
            "Elsewhere on this page a picture has the mean of its probabilities over the repeats, which is better than "
            f"one network; a single one is right in {accuracy} on average.",
            f"本页其他部分对每张图片取各次重复的平均概率，优于单个网络；单个网络的平均准确率为 {accuracy}。",
        )
    )


def _run_of(run: RunFiles, folds: dict[int, Path]) -> Callable[[int], Path]:
    """The folder of the run that has judged an image in the first repeat, by its place in the answers."""
    table_of_folds = run.folder / DIVISION
    with expecting(table_of_folds, "columns path and fold_0"):
        place = {row["path"]: folds[int(row["fold_0"])] for row in read_csv(table_of_folds)}
    paths = run.answers.paths if run.answers else []
    return lambda i: place.get(paths[i], folds[0])


def _words(request: dict[str, Any], folder: Path) -> list[str]:
    """The words behind `python` that repeat it."""
    words = ["tools/cross_validate.py", str(request["img_path"])]
    words += ["--folds", str(request["folds"])] if request["folds"] else []
    words += ["--repeats", str(request["repeats"])] if request["repeats"] > 1 else []
    words += ["--group", request["group"]] if request["group"] else []
    return [*words, "--config", str(folder / CONFIG)]
