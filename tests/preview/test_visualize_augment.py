"""tools/visualize_augment.py shows what training sees: the same pixels, the same labels."""

from utils import distributed
from utils.data.loaders import train_loader
from utils.data.pixels import denormalise, normalise
from utils.data.preprocess import Preprocess
from utils.preview.augmented import Picture, Section, drawn_anew, first_mixes, mixed, preview
from utils.preview.sheet import contact_sheet
from utils.run.splits import read_data
from utils.training import engine

import numpy as np
import pytest
import torch
from PIL import Image

import train
from tools import visualize_augment
from tools.visualize_augment import keys_of_title, main


@pytest.fixture
def trained(make_config, monkeypatch):
    """A config and the batches of its run: [(indices, mixed or not, images as uint8, targets, step, part)]."""
    seen = []

    def record(batch, recipe, mixer, *, step, part):
        images, targets = original(batch, recipe, mixer, step=step, part=part)
        pixels = denormalise(images, recipe.mean, recipe.std).numpy()
        seen.append((batch.indices.tolist(), targets.ndim == 2, pixels, targets, step, part))
        return images, targets

    original = engine.training_input
    config = make_config(epochs=2, mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.25])
    monkeypatch.setattr(engine, "training_input", record)
    train.run(config)
    monkeypatch.undo()
    return config, seen


def test_keys_are_fitted_to_the_device_that_trains(make_config, monkeypatch, tmp_path):
    """Of so few images a GPU has time for more epochs, and those for a policy."""
    config = make_config(epochs="auto", augment="auto", device="auto")
    drawn = []
    monkeypatch.setattr(visualize_augment, "preview", lambda config, *_, **__: drawn.append(config) or [])
    monkeypatch.setattr(visualize_augment, "contact_sheet", lambda *_: None)
    monkeypatch.setattr(visualize_augment, "save", lambda *_: None)
    for name in ("cpu", "cuda"):
        monkeypatch.setattr(distributed, "pick_device", lambda *_, name=name: torch.device(name))
        visualize_augment.draw(config, tmp_path / "sheet.jpg", images=1, epochs=1)
    on_cpu, on_gpu = drawn
    assert on_cpu.epochs < on_gpu.epochs


