"""The page of several runs: which is better, whether chance explains it, and the pictures that they disagree on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..figures.intervals import wilson
from ..files import write_text
from ..page.document import document, section, small
from ..page.markup import Html, both, join, tag, text
from ..page.parts import Cell, Column, columns_of, language_button, table
from ..report.run_tables import read_results
from ..report.same_images import Pair, common_tables, compare_answers, metrics_of, read_common
from ..report.saved_answers import PREDICTIONS, SavedAnswers, split_of
from ..report.saved_run import describe_runs, names_of_runs
from .curves import compared_epochs
from .disagreements import disagreements
from .look import Limits
from .overview import percent
from .run_files import SPLITS

COMPARISON = "comparison.html"
MOST_BY_CLASS = 6  # runs with a column in the table of classes


@dataclass(frozen=True)
class Compared:
    name: str
    label: str  # the name, and the keys in which the configs differ
    answers: SavedAnswers | None  # None where the run has no table of the common split
    results: dict[str, np.ndarray]  # columns of results.csv
    accuracy: float  # this, and the next two: not of a run without a table, which comes behind all others
    f1: float  # macro
    class_f1: np.ndarray  # (K,)


def is_comparable(folder: Path) -> bool:
    """Whether the run has a table of images. Runs of older versions have none."""
    return (folder / PREDICTIONS).is_file()


def write_comparison(folders: Sequence[Path], target: Path, limits: Limits, *, language: str = "auto") -> list[str]:
    """The page of several runs in `target`; what it lacks, in words. Raises DataError or ConfigError.

    folders: some of which `is_comparable`.
    """
    answers = read_common(folders)
    runs = _ranked(folders, answers)
    judged = [run for run in runs if run.answers is not None]
    pairs = compare_answers({run.name: run.answers for run in judged if run.answers is not None})
    naming = _naming(common_tables(folders).values())
    pictures, notes = disagreements([(run.name, run.answers) for run in judged if run.answers], limits)
    parts = [_verdict(judged, pairs, naming), _table(runs, naming), _pairs(pairs, naming), pictures, _by_class(judged)]
    parts.append(compared_epochs([(run.name, run.results) for run in runs]))
    title = both(f"{len(runs)} runs compared", f"{len(runs)} 次训练的比较")
    body = join([language_button(), tag("header", tag("h1", title)), tag("main", *parts)])
    write_text(target, document(f"{len(runs)} runs", body, language=language, script=""))
    return notes


def _naming(tables: Iterable[Path]) -> tuple[str, str]:
    """What the images that the runs are compared by are called, in English and Chinese."""
    splits = {split_of(path) for path in tables}
    split = splits.pop() if len(splits) == 1 else None
    return SPLITS[split] if split else ("evaluated", "评估")


def _ranked(folders: Sequence[Path], answers: Mapping[str, SavedAnswers]) -> list[Compared]:
    """The best accuracy first, those without a table last."""
    found = []
    for folder, name, label in zip(folders, names_of_runs(folders), describe_runs(folders)):
        of_run = answers.get(name)
        metrics = metrics_of(of_run) if of_run else None
        figures = (metrics.accuracy, metrics.f1, metrics.class_f1) if metrics else (-1.0, -1.0, np.empty(0))
        found.append(Compared(name, label, of_run, read_results(folder), *figures))
    return sorted(found, key=lambda run: -run.accuracy)


def _verdict(runs: Sequence[Compared], pairs: Sequence[Pair], naming: tuple[str, str]) -> Html:
    """The best run, and whether it differs from the one behind it."""
    best = runs[0]
    assert best.answers is not None
    images = len(best.answers.paths)
    share = tag("b", percent(best.accuracy))
    said = both(
        join([tag("b", best.name), " is right in ", share, f" of {images:,} {naming[0]} pictures."]),
        join([tag("b", best.name), f" 在 {images:,} 张{naming[1]}图片上的准确率为 ", share, "。"]),
    )
    if len(runs) < 2:
        return tag("div", said, class_="verdict plain", id="verdict")
    second = runs[1]
    assert second.answers is not None
    [pair] = [pair for pair in pairs if (pair.first, pair.second) == (best.name, second.name)]
    same = pair.images == images == len(second.answers.paths)
    return tag("div", said, _against(pair, same=same), class_="verdict plain", id="verdict")


def _against(pair: Pair, *, same: bool) -> Html:
    """By the pictures of both, which may be others than those of each: so may the better one.  same: they are not."""
    better, worse = (tag("b", name) for name in (pair.first, pair.second))
    if pair.found is None:
        return both(
            join([" ", worse, " was judged by other pictures, so that the two cannot be compared."]),
            join([worse, " 是用别的图片评估的，两者无法比较。"]),
        )
    if pair.found.value < 0:
        better, worse = worse, better
    if pair.found.differs:
        english = [" ", better, " is better than ", worse, ", and chance does not explain it."]
        chinese = [better, " 优于 ", worse, "，差异无法用偶然解释。"]
    else:
        english = [" ", better, " cannot be told apart from ", worse, f": {pair.images:,} pictures do not decide it."]
        chinese = [better, " 与 ", worse, f" 的差异无法由这 {pair.images:,} 张图片判定。"]
    if not same:
        english = [f" Of the {pair.images:,} pictures of both:", *english]
        chinese = [f"就共同的 {pair.images:,} 张图片而言：", *chinese]
    return both(join(english), join(chinese))


def _table(runs: Sequence[Compared], naming: tuple[str, str]) -> Html:
    pictures = f"{naming[0]} pictures", f"{naming[1]}集图片数"
    figures = ("accuracy", "准确率"), ("F1 (macro)", "F1（宏平均）"), ("log loss", "对数损失"), ("epochs", "轮数")
    columns = columns_of([("run", "训练")], [pictures, *figures], [("what sets it apart", "配置差异")])
    heading = both("Runs", "各次训练")
    note = both("Brackets: intervals of 95 % (Wilson).", "方括号内为 95 % 置信区间（Wilson）。")
    lacking = [run.name for run in runs if run.answers is None]
    if lacking:
        names = ", ".join(lacking)
        english = f" No predictions.csv that could be compared: {names}."
        note = join([note, both(english, f"没有可比较的 predictions.csv：{names}。")])
    shown = table(columns, [_row(run) for run in runs], heading, sortable=True)
    return section("runs", heading, shown, small(note))


def _row(run: Compared) -> list[object]:
    epochs = len(run.results.get("epoch", ())) if "train_loss" in run.results else ""
    apart = run.label.partition(": ")[2]
    if run.answers is None:
        return [run.name, "", "", "", "", epochs, apart]
    images = len(run.answers.paths)
    right = int((run.answers.labels == run.answers.predicted).sum())
    accuracy = Cell(f"{percent(run.accuracy)} {wilson(right, images)}", run.accuracy)
    loss = float(run.answers.losses.mean()) if images else float("nan")
    f1 = Cell(percent(run.f1), run.f1)
    return [run.name, f"{images:,}", accuracy, f1, f"{loss:.4f}", epochs, apart]


def _pairs(pairs: Sequence[Pair], naming: tuple[str, str]) -> Html:
    rows = [_pair(pair) for pair in pairs]
    if not rows:
        return Html("")
    figures = [("pictures of both", "共同图片数"), ("difference, points", "准确率之差（百分点）")]
    figures += [("first alone right", "仅前者正确"), ("second alone right", "仅后者正确"), ("p", "p 值")]
    columns = columns_of([("first", "前者"), ("second", "后者")], figures, [("verdict", "结论")])
    heading = both("Does chance explain it?", "差异是否出于偶然")
    note = both(
        f"On the same {naming[0]} pictures. Brackets: intervals of 95 %, by bootstrap over the pictures; p by "
        "McNemar's test. They differ where both say so.",
        f"基于相同的{naming[1]}集图片。方括号内为对图片自助抽样得到的 95 % 区间；p 值来自 McNemar 检验；"
        "两者一致时才判定为有差异。",
    )
    return section("pairs", heading, table(columns, rows, heading), small(note))


def _pair(pair: Pair) -> list[object]:
    found = pair.found
    if found is None:
        return [pair.first, pair.second, "0", "", "", "", "", both("no picture in common", "没有共同的图片")]
    verdict = both("differs", "有差异") if found.differs else both("cannot be told apart", "无法区分")
    counts = f"{found.only_first:,}", f"{found.only_second:,}"
    shown = f"{100 * found.value:+.1f} {found.interval}"
    return [pair.first, pair.second, f"{pair.images:,}", shown, *counts, f"{found.p_value:.3g}", verdict]


def _by_class(runs: Sequence[Compared]) -> Html:
    """F1 of each class, of the best runs that know the same classes."""
    answers = runs[0].answers
    assert answers is not None
    same = [run for run in runs if run.answers is not None and run.answers.classes == answers.classes][:MOST_BY_CLASS]
    if len(same) < 2:
        return Html("")
    support = np.bincount(answers.labels, minlength=len(answers.classes))
    columns = [Column(both("class", "类别"), numeric=False), Column(both("pictures", "图片数"))]
    columns += [Column(text(run.name)) for run in same]
    figures = np.stack([run.class_f1 for run in same], axis=1)
    rows = [
        [name, int(count), *(Cell(f"{100 * value:.1f}", float(value)) for value in values)]
        for name, count, values in zip(answers.classes, support, figures)
    ]
    heading = both("F1 of each class", "各类别的 F1")
    return section("classes", heading, table(columns, rows, heading, sortable=True))
