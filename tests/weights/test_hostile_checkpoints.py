"""Checkpoints with entries that are missing, of another type or made to do harm: the entry is named, nothing else."""

import os

from utils.config import ConfigError, PredictConfig
from utils.errors import WeightsError
from utils.prediction.classifier import load_classifier
from utils.run.resume import restore
from utils.weights.checkpoint import save_checkpoint, weights_alone
from utils.weights.checkpoint_schema import CONTENT, STATE_OF_A_RUN, validated
from utils.weights.weights_file import WeightsFile

import pytest
import torch

from tests.helpers.checkpoints import CPU, new_state, whole_checkpoint
from tests.helpers.runs import plain_config


@pytest.fixture(scope="module")
def whole():
    return whole_checkpoint()


def test_a_whole_checkpoint_passes(whole, tmp_path):
    save_checkpoint(tmp_path / "last.pth", whole)
    assert WeightsFile(tmp_path / "last.pth").checkpoint.keys() == {"format", *whole, "temperature", "known"}


WRONG = [None, True, -1, 2**80, float("nan"), "text", "", b"bytes", [], [None], {}, {"a": 1}, {1: 2}, torch.zeros(2)]


@pytest.fixture(scope="module")
def state():
    """The state of a new run, by whether it keeps an average."""
    return {use_ema: new_state(config(use_ema))[0] for use_ema in (True, False)}


def config(use_ema):
    values = dict(model_prefix="shufflenetv2", model_suffix="0.5", img_size=[32, 32], val_resize=[36, 36], device="cpu")
    values |= dict(epochs=4, warmup_epochs=1, img_path=os.curdir, use_ema=use_ema)
    return plain_config(**values)


def refusal(payload, state, whole):
    """The message with which a run that would resume from `payload` ends; None if it goes on."""
    try:
        payload = validated(payload, "last.pth")
        restore(payload, state[payload["net_ema"] is not None], "last.pth")
    except WeightsError as error:
        return str(error)
    for each in state.values():
        restore(whole, each, "last.pth")
    return None


@pytest.mark.parametrize("entry", sorted({**CONTENT, **STATE_OF_A_RUN}))
def test_an_entry_that_is_missing_or_of_another_type_is_named(whole, state, entry):
    reported = []
    for value in ["missing", *WRONG]:
        payload = {**whole, entry: value}
        if isinstance(value, str) and value == "missing":
            del payload[entry]
        reported.append(refusal(payload, state, whole))
    assert sum(map(bool, reported)) >= len(WRONG) - 2  # {} is the scaler's own state, None no average, [] no history
    assert all(message.startswith("last.pth: ") and entry in message for message in reported if message)
    assert all(message.isprintable() for message in reported if message)


def replaced(nested, keys, value):
    """A copy of nested dicts and lists with another value, or none, in one place."""
    copied = nested.copy()
    if len(keys) > 1:
        copied[keys[0]] = replaced(nested[keys[0]], keys[1:], value)
    elif isinstance(value, str) and value == "missing":
        del copied[keys[0]]
    else:
        copied[keys[0]] = value
    return copied


INNER = ["config.model_prefix", "config.model_suffix", "config.img_size", "config.use_apex", "config.amp_dtype"]
INNER += ["config.channels_last", "config.epochs", "config.log_root", "config.load_from", "config.batch_size"]
INNER += ["classes.0", "preprocess.img_size", "preprocess.val_resize", "preprocess.mean", "preprocess.std"]
INNER += [
    "preprocess.interpolation",
    "best.epoch",
    "best.accuracy",
    "best.val_loss",
    "best.weights",
    "best.mode",
    "history.0",
]
INNER += ["history.0.epoch", "progress.bad", "progress.bad.0", "progress.seconds", "progress.images", "net.fc.weight"]
INNER += ["net_ema.fc.weight", "optimizer.state", "optimizer.param_groups", "optimizer.param_groups.0"]
INNER += ["optimizer.param_groups.0.params", "optimizer.param_groups.0.lr", "optimizer.state.0"]
INNER += ["optimizer.state.0.momentum_buffer", "scheduler.last_epoch", "scheduler.base_lrs", "scheduler.lr_lambdas"]


