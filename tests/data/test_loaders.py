"""Batches of loaders: the same whatever the workers and the cache; unreadable files; how programs end."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from utils.config import TrainConfig
from utils.data.batches import read
from utils.data.cache import ImageCache
from utils.data.listing import scan
from utils.data.loaders import train_loader, val_loader
from utils.data.preprocess import Preprocess
from utils.errors import DataError, UnreadableError
from utils.threads import home_cores

import pytest
import torch
from PIL import Image

from tests.helpers import ROOT

TREE = {"train": {"ant": 5, "bee": 4, "cow": 4}, "val": {"ant": 3, "cow": 2}}


@pytest.fixture
def images(image_folder):
    return scan(image_folder(TREE) / "train")


def config(**values):
    settings = dict(img_size=(24, 24), val_resize=(30, 28), batch_size=4, augment="tawide", random_erase_prob=0.5)
    return TrainConfig.plain(**{**settings, **values})


def train_batches(images, *, workers=0, epochs=2, spawn=False, cache=None, **values):
    """All batches of some epochs from one loader."""
    loader = train_loader(config(**values), images, rank=0, world_size=1, workers=workers, pin=False, cache=cache)
    if spawn:
        loader.multiprocessing_context = "spawn"
    batches = []
    for epoch in range(epochs):
        loader.batch_sampler.set_epoch(epoch)
        batches += read(loader)
    return batches


def assert_same_batches(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other):
        assert all(torch.equal(x, y) for x, y in zip(a[:4], b[:4]))
        assert a.bad == b.bad


@pytest.mark.parametrize("persistent", [True, False])
def test_workers_change_nothing(images, persistent):
    alone = train_batches(images)
    assert_same_batches(alone, train_batches(images, workers=2, persistent_workers=persistent))
    assert not torch.equal(alone[0].images, alone[3].images)  # the second epoch


def test_spawned_workers_change_nothing_with_and_without_cache(images):
    alone = train_batches(images, epochs=1)
    cache = ImageCache(images, budget=10**9)
    assert_same_batches(alone, train_batches(images, epochs=1, workers=1, spawn=True, cache=cache))


PROGRAM = """
import sys
from functools import partial
from pathlib import Path
from utils.config import TrainConfig
from utils.data.batches import read
from utils.data.listing import scan
from utils.data.loaders import train_loader

