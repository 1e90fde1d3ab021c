"""The table of public weights says what their sources say; the tool downloads, and says how to start."""

import hashlib
import io
import os
import shlex

from utils.general import load_weights

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from models import create_model
from models.public_weights import WEIGHTS, Weights
from tools import get_weights


def entries():
    return [(prefix, suffix, each) for prefix, family in WEIGHTS.items() for suffix, each in family.items()]


def test_addresses_and_evaluations_are_those_of_torchvision_and_timm():
    known = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        for each in torchvision.models.get_model_weights(name):
            known[each.url.rpartition("/")[2]] = each
    seen = set()
    for prefix, suffix, weights in entries():
        ours = weights.size, weights.resize, weights.interpolation, weights.mean, weights.std
        if weights.name in known:
            theirs, how = known[weights.name], known[weights.name].transforms()
            assert weights.address == theirs.url
            assert theirs.url.endswith(f"-{weights.digest}.pth"), weights.digest
            expected = how.crop_size[0], how.resize_size[0], how.interpolation.value, tuple(how.mean), tuple(how.std)
        elif weights.name.startswith("timm/"):
            how = timm.get_pretrained_cfg(weights.name.removeprefix("timm/"))
            size = how.input_size[-1]
            expected = size, int(size / how.crop_pct), how.interpolation, tuple(how.mean), tuple(how.std)
        else:
            continue
        assert ours == expected, f"{prefix} {suffix}"
        seen.add((prefix, suffix))
    assert len(entries()) - len(seen) == 4  # of their authors' pages


@pytest.fixture
def torchvisions(server, monkeypatch):
    """The server gives weights of torchvision's layout for ShuffleNetV2 0.5, and the table their digest."""
    buffer = io.BytesIO()
    torch.save(torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict(), buffer)
    server.content = buffer.getvalue()
    digest = hashlib.sha256(server.content).hexdigest()[:10]
    monkeypatch.setitem(WEIGHTS["shufflenetv2"], "0.5", Weights(f"shufflenetv2_x0.5-{digest}.pth", 60.6, "BSD"))


@pytest.mark.usefixtures("torchvisions")
def test_the_printed_command_can_be_pasted_where_the_folder_has_spaces(server, tmp_path, capsys):
    folder = tmp_path / "my weights"
    assert get_weights.main(["shufflenetv2", "0.5", "--folder", str(folder), "--mirror", server.address]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "train.py" in line]
    words = [word.strip('"') for word in shlex.split(line, posix=os.name != "nt")]
    assert f"weights_dir={folder}" in words


@pytest.mark.usefixtures("torchvisions")
def test_the_tool_downloads_and_says_how_to_start(server, tmp_path, capsys):
    line = ["shufflenetv2", "0.5", "--folder", str(tmp_path), "--mirror", server.address]
    assert get_weights.main(["--print", *line]) == 0
    assert server.asked == []
    assert get_weights.main(line) == 0
    printed = capsys.readouterr().out
    [path] = tmp_path.glob("*.pth")
    assert path.parent == tmp_path
    assert "python train.py --set model_prefix=shufflenetv2 --set model_suffix=0.5 --set pretrained=True" in printed
    assert f"--set weights_dir={tmp_path} --set weights_mirror={server.address}" in printed
    assert load_weights(create_model("shufflenetv2", "0.5", 1000), path).missing == []


def test_safetensors_of_the_hub_are_read(server, tmp_path, monkeypatch):
    state = timm.create_model("regnetx_002").state_dict()
    save_file(state, tmp_path / "made.safetensors")
    server.content = (tmp_path / "made.safetensors").read_bytes()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    assert get_weights.main(["regnetx", "200mf", "--folder", str(tmp_path / "here")]) == 0
    [path] = (tmp_path / "here").iterdir()
    assert path.name == "timm--regnetx_002.pycls_in1k.safetensors"
    assert load_weights(create_model("regnetx", "200mf", 1000), path).missing == []


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        (["resnet", "19"], 2, "unknown model_suffix for resnet '19'; nearest: '18'"),
        (["resnet"], 2, "expected the two words of a network"),
        (["--all", "resnet", "18"], 2, "--all goes without"),
        (["mobilenetv2", "0.25"], 2, "no public weights are known; of its family: 0.5, 1.0"),
        (["resnet", "18", "--mirror", "x"], 2, "expected a mirror such as"),
        (["addernet", "50"], 1, "no address is known"),
    ],
)
def test_what_there_is_not_is_said(line, status, message, capsys, tmp_path):
    assert get_weights.main([*line, "--folder", str(tmp_path)]) == status
    assert message in capsys.readouterr().err


def test_licences_against_commercial_use_are_loud(capsys):
    assert get_weights.main(["--print", "--all"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("NOT FOR COMMERCIAL USE") == sum(not each.is_commercial for _, _, each in entries()) >= 1
    assert printed.count("top-1 on ImageNet-1k") == len(entries())
