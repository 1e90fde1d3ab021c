"""Augmentation depends on its seed alone; erasing and mixing do what their papers and torchvision say."""

import hashlib
import pickle
from random import Random

from utils.data.augment import Augmentation, TrainTransform
from utils.data.mixing import Mixer, _inside, erase
from utils.data.pixels import to_tensor
from utils.data.policies import blur, grey, solarize

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import v2

POLICIES = ["simple", "ra", "tawide", "imagenet", "cifar10", "svhn", "augmix", "3augment"]
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def transform(augment="tawide", *, seed=0, img_size=(24, 32), **values):
    values = {"horizontal_flip": 0.5, "random_erase_prob": 0.5, **values}
    return TrainTransform(Augmentation(img_size=img_size, augment=augment, **values), seed=seed)


def draws(augment, *, epochs=(0,), indices=(0,), seed=0):
    """Pixels and boxes of PICTURE as one list of plain numbers a draw."""
    step = transform(augment, seed=seed)
    return [[part.tolist() for part in step(PICTURE, epoch, index)] for epoch in epochs for index in indices]


@pytest.mark.parametrize("augment", POLICIES)
def test_each_policy_gives_uint8_pixels_of_the_asked_size(augment):
    step = transform(augment)
    for index in range(20):
        pixels, box = step(PICTURE, 0, index)
        assert (pixels.shape, pixels.dtype) == ((24, 32, 3), torch.uint8)
        assert (box.shape, box.dtype) == ((4,), torch.int64)


@pytest.mark.parametrize("augment", POLICIES)
def test_a_loading_process_that_is_spawned_draws_the_same(augment):
    step = transform(augment, **EXTRAS)
    sent = pickle.loads(pickle.dumps(step))
    assert all(torch.equal(*pair) for i in range(4) for pair in zip(step(PICTURE, 0, i), sent(PICTURE, 0, i)))


@pytest.mark.parametrize("augment", POLICIES)
def test_the_same_seed_epoch_and_index_give_the_same_pixels(augment):
    torch.manual_seed(1)
    before = draws(augment, indices=range(4))
    torch.rand(7)
    assert draws(augment, indices=range(4)) == before
    assert draws(augment, indices=[3]) == before[3:]  # whatever was drawn in between


def test_another_epoch_index_or_seed_gives_other_pixels():
    several = [*draws("simple", epochs=range(3), indices=range(3)), *draws("simple", seed=1)]
    assert all(a != b for i, a in enumerate(several) for b in several[:i])


def test_policies_differ_from_simple():
    plain = draws("simple", indices=range(12))
    for augment in POLICIES[1:]:
        assert draws(augment, indices=range(12)) != plain, augment


def test_chances_of_flip_and_erasing_are_kept():
    plain = transform("simple", horizontal_flip=0.0, random_erase_prob=0.0)
    sure = transform("simple", horizontal_flip=1.0, random_erase_prob=1.0)
    half = transform("simple", horizontal_flip=0.0, random_erase_prob=0.5)
    assert not any(plain(PICTURE, 0, index)[1].any() for index in range(50))
    assert all(sure(PICTURE, 0, index)[1].any() for index in range(50))
    assert 60 <= sum(bool(half(PICTURE, 0, index)[1].any()) for index in range(200)) <= 140
    even = Image.new("RGB", (40, 40), "black")
    even.paste("white", (0, 0, 20, 40))
    pixels = transform("simple", horizontal_flip=1.0, random_erase_prob=0.0, img_size=(40, 40))(even, 0, 1)[0]
    assert pixels[:, 0].float().mean() <= pixels[:, -1].float().mean()


EXTRAS = dict(vertical_flip=1.0, rotate=30.0, color_jitter=0.4, grayscale_prob=1.0, blur_prob=1.0)
ALONE = dict(horizontal_flip=0.0, random_erase_prob=0.0)


def test_what_is_switched_off_draws_nothing():
    """Digest of what a run drew before there were these keys."""
    digest = hashlib.sha256()
    for augment in ("simple", "tawide", "ra"):
        for index in range(10):
            for part in transform(augment)(PICTURE, 1, index):
                digest.update(part.numpy().tobytes())
    assert digest.hexdigest()[:16] == "01d8817bcc4b04d7"


@pytest.mark.parametrize("name", EXTRAS)
def test_each_extra_changes_the_pixels_and_repeats(name):
    plain = transform("simple", **ALONE)
    extra = transform("simple", **ALONE, **{name: EXTRAS[name]})
    for index in range(5):
        before = plain(PICTURE, 0, index)[0]
        after = extra(PICTURE, 0, index)[0]
        assert (after.shape, after.dtype) == (before.shape, before.dtype)
        assert not torch.equal(before, after)
        assert torch.equal(after, extra(PICTURE, 0, index)[0])


