""".onnx files from anywhere, and their metadata: what fits runs, what does not is named."""

import json
from dataclasses import replace
from pathlib import Path

from utils.config import PredictConfig
from utils.errors import ConfigError, WeightsError
from utils.export.metadata import Metadata

import numpy as np
import onnx
import pytest

import predict
from tests.helpers.image_files import noisy_image
from tests.helpers.networks import STEPS


def save_onnx(path, *, shape=("n", 3, 8, 6), classes=2, strings=(), kind=onnx.TensorProto.FLOAT, ndim=2):
    """A graph that sums up each channel of an image, and multiplies by a matrix of ones and twos."""
    weight = np.arange(3 * classes, dtype=np.float32).reshape(3, classes) % 2 + 1
    nodes = [
        onnx.helper.make_node("Cast", ["x"], ["float"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("ReduceSum", ["float", "axes"], ["sums"], keepdims=0),
        onnx.helper.make_node("MatMul", ["sums", "weight"], ["y"]),
        onnx.helper.make_node("Identity" if ndim == 2 else "Shape", ["y"], ["out"]),
    ]
    out = onnx.helper.make_tensor_value_info(
        "out", onnx.TensorProto.FLOAT if ndim == 2 else onnx.TensorProto.INT64, ("n", None) if ndim == 2 else None
    )
    constants = [onnx.numpy_helper.from_array(weight, "weight"), onnx.numpy_helper.from_array(np.array([2, 3]), "axes")]
    graph = onnx.helper.make_graph(nodes, "g", [onnx.helper.make_tensor_value_info("x", kind, shape)], [out], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, dict(strings))
    onnx.save(model, path)
    return path


@pytest.fixture
def foreign(tmp_path):
    """foreign(**changes) writes an .onnx file without our metadata, and gives a config for it and three images."""

    def make(config=(), **changes):
        path = save_onnx(tmp_path / "foreign.onnx", **changes)
        (tmp_path / "classes.json").write_text(json.dumps({"0": "light", "1": "dark"}))
        (tmp_path / "images").mkdir(exist_ok=True)
        for number in range(3):
            noisy_image("x", str(number), (8, 10)).save(tmp_path / "images" / f"{number}.png")
        sizes = dict(img_size=(8, 6), val_resize=(10, 8), class_indices_path=str(tmp_path / "classes.json"))
        places = dict(predict_img_path=str(tmp_path / "images"), output=str(tmp_path / "out.csv"), device="cpu")
        return PredictConfig(load_from=str(path), **{**sizes, **places, **dict(config)})

    return make


@pytest.mark.parametrize("batch", ["n", 1])
def test_a_foreign_file_needs_class_names_and_runs_then(foreign, batch):
    config = foreign(shape=(batch, 3, 8, 6))
    with pytest.raises(ConfigError, match="not written by tools/export.py, so class_indices_path is needed"):
        predict.run(replace(config, class_indices_path=""))
    assert [len(prediction.ranked) for prediction in predict.run(config)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("changes", "config", "message"),
    [
        (dict(), dict(img_size=(6, 6)), r"takes images of .*\(3, 8, 6\), not of \(3, 6, 6\): see img_size"),
        (dict(classes=3), dict(), "gives 3 logits an image, but 2 classes are named"),
        (dict(), dict(num_classes=5), "num_classes: 5, but"),
        (dict(shape=(4, 3, 8, 6)), dict(), "takes batches of 4 images alone"),
        (dict(shape=("n", 3, 6, 8)), dict(), "takes images of"),
        (dict(kind=onnx.TensorProto.FLOAT16), dict(), "expected one input, float32 images"),
        (dict(ndim=1), dict(), "expected logits"),
    ],
)
def test_a_foreign_file_that_does_not_fit_is_reported(foreign, changes, config, message):
    with pytest.raises((WeightsError, ConfigError), match=message):
        predict.run(foreign(config, **changes))


def test_damaged_files_are_reported(foreign, tmp_path):
    config = foreign()
    data = Path(config.load_from).read_bytes()
    for content in (b"", data[: len(data) // 2], b"\x80\x04K\x01.", bytes(1000)):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(WeightsError, match=r"bad\.onnx"):
            predict.run(replace(config, load_from=str(tmp_path / "bad.onnx")))
    with pytest.raises(WeightsError, match="no such file"):
        predict.run(replace(config, load_from=str(tmp_path / "none.onnx")))


METADATA = Metadata("a b", "w.pth", ["light", "dark"], STEPS).to_strings()


def altered(**changes):
    return {**METADATA, "preprocess": json.dumps({**json.loads(METADATA["preprocess"]), **changes})}


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ({**METADATA, "classes": '["light", "light"]'}, "'classes': expected a list of different names"),
        ({**METADATA, "classes": '["light", 3]'}, "'classes'"),
        ({**METADATA, "classes": '{"0": "light"}'}, "'classes'"),
        ({**METADATA, "classes": "[" * 100_000}, "'classes' is no JSON"),
        ({name: value for name, value in METADATA.items() if name != "preprocess"}, "'preprocess' is missing"),
        ({**METADATA, "preprocess": "[1]"}, "img_size: expected a list of 2 times integer"),
        (altered(img_size=[8, 10**9]), "img_size: expected"),
        (altered(val_resize=[4, 8]), "img_size is larger than val_resize"),
        (altered(mean=[0.5, 0.5]), "mean: expected"),
        (altered(std=[0.5, 0.5, float("nan")]), "std: expected"),
        (altered(std=[0.5, 0.5, 0]), "std: expected"),
        (altered(interpolation=["bilinear"]), "interpolation: expected"),
        ({**METADATA, "classes": '["light"]'}, "gives 2 logits an image, but 1 classes are named"),
    ],
)
def test_damaged_metadata_are_named(foreign, strings, message):
    with pytest.raises(WeightsError, match=message):
        predict.run(foreign(strings=strings))


def test_our_metadata_suffice_and_win_over_the_config(foreign):
    predictions = predict.run(foreign(dict(class_indices_path="", img_size=(224, 224)), strings=METADATA))
    assert all(dict(prediction.ranked).keys() == {"light", "dark"} for prediction in predictions)


def test_names_of_any_characters_come_back():
    names = ["蚂蚁", "two\nlines", "half \udcff", '"quoted"']
    strings = Metadata("a b", "w \udcff.pth", names, STEPS).to_strings()
    assert all(value.encode() for value in strings.values())
    assert Metadata.from_strings(strings, "f").classes == names
