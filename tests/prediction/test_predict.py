"""predict.py: a checkpoint alone suffices, and it sees what validation saw."""

import csv
import json
import subprocess
import sys
from dataclasses import replace

from utils.config import PredictConfig
from utils.data.loaders import val_loader
from utils.data.preprocess import Preprocess
from utils.errors import ConfigError, DataError, ImageError, WeightsError
from utils.prediction.classifier import load_classifier
from utils.run.splits import read_data
from utils.weights.checkpoint import load_checkpoint

import numpy as np
import pytest
import torch
from PIL import Image

import predict
import train
from tests.helpers import ROOT

CPU = torch.device("cpu")


@pytest.fixture
def trained(make_config):
    """(config, best.pth) of a short run."""
    config = make_config(epochs=2)
    return config, train.run(config) / "best.pth"


def as_validated(config, checkpoint):
    """{path: logits} computed by the loader and recipe of validation, on the weights that best.pth speaks of."""
    from utils.training.build import make_model, make_recipe

    saved = load_checkpoint(checkpoint)
    preprocess = Preprocess.from_config(config)
    images = read_data(config).val
    model = make_model(config, CPU, len(images.classes)).eval()
    recipe = make_recipe(config, model, CPU, preprocess)
    model.load_state_dict(saved["net"])
    loader = val_loader(config, images, preprocess, rank=0, world_size=1, workers=0, pin=False)
    found = {}
    with torch.inference_mode(), recipe.autocast():
        for batch in loader:
            logits = model(recipe.to_device(batch.images, batch.targets)[0]).float()
            found |= {images.name(i): row for i, row in zip(batch.indices.tolist(), logits)}
    return found


@pytest.mark.parametrize(
    ("precision", "resize_mode"),
    [("auto", "squash"), ("bfloat16", "squash"), ("auto", "shortest"), ("auto", "letterbox")],
)
def test_logits_are_those_of_validation(make_config, precision, resize_mode):
    config = make_config(epochs=1, warmup_epochs=0, amp_dtype=precision, resize_mode=resize_mode)
    checkpoint = train.run(config) / "best.pth"
    classifier = load_classifier(PredictConfig(load_from=str(checkpoint), device="cpu"), CPU)
    expected = as_validated(config, checkpoint)
    assert len(expected) == 9
    paths = sorted(expected)
    seen = classifier.logits(torch.stack([classifier.reader(path) for path in paths]))
    tolerance = 1e-4 if precision == "auto" else 2e-2  # batches differ in size, norms are folded; bfloat16 is coarse
    torch.testing.assert_close(seen, torch.stack([expected[path] for path in paths]), atol=tolerance, rtol=tolerance)


def test_one_image_prints_classes_and_saves_a_picture(trained, data, capsys):
    _, checkpoint = trained
    image = sorted((data / "val" / "cow").iterdir())[0]
    [prediction] = predict.run(PredictConfig(load_from=str(checkpoint), predict_img_path=str(image), topk=2))
    printed = capsys.readouterr().out
    assert len(prediction.ranked) == 2
    assert prediction.ranked[0][1] >= prediction.ranked[1][1]
    assert all(name in printed for name, _ in prediction.ranked)
    with Image.open(checkpoint.parent / "predictions" / f"{image.stem}.jpg") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_a_folder_becomes_a_csv_with_a_row_for_every_file(trained, data, tmp_path):
    _, checkpoint = trained
    (data / "val" / "bee" / "deep").mkdir()
    (data / "val" / "bee" / "deep" / "broken.png").write_bytes(b"no image")
    output = tmp_path / "out.csv"
    predict.run(
        PredictConfig(load_from=str(checkpoint), predict_img_path=str(data / "val"), batch_size=4, output=str(output))
    )
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert len(rows) == 10
    [broken] = [row for row in rows if row["error"]]
    assert broken["path"].endswith("broken.png")
    assert broken["class_1"] == ""
    good = [row for row in rows if not row["error"]]
    assert all(row["class_1"] in ("ant", "bee", "cow") for row in good)
    assert all(sum(float(row[f"probability_{i}"]) for i in (1, 2, 3)) == pytest.approx(1, abs=1e-4) for row in good)


def test_batch_size_does_not_change_what_is_predicted(trained, data):
    config = PredictConfig(load_from=str(trained[1]), predict_img_path=str(data / "val"))
    one, many = (predict.run(replace(config, batch_size=size)) for size in (1, 32))
    for a, b in zip(one, many):
        assert a.path == b.path
        assert dict(a.ranked) == pytest.approx(dict(b.ranked), abs=1e-5)


def test_a_glob_and_json(trained, data, tmp_path):
    output = tmp_path / "out.json"
    pattern = str(data / "val" / "*" / "*.png")
    predict.run(PredictConfig(load_from=str(trained[1]), predict_img_path=pattern, output=str(output)))
    rows = json.loads(output.read_text(encoding="utf-8"))
    assert len(rows) == 9
    assert {"path", "classes", "error"} == set(rows[0])


def test_the_newest_run_is_the_default(trained, monkeypatch):
    monkeypatch.chdir(trained[1].parents[3])
    assert load_classifier(PredictConfig(), CPU).path.resolve() == trained[1].resolve()


def test_foreign_weights_need_the_words_that_a_checkpoint_has(trained, data, tmp_path):
    saved = load_checkpoint(trained[1])
    torch.save(saved["net"], tmp_path / "bare.pth")
    bare = PredictConfig(load_from=str(tmp_path / "bare.pth"), predict_img_path=str(data / "val"))
    with pytest.raises(ConfigError, match=r"model_prefix, model_suffix, class_indices_path"):
        predict.run(bare)
    names = dict(model_prefix="shufflenetv2", model_suffix="0.5")
    names["class_indices_path"] = str(trained[1].parent / "class_indices.json")
    sizes = dict(img_size=(32, 32), val_resize=(36, 36), mean=(0.5,) * 3, std=(0.5,) * 3)
    predictions = predict.run(replace(bare, **names, **sizes, output=str(tmp_path / "out.csv")))
    assert len(predictions) == 9


def test_bad_input_is_named(trained, data, tmp_path):
    config = PredictConfig(load_from=str(trained[1]), predict_img_path=str(data / "val" / "bee" / "00.png"))
    with pytest.raises(DataError, match="nowhere"):
        predict.run(replace(config, predict_img_path=str(tmp_path / "nowhere")))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG no")
    with pytest.raises(ImageError, match=r"broken\.png"):
        predict.run(replace(config, predict_img_path=str(broken)))
    with pytest.raises(WeightsError, match="no such file"):
        predict.run(replace(config, load_from=str(tmp_path / "none.pth")))


def test_an_output_that_cannot_be_written_is_reported_before_the_work(trained, data, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "load_classifier", lambda *given: pytest.fail("the work has begun"))
    config = PredictConfig(load_from=str(trained[1]), predict_img_path=str(data / "val"))
    with pytest.raises(ConfigError, match="csv or"):
        predict.run(replace(config, output=str(tmp_path / "out.txt")))
    with pytest.raises(ConfigError, match="no folder"):
        predict.run(replace(config, output=str(tmp_path / "none" / "out.csv")))


def test_a_folder_is_predicted_without_plotting_libraries(trained, data):
    """Importing matplotlib, scikit-learn and torchvision costs seconds."""
    arguments = f"load_from='{trained[1]}', predict_img_path='{data / 'val'}'"
    code = (
        "import sys, predict; from utils.config import PredictConfig; "
        f"predict.run(PredictConfig({arguments})); "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'sklearn', 'torchvision')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=100).returncode == 0
