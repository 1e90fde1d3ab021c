"""tools/convert_weights.py: there and back again, what it refuses, and that it writes nothing it has not verified."""

import re

from utils.config import load_predict_config, parse_overrides
from utils.config.keys import PredictConfig
from utils.errors import WeightsError
from utils.files import write_json
from utils.prediction.classifier import load_classifier
from utils.weights.checkpoint import save_checkpoint
from utils.weights.load import load_weights
from utils.weights.spec import NetworkOptions
from utils.weights.weights_file import WeightsFile

import pytest
import timm
import torch
import torchvision

from benchmarks.peers.networks import PARAMETERS
from models import create_model, list_models
from models.dialects import layouts
from tests.helpers import ROOT
from tests.helpers.checkpoints import folder_with_best, whole_checkpoint
from tests.helpers.initialisation import SkipRandomFill, damp, randomise
from tools import convert_weights
from tools.convert_weights import Request, convert, main

TOOL = ROOT / "tools" / "convert_weights.py"
HEAVY = 3_000_000  # parameters: conversions of larger networks are not for every run


def smallest_pairs() -> list:
    """The smallest network of each family and library that it can be written for."""
    pairs = {}
    for prefix, suffix in list_models():
        for layout in sorted(set(layouts(prefix, suffix)) & {"timm", "torchvision"}):
            others = [*filter(None, [pairs.get((prefix, layout))]), (prefix, suffix)]
            pairs[prefix, layout] = min(others, key=PARAMETERS.get)
    return [
        pytest.param(*names, layout, marks=pytest.mark.slow if PARAMETERS[names] > HEAVY else ())
        for (_, layout), names in pairs.items()
    ]


def request(source, target, layout, prefix=None, suffix=None, **options):
    return Request(NetworkOptions(prefix, suffix, weights=source, **options), target, layout)


@pytest.fixture
def weights(tmp_path):
    """weights("resnet", "18", classes=7) writes random ones of a network of ours and returns the path."""

    def write(prefix="shufflenetv2", suffix="0.5", *, classes=7, name="in.pth", **options):
        with SkipRandomFill():
            model = create_model(prefix, suffix, classes, **options)
        randomise(model, seed=0)
        damp(model)
        torch.save(model.state_dict(), tmp_path / name)
        return tmp_path / name

    return write


def size_for(prefix):
    """Small, but for networks whose tables torchvision has for one size alone."""
    return (224, 224) if prefix == "swint" else (64, 64)


@pytest.mark.parametrize(("prefix", "suffix", "layout"), smallest_pairs())
def test_there_and_back_the_weights_are_the_same(prefix, suffix, layout, weights, tmp_path):
    size = size_for(prefix)
    source = weights(prefix, suffix, img_size=size)
    there, back = tmp_path / "there.pth", tmp_path / "back.pth"
    with SkipRandomFill():
        reported = convert(request(source, there, layout, prefix, suffix, img_size=size))
        assert any(line.startswith(f"verified: {layout}'s ") for line in reported)
        convert(request(there, back, "ours", prefix, suffix, img_size=size))
    before = WeightsFile(source).state
    after = WeightsFile(back).state
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=1e-5, atol=0)  # weights of BatchNorm move with its eps


def test_torchvision_takes_the_file_of_an_mnasnet(weights, tmp_path):
    target = tmp_path / "out.pth"
    convert(request(weights("mnasnet", "0.5"), target, "torchvision", img_size=(32, 32)))
    torchvision.models.mnasnet0_5(num_classes=7).load_state_dict(torch.load(target, weights_only=True))


def test_the_network_is_recognised_and_its_head_kept(weights, tmp_path):
    reported = convert(request(weights("squeezenet", "1.1"), tmp_path / "out.pth", "torchvision", img_size=(64, 64)))
    assert reported[0].startswith("squeezenet 1.1, 7 classes: loaded 52 of 52 tensors")


def test_another_number_of_classes_initialises_the_head(weights, tmp_path):
    source, target = weights(), tmp_path / "out.pth"
    reported = convert(request(source, target, "torchvision", num_classes=3, img_size=(32, 32)))
    assert "all but the head, which is new: 3 classes instead of 7" in reported[0]
    assert len(WeightsFile(target).state["fc.bias"]) == 3


def test_position_tables_keep_their_size(tmp_path):
    with SkipRandomFill():
        model = timm.create_model("resmlp_12_224", num_classes=4, img_size=96)
    randomise(model, seed=0)
    torch.save(model.state_dict(), tmp_path / "in.pth")
    reported = convert(request(tmp_path / "in.pth", tmp_path / "out.pth", "timm"))
    assert "96x96" in reported[1]
    assert WeightsFile(tmp_path / "out.pth").state["blocks.0.linear_tokens.weight"].shape == (36, 36)


