"""tools/export.py, and predict.py with what it wrote: the same classes from another file."""

import csv
import json
import subprocess
import sys

from utils.config import PredictConfig, TrainConfig
from utils.errors import WeightsError
from utils.export import formats, runtime
from utils.export.formats import format_of
from utils.export.metadata import Metadata
from utils.weights.networks import load_network
from utils.weights.spec import NetworkOptions

import onnxruntime
import pytest
import torch

import predict
import train
from models import create_model
from models.public_weights import public_weights
from tests.helpers import ROOT
from tests.helpers.image_files import noisy_image
from tests.helpers.networks import CPU
from tools.export import main

CLASSES = ["a bee", "蚂蚁"]


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
    checkpoint = train.run(TrainConfig.plain(log_root=str(root / "logs"), **names, **sizes, **options)) / "best.pth"
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


def test_pictures_for_public_weights_are_those_of_their_source(tmp_path, capsys):
    path = tmp_path / public_weights("squeezenet", "1.1").file_name
    torch.save(create_model("squeezenet", "1.1").state_dict(), path)
    assert main(["--weights", str(path), "--img-size", "32", "32", "--output", str(tmp_path / "a.pt2")]) == 0
    said = "pictures: 32x32 of 37x37, shortest, bilinear, mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]: as squ"
    assert said in capsys.readouterr().out
    extra = {"preprocess": ""}
    torch.export.load(tmp_path / "a.pt2", extra_files=extra)
    assert json.loads(extra["preprocess"])["resize_mode"] == "shortest"


def test_a_program_that_the_disk_does_not_take_is_one_error(tmp_path):
    resource = pytest.importorskip("resource")
    words = ["--model-prefix", "squeezenet", "--model-suffix", "1.1", "--img-size", "32", "32", "--output", "a.pt2"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        done = subprocess.run(
            [sys.executable, str(ROOT / "tools/export.py"), *words], cwd=tmp_path, capture_output=True, text=True
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (done.returncode, done.stderr) == (2, "error: a.pt2: cannot be written: File too large\n")
    assert list(tmp_path.iterdir()) == []


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


def test_predicting_needs_onnxruntime_alone_and_says_so(python, trained, tmp_path, monkeypatch):
    images, _, target = trained
    config = f"load_from={str(target)!r}, predict_img_path={str(images / 'val')!r}, output={str(tmp_path / 'o.csv')!r}"
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import predict; from utils.config import PredictConfig; "
        f"predict.run(PredictConfig({config})); "
        "sys.exit(any(name in sys.modules for name in ('onnx', 'onnxscript')))"
    )
    assert python(tmp_path, ["-c", code]).returncode == 0
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
