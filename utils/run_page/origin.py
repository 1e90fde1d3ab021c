"""Where the network comes from: the keys that were found for it, the machine, and the command that repeats the run."""

import shlex
from collections.abc import Sequence
from typing import Any

from ..page.document import section
from ..page.markup import Html, both, tag
from ..page.parts import columns_of, table
from ..report.file_names import CONFIG
from .run_files import RunFiles


def recipe(run: RunFiles) -> Html:
    if not run.recipe:
        return Html("")
    columns = columns_of([("key", "配置项"), ("value", "值"), ("why", "理由")], [])
    rows = [[row["key"], row["value"], row["why"]] for row in run.recipe]
    heading = both("What 'auto' became", "'auto' 的取值")
    return section("recipe", heading, table(columns, rows, heading))


def environment(run: RunFiles) -> Html:
    facts = {key: value for key, value in run.environment.items() if key not in ("command", "resumed_by")}
    if not facts:
        return Html("")
    columns = columns_of([("fact", "项目"), ("value", "值")], [])
    heading = both("Environment", "运行环境")
    return section(
        "environment", heading, table(columns, [[key, _shown(value)] for key, value in facts.items()], heading)
    )


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def train_again(run: RunFiles) -> list[str]:
    """The words behind `python` that repeat a training."""
    return ["train.py", "--config", str(run.folder / CONFIG)]


def again(run: RunFiles, words: Sequence[str]) -> Html:
    """The command that began the run, and the one that repeats it with every key as it was: python and these words."""
    parts: list[object] = []
    command = run.environment.get("command")
    if isinstance(command, list):
        parts += [
            tag("p", both("It was started by", "启动命令")),
            tag("code", shlex.join(["python", *map(str, command)])),
        ]
    parts += [
        tag("p", both("This repeats it, with every key as it was", "以完全相同的配置重复这次训练")),
        tag("code", shlex.join(["python", *words])),
    ]
    return section("again", both("Again", "重复"), *parts)