def test_a_checkpoint_says_what_it_is(tmp_path):
    checkpoint = whole_checkpoint(img_size=(32, 48), val_resize=(36, 48))
    save_checkpoint(tmp_path / "best.pth", checkpoint)
    reported = convert(request(tmp_path / "best.pth", tmp_path / "out.pth", "torchvision"))
    assert "32x48" in reported[1]
    assert "img_size = [32, 48], val_resize = [36, 48], mean = [" in reported[-1]
    assert reported[-1].endswith(", class_indices_path")  # no file with names lies there
    assert WeightsFile(tmp_path / "out.pth").state.keys() == checkpoint["net"].keys()


@pytest.mark.parametrize(("temperature", "classes", "said"), [(2.5, None, 1), (2.5, 5, 0), (1.00001, None, 0)])
def test_a_temperature_that_is_left_behind_is_said_unless_the_head_is_new(tmp_path, temperature, classes, said):
    save_checkpoint(tmp_path / "best.pth", {**whole_checkpoint(), "temperature": temperature})
    reported = convert(request(tmp_path / "best.pth", tmp_path / "out.pth", "torchvision", num_classes=classes))
    assert reported.count("it lacks the temperature, 2.5, so that its probabilities are not calibrated") == said
    assert sum("it lacks the temperature" in line for line in reported) == said


@pytest.mark.parametrize("size", [None, (64, 96)])
def test_what_a_converted_checkpoint_needs_is_named_with_its_values(size, tmp_path):
    folder = folder_with_best(tmp_path)
    write_json(folder / "class_indices.json", {"0": "ant", "1": "bee", "2": "cow"})
    reported = convert(request(folder / "best.pth", tmp_path / "out.pth", "torchvision", img_size=size))
    text = reported[-1].partition("to predict with it, set ")[2]
    said = dict(re.findall(r"(\w+) = (\[.*?\]|[^,]+)", text))
    sets = parse_overrides([f"{name}={value}" for name, value in said.items()])
    config = load_predict_config(ROOT / "predict_config.py", {"load_from": str(tmp_path / "out.pth"), **sets})
    found = load_classifier(config, torch.device("cpu"))
    ours = load_classifier(PredictConfig(load_from=str(folder)), torch.device("cpu"))
    assert found.classes == ours.classes == ["ant", "bee", "cow"]
    assert found.preprocess == (ours.preprocess if size is None else ours.preprocess.resized(size))
    if size is None:
        images = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
        torch.testing.assert_close(found.logits(images), ours.logits(images))


def test_names_of_other_classes_are_not_offered_for_a_new_head(tmp_path):
    folder = folder_with_best(tmp_path)
    write_json(folder / "class_indices.json", {"0": "ant", "1": "bee", "2": "cow"})
    reported = convert(request(folder / "best.pth", tmp_path / "out.pth", "torchvision", num_classes=5))
    assert reported[-1].endswith(", class_indices_path")


def test_safetensors_are_written_and_read(weights, tmp_path):
    pytest.importorskip("safetensors")
    source, middle, target = weights(), tmp_path / "out.safetensors", tmp_path / "out.pth"
    convert(request(source, middle, "torchvision", img_size=(32, 32)))
    convert(request(middle, target, "ours", img_size=(32, 32)))
    before = WeightsFile(source).state
    after = WeightsFile(target).state
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    load_weights(create_model("shufflenetv2", "0.5", 7), middle)