def test_pictures_and_soft_labels_are_those_that_training_gets(trained):
    config, seen = trained
    splits = read_data(config)
    section = drawn_anew(config, splits, 21, 2)
    compared = 0
    batches = len(seen) // 2
    for number, (indices, is_mixed, pixels, targets, *_) in enumerate(seen):
        for place, index in enumerate(indices):
            picture = section.rows[index][2 + number // batches]
            if not is_mixed:
                assert np.array_equal(picture.pixels, pixels[place])
                assert picture.shares == {int(targets[place]): 1.0}
                compared += 1
    assert compared > 8
    mixes = first_mixes_of(config, splits)
    sections = mixed(config, splits, 4)
    assert len(sections) == len(mixes) > 0
    for (kind, epoch, place), section in zip(mixes, sections):
        _, is_mixed, pixels, targets, *_ = seen[epoch * batches + place]
        assert is_mixed
        assert section.title.startswith(f"{kind}: the first images of batch {place + 1} of epoch {epoch + 1}")
        for picture, expected, target in zip(section.rows[0], pixels, targets):
            assert np.array_equal(picture.pixels, expected)
            assert picture.shares == {i: share for i, share in enumerate(target.tolist()) if share}
    first = next(i for i, entry in enumerate(seen) if entry[1])
    assert min(epoch * batches + place for _, epoch, place in mixes) == first


def first_mixes_of(config, splits):
    loader = train_loader(config, splits.train, rank=0, world_size=1, workers=0, pin=False)
    return list(first_mixes(config, loader, len(splits.classes)))


def test_a_row_begins_with_the_file_and_what_validation_makes_of_it(make_config):
    config = make_config(img_size=[24, 40], val_resize=[30, 44])
    splits = read_data(config)
    section = drawn_anew(config, splits, 3, 1)
    assert section.headings == ["original", "in validation", "epoch 1"]
    for row, index in zip(section.rows, (0, 10, 20)):
        original = Image.open(splits.train.name(index))
        assert np.array_equal(row[0].pixels, original)
        assert np.array_equal(row[1].pixels, Preprocess.from_config(config)(original))
        assert row[2].pixels.shape == (24, 40, 3)
        assert all(picture.shares == {splits.train.targets[index]: 1.0} for picture in row)


def test_nothing_is_drawn_beyond_the_run_or_mixed_where_the_config_does_not(make_config):
    config = make_config(mix_off_epochs=4, epochs=4)
    [section] = preview(config, read_data(config), images=2, epochs=9)
    assert [len(row) for row in section.rows] == [2 + 4, 2 + 4]
    config = make_config(mixup_prob=0.0)
    assert [section.title[:6] for section in preview(config, read_data(config), images=1, epochs=1)][1:] == ["cutmix"]


def test_unreadable_files_stop_it_or_are_left_out_as_the_config_says(make_config, data, tmp_path, capsys):
    config = make_config(on_bad_image="skip", mixup_prob=1.0, cutmix_prob=0.0)
    (data / "train" / "ant" / "00.png").write_bytes(b"no picture")
    rows = drawn_anew(config, read_data(config), 3, 2).rows
    assert len(rows) == 2
    output = tmp_path / "sheet.png"
    options = ["--config", str(tmp_path / "config.py"), "--output", str(output)]
    assert main(options) == 0
    output.unlink()
    assert main([*options, "--set", "on_bad_image=error"]) == 2
    assert "00.png" in capsys.readouterr().err
    assert not output.exists()


def test_denormalised_images_are_the_images_again():
    images = torch.arange(256, dtype=torch.uint8).repeat(3, 1).T.reshape(1, 16, 16, 3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert torch.equal(denormalise(normalise(images, mean, std), mean, std), images)


@pytest.mark.parametrize("size", [(32, 32), (30, 50), (8, 56), (224, 224), (448, 224)])
def test_every_pixel_of_a_small_picture_is_a_square_of_the_sheet(size):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    section = Section("a title", ["one", "two"], [[Picture(noise, {0: 1.0})] * 2])
    figure = contact_sheet("title", [section], ["cat"], size)
    figure.canvas.draw()
    sheet = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    factor = max(1, 224 // max(size))
    enlarged = noise.repeat(factor, 0).repeat(factor, 1)
    if max(size) <= 224:
        x0, x1, y1, y0 = figure.axes[0].images[1].get_extent()
        assert np.array_equal(sheet[round(y0) : round(y1), round(x0) : round(x1)], enlarged)
    for image in figure.axes[0].images:
        x0, x1, y1, y0 = image.get_extent()
        assert (x1 - x0) / (y1 - y0) == pytest.approx(size[1] / size[0])
        assert max(x1 - x0, y1 - y0) <= 224


def test_labels_are_below_their_pictures_and_keep_to_their_width():
    picture = Picture(np.zeros((32, 32, 3), np.uint8), {0: 0.25, 1: 0.75})
    names = ["a name as long as a folder's may be, or longer still", "一个非常长的类别名称一个非常长的类别名称"]
    figure = contact_sheet("title", [Section("mixup", [], [[picture] * 3])], names, (32, 32))
    captions = [text for text in figure.axes[0].texts if "%" in text.get_text()]
    assert len(captions) == 3
    for caption, image in zip(captions, figure.axes[0].images):
        first, second = caption.get_text().splitlines()
        assert first.endswith("75%")
        assert second.endswith("25%")
        box = caption.get_window_extent()
        x0, x1, *_ = image.get_extent()
        assert box.x0 >= x0
        assert box.x1 <= x1 + 8


def test_the_tool_from_another_folder(make_config, data, tmp_path, monkeypatch, capsys):
    make_config()
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "logs" / "other"
    for name in ("augmentation.jpg", "augmentation_1.jpg"):
        options = [
            "--images",
            "2",
            "--epochs",
            "2",
            "--set",
            "mixup_prob=1.0",
            "--set",
            f"log_root={tmp_path / 'logs'}",
        ]
        assert main(["--config", "config.py", *options]) == 0
        assert str(folder / name) in capsys.readouterr().out
        assert Image.open(folder / name).format == "JPEG"
    assert main(["--config", "config.py", "--output", str(folder / "augmentation.jpg")]) == 2
    assert main(["--config", "config.py", "--set", "augmnet=ra"]) == 2
    assert "nearest: 'augment'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--images", "0"])
    assert "expected an integer in 1..64" in capsys.readouterr().err


def test_the_title_names_what_is_not_as_usual(make_config):
    usual = keys_of_title(make_config())
    assert keys_of_title(make_config(rotate=20, crop_scale=[0.35, 1])) == [*usual, "crop_scale", "rotate"]
