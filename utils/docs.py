"""Write what the documentation takes from the code: python -m utils.docs [--check]

Whole files: train_config.py and predict_config.py, the shipped configs. Between markers `<!-- name -->` and
`<!-- /name -->`: the tables of keys in docs/configuration.md and of networks in docs/networks.md. Everything else in
those two pages, and in all others, is written by hand. tests/test_docs_pages.py compares.
"""

import argparse
import dataclasses
import re
import sys
from collections.abc import Container, Sequence
from pathlib import Path

from models.catalogue import HEADERS, RIGHT, catalogue, cells

from .config import PredictConfig, TrainConfig
from .config.schema import literal, render
from .files import write_text

ROOT = Path(__file__).resolve().parents[1]
TRAIN_TITLE = """\
What train.py does: edit a value, save, run `python train.py`.

As shipped it trains on the embedded digits, within minutes on a CPU. For pictures of your own set img_path. A key that
is 'auto' gets its value as a run begins, from the pictures, the network, its weights and the machine; the log has it
and why. Set one, and it is as you say; the others are found beside it."""
PREDICT_TITLE = """\
What predict.py does: edit a value, save, run `python predict.py`.

As shipped it takes the best checkpoint of the newest run and an image of the embedded digits."""


def contents() -> dict[str, str]:
    """Path below the project's root -> what the file should hold. Raises ValueError where a page lacks a marker."""
    configuration, networks = (_read(f"docs/{name}.md") for name in ("configuration", "networks"))
    configuration = replaced(configuration, "train config", key_tables(TrainConfig))
    configuration = replaced(configuration, "predict config", key_tables(PredictConfig))
    return {
        "train_config.py": render(TrainConfig(), TRAIN_TITLE),
        "predict_config.py": render(PredictConfig(), PREDICT_TITLE),
        "docs/configuration.md": configuration,
        "docs/networks.md": replaced(networks, "networks", network_table()),
    }


def outdated() -> dict[str, str]:
    """The entries of `contents` that differ from what the files hold."""
    return {name: text for name, text in contents().items() if _read(name) != text}


def _read(name: str) -> str:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def replaced(page: str, name: str, content: str) -> str:
    """`page` with `content` between the markers of `name`. Raises ValueError unless there is one such pair."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if page.count(start) != 1 or page.count(end) != 1:
        raise ValueError(f"expected the markers {start.strip()} and {end} once each")
    before, rest = page.split(start)
    return f"{before}{start}\n{content}\n\n{end}{rest.split(end)[1]}"


def key_tables(schema: type) -> str:
    """A heading and a table for each group of keys of a config."""
    parts: list[str] = []
    rows: list[Sequence[str]] = []
    headers = ("key", "default", "takes", "meaning")
    for field in reversed(dataclasses.fields(schema)):
        kind, meaning, group = (field.metadata[name] for name in ("kind", "meaning", "group"))
        rows.insert(0, (f"`{field.name}`", f"`{literal(field.default)}`", kind.expects, meaning))
        if group:
            parts.insert(0, f"### {group}\n\n{markdown_table(headers, rows)}")
            rows = []
    return "\n\n".join(parts)


def network_table() -> str:
    """A row for each network."""
    return markdown_table(HEADERS, [cells(entry) for entry in catalogue()], RIGHT)


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Container[str] = ()) -> str:
    """Without spaces around the cells, which would make up a tenth of the pages. right: headers of number columns."""
    rule = ["--:" if name in right else "---" for name in headers]
    return "\n".join(f"|{'|'.join(row)}|" for row in (headers, rule, *(map(_escaped, row) for row in rows)))


def _escaped(cell: str) -> str:
    """A text that neither ends its cell nor is taken for HTML; code, in backticks, is never HTML."""
    return re.sub(r"[|]" if cell.startswith("`") else r"[|<]", r"\\\g<0>", cell)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m utils.docs", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a file is out of date")
    check = parser.parse_args(arguments).check
    changed = outdated()
    for name, text in changed.items():
        print(f"{'out of date' if check else 'wrote'}: {name}")
        if not check:
            write_text(ROOT / name, text)
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