def test_a_library_that_is_not_installed_is_reported(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(convert_weights, "find_spec", lambda name: None)
    reported = convert(request(weights(), tmp_path / "out.pth", "torchvision", img_size=(32, 32)))
    assert "not compared with torchvision's own shufflenet_v2_x0_5: torchvision is not installed" in reported
    with pytest.raises(WeightsError, match="pip install safetensors"):
        convert(request(weights(), tmp_path / "out.safetensors", "torchvision"))


def failing(monkeypatch):
    """Every translation loses a sign."""
    right = convert_weights.convert_state

    def wrong(*arguments):
        return {name: -tensor if name == "fc.weight" else tensor for name, tensor in right(*arguments).items()}

    monkeypatch.setattr(convert_weights, "convert_state", wrong)


def test_nothing_is_written_if_the_logits_differ(weights, tmp_path, monkeypatch):
    failing(monkeypatch)
    with pytest.raises(WeightsError, match="not written: .* gives other logits"):
        convert(request(weights(), tmp_path / "out.pth", "torchvision", img_size=(32, 32)))
    assert not (tmp_path / "out.pth").exists()


def test_weights_that_give_no_numbers_are_refused(tmp_path):
    state = create_model("shufflenetv2", "0.5", 7).state_dict()
    state["fc.bias"][0] = torch.nan
    torch.save(state, tmp_path / "in.pth")
    with pytest.raises(WeightsError, match="no numbers"):
        convert(request(tmp_path / "in.pth", tmp_path / "out.pth", "torchvision", img_size=(32, 32)))


def test_an_incomplete_file_is_refused_but_by_force(weights, tmp_path):
    source, target = weights(), tmp_path / "out.pth"
    state = WeightsFile(source).state
    del state["conv5.0.weight"]
    torch.save(state, source)
    with pytest.raises(WeightsError, match=r"1 tensors of shufflenetv2 0\.5 are not in it, conv5\.0\.weight for one"):
        convert(request(source, target, "torchvision", img_size=(32, 32)))
    convert(request(source, target, "torchvision", img_size=(32, 32), force=True))
    assert "conv5.0.weight" in WeightsFile(target).state


def test_a_file_without_a_head_needs_the_number_of_classes(weights, tmp_path):
    source, target = weights(), tmp_path / "out.pth"
    torch.save({name: t for name, t in WeightsFile(source).state.items() if not name.startswith("fc.")}, source)
    with pytest.raises(WeightsError, match="--num-classes"):
        convert(request(source, target, "torchvision"))
    convert(request(source, target, "torchvision", num_classes=2, img_size=(32, 32)))
    assert len(WeightsFile(target).state["fc.bias"]) == 2


def refused(capsys, *arguments):
    """The one line of the error."""
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_file_that_takes_no_more_is_one_error(ending, weights, tmp_path, capsys):
    resource = pytest.importorskip("resource")
    source, target = weights(), tmp_path / f"out.{ending}"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        message = refused(capsys, source, target, "--to", "torchvision", "--img-size", 32, 32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"out.{ending}: cannot be written: File too large" in message
    assert list(tmp_path.iterdir()) == [source]


def test_files_are_not_overwritten_unawares(weights, tmp_path, capsys):
    source, target = weights(), tmp_path / "out.pth"
    target.write_bytes(b"dear")
    assert "exists already; --overwrite" in refused(capsys, source, target, "--to", "torchvision")
    assert target.read_bytes() == b"dear"
    assert "are the same" in refused(capsys, source, source, "--to", "ours", "--overwrite")
    assert main([str(source), str(target), "--to", "ours", "--overwrite", "--img-size", "32", "32"]) == 0
    assert "wrote " in capsys.readouterr().out
    assert WeightsFile(target).state


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.pth", "out.pth", "--to", "ours"], "none.pth: no such file"),
        (["in.pth", "out.bin", "--to", "ours"], "must end in one of .pth"),
        (["in.pth", "none/out.pth", "--to", "ours"], "there is no folder"),
        (["in.pth", "folder.pth", "--to", "ours"], "exists already"),
        (["text.pth", "out.pth", "--to", "ours"], "text.pth: "),
        (["strange.pth", "out.pth", "--to", "ours"], "cannot tell the network"),
        (["in.pth", "out.pth", "--to", "timm"], "choices: ours, torchvision"),
        (
            ["in.pth", "out.pth", "--to", "ours", "--model-prefix", "vgg", "--model-suffix", "11"],
            "not weights of vgg 11",
        ),
        (["in.pth", "out.pth", "--to", "ours", "--model-prefix", "vg", "--model-suffix", "11"], "nearest: 'vgg'"),
    ],
)
def test_bad_input_is_one_error(arguments, message, weights, tmp_path, capsys, monkeypatch):
    weights()
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"unheard.of": torch.zeros(3)}, tmp_path / "strange.pth")
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert not (tmp_path / "out.pth").exists()


def test_half_a_name_and_other_layouts_are_refused(capsys):
    half = refused(capsys, "in.pth", "out.pth", "--to", "ours", "--model-prefix", "vgg")
    assert "--model-prefix and --model-suffix go together" in half
    for arguments in (["--to", "keras"], ["--to", "ours", "--num-classes", "0"]):
        with pytest.raises(SystemExit, match="2"):
            main(["in.pth", "out.pth", *arguments])
    assert "error: " in capsys.readouterr().err


def test_the_script_runs_from_elsewhere(python, weights, tmp_path):
    words = [str(TOOL), weights().name, "out.pth", "--to", "torchvision", "--img-size", "32", "32"]
    done = python(tmp_path, words)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out.pth").is_file()
