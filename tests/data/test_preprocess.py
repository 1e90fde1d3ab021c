"""What is done to pixels alike for every image: resizing and cropping, normalisation, as torchvision does them."""

from utils.data.augment import Augmentation, TrainTransform
from utils.data.images import open_image
from utils.data.pixels import normalise
from utils.data.preprocess import Preprocess
from utils.weights.preprocess_schema import read_preprocess

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from torchvision.transforms import InterpolationMode, v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("channels_last", [True, False])
def test_normalisation_is_torchvisions(channels_last):
    images = torch.arange(256, dtype=torch.uint8).repeat(3).view(2, 8, 16, 3)
    ours = normalise(images, MEAN, STD, channels_last=channels_last)
    theirs = v2.Normalize(MEAN, STD)(v2.ToDtype(torch.float32, scale=True)(images.permute(0, 3, 1, 2)))
    assert ours.dtype == torch.float32
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-6)
    assert ours.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert ours.is_contiguous() != channels_last


@pytest.mark.parametrize("size", [(64, 64), (61, 97), (20, 33)])
@pytest.mark.parametrize(("resize", "crop"), [((64, 64), (56, 56)), ((37, 52), (32, 33)), ((33, 35), (30, 28))])
def test_preprocessing_is_torchvisions_resize_and_centre_crop(size, resize, crop):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8))
    theirs = v2.Compose([v2.Resize(resize, InterpolationMode.BILINEAR, antialias=True), v2.CenterCrop(crop)])(picture)
    ours = Preprocess(crop, resize, MEAN, STD)(picture)
    assert (ours.dtype, ours.shape) == (torch.uint8, (*crop, 3))
    assert np.array_equal(ours.numpy(), np.asarray(theirs))


def test_preprocessing_goes_through_plain_types_and_back():
    preprocess = Preprocess((24, 20), (30, 28), MEAN, STD, "nearest", resize_mode="letterbox", pad_value=3)
    plain = preprocess.to_plain()
    assert plain["mean"] == list(MEAN)
    names = {"img_size", "val_resize", "mean", "std", "interpolation", "dct_scaling", "resize_mode", "pad_value"}
    assert set(plain) == names
    assert read_preprocess(plain) == preprocess


def test_older_plain_values_are_those_of_a_squashed_picture():
    plain = Preprocess((24, 20), (30, 28), MEAN, STD).to_plain()
    for name in ("dct_scaling", "resize_mode", "pad_value"):
        del plain[name]
    assert read_preprocess(plain) == Preprocess((24, 20), (30, 28), MEAN, STD)


@pytest.mark.parametrize("resize_mode", ["squash", "shortest", "letterbox"])
def test_a_png_whose_orientation_comes_after_its_pixels_keeps_its_shape(tmp_path, resize_mode):
    upright = picture_of((20, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "x.png", exif=exif)
    content = (tmp_path / "x.png").read_bytes()
    begins = content.index(b"eXIf") - 4
    ends = begins + 12 + int.from_bytes(content[begins : begins + 4], "big")
    chunk, rest = content[begins:ends], content[:begins] + content[ends:]
    last = rest.index(b"IEND") - 4
    (tmp_path / "x.png").write_bytes(rest[:last] + chunk + rest[last:])
    steps = Preprocess((16, 16), (18, 18), MEAN, STD, resize_mode=resize_mode)
    assert torch.equal(steps(open_image(tmp_path / "x.png")), steps(upright))


def picture_of(size, seed=1):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


@pytest.mark.parametrize("word", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(64, 64), (61, 97), (97, 61), (20, 33), (500, 375), (333, 500), (40, 600)])
def test_the_shortest_side_is_torchvisions_and_timms_evaluation(size, word):
    """Resize(256), CenterCrop(224), which timm writes as crop_pct = 0.875."""
    picture = picture_of(size)
    ours = Preprocess((224, 224), (256, 256), MEAN, STD, word, resize_mode="shortest")(picture).numpy()
    theirs = v2.Compose([v2.Resize(256, InterpolationMode(word), antialias=True), v2.CenterCrop(224)])(picture)
    assert np.array_equal(ours, np.asarray(theirs))
    timms = create_transform(224, interpolation=word, crop_pct=0.875, mean=(0, 0, 0), std=(1, 1, 1))(picture)
    assert np.abs(ours - (timms.permute(1, 2, 0).numpy() * 255)).max() <= 1


