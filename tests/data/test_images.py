"""Reading an image: the right pixels for every mode, depth and orientation, and a reason where there are none."""

import struct

from utils.data.images import image_size, read_image
from utils.errors import ImageError

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from tests.helpers import ROOT
from tests.helpers.image_files import png, png_header

NOISE = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
FORMATS = ["bmp", "gif", "jpg", "png", "ppm", "tif", "webp"]


def pixels(path):
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("ending", ["bmp", "png", "ppm", "tif", "webp"])
def test_plain_pictures_come_as_they_were_saved(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    Image.fromarray(NOISE).save(path, lossless=True)
    assert np.array_equal(pixels(path), NOISE)


SAVED = [  # mode, ending of a file that keeps it, colour saved, colour expected
    ("1", "png", 1, (255, 255, 255)),
    ("L", "png", 77, (77, 77, 77)),
    ("RGB", "png", (10, 20, 30), (10, 20, 30)),
    ("RGBA", "png", (10, 20, 30, 255), (10, 20, 30)),
    ("RGBA", "png", (10, 20, 30, 0), (255, 255, 255)),
    ("RGBA", "tif", (0, 0, 100, 51), (204, 204, 224)),
    ("RGBA", "webp", (10, 20, 30, 0), (255, 255, 255)),
    ("LA", "png", (50, 255), (50, 50, 50)),
    ("LA", "png", (50, 0), (255, 255, 255)),
    ("LA", "tif", (0, 51), (204, 204, 204)),
    ("RGBX", "tif", (10, 20, 30, 0), (10, 20, 30)),
    ("CMYK", "tif", (0, 255, 0, 0), (255, 0, 255)),
    ("CMYK", "tif", (0, 0, 0, 255), (0, 0, 0)),
    ("YCbCr", "tif", (128, 128, 128), (128, 128, 128)),
    ("I", "tif", 65535, (255, 255, 255)),
    ("I", "tif", 2**31 - 1, (127, 127, 127)),
    ("I;16", "png", 25700, (100, 100, 100)),
    ("I;16", "tif", 25700, (100, 100, 100)),
    ("I;16B", "tif", 25700, (100, 100, 100)),
    ("F", "tif", 0.4, (102, 102, 102)),
    ("F", "tif", 102.0, (102, 102, 102)),
    ("F", "tif", 25700.0, (100, 100, 100)),
]


@pytest.mark.parametrize(("mode", "ending", "saved", "expected"), SAVED)
def test_every_mode_becomes_rgb(tmp_path, mode, ending, saved, expected):
    path = tmp_path / f"x.{ending}"
    Image.new(mode, (5, 4), saved).save(path, **({"lossless": True, "exact": True} if ending == "webp" else {}))
    assert np.array_equal(pixels(path), np.full((4, 5, 3), expected))


@pytest.mark.parametrize("mode", ["LAB", "HSV", "La", "RGBa", "PA"])
def test_modes_that_few_files_have_become_rgb(tmp_path, monkeypatch, mode):
    """A grey of 128, whatever the mode calls it; the file is replaced by the picture that a decoder would give."""
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(Image.new("RGB", (5, 4), (128,) * 3), *profiles, outputMode="LAB")
    else:
        through = {"La": "LA", "PA": "P", "RGBa": "RGBA"}.get(mode, "RGB")
        picture = Image.new("L", (5, 4), 128).convert(through).convert(mode)
    assert picture.mode == mode
    (tmp_path / "x.tif").touch()
    monkeypatch.setattr(Image, "open", lambda path, formats: picture)
    assert np.abs(pixels(tmp_path / "x.tif").astype(int) - 128).max() <= 1


def test_a_palette_gives_its_colours(tmp_path):
    reduced = Image.fromarray(NOISE).quantize(16)
    reduced.save(tmp_path / "x.png")
    assert np.array_equal(pixels(tmp_path / "x.png"), np.asarray(reduced.convert("RGB")))


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"], ids=["one colour", "alpha of each colour"])
def test_transparent_palette_entries_are_white(tmp_path, transparency):
    picture = Image.new("P", (2, 1))
    picture.putpalette([200, 0, 0, 0, 200, 0])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "x.png", transparency=transparency)
    assert pixels(tmp_path / "x.png").tolist() == [[[200, 0, 0], [255, 255, 255]]]


def test_a_transparent_colour_without_palette_is_white(tmp_path):
    picture = Image.new("RGB", (2, 1), (1, 2, 3))
    picture.putpixel((0, 0), (9, 9, 9))
    picture.save(tmp_path / "x.png", transparency=(9, 9, 9))
    assert pixels(tmp_path / "x.png").tolist() == [[[255, 255, 255], [1, 2, 3]]]


RAMP = np.linspace(0, 65535, 256).round().astype(np.uint16)[None].repeat(2, axis=0)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_ramp_of_16_bits_is_scaled_and_not_clipped(tmp_path, ending):
    Image.fromarray(RAMP).save(tmp_path / f"x.{ending}")
    assert np.array_equal(pixels(tmp_path / f"x.{ending}")[0, :, 0], np.arange(256))


def test_a_pgm_of_16_bits_is_scaled(tmp_path):
    (tmp_path / "x.pgm").write_bytes(b"P5\n256 2\n65535\n" + RAMP.astype(">u2").tobytes())
    assert np.array_equal(pixels(tmp_path / "x.pgm")[0, :, 1], np.arange(256))