config = TrainConfig.plain(img_size=(24, 24), batch_size=2)
loader = train_loader(config, scan(sys.argv[1]), rank=0, world_size=1, workers=2, pin=False)
for batch in read(loader):
    {inner}
{after}
"""
FAILURE = "raise RuntimeError('a fault of the program')"
ENDINGS = {  # what it does within and after an epoch, its status
    "within an epoch": (FAILURE, "", 1),
    "after an epoch": ("pass", FAILURE, 1),
    "without a fault": ("pass", "", 0),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_that_still_holds_its_loader(images, ending):
    """Its workers, which wait for more, do not hold it up."""
    inner, after, status = ENDINGS[ending]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", PROGRAM.format(inner=inner, after=after), images.root]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True) as program:
        try:
            _, reported = program.communicate(timeout=45)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            pytest.fail("the program hangs")
    assert program.returncode == status
    assert reported.count("Traceback") == status
    assert ("a fault of the program" in reported) == bool(status)


@pytest.fixture
def two_threads():
    """As a run sets them: a worker forked after it has a thread of torch's before it does anything of ours."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_that_take(signum, pid):
    masks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return [mask for mask in masks if not int(re.search(r"SigBlk:\s+(\w+)", mask)[1], 16) & 1 << signum - 1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sender of a signal cannot be asked for here")
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_worker_ends_for_its_parent_and_for_nobody_else(images, start_method, two_threads):
    loader = train_loader(config(), images, rank=0, world_size=1, workers=1, pin=False)
    loader.multiprocessing_context = start_method
    count = len(list(read(loader)))
    [worker] = loader._iterator._workers
    # the one that waits for it, unless it has yet to begin; any other would let the process die of it
    assert len(threads_that_take(signal.SIGTERM, worker.pid)) <= 1
    for name in ("TERM", "INT"):
        subprocess.run(["kill", f"-{name}", str(worker.pid)], check=True)
    assert len(list(read(loader))) == count
    assert worker.is_alive()
    worker.terminate()
    worker.join(timeout=20)
    assert worker.exitcode == 0
    loader._iterator._shutdown_workers()
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_batch_holds_uint8_images_with_the_targets_of_their_indices(images):
    for batch in train_batches(images, epochs=1):
        assert (batch.images.dtype, batch.images.shape[1:]) == (torch.uint8, (24, 24, 3))
        assert batch.targets.tolist() == images.targets[batch.indices].tolist()
        assert len(batch.images) == len(batch.boxes) == len(batch.indices)


def test_resuming_within_an_epoch_gives_the_batches_that_are_left(images):
    loader = train_loader(config(), images, rank=0, world_size=1, workers=0, pin=False)
    loader.batch_sampler.set_epoch(1)
    whole = list(read(loader))
    loader.batch_sampler.set_epoch(1, 2)
    assert_same_batches(whole[2:], list(read(loader)))


def break_file(images, index):
    path = images.name(index)
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content[: len(content) // 2])
    return path


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_stops_with_its_path_and_reason(images, workers):
    path = break_file(images, 3)
    others = multiprocessing.active_children()
    with pytest.raises(UnreadableError) as caught:
        train_batches(images, workers=workers)
    assert set(multiprocessing.active_children()) <= set(others)  # none that waits for more
    assert path in str(caught.value)
    assert "truncated" in str(caught.value)
    assert "on_bad_image" in str(caught.value)


@pytest.mark.parametrize("cached", [False, True])
def test_an_unreadable_image_is_left_out_and_listed_where_the_config_says_so(images, cached):
    whole = train_batches(images, epochs=1)
    break_file(images, 3)
    cache = ImageCache(images, budget=10**9) if cached else None
    batches = train_batches(images, epochs=1, on_bad_image="skip", cache=cache)
    assert [index for batch in batches for index, _ in batch.bad] == [3]
    assert all("truncated" in reason for batch in batches for _, reason in batch.bad)
    for before, after in zip(whole, batches):  # the others are untouched, and nothing takes its place
        kept = before.indices != 3
        assert all(torch.equal(x[kept], y) for x, y in zip(before[:4], after[:4]))


def test_a_batch_of_unreadable_images_alone_is_empty(images):
    for index in range(len(images)):
        break_file(images, index)
    batches = train_batches(images, epochs=1, on_bad_image="skip")
    assert [len(batch.targets) for batch in batches] == [0, 0, 0]
    assert sum(len(batch.bad) for batch in batches) == len(images)


def test_cached_pictures_give_the_same_batches(images):
    assert_same_batches(train_batches(images), train_batches(images, cache=ImageCache(images, budget=10**9)))


def test_a_cache_keeps_turned_pictures(image_folder):
    root = image_folder({"cat": {"a": 1}}) / "cat"
    exif = Image.Exif()
    exif[0x0112] = 6
    for ending in ("jpg", "png", "tif", "webp"):
        Image.new("RGB", (9, 5), "red").save(root / "a" / f"turned.{ending}", exif=exif)
    images = scan(root)
    cache = ImageCache(images, budget=10**9)
    assert [cache[i].shape for i in range(len(images))] == [(32, 40, 3), *[(9, 5, 3)] * 4]


def test_a_cache_over_its_budget_is_refused_with_both_figures(images):
    needed = 13 * 40 * 32 * 3
    ImageCache(images, budget=needed)
    with pytest.raises(DataError, match="cache: the 13 images .* need .* may be used"):
        ImageCache(images, budget=needed - 1)


def test_the_cached_pixels_are_shared_and_not_copied(images):
    cache = ImageCache(images, budget=10**9)
    assert cache.pixels.dtype == torch.uint8
    assert cache.pixels.numel() == 13 * 40 * 32 * 3


def test_validation_batches_keep_order_and_cover_all(image_folder):
    val = scan(image_folder(TREE) / "val", ["ant", "bee", "cow"])
    values = config(batch_size=2)
    preprocess = Preprocess.from_config(values)
    loader = val_loader(values, val, preprocess, rank=0, world_size=1, workers=0, pin=False)
    batches = list(read(loader))
    assert torch.cat([batch.targets for batch in batches]).tolist() == [0, 0, 0, 2, 2]
    with Image.open(val.name(4)) as image:
        assert torch.equal(batches[-1].images[-1], preprocess(image))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no process can be held on a core here")
def test_as_many_workers_as_the_machine_has_cores_are_not_too_many(data, recwarn):
    """Though this process may be held on one of them when the loader is made."""
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, [min(cores)])
        loader_of = partial(train_loader, TrainConfig.plain(), scan(data / "train"), rank=0, world_size=1, pin=False)
        loader_of(workers=len(home_cores()))
        assert not [str(warning.message) for warning in recwarn]
        loader_of(workers=len(home_cores()) + 1)
        assert "worker processes" in str(recwarn.pop().message)
    finally:
        os.sched_setaffinity(0, cores)
