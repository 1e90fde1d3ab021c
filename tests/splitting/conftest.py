"""Folders of files to divide."""

import pytest


@pytest.fixture
def photos(tmp_path):
    """photos({"cat": ["a.png", ...]}) writes files of distinct bytes: without --max-side none is decoded."""

    def make(tree, name="photos"):
        for label, files in tree.items():
            for file in files:
                path = tmp_path / name / label / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(f"{label}/{file}".encode("utf-8", "surrogateescape"))
        return tmp_path / name

    return make
