"""TrivialAugmentWide: torchvision's operations, strengths and chances, and its pixels within a level."""

from collections import Counter
from random import Random

from utils.data import trivial_augment
from utils.data.trivial_augment import BINS, BLACK, operations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.transforms import InterpolationMode, v2

PICTURE = Image.fromarray(load_sample_images().images[0][100:300, 100:340]).resize((72, 56))
PIXELS = torch.from_numpy(np.array(PICTURE))
SPACE = list(v2.TrivialAugmentWide()._AUGMENTATION_SPACE.items())
FILLS = {"black": (BLACK, None), "colour": ((200, 90, 20), [200, 90, 20])}  # ours, torchvision's


def theirs(name, magnitude, fill):
    reference = v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR, fill=fill)
    options = dict(interpolation=InterpolationMode.BILINEAR, fill=reference._fill)
    return np.asarray(reference._apply_image_or_video_transform(PICTURE, name, magnitude, **options)).astype(int)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("place", range(len(SPACE)), ids=[name for name, _ in SPACE])
def test_each_operation_gives_torchvisions_pixels_at_every_strength(place, fill):
    fill, of_theirs = FILLS[fill]
    (name, (magnitudes, is_signed)), (function, ours, signed) = SPACE[place], operations(fill)[place]
    assert signed == is_signed
    strengths = magnitudes(BINS, *PIXELS.shape[:2])
    for step in range(1 if strengths is None else BINS):
        magnitude = 0.0 if strengths is None else float(strengths[step])
        for sign in (1, -1) if signed else (1,):
            before = PIXELS.clone()
            difference = np.abs(function(PIXELS, sign * ours[step]).numpy() - theirs(name, sign * magnitude, of_theirs))
            assert difference.max() <= 1, (name, step, sign)
            assert torch.equal(PIXELS, before)


@pytest.mark.parametrize("shift", [-9, -3, 3, 9])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_beyond_the_picture_leaves_the_colour_alone(shift, axis):
    for fill in ((0, 0, 0), (1, 2, 3)):
        moved = trivial_augment.translate(torch.full((5, 7, 3), 9, dtype=torch.uint8), shift, axis=axis, fill=fill)
        came_in = (moved == torch.tensor(fill)).all(2)
        assert came_in.sum() == 35 - max(0, (5, 7)[axis] - abs(shift)) * (7, 5)[axis]
        assert (moved[~came_in] == 9).all()


def test_operations_strengths_and_signs_are_as_likely_as_torchvisions(monkeypatch):
    drawn = Counter()
    real = operations(BLACK)
    kept = [
        (lambda pixels, strength, place=place: drawn.update([(place, strength)]), strengths, signed)
        for place, (_, strengths, signed) in enumerate(real)
    ]
    monkeypatch.setattr(trivial_augment, "operations", lambda fill: kept)
    random = Random(0)
    for _ in range(28_000):
        trivial_augment.trivial_augment(PIXELS, random)
    for place, (_, strengths, signed) in enumerate(real):
        found = {strength: count for (at, strength), count in drawn.items() if at == place}
        assert sum(found.values()) == pytest.approx(2000, abs=200)
        assert len(found) == (2 * BINS - 1 if signed else len(set(strengths)))  # 0 has no sign
        negative = sum(count for strength, count in found.items() if strength < 0)
        assert negative == pytest.approx(1000 * (BINS - 1) / BINS if signed else 0, abs=120)
