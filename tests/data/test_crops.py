"""Crops: torchvision's distribution; a JPEG decoded small gives nearly the crop of the whole, however turned."""

import math
from dataclasses import replace
from random import Random

from utils.config import TrainConfig
from utils.data import crops, images
from utils.data.cache import ImageCache
from utils.data.crops import Box, cut, random_box, random_crop, resized
from utils.data.images import decoded_pixels, open_image, read_image
from utils.data.listing import scan
from utils.data.loaders import make_loaders
from utils.data.preprocess import Preprocess
from utils.data.source import Splits
from utils.errors import ImageError
from utils.weights.preprocess_schema import read_preprocess

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.transforms import v2

PHOTOGRAPH = Image.fromarray(load_sample_images().images[0])
TO_STORED = [None, 0, 3, 1, 5, 2, 6, 4]  # Image.Transpose of a picture as EXIF orientation 1..8 stores it
CLOSE = 2.0  # levels, mean absolute difference over several crops; a shift by half a pixel that is decoded gives more


def jpeg(path, size=(1000, 760), *, orientation=1, mode="RGB"):
    """A photograph that is so large, (width, height), when it is upright."""
    picture = PHOTOGRAPH.resize(size, Image.Resampling.BICUBIC).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = TO_STORED[orientation - 1]
    picture = picture if turn is None else picture.transpose(Image.Transpose(turn))
    picture.save(path, quality=92, exif=exif)
    return path


def distance(one, other):
    return (one.int() - other.int()).abs().float().mean().item()


def crop_distance(path, whole):
    """Of crops from the file and from the whole decoded picture, on average."""
    pairs = [[random_crop(look, (40, 32), Random(seed)) for look in (open_image(path), whole)] for seed in range(12)]
    assert all(ours.shape == theirs.shape == (40, 32, 3) for ours, theirs in pairs)
    return np.mean([distance(ours, theirs) for ours, theirs in pairs])


@pytest.mark.parametrize("ranges", [{}, dict(scale=(0.35, 0.9), ratio=(0.5, 1.0))], ids=["usual", "others"])
@pytest.mark.parametrize("size", [(375, 500), (30, 40), (20, 300), (300, 20), (1, 1)])
def test_boxes_are_spread_as_torchvisions(size, ranges):
    torch.manual_seed(0)
    image = torch.empty(3, *size)
    random = Random(0)
    transform = v2.RandomResizedCrop(8, **ranges)
    theirs = torch.tensor([list(transform.make_params([image]).values()) for _ in range(3000)]).double()
    ours = torch.tensor([random_box(size, random, **ranges) for _ in range(3000)]).double()
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, 0] + ours[:, 2] <= size[0]).all()
    assert (ours[:, 1] + ours[:, 3] <= size[1]).all()
    scale = max(size)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert torch.allclose(ours.quantile(share, 0), theirs.quantile(share, 0), atol=max(1.0, 0.05 * scale))


def test_boxes_of_shapes_that_no_picture_has_are_a_pixel_wide_at_least():
    for size in [(8, 8), (1, 1), (500, 1), (1, 500)]:
        for ratio in [(50.0, 100.0), (0.01, 0.02), (3.0, 3.0)]:
            box = random_box(size, Random(0), (0.5, 0.5), ratio)
            assert min(box.height, box.width) >= 1
            assert box.top + box.height <= size[0]
            assert box.left + box.width <= size[1]


