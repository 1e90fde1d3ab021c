"""tools/check_data.py: each faulty file is found and named, what is sound is not, and the reports are safe to open."""

import base64
import html.parser
import io
import os
import re
import shutil
import sys

from utils.data.demo import make_digits

import numpy as np
import pytest
from PIL import Image

from tests.helpers import ROOT
from tests.helpers.crops import HEIGHT, WIDTH, as_jpeg
from tests.helpers.image_files import noisy_image
from tools.check_data import main

TOOL = ROOT / "tools" / "check_data.py"


def problems(files, name):
    [found] = [row["problems"] for row in files if row["path"].endswith(name)]
    return found


def test_a_sound_set_passes(photos, check):
    status, out, err, files, duplicates = check(photos)
    assert (status, err, duplicates) == (0, "", [])
    assert out.endswith("ok: nothing found that would spoil a training\n")
    assert len(files) == 24
    assert [row["problems"] for row in files] == [""] * 24
    assert {(row["split"], row["class"]) for row in files} == {
        (s, c) for s in ("train", "val") for c in ("temple", "flower")
    }
    assert ["temple", "8", "4"] in [line.split() for line in out.splitlines()]
    size = os.path.getsize(photos / files[0]["path"])
    row = [files[0][name] for name in ("width", "height", "mode", "format", "bytes")]
    assert row == [str(WIDTH), str(HEIGHT), "RGB", "PNG", str(size)]


def test_the_embedded_digits_pass(tmp_path, check):
    make_digits(tmp_path / "digits")
    status, out, _, files, duplicates = check(tmp_path / "digits")
    assert (status, len(files), duplicates) == (0, 1797, [])
    assert "tiny: 1,797 files, shorter side below 32 pixels (--min-side)" in out
    assert len(out.splitlines()) < 60