def test_the_shortest_side_covers_what_is_asked_of_any_shape():
    for size in [(1, 5000), (5000, 1), (3, 50), (50, 3), (31, 29), (7, 112)]:
        for resize, crop in [((40, 64), (32, 64)), ((64, 40), (64, 40)), ((33, 33), (32, 32))]:
            shown = Preprocess(crop, resize, MEAN, STD, resize_mode="shortest")(Image.new("RGB", size[::-1], "white"))
            assert shown.shape == (*crop, 3)
            assert int(shown.min()) == 255


def long_object():
    """160 x 20, dark, with a red end and a blue one."""
    picture = Image.new("RGB", (160, 20), (10, 10, 10))
    picture.paste((250, 0, 0), (0, 0, 4, 20))
    picture.paste((0, 0, 250), (156, 0, 160, 20))
    return picture


def test_a_letterbox_keeps_an_object_of_1_to_8_whole_and_its_shape():
    shown = Preprocess((64, 64), (80, 80), MEAN, STD, resize_mode="letterbox", pad_value=77)(long_object()).numpy()
    rows = np.flatnonzero((shown != 77).any(axis=(1, 2)))
    assert (rows[0], rows[-1]) == (28, 35)  # 8 rows in the middle
    assert shown[30, 0, 0] > 200
    assert shown[30, -1, 2] > 200
    assert (shown[:28] == 77).all()
    assert (shown[36:] == 77).all()
    upright = long_object().rotate(90, expand=True)
    tall = Preprocess((64, 32), (64, 32), MEAN, STD, resize_mode="letterbox")(upright).numpy()
    assert (tall[0, 14:18, 2] > 200).all()
    assert (tall[-1, 14:18, 0] > 200).all()


@pytest.mark.parametrize("mode", ["squash", "shortest", "letterbox"])
@pytest.mark.parametrize("size", [(1500, 1100), (1500, 300)])
def test_a_large_jpeg_decoded_small_looks_as_the_whole_one(tmp_path, mode, size):
    small = picture_of((size[0] // 150, size[1] // 150)).resize(size[::-1], Image.Resampling.BICUBIC)
    small.save(tmp_path / "x.jpg", quality=92)
    seen = [
        Preprocess((56, 64), (64, 72), MEAN, STD, dct_scaling=scaled, resize_mode=mode)(open_image(tmp_path / "x.jpg"))
        for scaled in (True, False)
    ]
    assert (seen[0].int() - seen[1].int()).abs().float().mean() < 1.5


def test_training_crops_of_a_letterbox_are_of_the_whole_picture_with_its_bars():
    whole = dict(crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), resize_mode="letterbox", pad_value=77)
    step = TrainTransform(Augmentation(img_size=(64, 64), augment="simple", **whole), seed=0)
    shown, _ = step(long_object(), 0, 0)
    shown = shown.flip(1) if shown[31, 0, 2] > 200 else shown
    expected = Preprocess((64, 64), (64, 64), MEAN, STD, resize_mode="letterbox", pad_value=77)(long_object())
    assert (shown.int() - expected.int()).abs().float().mean() < 2
    from_memory = torch.from_numpy(np.asarray(long_object()).copy())
    assert torch.equal(step(from_memory, 0, 0)[0], step(long_object(), 0, 0)[0])


def test_bars_fit_a_picture_that_a_tag_behind_its_pixels_turns(tmp_path):
    """As programs write it that add the tag to a finished PNG."""
    long_object().save(tmp_path / "upright.png")
    long_object().transpose(Image.Transpose.ROTATE_90).save(tmp_path / "x.png", exif=exif_of(6))
    turn_behind_pixels(tmp_path / "x.png")
    whole = dict(crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), resize_mode="letterbox", horizontal_flip=0.0)
    step = TrainTransform(Augmentation(img_size=(64, 64), augment="simple", **whole), seed=0)
    seen = [step(open_image(tmp_path / name), 0, 0)[0] for name in ("x.png", "upright.png")]
    assert torch.equal(*seen)


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def turn_behind_pixels(path):
    """Move the eXIf chunk of a PNG in front of its end."""
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    rest = data[:start] + data[end:]
    last = rest.index(b"IEND") - 4
    path.write_bytes(rest[:last] + data[start:end] + rest[last:])
