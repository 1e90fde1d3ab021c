"""Which images a folder holds: class lists, what is left out, names of every kind."""

import os
import sys
from collections import Counter
from pathlib import Path

from utils.data.listing import EXTENSIONS, find_images, notes_of_folders, scan
from utils.data.source import PackedPaths, pack_paths
from utils.data.traversal import list_classes
from utils.errors import DataError

import numpy as np
import pytest


@pytest.fixture
def touch(tmp_path):
    """touch("a/x.png", ...) makes these files, which nothing here decodes; returns the root."""

    def make(*names):
        for name in names:
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "root"

    return make


def relative(images):
    return [path.replace(os.sep, "/") for path in images.paths]


def test_classes_are_the_sorted_names_of_folders_with_images(touch):
    root = touch("dog/b.png", "dog/a.png", "Cat/x.png", "10/x.png", "9/x.png", "loose.png")
    images = scan(root)
    assert images.classes == ("10", "9", "Cat", "dog")
    assert list(images.classes) == list_classes(root)
    assert relative(images) == ["10/x.png", "9/x.png", "Cat/x.png", "dog/a.png", "dog/b.png"]
    assert images.targets.tolist() == [0, 1, 2, 3, 3]
    assert images.counts().tolist() == [1, 1, 1, 2]
    assert [Path(images.name(i)).is_file() for i in range(len(images))] == [True] * 5


def test_hidden_system_and_empty_folders_are_left_out_and_said_so(touch):
    root = touch("cat/x.png", ".ipynb_checkpoints/x.png", "__MACOSX/x.png", "cat/.hidden/x.png", "cat/__MACOSX/x.png")
    touch("cat/._x.png", "notes/readme.txt")
    (root / "empty").mkdir()
    images = scan(root)
    assert images.classes == ("cat",) == tuple(list_classes(root))
    assert relative(images) == ["cat/x.png"]
    assert images.notes[0] == "left out hidden or system folders: '.hidden', '.ipynb_checkpoints', '__MACOSX', 4 in all"
    assert all(name in images.notes[1] for name in ("empty", "notes"))


def test_images_beside_the_class_folders_are_counted(touch):
    root = touch("cat/x.png", "loose.png", "Other.JPG", ".hidden.png", "notes.txt")
    images = scan(root)
    assert relative(images) == ["cat/x.png"]
    assert images.notes == ("left out: 2 x image beside the class folders",)


def test_what_a_nas_or_a_program_leaves_is_left_out_and_said_so(touch):
    thumbnail = "@eaDir/x.png/SYNOPHOTO_THUMB_M.jpg"
    root = touch(f"cat/{thumbnail}", "cat/x.png", f"cat/deep/{thumbnail}", "cat/deep/y.png", "#recycle/x.png")
    touch("$RECYCLE.BIN/a/x.png", "lost+found/x.png", "eaDir/x.png", f"{thumbnail}")
    images = scan(root)
    assert relative(images) == ["cat/deep/y.png", "cat/x.png", "eaDir/x.png"]
    assert images.classes == tuple(list_classes(root))
    [reported] = images.notes
    assert reported.endswith("'#recycle', '$RECYCLE.BIN', '@eaDir', 'lost+found', 6 in all")
    for pattern in (".", "**/*.*", "*/*.png"):
        found = find_images(str(root / pattern))
        assert found
        assert not any("@eaDir" in path or "ecycle" in path.lower() for path in found)
    touch(".kept/x.png")
    for pattern in ("@eaDir/x.png/*", ".k*/x.png"):  # named by the user
        assert len(find_images(str(root / pattern))) == 1


def test_folders_named_like_images_are_told(touch):
    images = scan(touch("cat/x.png", "cat/party.jpg/1.png", "dog.png/2.png"))
    assert relative(images) == ["cat/party.jpg/1.png", "cat/x.png", "dog.png/2.png"]
    assert images.notes == ("folders named like images, read as folders all the same: 'dog.png', 'party.jpg'",)


def test_other_endings_are_left_out_and_counted(touch):
    images = scan(touch("cat/x.png", "cat/a.txt", "cat/b.TXT", "cat/c.heic", "cat/README"))
    assert relative(images) == ["cat/x.png"]
    [reported] = images.notes
    assert all(part in reported for part in ("2 x .txt", "1 x .heic", "1 x no ending"))


def test_endings_count_in_any_case(touch):
    endings = "jpg jpeg jfif png bmp webp tif tiff gif ppm pgm".split()
    assert {f".{ending}" for ending in endings} == set(EXTENSIONS)
    names = [f"cat/{form.__name__}.{form(e)}" for e in endings for form in (str.lower, str.upper, str.title)]
    assert relative(scan(touch(*names))) == sorted(names)


def test_images_in_nested_folders_belong_to_the_class_on_top(touch):
    images = scan(touch("cat/2021/may/x.png", "cat/b.png", "dog/deep/x.png"))
    assert relative(images) == ["cat/2021/may/x.png", "cat/b.png", "dog/deep/x.png"]
    assert images.targets.tolist() == [0, 0, 1]


def test_a_class_missing_from_val_keeps_the_targets_of_the_others(touch, tmp_path):
    root = touch("val/ant/x.png", "val/cow/x.png", "val/cow/y.png")
    images = scan(root / "val", ["ant", "bee", "cow"])
    assert images.classes == ("ant", "bee", "cow")
    assert images.targets.tolist() == [0, 2, 2]
    assert images.counts().tolist() == [1, 0, 2]


