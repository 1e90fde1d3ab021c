"""tools/create_data.py: how folders and csv files are divided, linked, listed and shrunk."""

import csv
import os
import re
import shutil
import sys

from utils.data.images import read_image
from utils.data.listing import scan

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.helpers.divided import TOOL, create, files, numbered
from tools.create_data import main


def sides(root):
    """Content -> the splits it is in."""
    found = {}
    for path, content in files(root).items():
        found.setdefault(content, set()).add(path.split("/")[0])
    return found


def test_every_image_is_in_one_split_and_train_can_read_it(photos, tmp_path, capsys):
    source = photos({"cat": numbered(20), "dog": numbered(10), "ant": numbered(3, "deep/")})
    before = files(source)
    create(source, tmp_path / "out", "--val", "0.2", "--test", "0.1")
    after = files(tmp_path / "out")
    assert sorted(path.split("/", 1)[1] for path in after) == sorted(before)
    assert all(before[path.split("/", 1)[1]] == content for path, content in after.items())
    assert files(source) == before
    counts = {split: scan(tmp_path / "out" / split).counts().tolist() for split in ("train", "val", "test")}
    assert counts == {"train": [1, 14, 7], "val": [1, 4, 2], "test": [1, 2, 1]}
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["class", "images", "train", "val", "test"] in printed
    assert ["cat", "20", "14", "4", "2"] in printed


def test_the_division_depends_on_seed_and_names_alone(photos, tmp_path):
    source = photos({"cat": numbered(20), "dog": numbered(20)})
    create(source, tmp_path / "a")
    shutil.copytree(source, tmp_path / "elsewhere" / "x")  # another path, another order on disk
    for path in (tmp_path / "elsewhere" / "x").rglob("*.png"):
        os.utime(path, (0, 0))
    create(tmp_path / "elsewhere" / "x", tmp_path / "b")
    create(source, tmp_path / "c", "--seed", 1)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a").keys() != files(tmp_path / "c").keys()
    # These are in val on every platform and with every version of Python, NumPy and scikit-learn.
    assert sorted(p.stem for p in (tmp_path / "a" / "val" / "cat").iterdir()) == ["001", "003", "015", "018"]


def test_groups_stay_together_across_classes_and_folders(photos, tmp_path, capsys):
    tree = {label: [f"p{i % 12}/{i:02d}.png" for i in range(36)] for label in ("healthy", "ill")}
    create(photos(tree), tmp_path / "out", "--group", r"^(p\d+)/\d+", "--val", "0.25")
    patients = {split: {p.parent.name for p in (tmp_path / "out" / split).rglob("*.png")} for split in ("train", "val")}
    assert not patients["train"] & patients["val"]
    assert len(patients["val"]) == 3
    assert ["healthy", "36", "12", "27", "9"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_the_whole_match_names_a_group_and_what_does_not_match_is_alone(photos, tmp_path, capsys):
    source = photos({"cat": [f"scene{i % 5}_{i}.png" for i in range(30)] + numbered(6)})
    create(source, tmp_path / "out", "--group", r"scene\d")
    scenes = {s: {p.name[:6] for p in (tmp_path / "out" / s).rglob("scene*")} for s in ("train", "val")}
    assert not scenes["train"] & scenes["val"]
    assert "6 files do not match --group" in capsys.readouterr().out


def test_shares_that_whole_groups_miss_are_said(photos, tmp_path, capsys):
    few = photos({label: [f"p{i % 3}_{i:02d}.png" for i in range(30)] for label in ("cat", "dog")})
    create(few, tmp_path / "a", "--group", r"^(p\d)_", "--val", "0.2")
    assert (
        "train 67%, val 33%, where train 80%, val 20% were asked for: groups are kept whole" in capsys.readouterr().out
    )
    create(few, tmp_path / "b", "--group", r"^(p\d)_", "--val", "0.3")
    create(few, tmp_path / "c", "--val", "0.2")
    assert "asked for" not in capsys.readouterr().out


def test_classes_that_a_pattern_makes_one_group_of_are_named(photos, tmp_path, capsys):
    source = photos({"cat": ["cat_1.png", "cat_2.png"], "dog": ["dog_1.png", "dog_2.png"]})
    assert main([str(source), str(tmp_path / "out"), "--group", r"^([a-z]+)_"]) == 2
    assert "--group '^([a-z]+)_' makes one group of all images of 'cat', 'dog'" in capsys.readouterr().err


def test_copies_stay_on_one_side_and_conflicts_are_reported(photos, tmp_path, capsys):
    source = photos({"cat": numbered(12), "dog": numbered(12)})
    for i in range(6):
        shutil.copy(source / "cat" / f"{i:03d}.png", source / "cat" / f"copy{i}.png")
    shutil.copy(source / "cat" / "007.png", source / "dog" / "same.png")
    create(source, tmp_path / "out", "--val", "0.5")
    assert {len(where) for where in sides(tmp_path / "out").values()} == {1}
    printed = capsys.readouterr().out
    assert "duplicates: 7 files are copies" in printed
    assert "labels in conflict: 1 pictures" in printed
    assert "cat: 007.png = dog: same.png" in printed


def test_empty_files_are_no_copies_of_each_other(photos, tmp_path, capsys):
    source = photos({"cat": numbered(4), "dog": numbered(4)})
    for label in ("cat", "dog"):
        (source / label / "empty.png").touch()
    create(source, tmp_path / "out")
    assert "conflict" not in capsys.readouterr().out


def test_folds_hold_every_image_in_val_once(photos, tmp_path):
    source = photos({"cat": numbered(11, "s"), "dog": [f"g{i % 4}_{i}.png" for i in range(12)]})
    create(source, tmp_path / "out", "--folds", 4, "--group", r"g\d")
    everything = sorted(files(source).values())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"fold{k}" for k in range(4)]
    vals = []
    for k in range(4):
        train, val = (list(files(tmp_path / "out" / f"fold{k}" / split).values()) for split in ("train", "val"))
        assert sorted(train + val) == everything
        groups = [{c[4:6] for c in side if c.startswith(b"dog")} for side in (train, val)]
        assert not groups[0] & groups[1]
        vals += val
    assert sorted(vals) == everything