@pytest.mark.parametrize("name", ["vertical_flip", "grayscale_prob", "blur_prob"])
def test_chances_are_kept(name):
    plain = transform("simple", **ALONE)
    half = transform("simple", **ALONE, **{name: 0.5})
    changed = sum(not torch.equal(plain(PICTURE, 0, i)[0], half(PICTURE, 0, i)[0]) for i in range(200))
    assert 70 <= changed <= 130


def test_extras_are_what_torchvision_and_pillow_make():
    pixels = torch.from_numpy(np.asarray(PICTURE).copy())
    picture, random = PICTURE, Random(3)
    greys = to_tensor(v2.functional.rgb_to_grayscale(picture, 3)).int()
    assert (grey(pixels, random).int() - greys).abs().max() <= 1  # Pillow rounds, torchvision's tensors round down
    assert torch.equal(solarize(pixels, random), to_tensor(v2.functional.solarize(picture, 128)))
    radius = Random(3).uniform(0.1, 2.0)
    assert torch.equal(blur(pixels, random), to_tensor(picture.filter(ImageFilter.GaussianBlur(radius))))
    whole = dict(crop_scale=(1.0, 1.0), crop_ratio=(1.5, 1.5), img_size=(40, 60))
    kept = transform("simple", **ALONE, **whole)
    turned = transform("simple", **ALONE, **whole, vertical_flip=1.0)
    assert torch.equal(kept(PICTURE, 0, 0)[0], pixels)
    assert torch.equal(turned(PICTURE, 0, 0)[0], pixels.flip(0))


def test_turning_stays_within_its_degrees_and_jitter_within_its_strength():
    white = Image.new("RGB", (40, 40), "white")
    whole = dict(ALONE, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), img_size=(40, 40))
    for degrees, most in ((5.0, 0.05), (45.0, 0.3)):
        black = [(transform("simple", **whole, rotate=degrees)(white, 0, i)[0] == 0).float().mean() for i in range(40)]
        assert 0 < max(black) < most
    gray = Image.new("RGB", (40, 40), (100, 100, 100))
    levels = [transform("simple", **whole, color_jitter=0.2)(gray, 0, i)[0].float().mean() for i in range(60)]
    assert 79 <= min(levels) <= 90
    assert 110 <= max(levels) <= 121


@pytest.mark.parametrize(("augment", "rotate"), [("tawide", 0.0), ("ra", 0.0), ("imagenet", 0.0), ("simple", 45.0)])
def test_what_comes_in_has_the_colour_that_the_config_asks_for(augment, rotate):
    white = Image.new("RGB", (40, 40), "white")
    for fill in ("mean", "black"):
        step = transform(augment, **ALONE, rotate=rotate, fill=fill, mean=(0.2, 0.4, 0.6))
        corners = {tuple(step(white, 0, i)[0][0, 0].tolist()) for i in range(60)}
        assert ((51, 102, 153) in corners) == (fill == "mean")


def test_boxes_to_erase_lie_within_the_image_and_within_the_papers_areas():
    for index in range(50):
        top, left, height, width = transform("simple", random_erase_prob=1.0)(PICTURE, 0, index)[1].tolist()
        assert 0 <= top <= 24 - height
        assert 0 <= left <= 32 - width
        assert 0.01 <= height * width / (24 * 32) <= 0.35


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_erase_blanks_the_box_of_each_image_alone(memory_format):
    images = torch.randn(3, 3, 6, 8).contiguous(memory_format=memory_format)
    expected = images.clone()
    boxes = torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0], [0, 7, 6, 1]])
    erased = erase(images, boxes)
    expected[0, :, 1:4, 2:6] = 0
    expected[2, :, :, 7] = 0
    assert torch.equal(erased, expected)
    assert erased is images  # in place
    assert erased.is_contiguous(memory_format=memory_format)


CLASSES = 5


def batch(number=5, memory_format=torch.channels_last):
    images = torch.randn(number, 3, 8, 10, generator=torch.Generator().manual_seed(3))
    return images.contiguous(memory_format=memory_format), torch.arange(number) % CLASSES


def mixed(step, *, part=0, rank=0, seed=0, mixup=0.0, cutmix=0.0, images=None):
    given = batch() if images is None else images
    return Mixer(CLASSES, mixup_prob=mixup, cutmix_prob=cutmix, seed=seed)(*given, step=step, part=part, rank=rank)


def kind(images, original):
    """What was done to a batch, from its pixels: every pixel of cutmix is from one image or its neighbour."""
    if torch.equal(images, original):
        return "none"
    from_either = (images == original) | (images == original.roll(1, 0))
    return "cutmix" if from_either.all() else "mixup"