def test_unreadable_files_are_named_with_the_reason(photos, check):
    whole = (photos / "train" / "temple" / "01.png").read_bytes()
    (photos / "train" / "temple" / "half.png").write_bytes(whole[: len(whole) // 2])
    (photos / "val" / "flower" / "page.jpg").write_text("<html>")
    (photos / "val" / "flower" / "empty.png").touch()
    status, out, err, files, _ = check(photos)
    assert status == 2
    assert err.startswith("error: ")
    assert "would spoil a training: 3 unreadable files" in err
    assert problems(files, "half.png").startswith("unreadable: ")
    assert problems(files, "page.jpg") == "unreadable: not an image in a known format"
    assert "val/flower/empty.png: the file is empty" in out


def test_a_decompression_bomb_is_unreadable_and_not_decoded(photos, check):
    header = b"P5 60000 60000 255\n"
    (photos / "train" / "temple" / "bomb.pgm").write_bytes(header + bytes(100))
    status, _, _, files, _ = check(photos)
    assert status == 2
    assert "bomb" in problems(files, "bomb.pgm")


def test_odd_files_are_counted_and_no_reason_to_stop(photos, crops, check):
    temple = photos / "train" / "temple"
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = [noisy_image("temple", i, (80, 60)) for i in range(8)]
    as_jpeg(noise[0], temple / "turned.jpg", exif=exif)
    noise[1].save(temple / "liar.jpg", "PNG")
    noise[2].crop((0, 0, 31, 40)).save(temple / "tiny.png")
    noise[3].resize((330, 60)).save(temple / "banner.png")
    noise[4].resize((1100, 1000)).save(temple / "huge.png")
    as_jpeg(noise[5].convert("CMYK"), temple / "ink.jpg")
    noise[6].convert("P").save(temple / "palette.gif")
    Image.fromarray(np.asarray(noise[7].convert("L"), np.uint16) * 257).save(temple / "deep.png")
    status, out, _, files, _ = check(photos, "--max-megapixels", 1)
    assert status == 0
    assert problems(files, "turned.jpg") == "turned by EXIF: is read upright"
    assert [(row["width"], row["height"]) for row in files if row["path"].endswith("turned.jpg")] == [("60", "80")]
    assert problems(files, "liar.jpg") == "wrong ending: ends in .jpg, is PNG"
    assert problems(files, "tiny.png") == "tiny: 31x40 pixels"
    assert problems(files, "banner.png") == "stretched: 330x60 pixels, 5.5 : 1"
    assert problems(files, "huge.png") == "huge: 1100x1000 pixels"
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in ("JPEG, CMYK, for print 1", "GIF, palette 1", "PNG, grey of 16 or 32 bits 1"):
        assert line in lines
    status, _, _, files, _ = check(photos, "--min-side", 20, "--max-aspect", 6)
    assert not any(problems(files, name) for name in ("tiny.png", "banner.png", "huge.png"))


def test_classes_that_train_lacks_and_that_val_lacks(photos, check):
    for split, label in (("val", "monkey"), ("train", "only train")):
        (photos / split / label).mkdir()
        noisy_image(label, "", (64, 64)).save(photos / split / label / "x.png")
    status, out, err, _, _ = check(photos)
    assert status == 2
    assert "only in val, not in train: class 'monkey'" in err
    assert "no images in val: class 'only train'" in out


@pytest.mark.parametrize(("size", "found"), [((694, 2348), True), ((301, 100), True), ((300, 100), False)])
def test_stretched_is_what_squashing_would_distort_and_the_limit_is_told(size, found, photos, check):
    Image.new("RGB", size).save(photos / "train" / "temple" / "x.png")
    _, out, _, files, _ = check(photos)
    assert ("stretched" in problems(files, "x.png")) == found
    assert ("stretched: 1 file, longer side more than 3 times the shorter (--max-aspect)" in out) == found
    page = (photos.parent / "photos_check" / "report.html").read_text(encoding="utf-8")
    assert ("longer side more than 3 times the shorter" in page) == found


def test_limits_that_are_set_are_those_that_are_told(photos, check):
    _, out, _, _, _ = check(photos, "--min-side", 1000, "--max-megapixels", 0.001, "--max-aspect", 1.1)
    for told in ("side below 1000 pixels (", "more than 0.001 megapixels (", "more than 1.1 times the shorter ("):
        assert out.count(told) == 2  # above the files, and among what is worth a look


def test_a_set_without_val_is_told(photos, check):
    shutil.rmtree(photos / "val")
    status, out, _, _, _ = check(photos)
    assert status == 0
    assert f"no images in {photos / 'val'}, which train.py needs beside train" in out
    assert f"tools/create_data.py {photos / 'train'} DST divides" in out
    assert "which train.py needs" not in check(photos / "train")[1]


@pytest.mark.parametrize(("train", "val"), [("train", "valid"), ("Training", "VALIDATION"), ("TRAIN", "val")])
def test_splits_of_other_names_are_looked_at_and_the_names_told(train, val, photos, check):
    (photos / "train").rename(photos / train)
    (photos / "val").rename(photos / val)
    status, out, _, files, _ = check(photos)
    assert status == 0
    assert {(row["split"], row["path"].split("/")[0]) for row in files} == {("train", train), ("val", val)}
    for split, name in (("train", train), ("val", val)):
        assert (f"mv {photos / name} {photos / split}" in out) == (name != split)
    picture = next((photos / train / "temple").iterdir())
    shutil.copy(picture, photos / val / "temple" / "again.png")
    status, _, err, _, _ = check(photos)
    assert status == 2
    assert "leakage" in err


def test_two_folders_for_one_split_are_refused(photos, check):
    shutil.copytree(photos / "val", photos / "valid")
    status, _, err, _, _ = check(photos)
    assert status == 2
    assert "folders 'val', 'valid' could all be val; keep one" in err


def test_class_folders_without_splits(photos, check):
    status, out, _, files, _ = check(photos / "train")
    assert status == 0
    assert {row["split"] for row in files} == {""}
    assert ["class", "images"] in [line.split() for line in out.splitlines()]
    assert "imbalance: 1.0" in out


def test_imbalance_is_reported(image_folder, check):
    root = image_folder({"train": {"often": 40, "rare": 2}, "val": {"often": 1, "rare": 1}})
    _, out, _, _, _ = check(root)
    assert "imbalance: 20.0 (most frequent class / rarest, in train)" in out
    assert "the most frequent class has 20 times the images of the rarest (reported from 10 on)" in out


@pytest.mark.parametrize("layout", ["nowhere", "empty", "no train"])
def test_without_images_to_train_on_it_says_what_was_expected(layout, tmp_path, check):
    root = tmp_path / layout
    if layout != "nowhere":
        (root / "val" / "cat").mkdir(parents=True)
    if layout == "no train":
        noisy_image("cat", "", (64, 64)).save(root / "val" / "cat" / "x.png")
    status, _, err, _, _ = check(root)
    assert status == 2
    assert {"nowhere": "no such folder", "empty": "no images found", "no train": "train: no images found"}[
        layout
    ] in err
    assert not root.with_name(f"{layout}_check").exists()


def test_the_output_goes_where_it_is_wanted_but_never_among_the_classes(photos, tmp_path, check):
    assert check(photos, "--output", tmp_path / "deep" / "report")[0] == 0
    assert sorted(os.listdir(tmp_path / "deep" / "report")) == [
        "duplicates.csv",
        "files.csv",
        "report.html",
        "report.txt",
    ]
    before = sorted(photos.rglob("*"))
    status, _, err, _, _ = check(photos, "--output", photos / "report")
    assert status == 2
    assert "taken for a class" in err
    assert sorted(photos.rglob("*")) == before


def test_a_root_without_a_name_and_a_name_that_is_too_long_are_errors(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([tmp_path.anchor])
    assert ended.value.code == 2
    assert "--output: needed for" in capsys.readouterr().err
    assert main([str(tmp_path / ("n" * 300))]) != 0
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_that_would_do_harm_are_kept_harmless(tmp_path, crops, check):
    root = tmp_path / "set"
    names = {
        "=cmd|x": "<script>alert(1)<",
        "+1": '"onerror="x.png',
        "two\nlines": "a\x1b[31m.png",
        "byte\udcff": "@x.png",
    }
    for i, (label, name) in enumerate(names.items()):
        (root / label).mkdir(parents=True)
        name = name if name.endswith(".png") else f"{name}.png"
        crops[i].save(root / label / name)
        as_jpeg(crops[i], root / label / f"{name}.jpg", quality=80)
    status, out, _, files, _ = check(root)
    assert status == 0
    assert all(line.isprintable() for line in out.splitlines())
    assert r"byte\udcff" in out
    assert len(files) == 8
    cells = [cell for row in files for cell in row.values()]
    assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    assert {"'=cmd|x", "'+1"} <= set(cells)
    page = (tmp_path / "set_check" / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert "&lt;script&gt;alert(1)&lt;" in page


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()
        self.attributes = set()
        self.images = []

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self.images += [value for name, value in attributes if name == "src"]


def test_the_page_holds_its_thumbnails_and_stays_small(tmp_path, crops, check):
    """60 sets of two: pictures are shown for the 40 that matter most."""
    (tmp_path / "set" / "cat").mkdir(parents=True)
    for i in range(60):
        for name in ("a", "b"):
            noisy_image("cat", i, (300, 200)).save(tmp_path / "set" / "cat" / f"{i}{name}.png")
    check(tmp_path / "set")
    page = (tmp_path / "set_check" / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert len(tags.images) == 80
    assert all(source.startswith("data:image/") for source in tags.images)
    assert not re.search(r"https?:|<link|@import|url\(", page)
    with Image.open(io.BytesIO(base64.b64decode(tags.images[0].split(",")[1]))) as thumbnail:
        assert max(thumbnail.size) == 112
    assert len(page) < 1_000_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_not_opened(photos, check):
    os.mkfifo(photos / "train" / "temple" / "pipe.jpg")
    status, _, _, files, _ = check(photos)
    assert (status, len(files)) == (0, 24)


def test_it_runs_from_anywhere(python, photos, tmp_path):
    done = python(tmp_path, [str(TOOL), "photos"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "ok: nothing found that would spoil a training"
    assert (tmp_path / "photos_check" / "report.html").is_file()


def test_long_names_of_classes_do_not_widen_the_table(photos, check):
    long = "x" * 100 + "y" * 100
    for split in ("train", "val"):
        (photos / split / "temple").rename(photos / split / long)
    status, out, _, files, _ = check(photos)
    [row] = [line for line in out.splitlines() if "xxx...yyy" in line]
    assert (status, row.split()[1:]) == (0, ["8", "4"])
    assert len(row) < 80
    assert long in {row["class"] for row in files}
