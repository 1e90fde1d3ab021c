"""The limit of pixels: one number from the config or an option down to the reader, whoever reads, in any process."""

import pickle
import re
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor

from utils.config import PredictConfig
from utils.data import images
from utils.data.batches import read
from utils.data.images import image_size, open_image, read_image
from utils.data.listing import scan
from utils.data.loaders import train_loader
from utils.data.preprocess import Preprocess
from utils.errors import DataError, ImageError
from utils.export.parity import check_images
from utils.prediction import Classifier
from utils.run.splits import read_data
from utils.weights.checkpoint import save_checkpoint

import numpy as np
import pytest
from PIL import Image

import predict
from tests.helpers.checkpoints import whole_checkpoint
from tests.helpers.image_files import noisy_image, png_header
from tools import check_data, create_data, grad_cam, probe, visualize_augment

ASKED = 1000  # of pictures of 40 x 32
OF_PILLOW = 600  # put in the place of Pillow's own limit, twice of which is an error: real pictures take gigabytes
REFUSED = "refused as a decompression bomb: 1,280 pixels (0.0 megapixels), the limit is 1,000 pixels"


def gif_header(path, width, height):
    """Its first frame claims to be so large, which Pillow refuses before it has the size of the picture."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x00"
    path.write_bytes(b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0, 0, 0) + frame)


@pytest.mark.parametrize("header", [png_header, gif_header])
def test_the_limit_is_raised_for_one_picture_alone(tmp_path, header):
    header(tmp_path / "x.png", 14_000, 15_000)
    before = Image.MAX_IMAGE_PIXELS
    for limit, refused in ((None, True), (210_000_000, False), (209_999_999, True), (None, True)):
        if refused:
            with pytest.raises(ImageError, match="decompression bomb"):
                image_size(tmp_path / "x.png", *([limit] if limit else []))
        else:
            assert image_size(tmp_path / "x.png", limit) == (15_000, 14_000)
        assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("header", [png_header, gif_header])
def test_the_reason_names_both_figures_and_the_ways_to_raise_the_limit(tmp_path, header):
    header(tmp_path / "x.png", 14_000, 15_000)
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "x.png")
    for part in (
        "210.0 megapixels",
        "179.0 megapixels",
        "max_image_pixels = 210000000",
        "--max-image-pixels 210000000",
    ):
        assert part in str(caught.value)
    with pytest.raises(ImageError, match=r"210\.0 megapixels.*limit is 200,000,000"):
        open_image(tmp_path / "x.png", 200_000_000)


def test_threads_do_not_leave_each_others_limit_behind(tmp_path):
    png_header(tmp_path / "x.png", 14_000, 15_000)
    before = Image.MAX_IMAGE_PIXELS
    with ThreadPoolExecutor(8) as pool:
        sizes = set(
            pool.map(lambda limit: image_size(tmp_path / "x.png", limit), [210_000_000 + n for n in range(200)])
        )
    assert sizes == {(15_000, 14_000)}
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("resize_mode", ["squash", "shortest", "letterbox"])
@pytest.mark.parametrize("size", [(40, 32), (640, 16), (16, 640)])
def test_what_is_read_under_a_raised_limit_is_preprocessed_like_others(tmp_path, monkeypatch, resize_mode, size):
    noisy_image("a", "", size).save(tmp_path / "x.png")
    steps = Preprocess((16, 16), (16, 16), (0.5,) * 3, (0.5,) * 3, resize_mode=resize_mode)
    expected = steps(open_image(tmp_path / "x.png"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", OF_PILLOW)
    assert np.array_equal(steps(open_image(tmp_path / "x.png")), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_key_reaches_loading_processes(make_config, monkeypatch, workers):
    def load(**keys):
        config = make_config(**keys)
        loader = train_loader(config, read_data(config).training, rank=0, world_size=1, workers=workers, pin=False)
        return sum(len(batch.targets) for batch in read(loader))

    with pytest.raises(DataError, match=r"00\.png: .*" + re.escape(REFUSED)):
        load(max_image_pixels=ASKED)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", OF_PILLOW)
    assert load(max_image_pixels=40 * 32) == 21


def test_a_list_of_images_takes_its_limit_along(data):
    images = pickle.loads(pickle.dumps(scan(data / "val", max_pixels=ASKED)))
    with pytest.raises(ImageError, match=re.escape(REFUSED)):
        images.open(0)


@pytest.fixture
def weights(tmp_path):
    save_checkpoint(tmp_path / "best.pth", whole_checkpoint())
    return tmp_path / "best.pth"


def test_prediction_takes_the_key_and_the_argument(weights, data):
    image = str(data / "val/ant/00.png")
    with pytest.raises(ImageError, match=re.escape(REFUSED)):
        Classifier(weights, device="cpu", max_image_pixels=ASKED).predict(image)
    config = dict(load_from=str(weights), predict_img_path=image, device="cpu")
    with pytest.raises(ImageError, match=re.escape(REFUSED)):
        predict.run(PredictConfig(**config, max_image_pixels=ASKED))


def test_a_picture_of_a_prediction_is_drawn_under_the_key(weights, data, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", OF_PILLOW)
    predict.run(PredictConfig(load_from=str(weights), predict_img_path=str(data / "val/ant/00.png"), device="cpu"))
    assert (weights.parent / "predictions/00.jpg").exists()


NETWORK = ["--model-prefix", "shufflenetv2", "--model-suffix", "0.5", "--device", "cpu"]
TOOLS = {
    "check_data": lambda root: check_data.main([str(root), "--max-image-pixels", str(ASKED)]),
    "create_data": lambda root: create_data.main(
        [str(root / "train"), str(root.parent / "new"), "--max-side", "16", "--max-image-pixels", str(ASKED)]
    ),
    "grad_cam": lambda root: grad_cam.main(
        [str(root / "val/ant/00.png"), *NETWORK, "--output", str(root.parent), "--max-image-pixels", str(ASKED)]
    ),
    "probe": lambda root: probe.main(
        [str(root), *NETWORK, "--num-workers", "0", "--log-root", str(root.parent), "--max-image-pixels", str(ASKED)]
    ),
    "visualize_augment": lambda root: visualize_augment.main(
        [f"--set=img_path={root}", f"--set=max_image_pixels={ASKED}", "--output", str(root.parent / "sheet.png")]
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_take_it(tool, data, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert TOOLS[tool](data) == 2
    printed = capsys.readouterr()
    assert "00.png" in printed.out + printed.err
    assert REFUSED in printed.out + printed.err


def test_the_check_of_an_export_takes_it(data):
    steps = Preprocess((16, 16), (16, 16), (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(ImageError, match=re.escape(REFUSED)):
        check_images(steps, str(data / "val"), ASKED)


@pytest.fixture
def limits(monkeypatch):
    """The limits under which pictures are opened: all of them one, where nothing on the way leaves it out."""
    found, opened = set(), images._opened

    def noted(path, max_pixels):
        found.add(max_pixels)
        return opened(path, max_pixels)

    monkeypatch.setattr(images, "_opened", noted)
    return found


def test_whatever_opens_a_picture_does_it_under_the_limit_that_is_set(limits, weights, data, tmp_path):
    """A raised limit too, which a refusal at a low one says nothing of: behind it, pictures are opened once more."""
    shutil.copy(data / "train/ant/00.png", data / "val/ant/00.png")  # which gives the report of a check its thumbnails
    raised = ["--max-image-pixels", "2000"]
    assert check_data.main([str(data), *raised]) == 2
    assert "<img" in (tmp_path / "images_check/report.html").read_text(encoding="utf-8")
    assert create_data.main([str(data / "train"), str(tmp_path / "new"), "--max-side", "16", *raised]) == 0
    image = str(data / "val/ant/01.png")
    predict.run(PredictConfig(load_from=str(weights), predict_img_path=image, device="cpu", max_image_pixels=2000))
    steps = Preprocess((16, 16), (16, 16), (0.5,) * 3, (0.5,) * 3)
    check_images(steps, str(data / "val"), 2000)
    assert limits == {2000}
