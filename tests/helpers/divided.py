"""Divisions by tools/create_data.py, and the files that come of them."""

import os

from tests.helpers import ROOT
from tools.create_data import main

TOOL = ROOT / "tools" / "create_data.py"


def numbered(count, prefix=""):
    return [f"{prefix}{i:03d}.png" for i in range(count)]


def files(root):
    """Relative path -> bytes of every file below `root`."""
    return {str(p.relative_to(root)).replace(os.sep, "/"): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def create(*arguments):
    assert main([str(argument) for argument in arguments]) == 0
