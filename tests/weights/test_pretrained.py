"""The key pretrained: a run starts from public weights, downloaded where they are missing, as they expect it."""

import hashlib
import io
import re
from dataclasses import replace

from utils.config import ConfigError, load_train_config
from utils.weights.checkpoint import load_checkpoint
from utils.weights.download import DownloadError

import pytest
import torch
import torchvision

import train
from models.public_weights import WEIGHTS, Weights, public_weights
from tests.helpers.runs import AUTO_OF_PICTURES


@pytest.fixture
def entry(server, monkeypatch):
    """Weights of ShuffleNetV2 0.5 that the server gives, in the table in place of the real ones."""
    buffer = io.BytesIO()
    torch.manual_seed(3)
    torch.save(torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict(), buffer)
    server.content = buffer.getvalue()
    digest = hashlib.sha256(server.content).hexdigest()[:10]
    made = Weights(
        f"shufflenetv2_x0.5-{digest}.pth", 60.6, "BSD", size=48, resize=56, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    monkeypatch.setitem(WEIGHTS["shufflenetv2"], "0.5", made)
    return made


@pytest.fixture
def config(make_config, server, tmp_path):
    """Of a short run that starts from them."""
    options = {"weights_dir": str(tmp_path / "weights"), "weights_mirror": server.address, "init_lr": 1e-9, "min_lr": 0}
    return make_config(pretrained=True, epochs=1, warmup_epochs=0, **options, **AUTO_OF_PICTURES)


def test_a_run_starts_from_public_weights(config, entry, server, tmp_path):
    folder = train.run(config)
    said = (folder / "train.log").read_text(encoding="utf-8")
    assert f"{entry.name}, 60.6 % top-1 on ImageNet-1k, BSD" in said
    assert re.search(r"loaded \d+ of \d+ tensors", said)
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [entry.name]
    steps = load_checkpoint(folder / "best.pth")["preprocess"]
    assert (steps["img_size"], steps["val_resize"], steps["resize_mode"]) == ([48, 48], [48, 48], "squash")
    assert (steps["mean"], steps["std"]) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    before = torch.load(tmp_path / "weights" / entry.name, weights_only=True)
    after = load_checkpoint(folder / "last.pth")["net"]
    assert torch.allclose(after["conv5.0.weight"], before["conv5.0.weight"], atol=1e-6)
    asked = len(server.asked)
    train.run(load_train_config(folder / "train_config.py"))
    assert len(server.asked) == asked  # they are on the disk


def test_a_run_that_started_from_public_weights_is_resumed(config, entry, server, monkeypatch):
    folder = train.run(config)
    asked = len(server.asked)
    monkeypatch.setattr("sys.argv", ["train.py", "--resume", str(folder), "--set", "epochs=2"])
    assert train.main() == 0
    assert load_checkpoint(folder / "last.pth")["epoch"] == 2
    assert len(server.asked) == asked


def test_what_the_user_sets_wins_over_what_the_weights_expect(config, entry):
    folder = train.run(replace(config, mean=(0.5, 0.5, 0.5), img_size=(32, 32), resize_mode="shortest"))
    steps = load_checkpoint(folder / "best.pth")["preprocess"]
    assert (steps["mean"], steps["std"]) == ([0.5, 0.5, 0.5], [0.4, 0.5, 0.6])
    assert (steps["img_size"], steps["val_resize"]) == ([32, 32], [37, 37])  # of the resize rule of the weights


def test_weights_that_cannot_be_had_leave_no_run(config, entry, server, tmp_path):
    server.status = 404
    with pytest.raises(DownloadError, match=f"save it as {entry.name} in {tmp_path / 'weights'}"):
        train.run(config)
    assert not (tmp_path / "logs").exists()


def test_a_licence_that_forbids_commercial_use_is_a_warning(config, entry, monkeypatch):
    monkeypatch.setitem(WEIGHTS["shufflenetv2"], "0.5", replace(entry, licence="CC-BY-NC-4.0"))
    said = (train.run(config) / "train.log").read_text(encoding="utf-8")
    assert re.search(r"WARNING .*NOT FOR COMMERCIAL USE", said)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(pretrained="resnet18-f37072fd.pth"), "its public weights are '.*', not 'resnet18-f37072fd.pth'"),
        (dict(model_prefix="mobilenetv2", model_suffix="1.5"), "no public weights are known; of its family: "),
        (dict(load_from=__file__), "pretrained: goes without load_from"),
        (dict(weights_mirror="mirror.example"), None),
    ],
)
def test_mistakes_are_errors(make_config, changes, message):
    if message is None:
        with pytest.raises(ConfigError, match="weights_mirror or HF_ENDPOINT: expected a mirror such as"):
            train.run(make_config(pretrained=True, **changes))
        return
    with pytest.raises(ConfigError, match=message):
        make_config(**{"pretrained": True, **changes})


def test_a_name_of_the_table_is_taken():
    assert public_weights("resnet", "18", "resnet18-f37072fd.pth") == WEIGHTS["resnet"]["18"]
