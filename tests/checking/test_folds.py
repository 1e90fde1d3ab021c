"""tools/check_data.py on the folds of create_data.py, and on what holds no images: lists of them, a csv."""

import shutil

import pytest

from tests.helpers.crops import as_jpeg
from tools import create_data


@pytest.fixture
def divide(photos, tmp_path, capsys):
    """divide("--folds", 3 ...) -> a folder that create_data.py has made of the photographs."""
    whole = tmp_path / "whole"
    for split in ("train", "val"):
        for label in ("temple", "flower"):
            shutil.copytree(photos / split / label, whole / label, dirs_exist_ok=True)

    def run(*options):
        target = tmp_path / "divided"
        assert create_data.main([str(whole), str(target), *map(str, options)]) == 0
        return target

    return run


@pytest.mark.parametrize("mode", ["--copy", "--link"])
def test_sound_folds_pass_and_every_image_is_looked_at_once(mode, divide, check):
    root = divide("--folds", 3, mode)
    status, out, err, files, duplicates = check(root)
    assert (status, err, duplicates) == (0, "", [])
    assert [line.split() for line in out.splitlines() if line.startswith(("class", "temple", "all"))] == [
        ["class", "fold0", "fold1", "fold2"],
        ["temple", "4", "4", "4"],
        ["all", "8", "8", "8"],
    ]
    assert "imbalance: 1.0 (most frequent class / rarest, in all)" in out
    assert "train of each fold: its images are those in val of the others, where each was looked at once" in out
    assert {(row["split"], row["path"].split("/")[1]) for row in files} == {(f"fold{k}", "val") for k in range(3)}
    assert len(files) == 24
    page = root.with_name("divided_check") / "report.html"
    assert '<i class="key c1"></i> fold1' in page.read_text(encoding="utf-8")


def test_look_alikes_in_two_folds_are_leakage_and_labels_in_conflict_are_found(divide, crops, check):
    root = divide("--folds", 3)
    first = next((root / "fold0" / "val" / "temple").iterdir())
    as_jpeg(crops[int(first.stem)], root / "fold1" / "val" / "temple" / "again.jpg")
    shutil.copy(first, root / "fold0" / "val" / "flower" / "flower.png")
    status, _, err, _, _ = check(root)
    assert status == 2
    assert "leakage: 1 set of look-alikes in more than one fold" in err
    assert "labels in conflict: 1 picture in more than one class (2 files)" in err


def test_a_class_in_one_fold_alone_is_named(divide, crops, check):
    root = divide("--folds", 3)
    for fold in (1, 2):
        shutil.rmtree(root / f"fold{fold}" / "val" / "temple")
    status, out, err, _, _ = check(root)
    assert status == 2
    assert "all images in one fold, whose train lacks the class: class 'temple'" in err
    assert "no images in fold1: class 'temple'" in out


def test_one_fold_of_several_is_a_divided_set_as_any_other(divide, check):
    root = divide("--folds", 3)
    status, _, _, files, _ = check(root / "fold0")
    assert (status, len(files)) == (0, 24)
    for fold in ("fold1", "fold2"):
        shutil.rmtree(root / fold)
    status, _, err, _, _ = check(root)
    assert status == 2
    assert f"holds one fold alone; expected two or more, or the folder of that one: {root / 'fold0'}" in err


@pytest.mark.parametrize(("options", "name"), [(("--folds", 3), "fold0/val.csv"), ((), "train.csv")])
def test_lists_of_images_are_called_so(options, name, divide, check):
    root = divide(*options, "--manifest")
    status, _, err, _, _ = check(root)
    assert status == 2
    assert f"holds lists of images ({name} ...), of create_data.py --manifest, and no images" in err
    status, _, err, _, _ = check(root / name)
    assert status == 2
    assert f"{root / name}: is a file; expected a folder" in err
    line = err.partition("of a csv of images, python tools/create_data.py ")[2].partition(" makes one")[0]
    target = root / "checked"
    assert create_data.main([str(target) if word == "DST" else word for word in line.split()]) == 0
    assert check(target)[0] == 0
