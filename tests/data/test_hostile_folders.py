"""Folders that someone made to hang or crash whoever reads them."""

import inspect
import os
import sys
import time
from functools import partial

from utils.data.images import read_image
from utils.data.listing import find_images, scan
from utils.data.preprocess import Preprocess
from utils.errors import DataError
from utils.prediction.classifier import Classifier
from utils.prediction.predictions import write_predictions
from utils.tables import read_csv

import pytest
import torch
from PIL import Image

from tests.helpers.networks import Recorder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs links, pipes and names of any bytes")


@pytest.fixture
def root(tmp_path):
    """A folder of one class with one image, a/x.png."""
    folder = tmp_path / "root" / "a"
    folder.mkdir(parents=True)
    Image.new("RGB", (4, 4), "red").save(folder / "x.png")
    return folder.parent


def ladder(folder, rungs=30):
    """Each folder has two links to the next one: the ways to the last are 2 ** rungs."""
    for number in range(rungs + 1):
        (folder / f".{number}").mkdir()
    for number in range(rungs):
        for name in "lr":
            (folder / f".{number}" / name).symlink_to(folder / f".{number + 1}", target_is_directory=True)
    (folder / "top").symlink_to(folder / ".0", target_is_directory=True)
    Image.new("RGB", (4, 4)).save(folder / f".{rungs}" / "end.png")


def circles(folder):
    for name in "lr":
        (folder / name).symlink_to(folder, target_is_directory=True)


def pipes_and_devices(folder):
    os.mkfifo(folder / "pipe.jpg")
    for name, target in (("zero.png", "/dev/zero"), ("terminal.gif", "/dev/tty"), ("self.png", "self.png")):
        (folder / name).symlink_to(target)


def deep_nest(folder, name="d", depth=300):
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


@pytest.mark.parametrize("look", ["folder", "glob", "scan"])
@pytest.mark.parametrize(("make", "found"), [(ladder, 2), (circles, 1), (pipes_and_devices, 1), (deep_nest, 1)])
def test_no_folder_takes_forever(root, make, found, look, request):
    make(root / "a")
    request.addfinalizer(partial(sys.setrecursionlimit, sys.getrecursionlimit()))
    sys.setrecursionlimit(len(inspect.stack()) + 150)  # in place of a folder so deep that removing it takes seconds
    start = time.monotonic()
    if look == "scan":
        images = scan(root)
        assert len(images) == found
        assert any("left out" in note for note in images.notes) or make is deep_nest
    else:
        assert len(find_images(str(root) if look == "folder" else f"{root}/**/*.png")) == found
    assert time.monotonic() - start < 10


def test_a_folder_deeper_than_a_path_may_be_is_named_on_one_line(root):
    deep_nest(root / "a", name="d" * 200, depth=25)
    with pytest.raises(DataError, match="name too long") as caught:
        scan(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_named_by_itself_is_refused(tmp_path, make):
    make(tmp_path / "x.jpg")
    with pytest.raises(DataError, match="no regular file"):
        find_images(str(tmp_path / "x.jpg"))
    with pytest.raises(DataError, match="no regular file"):
        read_image(tmp_path / "x.jpg")


def test_a_file_without_permission_is_reported(root, monkeypatch):
    """Simulated, because root may read everything."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(DataError, match="no permission"):
        read_image(root / "a" / "x.png")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="no permission|Permission denied"):
        scan(root)
    with pytest.raises(DataError, match="Permission denied"):
        find_images(str(root))


NAMES = [
    b"line\nbreak.png",
    b"\xff\xfe.png",
    b"=1+1.png",
    b"\x1b[2J.png",
    b"'quote\".png",
    b",;\t.png",
    b"x" * 250 + b".png",
]


def test_a_row_for_every_file_whatever_its_name(root):
    for name in NAMES:
        os.link(root / "a" / "x.png", os.path.join(os.fsencode(root / "a"), name))
    paths = find_images(str(root))
    assert {os.fsencode(os.path.basename(path)) for path in paths} == {*NAMES, b"x.png"}
    steps = Preprocess((4, 4), (4, 4), (0.5,) * 3, (0.5,) * 3)
    classes = ['=HYPERLINK("http://x")', "two\nlines"]
    predictions = Classifier(root, Recorder(), classes, steps, torch.device("cpu"), None, False, "").predict(paths, 2)
    for ending in ("csv", "json"):
        write_predictions(root / f"out.{ending}", predictions, 2)
    rows = read_csv(root / "out.csv")
    assert [row["path"] for row in rows] == paths
    assert {row["class_1"] for row in rows} == {classes[0]}
    assert not any(row["error"] for row in rows)
