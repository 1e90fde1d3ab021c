"""The command: its checkpoint is what it says, at every door; features are kept and used again."""

import json
import os
from pathlib import Path

from utils import user_cache
from utils.config import PredictConfig, read_literals, train_config_from
from utils.data.listing import scan
from utils.data.pixels import normalise
from utils.probing import features as features_module
from utils.probing.features import features_of
from utils.probing.head import needed_head
from utils.report.saved_answers import read_answers
from utils.run.splits import read_data
from utils.tables import read_csv
from utils.weights.checkpoint import load_checkpoint
from utils.weights.networks import load_network
from utils.weights.spec import NetworkOptions

import numpy as np
import pytest
import torch
from PIL import Image

import predict
import train
from models import create_model
from tests.helpers.networks import SMALLEST
from tests.helpers.runs import plain_config, results
from tools import probe
from tools.find_label_errors import main as find_label_errors

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(user_cache.sys, "platform", "linux")
    return tmp_path / "cache"


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    torch.save(create_model("shufflenetv2", "0.5", 7).state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


@pytest.fixture
def run(data, weights, tmp_path, capsys):
    """run(*more options) -> (exit status, output, newest run folder)."""

    def make(*options, network=True, images=data):
        named = ["--load-from", str(weights), "--model-prefix", "shufflenetv2", "--model-suffix", "0.5"]
        line = [str(images), *(named if network else []), "--img-size", "48", "48", "--num-workers", "0"]
        status = probe.main([*line, "--log-root", str(tmp_path / "logs"), "--device", "cpu", *options])
        folders = sorted(tmp_path.glob("logs/*/probe*"), key=os.path.getmtime)
        return status, capsys.readouterr(), folders[-1] if folders else None

    return make


def test_its_checkpoint_gives_the_same_figures_at_every_door(run, data, tmp_path):
    status, said, folder = run()
    assert status == 0
    [row] = results(folder)
    assert f"{float(row['accuracy']):.4f}" in said.out
    again = train.run(train_config_from(read_literals(folder / "train_config.py"), "test"))
    assert results(again)[0] == row
    assert (again / "per_class.csv").read_text() == (folder / "per_class.csv").read_text()
    answers = predict.run(PredictConfig(load_from=str(folder / "best.pth"), predict_img_path=str(data / "val")))
    right = [answer.ranked[0][0] == Path(answer.path).parent.name for answer in answers]
    assert np.mean(right) == pytest.approx(float(row["accuracy"]))


def test_the_head_gives_scikit_learns_logits(run, data):
    _, _, folder = run()
    network = load_network(NetworkOptions(weights=folder / "best.pth"), CPU)
    config = plain_config(img_path=str(data), num_workers=0, batch_size=4)
    images = read_data(config).val
    found = features_of(network, images, config, CPU)
    head = needed_head(network.model)
    expected = found.values.astype(np.float64) @ head.weight.double().numpy(force=True).T
    expected += head.bias.double().numpy(force=True)
    shown = torch.stack([network.preprocess(images.open(i)) for i in range(len(images))])
    steps = network.preprocess
    logits = network.model(normalise(shown, steps.mean, steps.std)).detach().double().numpy()
    assert np.abs(logits - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


def test_features_are_kept_and_computed_again_where_something_is_another(data, weights, cache, monkeypatch):
    config = plain_config(img_path=str(data), num_workers=0, batch_size=4)
    images = scan(data / "val")
    network = load_network(NetworkOptions("shufflenetv2", "0.5", weights=weights, img_size=(48, 48)), CPU)
    first = features_of(network, images, config, CPU)
    second = features_of(network, images, config, CPU)
    assert (first.kept, second.kept) == (False, True)
    assert np.array_equal(first.values, second.values)
    assert second.indices.tolist() == list(range(len(images)))
    [path] = cache.rglob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert not features_of(network, images, config, CPU).kept
    assert path.read_bytes() == whole
    times = os.stat(images.name(0))
    picture = Path(images.name(0)).read_bytes()
    Path(images.name(0)).write_bytes(picture)
    os.utime(images.name(0), ns=(times.st_atime_ns, times.st_mtime_ns))  # as before, but for the time of the change
    assert not features_of(network, images, config, CPU).kept
    with torch.no_grad():
        next(network.model.parameters()).mul_(1.01)
    assert not features_of(network, images, config, CPU).kept
    monkeypatch.setattr(features_module, "cache_path", lambda *_: None)  # a user without a home
    assert not features_of(network, images, config, CPU).kept


def test_what_cannot_be_read_is_left_out_and_named(run, data):
    broken = next((data / "train" / "ant").iterdir())
    broken.write_bytes(b"no image")
    status, said, _ = run()
    assert status == 0
    assert f"left out, cannot be read: {broken}" in said.out
    assert "20 x 1024 features" in said.out


def test_several_networks_are_ranked_and_a_folder_each(run, weights, tmp_path):
    torch.save(create_model("mobilenetv2", "0.25", 7).state_dict(), tmp_path / "other.pth")
    names = [f"shufflenetv2:0.5={weights}", f"mobilenetv2:0.25={tmp_path / 'other.pth'}", "mnasnet:0.5"]
    status, said, _ = run("--networks", *names, "--folds", "3", network=False)
    assert status == 0, said.err
    rows = [line.split() for line in said.out.splitlines() if line.endswith(" s") and "features" not in line]
    accuracies = [float(next(cell for cell in row if cell.startswith(("0.", "1.")) and len(cell) == 6)) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(accuracies) == 3
    assert "accuracy and macro F1 on 3 folds of train and val" in said.out
    assert len(list(tmp_path.glob("logs/*/probe0/best.pth"))) == 3


def test_folds_have_the_tables_of_a_cross_validation(run, data):
    """Every image of train and val once, and the figures of those rows; find_label_errors.py reads them."""
    status, said, folder = run("--folds", "3")
    assert status == 0
    answers = read_answers(folder / "folds" / "predictions.csv")
    assert answers.paths == sorted(map(str, data.glob("*/*/*.png")))
    assert [answers.classes[i] for i in answers.labels] == [Path(path).parent.name for path in answers.paths]
    summary = json.loads((folder / "folds" / "cross_validation.json").read_text())
    assert sum(row["images"] for row in summary["rows"]) == len(answers.paths)
    assert len(summary["rows"]) == 3
    assert summary["pooled"]["accuracy"] == pytest.approx((answers.labels == answers.predicted).mean())
    assert (folder / "folds" / "cross_validation.txt").read_text() in said.out
    assert find_label_errors([str(folder / "folds" / "predictions.csv")]) == 0


def test_tables_of_folds_have_absolute_paths(run, data, monkeypatch):
    monkeypatch.chdir(data.parent)
    _, _, folder = run("--folds", "3", images=data.name)
    rows = read_csv(folder / "folds" / "predictions.csv")
    assert [row["path"] for row in rows] == sorted(map(str, data.glob("*/*/*.png")))


def test_images_of_folds_are_found_where_the_project_was_renamed(run, data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    _, _, folder = run("--folds", "3", images=data.relative_to(tmp_path))
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}_renamed"))
    monkeypatch.chdir(moved.parent)
    answers = read_answers(moved / folder.relative_to(tmp_path) / "folds" / "predictions.csv")
    assert answers.paths == sorted(map(str, (moved / data.relative_to(tmp_path)).glob("*/*/*.png")))


def test_a_class_without_a_readable_image_of_train_is_named(run, data):
    for path in (data / "train" / "ant").iterdir():
        path.write_bytes(b"no image")
    status, said, _ = run()
    assert status == 0
    assert f"no image of 'ant' in {data / 'train'} can be read, so that nothing is learnt of it" in said.out + said.err


def test_a_class_of_one_image_is_named_where_folds_judge(run, data, caplog):
    (data / "train" / "dodo").mkdir()
    Image.new("RGB", (8, 8)).save(data / "train" / "dodo" / "1.png")
    run("--folds", "3")
    assert "one image of 'dodo': the classifier that judges it knows no such class" in caplog.text


def test_training_goes_on_from_it(run, data, tmp_path):
    _, _, folder = run()
    keys = dict(model_prefix="shufflenetv2", model_suffix="0.5", img_path=str(data), img_size=48, val_resize=48)
    keys |= dict(
        load_from=str(folder / "best.pth"), epochs=1, warmup_epochs=0, batch_size=4, num_workers=0, init_lr=1e-6
    )
    trained = train.run(plain_config(**keys, log_root=str(tmp_path / "logs"), device="cpu"))
    assert "fc.weight" not in (trained / "train.log").read_text()  # the head came along
    assert load_checkpoint(trained / "last.pth")["epoch"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model-prefix", "squeezenet", "--model-suffix", "1.1"], "squeezenet: its head is no linear layer"),
        ([], "expected --weights, or --model-prefix and --model-suffix"),
        (["--networks", "what"], "or PREFIX:SUFFIX=FILE; there is no file 'what'"),
        (["--networks", "resnet:18", "--model-prefix", "resnet"], "--networks goes without"),
        (["--networks", "resnet:18", "--num-classes", "3"], "--num-classes and --weights"),
        (["--networks", "resnet:19"], "unknown model_suffix for resnet '19'"),
    ],
)
def test_what_cannot_be_done_is_an_error(run, options, message):
    status, said, _ = run(*options, network=False)
    assert status == 2
    assert message in said.err
    assert "Traceback" not in said.err


def test_without_weights_it_repeats_by_its_seed_and_a_batch_may_be_one_image(run):
    rows = []
    for options in (["--seed", "3"], ["--seed", "3", "--batch-size", "1"], ["--seed", "4"]):
        status, said, folder = run("--networks", "shufflenetv2:0.5", *options, network=False)
        assert status == 0, said.err
        rows.append(load_checkpoint(folder / "best.pth")["net"]["conv1.0.weight"])
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


def test_weights_without_a_head_are_probed_as_those_with_one(run, weights):
    figures = []
    for names in (("conv", "stage", "fc"), ("conv", "stage")):
        state = torch.load(weights, weights_only=True)
        torch.save({name: tensor for name, tensor in state.items() if name.startswith(names)}, weights)
        status, said, folder = run("--weights", str(weights), network=False)
        assert status == 0, said.err
        figures.append([results(folder)[0][name] for name in ("accuracy", "val_loss")])
    assert figures[0] == figures[1]


def test_a_network_that_cannot_be_probed_leaves_the_others_in_the_table(run, weights):
    status, said, folder = run("--networks", f"shufflenetv2:0.5={weights}", "squeezenet:1.1", network=False)
    assert status == 2
    assert "1 of 2 networks: squeezenet: its head is no linear layer" in said.err
    assert str(folder / "best.pth") in said.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--std", "0", "0.1", "0.1"], "std: expected 'auto' or a list of 3 times number > 0"),
        (["--mean", "124", "116", "104"], "mean: expected"),
        (["--folds", "100"], "--folds: 100, but no class has more than 12 images"),
    ],
)
def test_values_without_sense_are_errors_before_anything_is_computed(run, options, message):
    status, said, folder = run(*options)
    assert (status, folder) == (2, None)
    assert message in said.err