@pytest.mark.parametrize("place", INNER)
def test_a_wrong_value_within_an_entry_names_the_entry_or_does_no_harm(whole, state, place):
    entry, *rest = place.replace("fc.weight", "fc weight").split(".")
    keys = [entry, *(int(key) if key.isdigit() else key.replace(" ", ".") for key in rest)]
    values = ["missing", *WRONG, [10**6] * 2, ["a"] * 3, "a/b", "..", "\ud800", {"bad": 1}, float("inf")]
    reported = [refusal(replaced(whole, keys, value), state, whole) for value in values]
    assert sum(map(bool, reported)) >= 5
    assert all(entry in message and message.isprintable() for message in reported if message)


def test_columns_that_history_adds_to_a_table_have_plain_names(whole):
    with pytest.raises(WeightsError, match="history: expected"):
        validated(replaced(whole, ["history", 0, "=cmd()"], 1.0), "last.pth")


def test_a_config_that_would_meet_elsewhere_meets_where_the_user_says(whole):
    payload = replaced(whole, ["config", "dist_url"], "tcp://elsewhere:1")
    assert validated(payload, "last.pth")["config"]["dist_url"] == "env://"


def test_keys_that_a_later_version_adds_do_not_hinder_a_prediction(whole):
    payload = {**replaced(whole, ["config", "added"], 3), "added": {"a": 1}}
    assert validated(payload, "last.pth")["config"]["added"] == 3


CLASSES = ["=cmd()", "two\nlines", "\x1b[2J", "猫", "<img src=x onerror=alert(1)>", "a'b\"c", "\udcff", "x" * 250]


def test_names_of_classes_that_a_folder_can_have_pass(whole, tmp_path):
    whole = whole_checkpoint(CLASSES)
    save_checkpoint(tmp_path / "best.pth", whole)
    assert load_classifier(PredictConfig(load_from=str(tmp_path / "best.pth"), device="cpu"), CPU).classes == CLASSES


@pytest.mark.parametrize("name", ["../x", "/etc", "a\0b", "", ".", "..", "\ud800", 7, None])
def test_names_of_classes_that_no_folder_can_have_are_refused(whole, name):
    with pytest.raises(WeightsError, match="classes: expected"):
        validated({**whole, "classes": ["ant", "bee", name]}, "last.pth")


CLASS_FILES = [b"", b"[" * 100_000, b'{"0": ' * 50_000, b'{"1": "a"}', b"[1, 2]", b"7", b"\xff\xfe{}", b'{"0": "../a"}',
               b'{"0": {"a": 1}}', b'{"0": 1e400}', b'{"0": ' + b"9" * 5000 + b"}",
               b'{"0": "\\ud800"}', b"{}", b"\0"]  # fmt: skip


@pytest.mark.parametrize("content", [*CLASS_FILES, None, "pipe", "folder"])
def test_a_hostile_class_file_is_one_error(tmp_path, content):
    path = tmp_path / "classes.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        {"pipe": os.mkfifo, "folder": os.mkdir}[content](path)
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "x.pth")
    names = dict(model_prefix="shufflenetv2", model_suffix="0.5", class_indices_path=str(path))
    with pytest.raises(ConfigError, match="class_indices_path: ") as caught:
        load_classifier(PredictConfig(load_from=str(tmp_path / "x.pth"), **names), CPU)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("entry", [*sorted(CONTENT), "weights_of"])
def test_an_entry_of_best_pth_that_is_missing_or_of_another_type_is_named(whole, entry):
    best = weights_alone(whole)
    assert validated(best, "best.pth")["optimizer"] is None
    reported = []
    for value in ["missing", *WRONG]:
        payload = replaced(best, [entry], value) if value != "missing" or entry != "weights_of" else {**whole, "net": 1}
        try:
            validated(payload, "best.pth")
        except WeightsError as error:
            reported.append(str(error))
    assert len(reported) >= len(WRONG) - 2
    assert all(message.startswith("best.pth: ") and message.isprintable() for message in reported)


def test_what_a_best_pth_should_not_hold_is_not_looked_at(whole):
    payload = {**weights_alone(whole), "optimizer": {"state": "anything"}, "net_ema": 5}
    assert validated(payload, "best.pth")["optimizer"] is validated(payload, "best.pth")["net_ema"] is None