@pytest.mark.parametrize("size", [(1000, 760), (997, 751), (505, 333)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_decoded_small_gives_nearly_the_crop_of_the_whole(tmp_path, size, orientation):
    path = jpeg(tmp_path / "x.jpg", size, orientation=orientation)
    whole = read_image(path)
    assert whole.size == size
    assert crop_distance(path, whole) < CLOSE


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_crop_is_the_asked_part_whatever_the_kind(tmp_path, mode):
    path = jpeg(tmp_path / "x.jpg", mode=mode)
    assert crop_distance(path, read_image(path)) < CLOSE


def test_large_jpegs_are_decoded_small_and_no_smaller_than_the_crop_asks(tmp_path, monkeypatch):
    path, boxes, reductions = jpeg(tmp_path / "x.jpg"), [], []

    def keep_box(*given):
        boxes.append(random_box(*given))
        return boxes[-1]

    def keep_reduction(picture, reduction=1):
        reductions.append(reduction)
        return decoded_pixels(picture, reduction)

    monkeypatch.setattr(crops, "random_box", keep_box)
    monkeypatch.setattr(crops, "decoded_pixels", keep_reduction)
    for seed in range(40):
        random_crop(open_image(path), (100, 100), Random(seed))
    assert set(reductions) >= {2, 4}
    for box, reduction in zip(boxes, reductions, strict=True):
        assert min(box[2:]) // reduction >= 100
        assert reduction == 8 or min(box[2:]) // (2 * reduction) < 100


def test_both_decoders_give_the_same_pixels(tmp_path, monkeypatch):
    path = jpeg(tmp_path / "x.jpg", (190, 150))
    assert (images.jpeg_decoder() is not None) == hasattr(torch.ops.image, "decode_jpeg")  # used where there is one
    fast = random_crop(open_image(path), (64, 64), Random(1))
    monkeypatch.setattr(images, "jpeg_decoder", lambda: None)
    assert torch.equal(fast, random_crop(open_image(path), (64, 64), Random(1)))


def test_half_a_jpeg_is_refused_with_the_reason(tmp_path):
    path = jpeg(tmp_path / "x.jpg", (190, 150))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for size in ((64, 64), (8, 8)):
        with pytest.raises(ImageError, match="truncated"):
            random_crop(open_image(path), size, Random(1))


@pytest.mark.parametrize("size", [(224, 224), (40, 300), (33, 17)])
def test_resizing_is_pillows_within_a_level(size):
    theirs = PHOTOGRAPH.crop((40, 30, 340, 290)).resize(size[::-1], Image.Resampling.BILINEAR)
    ours = resized(cut(torch.from_numpy(np.array(PHOTOGRAPH)), Box(30, 40, 260, 300)), size)
    assert np.abs(ours.numpy() - np.asarray(theirs).astype(int)).max() <= 1


def test_a_part_lies_where_slices_say_and_ends_with_the_picture():
    block = torch.arange(2 * 20 * 30 * 3).view(2, 20, 30, 3)
    for pixels in (block[1], block[1].permute(2, 0, 1).contiguous().permute(1, 2, 0)):  # rows first, channels first
        for top, left, height, width in ((0, 0, 20, 30), (3, 7, 5, 11), (15, 20, 9, 40)):
            sliced = pixels[top : top + height, left : left + width]
            assert torch.equal(cut(pixels, Box(top, left, height, width))[0].permute(1, 2, 0), sliced)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(1000, 760), (997, 751)])
def test_validation_reads_large_jpegs_small_and_nearly_alike(tmp_path, orientation, size):
    path = jpeg(tmp_path / "x.jpg", size, orientation=orientation)
    steps = Preprocess((56, 64), (64, 72), (0.5,) * 3, (0.5,) * 3, dct_scaling=True)
    assert steps.reduction(size[::-1]) == 8
    assert distance(steps(open_image(path)), steps(read_image(path))) < 2 * CLOSE
    older = read_preprocess({name: value for name, value in steps.to_plain().items() if name != "dct_scaling"})
    assert torch.equal(older(open_image(path)), older(read_image(path)))


def test_a_cache_for_validation_gives_the_pixels_of_the_files(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    steps = Preprocess((56, 64), (64, 72), (0.5,) * 3, (0.5,) * 3, dct_scaling=True)
    jpeg(folder / "large.jpg")
    jpeg(folder / "odd.jpg", (997, 751), orientation=6)
    jpeg(folder / "ink.jpg", mode="CMYK")
    PHOTOGRAPH.save(folder / "x.png")
    images = scan(tmp_path)
    cache = ImageCache(images, budget=10**9, reduction=steps.reduction)
    for index in range(len(images)):
        assert torch.equal(steps(cache[index]), steps(open_image(images.name(index))))
    assert max(cache[images.paths.index("a/large.jpg")].shape) == math.ceil(1000 / 8)


def test_a_run_validates_on_the_same_pixels_with_and_without_cache(tmp_path):
    (tmp_path / "val" / "a").mkdir(parents=True)
    jpeg(tmp_path / "val" / "a" / "large.jpg")
    splits = Splits(None, scan(tmp_path / "val"))
    config = TrainConfig.plain(img_size=(56, 64), val_resize=(64, 72), num_workers=0, cache="ram")
    steps = Preprocess.from_config(config)
    seen = [
        next(iter(make_loaders(replace(config, cache=cache), splits, steps, torch.device("cpu"))[1])).images
        for cache in ("ram", "none")
    ]
    assert torch.equal(*seen)
    assert torch.equal(seen[0][0], steps(open_image(splits.val.name(0))))
    assert not torch.equal(seen[0][0], steps(read_image(splits.val.name(0))))  # it was read small


@pytest.mark.parametrize("mode", ["squash", "shortest", "letterbox"])
def test_the_cache_of_validation_changes_no_pixel_of_jpegs_of_odd_sizes(tmp_path, mode):
    (tmp_path / "a").mkdir()
    sizes = [(401, 333), (301, 461), (551, 357), (351, 461), (651, 249), (1301, 77), (77, 1301)]
    for number, size in enumerate(sizes):
        jpeg(tmp_path / "a" / f"{number}.jpg", size)
    jpeg(tmp_path / "a" / "turned.jpg", (648, 248), orientation=6)
    splits = Splits(None, scan(tmp_path))
    config = TrainConfig.plain(img_size=(56, 64), val_resize=(64, 72), resize_mode=mode, num_workers=0, cache="ram")
    steps = Preprocess.from_config(config)
    cached = next(iter(make_loaders(config, splits, steps, torch.device("cpu"))[1])).images
    for index, pixels in enumerate(cached):
        assert torch.equal(pixels, steps(open_image(splits.val.name(index)))), splits.val.name(index)