def test_classes_that_cannot_be_everywhere_are_reported(photos, tmp_path, capsys):
    source = photos({"cat": numbered(30), "rare": numbered(1), "few": numbered(2)})
    (source / "empty").mkdir()
    photos({".hidden": numbered(1), "__MACOSX": numbered(1)})
    create(source, tmp_path / "out", "--test", "0.2")
    printed = capsys.readouterr().out
    assert "val has no images of 'rare'" in printed
    assert "test has no images of 'few', 'rare'" in printed
    assert all(name in printed for name in ("'.hidden'", "'__MACOSX'", "'empty'"))
    assert scan(tmp_path / "out" / "train").classes == ("cat", "few", "rare")
    create(source, tmp_path / "folds", "--folds", 3)
    assert "'rare': all images in one fold" in capsys.readouterr().out


def test_links_share_the_bytes(photos, tmp_path):
    source = photos({"cat": numbered(10)})
    create(source, tmp_path / "out", "--link")
    for path in (tmp_path / "out").rglob("*.png"):
        assert path.samefile(source / "cat" / path.name)


def test_links_fall_back_to_symbolic_ones(photos, tmp_path, monkeypatch):
    def no_hard_links(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_hard_links)
    monkeypatch.chdir(tmp_path)
    photos({"cat": numbered(10)})
    create("photos", "out", "--link")
    found = list((tmp_path / "out").rglob("*.png"))
    assert len(found) == 10
    assert all(path.is_symlink() and path.samefile(tmp_path / "photos" / "cat" / path.name) for path in found)
    monkeypatch.setattr(os, "symlink", no_hard_links)
    assert main(["photos", "out2", "--link"]) == 2
    assert not (tmp_path / "out2").exists()


