"""tools/params.py: one network, a family, all; by layer; files, and what is wrong with the words."""

import json

from utils import tables

import pytest
from PIL import Image

import train
from benchmarks.peers.networks import PARAMETERS
from models import list_models
from tests.helpers import ROOT
from tools.params import main

RESNET = ("--model-prefix", "resnet", "--model-suffix", "18")


def test_one_network_from_another_folder(python, tmp_path):
    done = python(tmp_path, [str(ROOT / "tools" / "params.py"), *RESNET])
    assert (done.returncode, done.stderr) == (0, "")
    headers, row = done.stdout.splitlines()
    assert headers.split()[:4] == ["network", "size", "parameters", "trainable"]
    assert row.split() == ["resnet", "18", "224x224", "11,689,512", "11,689,512", "1.814", "2.48", "44.6"]
    assert list(tmp_path.iterdir()) == []


def test_all_networks_in_a_table_with_a_plot(tmp_path, capsys):
    path = tmp_path / "all.csv"
    assert main(["--all", "--output", str(path)]) == 0
    rows = tables.read_csv(path)
    assert {(row["model_prefix"], row["model_suffix"]): int(row["parameters"]) for row in rows} == PARAMETERS
    assert [(row["model_prefix"], row["model_suffix"]) for row in rows] == list_models()
    assert {row["error"] for row in rows} == {""}
    assert [row["model_prefix"] for row in rows if row["additions"] != "0"] == ["addernet"]
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(rows)
    with Image.open(tmp_path / "all.png") as picture:
        assert min(picture.size) > 500


def test_a_family_of_other_classes_and_size(tmp_path):
    path = tmp_path / "squeezenet.json"
    assert (
        main(["--model-prefix", "squeezenet", "--num-classes", "7", "--img-size", "64", "96", "--output", str(path)])
        == 0
    )
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert [(row["model_suffix"], row["height"], row["width"], row["num_classes"]) for row in rows] == [
        ("1.0", 64, 96, 7),
        ("1.1", 64, 96, 7),
    ]
    assert rows[1]["parameters"] == PARAMETERS["squeezenet", "1.1"] - 993 * 513
    assert rows[1]["multiply_adds"] < 0.349e9 / 8


def test_layers_add_up(tmp_path, capsys):
    path = tmp_path / "layers.csv"
    assert main([*RESNET, "--layers", "--output", str(path)]) == 0
    rows = tables.read_csv(path)
    assert sum(int(row["parameters"]) for row in rows) == PARAMETERS["resnet", "18"]
    assert rows[0]["layer"] == "conv1"
    assert (rows[0]["type"], rows[0]["output_shape"]) == ("Conv2d", "1x64x112x112")
    assert int(rows[0]["multiply_adds"]) == 64 * 112 * 112 * 3 * 49
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split() == ["sum", "11,689,512", "1,814,073,344", "2,484,712"]
    assert len(lines) == len(rows) + 3
    assert not path.with_suffix(".png").exists()


def test_a_checkpoint_says_everything(make_config, capsys):
    best = train.run(make_config(epochs=2)) / "best.pth"
    capsys.readouterr()
    assert main(["--weights", str(best)]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[:4] == ["shufflenetv2", "0.5", "32x32", f"{PARAMETERS['shufflenetv2', '0.5'] - 997 * 1025:,}"]


def test_one_that_fails_is_a_row_with_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("utils.weights.options.list_models", lambda: [("vgg", "11"), ("mnasnet", "0.5")])
    path = tmp_path / "some.csv"
    assert main(["--all", "--img-size", "16", "16", "--output", str(path)]) == 0
    vgg, mnasnet = tables.read_csv(path)
    assert "needs 32x32" in vgg["error"]
    assert (vgg["parameters"], mnasnet["error"]) == ("", "")
    assert "needs 32x32" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model-prefix", "resnett"), "unknown model_prefix 'resnett'; nearest: 'resnet'"),
        (("--model-prefix", "resnet", "--model-suffix", "81"), "unknown model_suffix for resnet '81'; nearest: '18'"),
        ((), "expected --weights, or --model-prefix"),
        (("--model-suffix", "18"), "go together"),
        (("--all", "--model-prefix", "vgg"), "--all goes without"),
        (("--model-prefix", "vgg", "--weights", "w.pth"), "--weights belong to one network"),
        (("--all", "--weights", "w.pth"), "--weights belong to one network"),
        (("--weights", "absent.pth"), "absent.pth: no such file"),
        ((*RESNET, "--output", "table.txt"), "expected a file ending in one of .csv, .json, got 'table.txt'"),
        ((*RESNET, "--output", "absent/table.csv"), "there is no folder 'absent'"),
        ((*RESNET, "--device", "cpuu"), "device"),
        (
            ("--model-prefix", "vgg", "--model-suffix", "11", "--img-size", "16", "16"),
            "vgg 11: images of 16x16 are too",
        ),
    ],
)
def test_faults_are_reported(words, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(list(words)) == 2
    assert message in capsys.readouterr().err


def test_files_are_replaced_only_on_request(tmp_path, capsys):
    path = tmp_path / "table.csv"
    path.write_text("mine", encoding="utf-8")
    assert main([*RESNET, "--output", str(path)]) == 2
    assert f"{path} exists already; --overwrite replaces it" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "mine"
    assert main([*RESNET, "--output", str(path), "--overwrite"]) == 0
    assert len(tables.read_csv(path)) == 1
