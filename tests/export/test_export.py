"""tools/export.py, and predict.py with what it wrote: the same classes from another file."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from utils.config import PredictConfig, TrainConfig
from utils.data.preprocess import Preprocess
from utils.errors import ConfigError, DataError, WeightsError
from utils.export import formats, runtime
from utils.export.formats import Format, format_of
from utils.export.metadata import Metadata
from utils.export.parity import check_images, measure
from utils.export.write import export
from utils.weights.networks import LoadedNetwork, load_network
from utils.weights.spec import NetworkOptions, NetworkSpec

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import predict
import train
from tests.helpers import ROOT
from tests.helpers.image_files import noisy_image
from tools.export import main

CPU = torch.device("cpu")
CLASSES = ["a bee", "蚂蚁"]
STEPS = Preprocess((8, 6), (10, 8), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder of images, best.pth, its .onnx file) of a short run."""
    root = tmp_path_factory.mktemp("export")
    for split, count in (("train", 6), ("val", 3)):
        for label in CLASSES:
            folder = root / "images" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                noisy_image(label, f"{split}/{number}", (40, 32)).save(folder / f"{number}.png")
    sizes = dict(img_size=(32, 40), val_resize=(36, 44), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    options = dict(epochs=2, warmup_epochs=1, batch_size=4, num_workers=0, device="cpu", use_ema=True)
    names = dict(model_prefix="squeezenet", model_suffix="1.1", init_lr=0.01, img_path=str(root / "images"))
    checkpoint = train.run(TrainConfig(log_root=str(root / "logs"), **names, **sizes, **options)) / "best.pth"
    target = root / "a model.onnx"
    assert main(["--weights", str(checkpoint), "--images", str(root / "images" / "val"), "--output", str(target)]) == 0
    return root / "images", checkpoint, target


def test_the_file_says_what_it_takes_and_gives(trained):
    _, checkpoint, target = trained
    saved = torch.load(checkpoint, weights_only=True)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    [images] = session.get_inputs()
    [logits] = session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(float)", ["batch", 3, 32, 40])
    assert (logits.name, logits.shape) == ("logits", ["batch", 2])
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["classes"]) == CLASSES
    assert json.loads(metadata["preprocess"]) == saved["preprocess"]
    assert (metadata["network"], metadata["source"]) == ("squeezenet 1.1", "best.pth")
    assert str(ROOT).encode() not in target.read_bytes()  # nobody need know where it was made
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


def rows_of(weights, images, output):
    predict.run(PredictConfig(load_from=str(weights), predict_img_path=str(images), output=str(output), batch_size=4))
    return list(csv.DictReader(output.open(encoding="utf-8")))


def test_predictions_are_those_of_the_checkpoint(trained, tmp_path):
    images, checkpoint, target = trained
    (images / "val" / "broken.png").write_bytes(b"no image")
    expected = rows_of(checkpoint, images / "val", tmp_path / "expected.csv")
    found = rows_of(target, images / "val", tmp_path / "found.csv")
    (images / "val" / "broken.png").unlink()
    assert len(found) == 7
    for row, other in zip(expected, found):
        for name, value in row.items():
            if name.startswith("probability") and value:
                assert float(other[name]) == pytest.approx(float(value), abs=2e-6)
            else:
                assert other[name] == value
    assert len({row["class_1"] for row in found if not row["error"]} | {row["class_2"] for row in found}) >= 2


def test_predicting_needs_onnxruntime_alone_and_says_so(trained, tmp_path, monkeypatch):
    images, _, target = trained
    config = f"load_from={str(target)!r}, predict_img_path={str(images / 'val')!r}, output={str(tmp_path / 'o.csv')!r}"
    code = (
        "import sys, predict; from utils.config import PredictConfig; "
        f"predict.run(PredictConfig({config})); "
        "sys.exit(any(name in sys.modules for name in ('onnx', 'onnxscript')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=100).returncode == 0
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install onnxruntime"):
        predict.run(PredictConfig(load_from=str(target), predict_img_path=str(images / "val")))


def test_an_existing_file_is_replaced_only_on_request(trained, tmp_path, capsys):
    _, checkpoint, target = trained
    before = target.read_bytes()
    assert main(["--weights", str(checkpoint), "--output", str(target)]) == 2
    assert "exists already; --overwrite replaces it" in capsys.readouterr().err
    assert target.read_bytes() == before
    (tmp_path / "m.onnx.data").write_bytes(b"of somebody")
    assert main(["--weights", str(checkpoint), "--output", str(tmp_path / "m.onnx")]) == 2
    assert "m.onnx.data exists already" in capsys.readouterr().err


def test_heavy_weights_go_to_a_second_file_that_moves_along(tmp_path, monkeypatch):
    network = small_network(classes=1000)
    monkeypatch.setattr(formats, "EXTERNAL_FROM", 500_000)
    (tmp_path / "made").mkdir()
    heavy = tmp_path / "made" / "heavy.onnx"
    export(network, format_of(heavy), Metadata("linear 1000", "", network.classes, STEPS), heavy, None)
    assert sorted(path.name for path in heavy.parent.iterdir()) == ["heavy.onnx", "heavy.onnx.data"]
    assert heavy.stat().st_size < 50_000 < 500_000 < heavy.with_name("heavy.onnx.data").stat().st_size
    shutil.move(heavy.parent, tmp_path / "moved")
    images = torch.rand(3, 3, 8, 6)
    found = runtime.OnnxNetwork(tmp_path / "moved" / "heavy.onnx", CPU)(images)
    torch.testing.assert_close(found, network.model(images))


def test_torch_export_holds_the_same(trained, tmp_path, capsys):
    _, checkpoint, _ = trained
    target = tmp_path / "model.pt2"
    assert main(["--weights", str(checkpoint), "--output", str(target)]) == 0
    assert "same class for 64 of 64 images" in capsys.readouterr().out
    found = {"classes": "", "preprocess": "", "format": ""}
    program = torch.export.load(target, extra_files=found)
    network = load_network(NetworkOptions(weights=checkpoint), CPU)
    assert Metadata.from_strings(found, target).preprocess == network.preprocess
    assert json.loads(found["classes"]) == CLASSES
    for number in (1, 3):
        images = torch.rand(number, 3, 32, 40)
        torch.testing.assert_close(program.module()(images), network.model(images))
    assert str(ROOT).encode() not in target.read_bytes()
    with pytest.raises(WeightsError, match="checkpoint that it was made from or its .onnx file .* runs code"):
        predict.run(PredictConfig(load_from=str(target), predict_img_path=str(trained[0] / "val")))


# --- the check


def small_network(classes=4):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 6, classes)).requires_grad_(False).eval()
    spec = NetworkSpec("linear", str(classes), classes, STEPS.img_size)
    return LoadedNetwork(spec, model, [str(i) for i in range(classes)], STEPS, "a linear map")