def test_a_class_that_only_val_has_is_named_with_the_nearest(touch):
    root = touch("ant/x.png", "horses/x.png")
    with pytest.raises(DataError, match="'horses' is not among the 2 classes.*nearest: 'horse'"):
        scan(root, ["ant", "horse"])


def test_an_empty_folder_that_only_val_has_is_no_class(touch):
    root = touch("ant/x.png")
    (root / "stranger").mkdir()
    assert scan(root, ["ant"]).classes == ("ant",)


def test_a_missing_root_is_named(tmp_path):
    for look in (scan, list_classes):
        with pytest.raises(DataError, match="nowhere: no such folder"):
            look(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: no such folder"):
        scan(tmp_path / "file")


def test_an_empty_root_has_no_images(tmp_path):
    assert len(scan(tmp_path)) == 0
    assert scan(tmp_path).classes == ()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_linked_folders_are_followed_and_loops_end(touch, tmp_path):
    root = touch("cat/x.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "y.png").touch()
    (root / "dog").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "cat" / "again").symlink_to(root / "cat", target_is_directory=True)
    assert relative(scan(root)) == ["cat/x.png", "dog/y.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("target", ["self.png", "nowhere.png"])
@pytest.mark.parametrize("place", ["cat", "."])
def test_links_to_themselves_or_to_nothing_are_no_images(touch, target, place):
    root = touch("cat/x.png")
    (root / place / "self.png").symlink_to(target)
    assert relative(scan(root)) == ["cat/x.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_called_jpg_is_no_image(touch):
    root = touch("cat/x.png", "pipes/y.txt")
    os.mkfifo(root / "cat" / "pipe.jpg")
    os.mkfifo(root / "pipes" / "pipe.jpg")
    assert relative(scan(root)) == ["cat/x.png"]
    assert find_images(str(root)) == [str(root / "cat" / "x.png")]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_names_that_are_no_utf8_are_kept(touch):
    root = touch("cat/x.png")
    folder = os.fsencode(root) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/\xff.png", "wb"):
        pass
    images = scan(root)
    assert [os.fsencode(name) for name in images.classes] == [b"caf\xe9", b"cat"]
    assert os.path.exists(images.name(0))


def test_a_hidden_image_among_images_is_left_out(touch):
    images = scan(touch("a/!first.png", "a/.hidden.png", "a/last.png"))
    assert list(images.paths) == [os.path.join("a", name) for name in ("!first.png", "last.png")]


def test_packed_paths_are_the_list_they_were_made_from():
    paths = ["a/b.png", "", "猫/ü.png", "x" * 300, "\udcff"]
    packed = PackedPaths(pack_paths(iter(paths)))
    assert len(packed) == 5
    assert list(packed) == paths
    assert packed[-1] == "\udcff"
    assert paths[2] in packed
    with pytest.raises(IndexError):
        packed[5]
    assert list(PackedPaths(pack_paths([]))) == []


def test_packed_paths_hold_their_characters_in_arrays_alone():
    packed = PackedPaths(pack_paths(f"class/{i:08d}.png" for i in range(1000)))
    arrays = [value for value in vars(packed).values() if isinstance(value, np.ndarray)]
    assert len(arrays) == len(vars(packed))
    assert sum(array.nbytes for array in arrays) <= 1000 * (len("class/00000000.png") + 1 + 8)


def test_find_images_takes_a_file_a_folder_or_a_glob(touch):
    root = touch("a/2.png", "a/deep/1.JPG", "b/3.png", "b/notes.txt", "b/[1].png", "a/.hidden.png")

    def found(pattern):
        return [str(Path(path).relative_to(root)).replace(os.sep, "/") for path in find_images(str(root / pattern))]

    assert found("b/notes.txt") == ["b/notes.txt"]  # asked for by name: reading it will tell
    assert found("b/[1].png") == ["b/[1].png"]
    assert found(".") == ["a/2.png", "a/deep/1.JPG", "b/3.png", "b/[1].png"]
    assert found("a/*") == ["a/2.png"]
    assert found("**/*.JPG") == ["a/deep/1.JPG"]
    assert found("b/*") == ["b/3.png", "b/[1].png"]


@pytest.mark.parametrize("pattern", ["nowhere.png", "*.png", "."])
def test_find_images_names_what_it_did_not_find(tmp_path, pattern):
    with pytest.raises(DataError, match="predict_img_path: no image at"):
        find_images(str(tmp_path / pattern))


@pytest.mark.parametrize("pattern", ["*/*.png", "**/*.png", "a/*/*.png", "**", "*"])
def test_a_glob_says_which_folders_it_leaves_out(touch, pattern):
    root = touch("a/1.png", "a/deep/2.png", "a/@eaDir/1.png", "a/@eaDir/2.png", "3.png", "#recycle/4.png")
    others = Counter()
    assert not [path for path in find_images(str(root / pattern), others=others) if "@" in path or "#" in path]
    expected = {"*/*.png": "'#recycle'", "**/*.png": "'#recycle', '@eaDir'", "a/*/*.png": "'@eaDir'"}
    expected |= {"**": "'#recycle', '@eaDir'", "*": "'#recycle'"}
    assert list(notes_of_folders(others)) == [f"left out hidden or system folders: {expected[pattern]}"]


def test_a_glob_that_finds_folders_alone_says_so(touch):
    root = touch("val/ant/1.png", "val/bee/1.png")
    with pytest.raises(DataError, match=r"finds folders alone; '.*val.\*.\*' would find what lies in them"):
        find_images(str(root / "val" / "*"))
