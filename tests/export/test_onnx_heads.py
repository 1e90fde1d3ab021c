"""What an .onnx file of others gives: logits or probabilities, by its graph and by its numbers."""

import json

from utils.config import PredictConfig
from utils.errors import WeightsError
from utils.export.graph import last_operator

import numpy as np
import onnx
import pytest

import predict
from tests.helpers.image_files import noisy_image

EXPECTED = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
HEADS = {  # name -> nodes from "scores" to "out"
    "logits": [("Identity", "scores", "out")],
    "softmax": [("Softmax", "scores", "out")],
    "softmax in another form": [("Softmax", "scores", "p"), ("Unsqueeze", "p axis", "q"), ("Squeeze", "q axis", "out")],
    "softmax in half precision": [("Cast to half", "scores", "h"), ("Softmax", "h", "p"), ("Cast", "p", "out")],
    "softmax, written out": [("Exp", "scores", "e"), ("ReduceSum", "e axis", "sum"), ("Div", "e sum", "out")],
    "log-softmax": [("LogSoftmax", "scores", "out")],
}

OPTIONS = {
    "Cast to half": dict(to=onnx.TensorProto.FLOAT16),
    "Cast": dict(to=onnx.TensorProto.FLOAT),
    "Softmax over batch": dict(axis=0),
}


def save_onnx(path, head, *, bias=(0.0, 1.0, 2.0)):
    """A graph whose scores are `bias` for every image, with a little of its first channel, and a head behind them."""
    body = [
        onnx.helper.make_node("ReduceMean", ["x"], ["means"], axes=[2, 3], keepdims=0),
        onnx.helper.make_node("Gemm", ["means", "weight", "bias"], ["scores"]),
    ]
    weight = np.full((3, len(bias)), 1e-6, dtype=np.float32)
    arrays = {"weight": weight, "bias": np.array(bias, dtype=np.float32), "axis": np.array([1])}
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("n", 3, 8, 6))
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, ("n", None))
    nodes = [
        onnx.helper.make_node(name.split()[0], inputs.split(), [output], **OPTIONS.get(name, {}))
        for name, inputs, output in head
    ]
    graph = onnx.helper.make_graph([*body, *nodes], "g", [x], [out], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


@pytest.fixture
def predicted(tmp_path):
    """predicted(head, ...) saves such a file, and gives the probabilities by class of one image."""

    def make(head, **changes):
        save_onnx(tmp_path / "foreign.onnx", head, **changes)
        names = {str(i): f"class {i}" for i in range(len(changes.get("bias", EXPECTED)))}
        (tmp_path / "classes.json").write_text(json.dumps(names))
        noisy_image("x", "y", (8, 10)).save(tmp_path / "image.png")
        places = dict(load_from=tmp_path / "foreign.onnx", predict_img_path=tmp_path / "image.png")
        places |= dict(class_indices_path=tmp_path / "classes.json")
        sizes = dict(img_size=(8, 6), val_resize=(10, 8), device="cpu")
        [prediction] = predict.run(PredictConfig(**{name: str(path) for name, path in places.items()}, **sizes))
        return np.array([dict(prediction.ranked)[name] for name in names.values()])

    return make


@pytest.mark.parametrize("name", HEADS)
def test_probabilities_are_those_of_the_file_whatever_it_ends_in(predicted, name, capsys):
    assert predicted(HEADS[name]) == pytest.approx(EXPECTED, abs=1e-3 if "half" in name else 1e-5)
    kind = "logits" if name in ("logits", "log-softmax") else "probabilities"
    assert f"which gives {kind}, run by onnxruntime" in capsys.readouterr().out


def test_a_class_that_is_impossible_has_none(predicted):
    found = predicted(HEADS["softmax"], bias=(0.0, -1000.0, 0.0))
    assert found == pytest.approx([0.5, 0, 0.5], abs=1e-5)


def test_scores_that_look_like_shares_are_logits_still(predicted):
    found = predicted(HEADS["logits"], bias=(0.25, 0.75, 0.0))
    assert found == pytest.approx(np.exp([0.25, 0.75, 0.0]) / np.exp([0.25, 0.75, 0.0]).sum(), abs=1e-4)


def test_heads_that_judge_each_class_by_itself_are_refused(predicted):
    with pytest.raises(WeightsError, match=r"foreign\.onnx: ends in Sigmoid, which judges each class by itself"):
        predicted([("Sigmoid", "scores", "s"), ("Identity", "s", "out")])


def test_a_softmax_over_the_batch_is_refused(predicted):
    with pytest.raises(WeightsError, match="ends in Softmax, but what it gives for an image does not sum to 1"):
        predicted([("Softmax over batch", "scores", "out")])


def test_a_file_that_is_no_graph_has_no_last_operator(tmp_path):
    (tmp_path / "odd.onnx").write_bytes(b"\x3a\xff\x01no graph")
    assert last_operator(tmp_path / "odd.onnx") == ""