def test_folds_are_checked_by_the_images_that_can_be_read(run, data):
    for path in data.glob("*/*/*"):
        if int(path.stem) >= 2:
            path.write_bytes(b"no image")
    status, said, folder = run("--folds", "5")
    assert (status, folder) == (2, None)
    assert "--folds: 5, but no class has more than 4 readable images in train and val together" in said.err


def test_images_of_which_none_can_be_read_are_named(run, data):
    for path in data.glob("val/*/*"):
        path.write_bytes(b"no image")
    status, said, _ = run()
    assert status == 2
    assert "val: none of its images can be read" in said.err


@pytest.mark.parametrize("prefix", [prefix for prefix in SMALLEST if prefix not in ("squeezenet", "addernet")])
def test_every_other_family_has_a_linear_head(prefix):
    with torch.device("meta"):
        network = create_model(*SMALLEST[prefix], 5)
    assert needed_head(network).out_features == 5


def test_folders_of_one_class_are_an_error(weights, image_folder, capsys):
    root = image_folder({"train": {"ant": 3}, "val": {"ant": 2}}, name="one")
    assert (
        probe.main([str(root), "--load-from", str(weights), "--model-prefix", "shufflenetv2", "--model-suffix", "0.5"])
        == 2
    )
    assert "one class only" in capsys.readouterr().err
