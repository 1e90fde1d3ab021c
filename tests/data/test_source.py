"""Images that are kept otherwise than in files below a folder: what a reader has to make of them."""

import io
import tarfile
import zlib

from utils.config.keys import TrainConfig
from utils.data.batches import read
from utils.data.cache import ImageCache
from utils.data.images import open_image
from utils.data.listing import scan
from utils.data.loaders import train_loader, val_loader
from utils.data.preprocess import Preprocess
from utils.errors import ImageError, UnreadableError

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.image_files import noisy_image


class Tar:
    """Images of a tar file, <class>/<name>."""

    notes = ()

    def __init__(self, path):
        self.root = str(path)
        with tarfile.open(path) as archive:
            self.members = sorted((member.name, member.offset_data, member.size) for member in archive)
        labels = [name.split("/")[0] for name, _, _ in self.members]
        self.classes = tuple(sorted(set(labels)))
        self.targets = np.array([self.classes.index(label) for label in labels], dtype=np.int64)

    def __len__(self):
        return len(self.members)

    def name(self, index):
        return f"{self.root}:{self.members[index][0]}"

    def open(self, index):
        _, offset, size = self.members[index]
        with open(self.root, "rb") as file:
            file.seek(offset)
            try:
                return Image.open(io.BytesIO(file.read(size)))
            except OSError as error:
                raise ImageError(str(error)) from None

    def counts(self):
        return np.bincount(self.targets, minlength=len(self.classes))

    def fingerprint(self):
        return (zlib.crc32(repr(self.members).encode()),)


@pytest.fixture
def folder(image_folder):
    return image_folder({"train": {"ant": 4, "bee": 3}}) / "train"


@pytest.fixture
def tar(folder, tmp_path):
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.add(path, path.relative_to(folder).as_posix())
    return tmp_path / "images.tar"


CONFIG = TrainConfig.plain(img_size=(24, 24), val_resize=(24, 24), batch_size=3)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_tar_file_trains_and_validates_as_the_folder_it_was_made_from(folder, tar, workers):
    images = scan(folder)
    packed = Tar(tar)
    assert packed.classes == images.classes
    steps = Preprocess.from_config(CONFIG)
    options = dict(rank=0, world_size=1, workers=workers, pin=False)
    for loader in (
        lambda each: train_loader(CONFIG, each, **options),
        lambda each: val_loader(CONFIG, each, steps, **options),
    ):
        one, other = (list(read(loader(each))) for each in (images, packed))
        assert all(torch.equal(a.images, b.images) and torch.equal(a.targets, b.targets) for a, b in zip(one, other))


def test_a_tar_file_is_cached(folder, tar):
    cache = ImageCache(Tar(tar), budget=1 << 20)
    packed = Tar(tar)
    for index in range(len(packed)):
        assert np.array_equal(cache[index].numpy(), np.asarray(packed.open(index).convert("RGB")))


def test_an_image_that_cannot_be_read_is_named_as_its_source_names_it(tmp_path):
    content = io.BytesIO()
    noisy_image("ant", "0", (24, 24)).save(content, "png")
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        for name, data in (("ant/0.png", content.getvalue()), ("bee/1.png", b"nothing")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    loader = val_loader(
        CONFIG, Tar(tmp_path / "images.tar"), Preprocess.from_config(CONFIG), rank=0, world_size=1, workers=0, pin=False
    )
    with pytest.raises(UnreadableError, match="images.tar:bee/1.png: cannot read"):
        list(read(loader))


def test_files_are_opened_by_the_one_reader(folder):
    images = scan(folder)
    assert images.open(0).tobytes() == open_image(images.name(0)).tobytes()