def test_a_dark_picture_of_16_bits_stays_dark(tmp_path):
    Image.fromarray(RAMP // 100).save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png").max() == round(655 / 257)


def test_colours_of_16_bits_are_scaled(tmp_path):
    path = png(tmp_path / "x.png", 16, 2, np.stack((RAMP, RAMP[:, ::-1], RAMP), axis=2))
    expected = np.stack((np.arange(256), np.arange(256)[::-1], np.arange(256)), axis=1)
    assert np.abs(pixels(path)[0].astype(int) - expected).max() <= 1


def test_grey_and_alpha_of_16_bits_lie_over_white(tmp_path):
    path = png(tmp_path / "x.png", 16, 4, np.array([[[0, 0], [0, 65535], [40000, 65535]]]))
    assert np.abs(pixels(path)[0, :, 0] - np.array([255, 0, 156])).max() <= 1


def test_a_transparent_grey_of_16_bits_is_white(tmp_path):
    path = png(tmp_path / "x.png", 16, 0, np.array([[25700, 1000]]), (b"tRNS", struct.pack(">H", 1000)))
    assert pixels(path)[0, :, 0].tolist() == [100, 255]


def test_floats_span_0_to_1_and_ignore_what_is_no_number(tmp_path):
    values = np.array([[0, 0.25, 1, -3, np.nan]], dtype=np.float32)
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert pixels(tmp_path / "x.tif")[0, :, 0].tolist() == [0, 64, 255, 0, 0]


TURNS = [  # from the upright picture to how a camera stores it, by EXIF orientation
    lambda image: image,
    lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    lambda image: image.transpose(Image.Transpose.ROTATE_180),
    lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    lambda image: image.transpose(Image.Transpose.ROTATE_90),
    lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    lambda image: image.transpose(Image.Transpose.ROTATE_270),
]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg"])
def test_exif_orientation_is_undone(tmp_path, orientation, ending):
    upright = Image.fromarray(NOISE)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored, path = TURNS[orientation - 1](upright), tmp_path / f"x.{ending}"
    stored.save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    if ending == "jpg":  # lossy, so compared with the same loss
        stored.save(tmp_path / "stored.jpg")
        upright = TURNS[{6: 8, 8: 6}.get(orientation, orientation) - 1](Image.open(tmp_path / "stored.jpg"))
    assert np.array_equal(pixels(path), np.asarray(upright))
    assert image_size(path) == NOISE.shape[:2]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_exif_block_costs_no_picture(tmp_path):
    for name, block in (("x.jpg", b"Exif\0\0no such header"), ("y.jpg", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")):
        Image.fromarray(NOISE).save(tmp_path / name, exif=block)
        assert read_image(tmp_path / name).size == (36, 24)
        assert image_size(tmp_path / name) == (24, 36)


def test_cmyk_jpegs_get_their_colours_back(tmp_path):
    Image.new("CMYK", (8, 8), (0, 200, 100, 0)).save(tmp_path / "x.jpg", quality=100)
    assert np.abs(pixels(tmp_path / "x.jpg")[4, 4] - np.array([255, 55, 155])).max() <= 3


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif"])
def test_animations_give_their_first_frame(tmp_path, ending):
    first, *rest = (Image.new("RGB", (8, 8), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250)))
    options = {"webp": {"lossless": True}}.get(ending, {})
    first.save(tmp_path / f"x.{ending}", save_all=True, append_images=rest, **options)
    with Image.open(tmp_path / f"x.{ending}") as image:
        assert image.n_frames == 3
    assert np.array_equal(pixels(tmp_path / f"x.{ending}"), np.full((8, 8, 3), (250, 0, 0)))


@pytest.mark.parametrize("ending", FORMATS)
def test_half_a_file_is_refused(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    Image.fromarray(np.tile(NOISE, (4, 4, 1))).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError):
        read_image(path)


def test_half_a_jpeg_and_half_a_png_are_reported_as_cut_short(tmp_path):
    for ending in ("jpg", "png"):
        path = tmp_path / f"x.{ending}"
        Image.fromarray(NOISE).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ImageError, match="truncated"):
            read_image(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_the_size_is_reported_without_decoding(tmp_path, monkeypatch, ending):
    Image.fromarray(NOISE).save(tmp_path / f"x.{ending}")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    assert image_size(tmp_path / f"x.{ending}") == (24, 36)


@pytest.mark.parametrize("look", [read_image, image_size])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"this is text\n" * 9, "not an image in a known format"),
        (b"\x89PNG\r\n\x1a\n", "."),
        (b"\xff\xd8\xff", "."),
        (None, "no such file"),
    ],
    ids=["empty", "text", "png signature", "jpeg signature", "missing"],
)
def test_what_is_no_image_gives_the_reason_without_the_path(tmp_path, look, content, reason):
    path = tmp_path / "x.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        look(path)
    assert str(tmp_path) not in str(caught.value)


def test_a_folder_called_jpg_is_no_image(tmp_path):
    with pytest.raises(ImageError):
        read_image(tmp_path)


@pytest.mark.parametrize("side", [14_000, 60_000])
def test_decompression_bombs_are_refused_from_their_header(tmp_path, side):
    png_header(tmp_path / "x.png", side, side)
    for look in (read_image, image_size):
        with pytest.raises(ImageError, match="decompression bomb"):
            look(tmp_path / "x.png")


def test_large_pictures_below_the_limit_are_read_without_a_warning(python, tmp_path):
    png_header(tmp_path / "x.png", 14_000, 12_000)
    code = f"import sys, warnings; sys.path.insert(0, {str(ROOT)!r}); warnings.simplefilter('always'); "
    code += "from utils.data.images import image_size; print(image_size('x.png'))"
    done = python(tmp_path, ["-c", code])
    assert done.stdout.strip() == "(12000, 14000)"
    assert "DecompressionBomb" not in done.stderr