def test_a_manifest_can_be_divided_again(photos, tmp_path):
    source = photos({"+1": numbered(10), "犬 x": ['a,"b".png', "=c\nd.png", *numbered(8)]})
    create(source, tmp_path / "lists" / "out", "--manifest")
    assert sorted(files(tmp_path / "lists" / "out")) == ["train.csv", "val.csv"]
    create(tmp_path / "lists" / "out" / "train.csv", tmp_path / "again")
    with open(tmp_path / "lists" / "out" / "train.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listed = [(tmp_path / "lists" / "out" / row["path"]).read_bytes() for row in rows]
    assert len(rows) == 16
    assert sorted(listed) == sorted(files(tmp_path / "again").values())
    assert all(
        path.split("/")[1].encode() == content.split(b"/")[0] for path, content in files(tmp_path / "again").items()
    )


def test_a_csv_names_files_that_clash(photos, tmp_path):
    photos({f"day{i}": ["x.png", "X.PNG"] for i in range(5)}, name="raw")
    rows = [f"raw/day{i}/{name},cat" for i in range(5) for name in ("x.png", "X.PNG")]
    (tmp_path / "labels.csv").write_text("\ufeffpath,label\n" + "\n".join([*rows, rows[0]]) + "\n", encoding="utf-8")
    create(tmp_path / "labels.csv", tmp_path / "out")
    after = files(tmp_path / "out")
    assert len(after) == 10
    assert len({path.split("/")[-1].lower() for path in after}) == 10
    assert sorted(after.values()) == sorted(files(tmp_path / "raw").values())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_not_opened(photos, tmp_path, capsys):
    source = photos({"cat": numbered(5)})
    os.mkfifo(source / "cat" / "pipe.png")
    create(source, tmp_path / "out")
    assert len(files(tmp_path / "out")) == 5
    (tmp_path / "labels.csv").write_text("path,label\nphotos/cat/pipe.png,cat\n")
    assert main([str(tmp_path / "labels.csv"), str(tmp_path / "out2")]) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_names_that_are_no_text_are_kept_and_shown(photos, tmp_path, capsys):
    create(photos({"caf\udce9\n": [f"\udcff{i}.png" for i in range(5)]}), tmp_path / "out")
    assert len(files(tmp_path / "out")) == 5
    assert r"caf\udce9\n" in capsys.readouterr().out
    create(tmp_path / "photos", tmp_path / "list", "--manifest")
    create(tmp_path / "list" / "train.csv", tmp_path / "again")
    assert len(files(tmp_path / "again")) == 4


@pytest.fixture
def pictures(tmp_path):
    """A wide JPEG that must be turned, a 16-bit PNG, a GIF beside a PNG of the same stem, and small ones."""
    folder = tmp_path / "pictures" / "cat"
    folder.mkdir(parents=True)
    ramp = np.linspace(0, 255, 200 * 100).reshape(100, 200)
    wide = Image.fromarray(np.stack([ramp, 255 - ramp, ramp / 2], axis=-1).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    wide.save(folder / "wide.JPG", exif=exif, icc_profile=profile, quality=98)
    Image.fromarray((ramp * 257).astype(np.uint16)).save(folder / "deep.png")
    wide.convert("P").save(folder / "a.gif")
    wide.resize((60, 30)).save(folder / "a.png")
    wide.convert("CMYK").save(folder / "ink.jpg", icc_profile=b"x" * 16 + b"CMYK" + b"x" * 108)
    return folder.parent


def test_max_side_shrinks_what_is_larger_and_only_that(pictures, tmp_path):
    create(pictures, tmp_path / "out", "--max-side", 64)
    found = {path.name: path for path in (tmp_path / "out").rglob("*.*") if path.is_file()}
    assert set(found) == {"wide.JPG", "deep.png", "a.png", "a_2.png", "ink.jpg"}
    small = (
        found["a.png"] if found["a.png"].read_bytes() == (pictures / "cat" / "a.png").read_bytes() else found["a_2.png"]
    )
    assert small.read_bytes() == (pictures / "cat" / "a.png").read_bytes()
    for name, size in (("wide.JPG", (32, 64)), ("deep.png", (64, 32)), ("ink.jpg", (64, 32))):
        with Image.open(found[name]) as image:
            assert image.size == size
            assert image.format == ("PNG" if name == "deep.png" else "JPEG")
        expected = read_image(pictures / "cat" / name).resize(size, Image.Resampling.LANCZOS)
        error = np.abs(np.asarray(read_image(found[name]), float) - np.asarray(expected, float))
        assert error.mean() < 2
    with Image.open(found["wide.JPG"]) as image:
        assert image.info["icc_profile"]
        assert image.getexif().get(0x0112, 1) == 1
    with Image.open(found["ink.jpg"]) as image:
        assert image.mode == "RGB"
        assert "icc_profile" not in image.info
    with Image.open(found["deep.png"]) as image:
        assert image.mode == "L"


def test_pictures_that_cannot_be_shrunk_stop_it_or_are_left_out(pictures, tmp_path, capsys):
    create(pictures, tmp_path / "good", "--max-side", "64")
    whole = (pictures / "cat" / "wide.JPG").read_bytes()
    (pictures / "cat" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (pictures / "cat" / "text.png").write_text("no picture")
    small = (pictures / "cat" / "a.png").read_bytes()
    (pictures / "cat" / "small.png").write_bytes(small[: len(small) // 2])  # its header is whole
    assert main([str(pictures), str(tmp_path / "out"), "--max-side", "64"]) == 2
    printed = capsys.readouterr().err
    first, *lines = printed.splitlines()
    assert first.startswith("error: 3 unreadable images; --on-bad-image skip leaves them out:")
    assert [line.startswith(f"  {pictures}") for line in lines] == [True] * 3
    assert "half.jpg" in lines[0]
    assert "small.png" in lines[1]
    assert "text.png: not an image" in lines[2]
    assert sorted(os.listdir(tmp_path)) == ["good", "pictures"]
    create(pictures, tmp_path / "out", "--max-side", "64", "--on-bad-image", "skip")
    assert files(tmp_path / "out") == files(tmp_path / "good")
    assert "left out 3 unreadable images" in capsys.readouterr().out


def test_the_digits_are_made_where_they_are_wanted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    create("--demo", "digits")
    assert len(scan("data/digits/train")) == 1437
    assert main(["--demo", "digits"]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    create("--demo", "digits", "other")
    assert files(tmp_path / "other") == files(tmp_path / "data" / "digits")


def test_it_runs_from_anywhere(python, photos, tmp_path):
    photos({"cat": numbered(5)})
    done = python(tmp_path, [str(TOOL), "photos", "out"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("wrote out\n")
    assert "copying" not in done.stdout
    help_text = python(tmp_path, [str(TOOL), "--help"]).stdout
    assert "JPEG at quality 95" in re.sub(r"\s+", " ", help_text)
