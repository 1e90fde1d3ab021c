"""What a command line says of a network, and what its weights say by themselves."""

import argparse
from dataclasses import replace

from utils.data.preprocess import Preprocess
from utils.errors import ConfigError, WeightsError
from utils.export.formats import example
from utils.weights.networks import load_network
from utils.weights.options import add_network_options, network_options
from utils.weights.spec import NetworkOptions
from utils.weights.weights_file import WeightsFile

import pytest
import timm
import torch
from safetensors.torch import save_file

import train
from models import create_model
from models.public_weights import public_weights
from tests.helpers.initialisation import SkipRandomFill, randomise

CPU = torch.device("cpu")


def options(*words):
    parser = argparse.ArgumentParser()
    add_network_options(parser)
    return network_options(parser.parse_args(words))


def same(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_two_words_give_a_fresh_network_of_the_native_size():
    loaded = load_network(options("--model-prefix", "squeezenet", "--model-suffix", "1.1"), CPU)
    assert (loaded.spec.num_classes, loaded.spec.img_size, len(loaded.classes)) == (1000, (224, 224), 1000)
    assert (loaded.preprocess.img_size, loaded.preprocess.val_resize) == ((224, 224), (256, 256))
    assert not loaded.model.training


def test_a_checkpoint_says_everything(make_config):
    best = train.run(make_config(epochs=2)) / "best.pth"
    loaded = load_network(options("--weights", str(best)), CPU)
    payload = torch.load(best, weights_only=True)
    assert str(loaded.spec) == "shufflenetv2 0.5"
    assert loaded.classes == ["ant", "bee", "cow"]
    assert loaded.preprocess.to_plain() == payload["preprocess"]
    assert same(loaded.model, payload["net"])
    assert f"{payload['weights_of']} weights of epoch {payload['epoch']}" in loaded.description
    larger = load_network(options("--weights", str(best), "--img-size", "64", "48"), CPU).preprocess
    assert (larger.img_size, larger.val_resize) == ((64, 48), (72, 54))  # 36 of 32 were kept before
    with pytest.raises(WeightsError, match="a checkpoint of shufflenetv2 0.5, not of vgg 11"):
        load_network(options("--weights", str(best), "--model-prefix", "vgg", "--model-suffix", "11"), CPU)
    with pytest.raises(WeightsError, match="has 3 classes, not 4"):
        load_network(options("--weights", str(best), "--num-classes", "4"), CPU)


def test_of_a_whole_checkpoint_of_the_best_epoch_the_weights_that_scored_are_taken(make_config, tmp_path):
    whole = torch.load(train.run(make_config(epochs=1, warmup_epochs=0)) / "last.pth", weights_only=True)
    for key, words in (("net", "raw"), ("net_ema", "averaged")):
        torch.save({**whole, "best": {**whole["best"], "weights": key}}, tmp_path / "whole.pth")
        loaded = load_network(options("--weights", str(tmp_path / "whole.pth")), CPU)
        assert same(loaded.model, whole[key])
        assert f"{words} weights of epoch 1" in loaded.description


def test_foreign_weights_are_recognised_with_head_and_size(tmp_path):
    with SkipRandomFill():
        theirs = timm.create_model("resmlp_12_224", num_classes=4, img_size=96)
    randomise(theirs, seed=0)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    loaded = load_network(NetworkOptions(weights=tmp_path / "weights.pth"), CPU)
    assert (str(loaded.spec), loaded.spec.num_classes, loaded.spec.img_size) == ("resmlp-mixer 12", 4, (96, 96))
    assert same(loaded.model, theirs.state_dict())
    assert loaded.preprocess.val_resize == (110, 110)


def test_public_weights_want_pictures_as_they_are_published(tmp_path):
    published = public_weights("xception", "299")
    with SkipRandomFill():
        torch.save(create_model("xception", "299").state_dict(), path := tmp_path / "other.pth")
        other = load_network(NetworkOptions("xception", "299", weights=path), CPU)
        save_file(torch.load(path, weights_only=True), path := tmp_path / published.file_name)
        loaded = load_network(NetworkOptions("xception", "299", weights=path), CPU)
        smaller = load_network(NetworkOptions("xception", "299", weights=path, img_size=(199, 299)), CPU).preprocess
    halves = (0.5, 0.5, 0.5)
    assert loaded.preprocess == Preprocess(
        (299, 299), (333, 333), halves, halves, "bicubic", dct_scaling=True, resize_mode="shortest"
    )
    assert loaded.pictures == (
        "pictures: 299x299 of 333x333, shortest, bicubic, mean [0.5, 0.5, 0.5], std [0.5, 0.5, 0.5]: "
        "as timm/legacy_xception.tf_in1k is published"
    )
    assert (smaller.img_size, smaller.val_resize, smaller.mean) == ((199, 299), (222, 333), halves)
    assert other.preprocess.mean == (0.485, 0.456, 0.406)
    assert other.pictures.endswith("as usual for ImageNet, since no published ones are known")


def test_public_weights_are_shown_their_own_size_where_it_is_not_the_native_one(tmp_path):
    path = tmp_path / public_weights("efficientnetv1", "b2").file_name
    with SkipRandomFill():
        torch.save(create_model("efficientnetv1", "b2").state_dict(), path)
        loaded = load_network(NetworkOptions("efficientnetv1", "b2", weights=path), CPU)
    assert (loaded.preprocess.img_size, loaded.spec.img_size) == ((288, 288), (260, 260))
    assert example(loaded).shape == (2, 3, 288, 288)


def test_a_part_of_a_network_is_refused(tmp_path):
    state = create_model("squeezenet", "1.1", 4).state_dict()
    torch.save(dict(list(state.items())[2:]), tmp_path / "part.pth")
    with pytest.raises(WeightsError, match="a part of the network only"):
        load_network(NetworkOptions("squeezenet", "1.1", 4, tmp_path / "part.pth"), CPU)


@pytest.mark.parametrize("num_classes", [None, 4])
def test_weights_without_a_head_are_taken_where_it_is_replaced(num_classes, tmp_path):
    state = create_model("shufflenetv2", "0.5", 4).state_dict()
    body = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    torch.save(body, path := tmp_path / "body.pth")
    options = NetworkOptions(num_classes=num_classes, weights=path)
    loaded = load_network(replace(options, new_head=True), CPU)
    assert "a head still to be fitted" in loaded.description
    assert all(torch.equal(tensor, loaded.model.state_dict()[name]) for name, tensor in body.items())
    with pytest.raises(WeightsError, match=r"holds no head: tools/probe\.py fits a linear one"):
        load_network(options, CPU)
    del body["conv5.0.weight"]
    torch.save(body, path)
    with pytest.raises(WeightsError, match="a part of the network only"):
        load_network(replace(options, new_head=True), CPU)


WRONG_RANKS = {
    "vit base-patch32": ("pos_embed", "patch_embed.proj.weight", "head.weight"),
    "resmlp-mixer 12": ("stem.proj.weight", "blocks.0.linear_tokens.weight", "head.weight"),
    "shufflenetv2 0.5": ("fc.weight",),
}


@pytest.mark.parametrize("names", WRONG_RANKS)
@pytest.mark.parametrize("shape", [(), (5,)])
def test_tensors_of_a_wrong_rank_are_an_error(names, shape, tmp_path):
    with torch.device("meta"):
        state = create_model(*names.split(), 4).state_dict()
    state = {name: torch.zeros(()).expand(tensor.shape) for name, tensor in state.items()}
    for name in WRONG_RANKS[names]:
        file = WeightsFile(tmp_path / "weights.pth")
        file.payload = {**state, name: torch.zeros(shape)}  # as if read
        with pytest.raises(WeightsError, match=r"weights\.pth: "):
            load_network(NetworkOptions(*names.split(), weights=file.path), CPU, file)


@pytest.mark.parametrize(
    ("words", "message"),
    [((), "expected --weights, or"), (("--model-prefix", "vgg"), "go together")],
)
def test_options_that_say_too_little_are_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        options(*words)


def test_unknown_words_name_the_nearest():
    with pytest.raises(WeightsError, match="nearest: 'resnet'"):
        load_network(NetworkOptions("resnett", "18"), CPU)