@pytest.mark.parametrize(
    ("mixup", "cutmix", "expected"),
    [
        (0.0, 0.0, (0.0, 0.0)),
        (0.3, 0.0, (0.3, 0.0)),
        (0.0, 0.3, (0.0, 0.3)),
        (0.2, 0.4, (0.2, 0.4)),
        (1.0, 1.0, (0.5, 0.5)),
    ],
)
def test_chances_of_mixing_are_kept_and_one_excludes_the_other(mixup, cutmix, expected):
    images, targets = batch(4)
    found = []
    for step in range(500):
        out, soft = mixed(step, mixup=mixup, cutmix=cutmix, images=(images, targets))
        if soft.is_floating_point():
            found.append(kind(out, images))
        else:
            assert torch.equal(soft, targets)
            assert torch.equal(out, images)
    # Of the cutmix boxes some are empty, and then nothing shows.
    shares = found.count("mixup") / 500, (found.count("cutmix") + found.count("none")) / 500
    assert shares == pytest.approx(expected, abs=0.08)


def share_kept(targets):
    """The share of its own class that image 0 kept; its neighbour in batch() is of another class."""
    return targets[0, 0].item()


def test_mixup_is_torchvisions():
    images, targets = batch()
    for step in range(5):
        out, soft = mixed(step, mixup=1.0, images=(images, targets))
        kept = share_kept(soft)
        hard = torch.nn.functional.one_hot(targets, CLASSES).float()
        assert torch.allclose(out, kept * images + (1 - kept) * images.roll(1, 0), atol=1e-5)
        assert torch.allclose(soft, kept * hard + (1 - kept) * hard.roll(1, 0), atol=1e-6)


def test_cutmix_is_torchvisions_with_the_share_counted_in_pixels():
    images, targets = batch()
    for step in range(5):
        out, soft = mixed(step, cutmix=1.0, images=(images, targets))
        pasted = (out != images).any(dim=1)  # (N, H, W)
        assert torch.equal(torch.where(pasted[:, None], images.roll(1, 0), images), out)
        rows = pasted[0].any(1).sum()
        columns = pasted[0].any(0).sum()
        assert pasted[0].sum() == rows * columns  # one box, the same in every image
        assert torch.equal(pasted, pasted[:1].expand_as(pasted))
        assert share_kept(soft) == pytest.approx(1 - pasted[0].float().mean().item(), abs=1e-6)


def test_a_known_share_gives_what_torchvision_gives(monkeypatch):
    images, targets = batch()
    for name, ours, theirs in (("mixup", {"mixup": 1.0}, v2.MixUp), ("cutmix", {"cutmix": 1.0}, v2.CutMix)):
        monkeypatch.setattr(torch.distributions.Beta, "sample", lambda self, shape: torch.tensor([0.7]))
        with monkeypatch.context() as patch:
            if name == "cutmix":
                patch.setattr(torch, "randint", lambda *args, **options: torch.tensor([4]))
            out, soft = mixed(0, **ours)
            expected, expected_soft = theirs(alpha=1.0, num_classes=CLASSES)(images, targets)
        assert torch.equal(out, expected)
        assert torch.equal(soft, expected_soft)


def test_mixing_depends_on_seed_step_part_and_rank_alone():
    def shares(**where):
        torch.rand(5)  # the state of the global generator does not matter
        return [share_kept(mixed(step, mixup=1.0, **where)[1]) for step in range(5)]

    several = [shares(), shares(seed=1), shares(part=1), shares(rank=1)]
    assert several == [shares(), shares(seed=1), shares(part=1), shares(rank=1)]
    assert all(a != b for i, a in enumerate(several) for b in several[:i])
    assert len(set(several[0])) == 5


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("number", [5, 1])
def test_targets_of_a_mixed_batch_sum_to_one_and_types_stay(kind, number):
    images, targets = batch(number)
    out, soft = mixed(0, images=(images, targets), **{kind: 1.0})
    assert soft.shape == (number, CLASSES)
    assert torch.allclose(soft.sum(1), torch.ones(number))
    assert out.dtype == soft.dtype == torch.float32


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_mixing_keeps_the_memory_format(kind, memory_format):
    given = batch(memory_format=memory_format)
    assert mixed(0, images=given, **{kind: 1.0})[0].is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_leaves_the_given_batch_alone(kind):
    images, targets = batch()
    before = images.clone()
    mixed(0, images=(images, targets), **{kind: 1.0})
    assert torch.equal(images, before)


def test_boxes_are_the_same_pixels_image_by_image_and_all_at_once():
    """The second is for GPUs."""
    boxes = torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0], [0, 3, 5, 2], [4, 0, 1, 6]])
    images = torch.ones(4, 3, 5, 6)
    assert torch.equal(erase(images.clone(), boxes), images.masked_fill(_inside(boxes, images), 0.0))
