"""The code of docs/weights.md that needs an exported file and none of ours gives the answers of predict.py."""

import contextlib
import io
import subprocess
import sys
from dataclasses import replace

from utils.data.preprocess import Preprocess
from utils.export.metadata import Metadata
from utils.prediction import Classifier

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.helpers.image_files import noisy_image
from tests.helpers.pages import blocks

[CODE] = [block.text for block in blocks("docs/weights.md") if "import onnxruntime" in block.text]
CLASSES = ["ant", "蜜蜂", "cow"]
STEPS = Preprocess((32, 40), (36, 44), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), dct_scaling=True)
OTHERS = [{"resize_mode": "shortest", "interpolation": "bicubic"}, {"resize_mode": "letterbox", "pad_value": 7}]


def save_model(path, steps):
    """A file as tools/export.py writes it, of one layer that looks at every pixel."""
    weight = np.random.default_rng(0).normal(0, 0.01, (3 * 32 * 40, len(CLASSES))).astype(np.float32)
    nodes = [
        onnx.helper.make_node("Flatten", ["images"], ["flat"]),
        onnx.helper.make_node("MatMul", ["flat", "w"], ["logits"]),
    ]
    images = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ("batch", 3, *STEPS.img_size))
    logits = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ("batch", len(CLASSES)))
    graph = onnx.helper.make_graph(nodes, "g", [images], [logits], [onnx.numpy_helper.from_array(weight, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, Metadata("one layer", "best.pth", CLASSES, steps, temperature=2.5).to_strings())
    onnx.save(model, path)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """empty(**steps) is the current folder: with the file alone, under the name in the code, and such preprocessing."""

    def folder(**steps):
        save_model(tmp_path / "digits.onnx", replace(STEPS, **steps))
        return tmp_path

    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Paths of a small PNG, a high one in grey, a large JPEG, and one that a camera has turned."""
    folder = tmp_path_factory.mktemp("pictures")
    noisy_image("ant", "0", (50, 30)).save(folder / "small.png")
    noisy_image("bee", "1", (31, 97)).convert("L").save(folder / "high.png")
    noisy_image("cow", "2", (400, 330)).save(folder / "large.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    noisy_image("cow", "3", (320, 96)).save(folder / "turned.jpg", exif=turned)
    return sorted(map(str, folder.iterdir()))


def check(said, folder, pictures):
    """What the code has printed is what Classifier says."""
    expected = Classifier(folder / "digits.onnx", device="cpu")
    assert len(said) == len(pictures)
    for line, path in zip(said, pictures):
        name, share = expected.predict(path)[0]
        printed, _, percent = line.removeprefix(f"{path}: ").rpartition(" ")
        assert printed == name
        assert float(percent.rstrip("%")) / 100 == pytest.approx(share, abs=2e-4)


def test_in_an_empty_folder_it_answers_as_the_project_does(empty, pictures):
    folder = empty()
    (folder / "classify.py").write_text(CODE, encoding="utf-8")
    command = [sys.executable, "-I", "-X", "utf8", "classify.py", *pictures]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert said.returncode == 0, said.stderr
    check(said.stdout.splitlines(), folder, pictures)


@pytest.mark.parametrize("steps", OTHERS, ids=lambda steps: steps["resize_mode"])
def test_pictures_are_resized_as_the_file_says(empty, pictures, monkeypatch, steps):
    folder = empty(**steps)
    monkeypatch.setattr(sys, "argv", ["classify.py", *pictures])
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(CODE, "classify.py", "exec"), {})
    check(output.getvalue().splitlines(), folder, pictures)


def test_a_picture_is_prepared_to_the_pixel(empty, pictures, monkeypatch):
    for steps in ({}, *OTHERS):
        empty(**steps)
        monkeypatch.setattr(sys, "argv", ["classify.py"])
        names = {}
        exec(compile(CODE, "classify.py", "exec"), names)
        ours = replace(STEPS, **steps)
        for path in pictures:
            with Image.open(path) as picture:
                pixels = ours(picture).numpy()
            expected = (pixels / 255 - np.array(STEPS.mean)) / np.array(STEPS.std)
            np.testing.assert_allclose(names["prepared"](path)[0].transpose(1, 2, 0), expected, atol=1e-6)
