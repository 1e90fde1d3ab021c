"""tools/check_data.py: copies and look-alikes, within a class and split, in two classes, in two splits."""

import pytest
from PIL import Image

from tests.helpers.crops import HEIGHT, WIDTH, as_jpeg


def alike(duplicates):
    """(kind, leakage, conflict) of each set -> its paths."""
    sets = {}
    for row in duplicates:
        sets.setdefault((row["set"], row["kind"], row["leakage"], row["conflict"]), set()).add(row["path"])
    return {(key[1:], frozenset(paths)) for key, paths in sets.items()}


def test_the_same_picture_in_two_splits_is_leakage_whatever_the_file(photos, crops, check):
    crops[1].save(photos / "val" / "temple" / "saved again.bmp")
    status, out, err, _, duplicates = check(photos)
    assert status == 2
    assert "leakage: 1 picture in more than one split (2 files)\n" in err
    assert alike(duplicates) == {
        (("same", "yes", "no"), frozenset(["train/temple/01.png", "val/temple/saved again.bmp"])),
    }
    assert "train/temple/01.png  =  val/temple/saved again.bmp   [leakage]" in out


def test_the_same_picture_in_two_classes_is_a_conflict(photos, crops, check):
    crops[1].save(photos / "train" / "flower" / "wrong.png")
    status, _, err, _, duplicates = check(photos)
    assert status == 2
    assert "labels in conflict: 1 picture in more than one class" in err
    assert [row["conflict"] for row in duplicates] == ["yes", "yes"]


def test_copies_within_a_class_and_split_are_reported_but_pass(photos, crops, check):
    crops[1].save(photos / "train" / "temple" / "copy.png")
    status, out, _, _, duplicates = check(photos)
    assert status == 0
    assert "1 picture within a class and split (2 files)" in out
    assert len(duplicates) == 2


CHANGES = {
    "quality": lambda picture, path: as_jpeg(picture, path, quality=50),
    "half": lambda picture, path: as_jpeg(picture.resize((WIDTH // 2, HEIGHT // 2)), path, quality=90),
    "double": lambda picture, path: as_jpeg(picture.resize((WIDTH * 2, HEIGHT * 2), 3), path, quality=90),
    "brighter": lambda picture, path: as_jpeg(picture.point(lambda value: min(255, value + 8)), path, quality=90),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_versions_of_a_picture_are_near_duplicates(change, photos, crops, check):
    """Of every crop, those of plain sky and of dark leaves too; and never of a wrong one."""
    for i, crop in enumerate(crops):
        CHANGES[change](
            crop, photos / ("train" if i % 3 == 0 else "val") / ("temple" if i < 12 else "flower") / f"{i:02d}.jpg"
        )
    status, _, err, _, duplicates = check(photos)
    assert status == 2
    assert "sets of look-alikes in more than one split" in err
    assert "--group" in err
    assert "--exact-only" in err
    found = {paths for _, paths in alike(duplicates)}
    assert all(len({path[-6:-4] for path in paths}) == 1 for paths in found)
    assert len(found) == 24
    assert {kind for (kind, *_), _ in alike(duplicates)} == {"near"}


def test_a_slight_crop_is_a_near_duplicate_and_the_search_can_be_left_out(photos, crops, check):
    crops[22].crop((2, 1, WIDTH - 1, HEIGHT - 2)).save(photos / "val" / "flower" / "cropped.png")
    status, _, _, _, duplicates = check(photos)
    assert status == 2
    assert [row["kind"] for row in duplicates] == ["near", "near"]
    status, _, _, _, duplicates = check(photos, "--exact-only")
    assert (status, duplicates) == (0, [])


def test_look_alikes_in_two_classes_are_reported_but_pass(photos, crops, check):
    as_jpeg(crops[1], photos / "train" / "flower" / "again.jpg", quality=60)
    status, out, _, _, duplicates = check(photos)
    assert status == 0
    assert "1 set of look-alikes in more than one class (2 files); look-alikes by nature" in out
    assert [row["kind"] for row in duplicates] == ["near", "near"]


def test_copies_of_a_near_duplicate_are_in_its_set(photos, crops, check):
    for name in ("a.jpg", "b.jpg"):
        as_jpeg(crops[1], photos / "val" / "temple" / name, quality=60)
    _, _, _, _, duplicates = check(photos)
    names = frozenset(["val/temple/a.jpg", "val/temple/b.jpg"])
    both = {(("same", "no", "no"), names), (("near", "yes", "no"), names | {"train/temple/01.png"})}
    assert alike(duplicates) == both


def test_plain_pictures_of_other_colours_are_not_alike(tmp_path, check):
    for i, colour in enumerate(("black", "white", "red", "blue", "#808080")):
        (tmp_path / "plain" / colour.strip("#")).mkdir(parents=True)
        Image.new("RGB", (64, 64), colour).save(tmp_path / "plain" / colour.strip("#") / f"{i}.png")
    assert check(tmp_path / "plain")[4] == []