def saved_with(change):
    """A format that saves the weights `change`d on the way."""

    def write(network, strings, path):
        torch.save({name: change(value) for name, value in network.model.state_dict().items()}, path)

    def read(path):
        network = small_network()
        network.model.load_state_dict(torch.load(path, weights_only=True))
        return network.model

    return Format(write, read)


def export_small(target, change, images=None, network=None):
    network = network or small_network()
    return export(network, saved_with(change), Metadata("linear 4", "", network.classes, STEPS), target, images)


def test_a_file_that_classifies_otherwise_never_gets_its_name(tmp_path):
    target = tmp_path / "model.bin"
    verified = export_small(target, lambda value: value)
    assert verified.startswith("verified: largest difference 0 of logits up to")
    assert verified.endswith("same class for 64 of 64 images")
    assert target.exists()
    target.write_bytes(b"before")
    for change in (lambda value: value * 1.01, lambda value: value.flip(0), lambda value: value * float("nan")):
        with pytest.raises(WeightsError, match="not written: model.bin would not classify as the network: largest"):
            export_small(target, change)
        assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_logits_that_are_no_numbers_are_not_exported(tmp_path):
    network = small_network()
    network.model[1].weight.data.fill_(float("inf"))
    with pytest.raises(WeightsError, match="gives logits that are no numbers"):
        export_small(tmp_path / "model.bin", lambda value: value, network=network)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path):
    def write(network, strings, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    network = small_network()
    metadata = Metadata("linear 4", "", network.classes, STEPS)
    with pytest.raises(DataError, match="model.bin: cannot be written: No space left on device"):
        export(network, Format(write, lambda path: None), metadata, tmp_path / "model.bin", None)
    assert list(tmp_path.iterdir()) == []


def test_agreement_forgives_ties_alone():
    ours = torch.tensor([[1.0, 2.0], [1.0, 1.0 + 1e-6]])
    assert measure(ours, ours + 5e-5).holds
    assert not measure(ours, ours + 2e-4).holds
    assert measure(ours, torch.tensor([[1.0, 2.0], [1.0 + 1e-6, 1.0]])).agreeing == 2
    near = torch.tensor([[1.0, 1.0 + 4e-5]])
    parity = measure(near, near.flip(1))
    assert (parity.agreeing, parity.holds) == (0, False)
    assert not measure(ours, ours * float("nan")).holds
    assert measure(1e6 * ours, 1e6 * ours + 50).holds  # float32 has seven digits


def test_images_to_check_with(tmp_path):
    images = check_images(STEPS, None)
    assert images.shape == (64, 8, 6, 3)
    assert torch.equal(images, check_images(STEPS, None))
    assert len(np.unique(images.reshape(64, -1).numpy(), axis=0)) == 64
    for number in range(130):
        noisy_image("x", str(number), (9, 9)).save(tmp_path / f"{number:03d}.png")
    chosen = check_images(STEPS, str(tmp_path))
    assert len(chosen) == 64
    assert torch.equal(chosen[0], STEPS(noisy_image("x", "0", (9, 9))))
    assert torch.equal(chosen[-1], STEPS(noisy_image("x", "127", (9, 9))))  # to the end of the folder
    (tmp_path / "000.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="000.png: not an image"):
        check_images(STEPS, str(tmp_path))
    with pytest.raises(DataError, match="--images: no image at"):
        check_images(STEPS, str(tmp_path / "none"))


# --- what is wrong is reported, before any work


def test_packages_that_are_missing_are_named_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(formats, "find_spec", lambda name: name == "onnx" or None)
    assert main(["--weights", str(tmp_path / "none.pth"), "--output", str(tmp_path / "m.onnx")]) == 2
    assert "needs: python -m pip install onnxscript onnxruntime" in capsys.readouterr().err
    format_of(tmp_path / "m.pt2")


@pytest.mark.parametrize(
    ("output", "message"),
    [("m.tflite", "ending in one of .onnx, .pt2"), ("none/m.onnx", "there is no folder"), ("m.onnx", "no such file")],
)
def test_bad_requests_are_named(tmp_path, capsys, output, message):
    assert main(["--weights", str(tmp_path / "none.pth"), "--output", str(tmp_path / output)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_exported_is_reported(tmp_path):
    def write(network, strings, path):
        raise RuntimeError("no such operator\nand much more")

    metadata = Metadata("linear 4", "", list("abcd"), STEPS)
    with pytest.raises(WeightsError, match=r"^not written: linear 4 cannot be exported to .bin: .*no such operator$"):
        export(small_network(), Format(write, lambda path: None), metadata, tmp_path / "m.bin", None)


# --- .onnx files from anywhere


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
