"""The lists of pictures: places that the script fills, and the data that it fills them from."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..page.document import section, small
from ..page.markup import Html, both, join, tag
from ..page.parts import Thumbnail
from ..text import printable
from .answers import Answers
from .choose import Chosen
from .look import Pictures

MOST_SETS = 40  # of pictures that look alike


def galleries(answers: Answers, chosen: Chosen, pictures: Pictures, file: str) -> Html:
    """file: the table that has all images."""
    wrong = int(answers.wrong.sum())
    doubted = int(answers.doubted().sum())
    lists = [
        _list("doubted", both("Labels to look at", "值得复查的标注"), chosen.doubted, doubted, file, DOUBTED),
        _list("confident", both("Wrong and most confident", "最自信的错误"), chosen.confident, wrong, file),
        _list("losses", both("Highest loss", "损失最大"), chosen.losses, len(answers.paths), file),
        _alike(pictures.alike),
    ]
    script = tag("noscript", tag("p", both("The pictures need JavaScript.", "查看图片需要 JavaScript。")))
    return join([script, *lists, _dialog()])


DOUBTED = both(
    "The network is as sure of another class as it is, on average, of the pictures that bear that one.",
    "网络对另一类别的把握，不低于它对该类图片的平均把握。",
)


def _list(name: str, heading: Html, shown: Sequence[int], total: int, file: str, note: Html | None = None) -> Html:
    if not shown:
        return Html("")
    left = both(
        f"{len(shown)} of {total:,}; all are in {file}.", f"共 {total:,} 张，此处 {len(shown)} 张；全部见 {file}。"
    )
    return section(name, heading, small(note or "", " ", left), tag("div", class_="pictures", data_list=name))


def _alike(sets: Sequence[Sequence[int]]) -> Html:
    """Sets of wrong pictures that look alike."""
    if not sets:
        return Html("")
    shown = min(len(sets), MOST_SETS)
    note = both(
        f"Wrong pictures that are the same or look alike: {shown} of {len(sets):,} sets.",
        f"判断错误且相同或相似的图片：共 {len(sets):,} 组，此处 {shown} 组。",
    )
    return section(
        "alike", both("Alike among the wrong", "错误图片中的相似图"), small(note), tag("div", class_="sets", id="sets")
    )


def _dialog() -> Html:
    """What a cell opens."""
    close = tag("button", both("close", "关闭"), type="button", class_="close")
    content = tag("p", class_="small", id="cell-note"), tag("div", class_="pictures", id="cell-pictures")
    return tag(
        "dialog", tag("h2", id="cell-title", tabindex=-1), close, *content, id="cell", aria_labelledby="cell-title"
    )


def gallery_data(
    answers: Answers, chosen: Chosen, pictures: Pictures, maps: Mapping[int, Sequence[Thumbnail]], file: str
) -> dict[str, Any]:
    """For the script: images by their place in `images`, which holds those that any list names."""
    lists = {"doubted": chosen.doubted, "confident": chosen.confident, "losses": chosen.losses}
    sets = pictures.alike[:MOST_SETS]
    named = dict.fromkeys(i for part in (*lists.values(), *sets, *chosen.cells.values()) for i in part)
    place = {i: k for k, i in enumerate(named)}
    root = common_root(answers.paths)
    confusion = answers.confusion()
    return {
        "classes": [printable(name) for name in answers.classes],
        "images": [_image(answers, i, root) for i in named],
        "thumbnails": {place[i]: [seen.small.uri, int(seen.small.tiny)] for i, seen in pictures.seen.items()},
        "unreadable": {place[i]: printable(reason) for i, reason in pictures.unreadable.items()},
        "maps": {place[i]: [[small.uri, int(small.tiny)] for small in found] for i, found in maps.items()},
        "lists": {name: [place[i] for i in members] for name, members in lists.items()},
        "sets": [[place[i] for i in members] for members in sets],
        "cells": {
            f"{i},{j}": [int(confusion[i, j]), [place[k] for k in members]] for (i, j), members in chosen.cells.items()
        },
        "file": file,
    }


def common_root(paths: Sequence[str]) -> str:
    """The folder that all lie in; '' where there is none."""
    if len({os.path.isabs(path) for path in paths}) != 1:
        return ""
    try:
        return os.path.commonpath([os.path.dirname(path) or "." for path in paths])
    except ValueError:  # on different drives of Windows
        return ""


def below(path: str, root: str) -> str:
    """The path as the page shows it. root: of `common_root`."""
    return os.path.relpath(path, root) if root else path


def _image(answers: Answers, i: int, root: str) -> list[Any]:
    """[path below what all have in common, true, predicted, p_true, p_predicted, loss, rank]"""
    figures = (float(f"{values[i]:.4g}") for values in (answers.p_true, answers.p_predicted, answers.loss))
    return [
        printable(below(answers.paths[i], root)),
        int(answers.true[i]),
        int(answers.predicted[i]),
        *figures,
        int(answers.rank[i]),
    ]
