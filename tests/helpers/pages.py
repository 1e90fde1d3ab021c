"""The pages of the documentation and their blocks, and the text of every test that they may name."""

import re
from typing import NamedTuple

from tests.helpers import ROOT

PATTERNS = ("*.md", "docs/*.md", "docs/zh/*.md")
PAGES = {path.relative_to(ROOT).as_posix(): path for pattern in PATTERNS for path in ROOT.glob(pattern)}
CHINESE = sorted(name for name in PAGES if name.startswith("docs/zh/"))
GUIDES = sorted(name for name in PAGES if name.startswith("docs/") and name not in CHINESE)
READMES = ("README.md", "README.zh.md")
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
TESTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/*.py")}
INSTALL = "python -m pip install -r requirements.txt"


class Block(NamedTuple):
    language: str
    text: str


def blocks(name: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", TEXTS[name], re.MULTILINE | re.DOTALL)]
