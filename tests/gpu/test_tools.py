"""predict.py and the tools on the device: they run, and give what they give on a CPU."""

import csv

from utils.config import PredictConfig
from utils.data import workers
from utils.data.images import open_image
from utils.data.pixels import normalise
from utils.explain.layers import default_layer
from utils.explain.maps import METHODS, explain
from utils.prediction import classifier
from utils.weights.networks import load_network
from utils.weights.spec import NetworkOptions

import numpy as np
import pytest
import torch
from PIL import Image

import predict
import train
from tests.gpu.runs import apart, needs_cuda
from tools import export, fps, grad_cam, throughput

CPU = torch.device("cpu")
LOGITS = 1e-3  # of the largest: float32 through some fifty layers in another order


@pytest.fixture
def names(device):
    """Two ways to name the device."""
    return ["cuda", f"cuda:{device.index}"] if device.type == "cuda" else ["cpu"]


@pytest.fixture
def trained(make_config, data):
    """(best.pth, an image) of a run in float32: elsewhere a GPU predicts in bfloat16, as it validates."""
    changes = dict(model_prefix="regnetx", model_suffix="200mf", use_apex=False)
    folder = train.run(make_config(epochs=1, warmup_epochs=0, **changes))
    return folder / "best.pth", sorted((data / "val" / "cow").iterdir())[0]


def test_predictions_are_those_of_a_cpu(trained, data, names, tmp_path):
    def predicted(name):
        output = str(tmp_path / "predictions.csv")
        where = dict(load_from=str(trained[0]), predict_img_path=str(data / "val"), output=output, batch_size=4)
        return predict.run(PredictConfig(**where, device=name, topk=3))

    expected = predicted("cpu")
    assert len(expected) == 9
    for name in names:
        for found, wanted in zip(predicted(name), expected):
            assert found.path == wanted.path
            assert dict(found.ranked) == pytest.approx(dict(wanted.ranked), abs=LOGITS)


def test_processes_that_read_change_no_prediction(trained, data, device, tmp_path, monkeypatch):
    needs_cuda(device, "processes read for a GPU alone")
    monkeypatch.setattr(workers, "available_cores", lambda: 2)
    where = dict(load_from=str(trained[0]), predict_img_path=str(data / "val"), output=str(tmp_path / "out.csv"))
    config = PredictConfig(**where, device=str(device), batch_size=4, topk=3)
    by_processes, read = [], classifier.read_by_processes
    monkeypatch.setattr(
        classifier, "read_by_processes", lambda *given, **more: by_processes.append(given) or read(*given, **more)
    )
    found = predict.run(config)
    assert len(by_processes) == 1
    monkeypatch.setattr(classifier, "processes_for", lambda *given: 0)
    assert predict.run(config) == found
    assert len(by_processes) == 1


def test_maps_are_those_of_a_cpu(trained, device):
    checkpoint, picture = trained
    found = {}
    for where in (CPU, device):
        network = load_network(NetworkOptions(weights=checkpoint), where)
        steps = network.preprocess
        image = normalise(steps(open_image(picture))[None].to(where), steps.mean, steps.std)[0]
        found[where] = explain(network.model, image, default_layer(network.model, steps.img_size), target=1)
    here, there = found[device], found[CPU]
    assert here.probabilities.tolist() == pytest.approx(there.probabilities.tolist(), abs=LOGITS)
    for method in METHODS:
        # of the guided ones, which a ReLU near its kink switches off or on, a few numbers may differ by all they are
        tolerance = 0.01 if method in ("grad_cam", "grad_cam++") else 0.1
        assert apart(here.pictures[method], there.pictures[method]) <= tolerance, method


def test_drawings_are_those_of_a_cpu(trained, names, tmp_path):
    checkpoint, picture = trained

    def drawn(name):
        path = tmp_path / f"{name.replace(':', '_')}.png"
        words = ["--weights", checkpoint, picture, "--output", path, "--device", name, "--class-id", "1"]
        assert grad_cam.main(list(map(str, [*words, "--method", "grad_cam", "--overwrite"]))) == 0
        return np.asarray(Image.open(path).convert("RGB"), dtype=float)

    expected = drawn("cpu")
    assert expected.std() > 5
    for name in names:
        assert (
            np.abs(drawn(name) - expected).mean() <= 1
        )  # levels of 255: colours of a map change within a level or two


def test_an_exported_network_runs_on_the_device(trained, device, names, tmp_path):
    needs_cuda(device, "tests/export/test_export.py has it")
    checkpoint, _ = trained
    network = load_network(NetworkOptions(weights=checkpoint), CPU)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = network.model(images).detach()
    for name in names:
        target = tmp_path / f"{name.replace(':', '_')}.pt2"
        assert export.main(["--weights", str(checkpoint), "--output", str(target), "--device", name]) == 0
        logits = torch.export.load(target).module()(images.to(device)).detach().cpu()
        assert (logits - expected).abs().max() <= LOGITS * expected.abs().max().clamp(min=1)


def test_onnx_is_refused_on_the_device_and_runs_beside_it(trained, device, names, tmp_path, capsys):
    """It is written on the CPU; predict.py takes it whatever the device, as onnxruntime has its own."""
    needs_cuda(device, "tests/export/test_export.py has the rest")
    pytest.importorskip("onnxscript")
    checkpoint, picture = trained
    words = ["--weights", str(checkpoint), "--output", str(tmp_path / "network.onnx")]
    assert export.main([*words, "--device", names[0]]) == 2
    assert "--device" in capsys.readouterr().err
    assert export.main(words) == 0
    where = dict(predict_img_path=str(picture), topk=3)
    [wanted] = predict.run(PredictConfig(load_from=str(checkpoint), device="cpu", **where))
    for name in names:
        [found] = predict.run(PredictConfig(load_from=str(tmp_path / "network.onnx"), device=name, **where))
        assert dict(found.ranked) == pytest.approx(dict(wanted.ranked), abs=LOGITS)


@pytest.mark.parametrize(("tool", "batches"), [(fps, [1]), (throughput, [2, 5])])
def test_speeds_are_measured_on_the_device(tool, batches, device, names, tmp_path, capsys):
    """Plausible: an image takes time, and the peak holds the weights at least."""
    words = (
        "--model-prefix squeezenet --model-suffix 1.1 --num-classes 5 --img-size 64 64 --rounds 3 --warmup 1".split()
    )
    if tool is throughput:
        words += ["--batch-sizes", *map(str, batches)]
    for name in names:
        table = tmp_path / f"{name.replace(':', '_')}.csv"
        assert tool.main([*words, "--device", name, "--output", str(table)]) == 0
        rows = list(csv.DictReader(table.open(encoding="utf-8")))
        assert [int(row["batch_size"]) for row in rows] == batches
        for row in rows:
            assert row["device"].startswith(str(device))
            assert 0 < float(row["median_ms"]) < 1e4
            assert device.type == "cpu" or float(row["peak_memory_mb"]) > 2.9  # of 725,061 numbers
    assert str(device) in capsys.readouterr().out
