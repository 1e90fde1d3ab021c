"""tools/grad_cam.py: a checkpoint and images in, drawings out, and what is said where something is wrong."""

from utils.explain.drawing import Asked, drawing, headline, overlay, relief
from utils.explain.drawing_paths import drawing_paths
from utils.explain.maps import METHODS, Explanation
from utils.weights.checkpoint import save_checkpoint

import numpy as np
import pytest
import torch
from PIL import Image

from models import create_model
from tests.helpers import ROOT
from tests.helpers.checkpoints import whole_checkpoint
from tests.helpers.initialisation import randomise
from tools.grad_cam import main

TOOL = ROOT / "tools" / "grad_cam.py"
CLASSES = ["1", "10", "cat", "naïve $5\nand more"]


@pytest.fixture
def weights(tmp_path):
    """A checkpoint of a network for images of 48 x 80, which it crops from 60 x 100."""
    payload = whole_checkpoint(CLASSES, img_size=(48, 80), val_resize=(60, 100), use_ema=False)
    model = create_model("shufflenetv2", "0.5", len(CLASSES))
    randomise(model, seed=0)
    save_checkpoint(tmp_path / "run.pth", {**payload, "net": model.state_dict()})
    return tmp_path / "run.pth"


@pytest.fixture
def photos(tmp_path):
    """photos/{a,b}/*.png and one file that is no image."""
    root = tmp_path / "photos"
    for number, name in enumerate(("a/0.png", "a/0.jpg", "b/1.png", "b/bad.png")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (30, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name)
    (root / "b/bad.png").write_bytes(b"no image")
    return root


def size_of(path):
    with Image.open(path) as image:
        assert np.asarray(image.convert("L")).std() > 5
        return image.size


def test_a_checkpoint_and_an_image_are_enough(weights, photos, capsys):
    assert main(["--weights", str(weights), str(photos / "b/1.png")]) == 0
    printed = capsys.readouterr().out
    assert "stage2, 6 x 10; 1 image(s)" in printed
    assert "%" in printed
    width, height = size_of(weights.parent / "grad_cam" / "1.jpg")
    assert width > 5 * height  # five panels, each wider than high
    assert main(["--weights", str(weights), str(photos / "b/1.png")]) == 0  # its own folder may be written to again


def test_a_folder_keeps_its_arrangement_and_bad_files_are_reported(weights, photos, capsys, tmp_path):
    assert (
        main(["--weights", str(weights), str(photos), "--method", "grad_cam", "--output", str(tmp_path / "out")]) == 0
    )
    drawn = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg"))
    assert drawn == ["a/0.jpg.jpg", "a/0.png.jpg", "b/1.jpg"]
    printed = capsys.readouterr().out
    assert "bad.png: not an image" in printed
    assert "3 drawn, 1 not" in printed
    width, height = size_of(tmp_path / "out/b/1.jpg")
    assert width < 4 * height  # two panels


def test_no_drawing_replaces_another(tmp_path):
    """a.png is drawn as a.png.jpg beside a.gif, and so is a.png.png; to Windows and macOS b.png and B.png are one."""
    names = ["a.gif", "a.png", "a.png.png", "b.png", "B.png", "c.png"]
    sources = [str(tmp_path / "photos" / name) for name in names]
    (tmp_path / "photos").mkdir()
    paths = drawing_paths(sources, str(tmp_path / "photos"), None, tmp_path / "out", overwrite=False)
    drawn = [path.relative_to(tmp_path / "out").as_posix() for path in paths]
    assert drawn == ["a.gif.jpg", "a.png.jpg", "a.png_2.jpg", "b.png.jpg", "B.png_2.jpg", "c.jpg"]


def test_an_answer_that_is_no_number_is_not_drawn_and_no_name_steers_the_terminal(weights, photos, capsys):
    hostile = photos / "a" / "red\x1b[31m\n.png"
    (photos / "a/0.png").rename(hostile)
    given = ["--weights", str(weights), "--method", "grad_cam"]
    assert main([*given, "--class-id", "3", str(hostile)]) == 0  # whose class has a name of two lines
    assert main([*given, str(photos)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "naïve $5\\nand more: " in printed
    payload = torch.load(weights, weights_only=True)
    payload["net"]["fc.bias"].fill_(float("nan"))
    torch.save(payload, weights)
    assert main([*given, str(photos / "b/1.png")]) == 2
    captured = capsys.readouterr()
    assert "b/1.png: the network's answer is no number" in captured.err
    assert "nan" not in captured.out


def test_a_glob_a_class_by_name_and_a_file_to_write(weights, photos, tmp_path, capsys):
    output = tmp_path / "one.png"
    given = ["--weights", str(weights), str(photos / "b" / "1*"), "--output", str(output), "--img-size", "64", "64"]
    assert main([*given, "--class-id", "10", "--layer", "stage3"]) == 0
    printed = capsys.readouterr().out
    assert "stage3, 4 x 4" in printed
    assert "\n10: " in printed  # the class of that name; number 10 there is none
    before = output.read_bytes()
    assert main(given) == 2
    assert "exists already; --overwrite replaces it" in capsys.readouterr().err
    assert main([*given, "--overwrite", "--class-id", "3"]) == 0
    assert output.read_bytes() != before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--class-id", "kat"], "--class-id: no class 'kat'; nearest: 'cat'; expected a name or 0..3"),
        (["--class-id", "4"], "no class '4'"),
        (["--layer", "stage9"], "has no layer 'stage9'; nearest: stage"),
        (["--output", "one.jpg"], "4 images need a folder, not the file 'one.jpg'"),
        (["--model-prefix", "vgg"], "go together"),
        (["--device", "tpu"], "device"),
    ],
)
def test_what_is_wrong_is_named(weights, photos, words, message, capsys):
    assert main(["--weights", str(weights), str(photos), *words]) == 2
    assert message in capsys.readouterr().err


def test_images_are_never_written_over(weights, photos, capsys):
    Image.new("RGB", (30, 30)).save(photos / "a.jpg")
    before = (photos / "a.jpg").read_bytes()
    for given in ([str(photos), "--output", str(photos)], [str(photos / "a.jpg"), "--output", str(photos / "a.jpg")]):
        assert main(["--weights", str(weights), *given, "--overwrite"]) == 2
        assert "is itself to be drawn" in capsys.readouterr().err
    assert (photos / "a.jpg").read_bytes() == before


def test_no_readable_image_and_no_image_at_all(weights, photos, capsys):
    assert main(["--weights", str(weights), str(photos / "b/bad.png")]) == 2
    assert "bad.png: not an image" in capsys.readouterr().err
    assert main(["--weights", str(weights), str(photos / "none")]) == 2
    assert "IMAGE: no image at" in capsys.readouterr().err


def test_runs_from_another_folder(python, weights, photos, tmp_path):
    done = python(tmp_path, [str(TOOL), "--weights", weights.name, "photos/b/1.png", "--method", "grad_cam++"])
    assert (done.returncode, done.stderr) == (0, "")
    assert size_of(tmp_path / "grad_cam" / "1.jpg")


def test_the_title_names_the_image_its_class_and_which_class_is_explained_and_why():
    probabilities = torch.tensor([0.1, 0.2, 0.0, 0.7])
    pictures = {"grad_cam": torch.zeros(4, 6)}
    likeliest, other = (Explanation(target, probabilities, pictures) for target in (3, 1))
    five = r"naïve \$5 and more, 70.0%"
    lines = headline(likeliest, CLASSES, Asked("there/a.png", None))[0]
    assert lines == ["a.png", f"explained: {five} (the predicted class)"]
    lines = headline(other, CLASSES, Asked("there/a.png", "cat", by_user=True))[0]
    assert lines == ["a.png; true class: cat", f"explained: 10, 20.0% (asked for by --class-id; predicted: {five})"]
    lines = headline(likeliest, CLASSES, Asked("a" * 99, "cat", by_user=True))[0]
    assert len(lines[0]) < 90
    assert lines[1] == f"explained: {five} (asked for by --class-id; predicted too)"
    seen = np.zeros((4, 6, 3), dtype=np.uint8)
    assert drawing(seen, likeliest, CLASSES, Asked("a.png")).get_suptitle().startswith("a.png\nexplained")


def test_the_true_class_is_that_of_the_folder_and_the_class_that_was_asked_for_is_said(weights, photos, monkeypatch):
    found = []
    monkeypatch.setattr("tools.grad_cam.draw", lambda path, seen, explanation, classes, asked: found.append(asked))
    (photos / "a").rename(photos / "cat")
    image = photos / "cat" / "0.png"
    for given, options in ((image, []), (photos / "cat", []), (photos, ["--class-id", "10"])):
        assert main(["--weights", str(weights), str(given), "--method", "grad_cam", *options]) == 0
    true = [(asked.true, asked.by_user) for asked in found if asked.image == str(image)]
    assert true == [("cat", False), ("cat", False), ("cat", True)]
    assert {asked.true for asked in found if "b" in asked.image.split("/")} == {None}


def test_pixels_without_evidence_stay_as_they_are():
    seen = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    heat = np.zeros((4, 6), dtype=np.float32)
    heat[1, 2] = 1
    drawn = overlay(seen, heat)
    changed = (drawn != seen).any(-1)
    assert changed.sum() == 1
    assert drawn[1, 2, 0] > drawn[1, 2, 2]  # red
    assert (relief(np.zeros((3, 4, 6))) == 128).all()
    assert METHODS == ("grad_cam", "grad_cam++", "guided_backprop", "guided_grad_cam")
