"""Paths as the page shows them."""

import ntpath
from types import SimpleNamespace

from utils.run_page import gallery


def test_images_on_two_drives_have_no_folder_in_common(monkeypatch):
    monkeypatch.setattr(gallery, "os", SimpleNamespace(path=ntpath))
    paths = ["C:\\data\\cat\\1.png", "C:\\data\\dog\\2.png"]
    assert gallery.common_root(paths) == "C:\\data"
    assert gallery.common_root([*paths, "D:\\3.png"]) == ""
