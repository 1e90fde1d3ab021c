"""What training the whole network would take beside a probe."""

import time

import torch

from ..config.keys import TrainConfig
from ..data.batches import Batch
from ..data.preprocess import Preprocess
from ..timing import synchronize
from ..training.build import make_freezing, make_model, make_recipe, make_state
from ..training.engine import train_step
from ..training.freezing import train_mode


def seconds_of_an_epoch(config: TrainConfig, images: int, device: torch.device) -> float:
    """Of computing: by the second of two steps of up to 16 images each, and 2 at least, as BatchNorm needs."""
    number = max(2, min(config.batch_size, 16, images))
    model = make_model(config, device, 10)
    make_freezing(config, model)
    recipe = make_recipe(config, model, device, Preprocess.from_config(config))
    state = make_state(config, model, recipe, steps_per_epoch=1)
    train_mode(model, freeze_bn=recipe.freeze_bn)
    pixels = torch.randint(256, (number, *config.img_size, 3), dtype=torch.uint8)
    targets = torch.arange(number) % 10
    batch = Batch(pixels, targets, torch.zeros(number, 4, dtype=torch.int64), torch.arange(number), [])
    seconds = 0.0
    for _ in range(2):
        synchronize(device)
        start = time.perf_counter()
        train_step(state, model, [batch], recipe, None)
        synchronize(device)
        seconds = time.perf_counter() - start
    return seconds * images / number
