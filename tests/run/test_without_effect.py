"""Keys of train.py that are set though something else decides: only_val and resume say so, and which value holds."""

import sys
from dataclasses import replace

from utils.config import TrainConfig, load_train_config
from utils.config.without_effect import idle, sections
from utils.report.file_names import CONFIG
from utils.training.optim import OPTIMIZERS
from utils.training.schedulers import SCHEDULES

import pytest
import torch
from torch import nn

import train
from tests.helpers.runs import plain_config


@pytest.fixture
def run(data, tmp_path):
    """(config, folder) of a run of two epochs, whose keys are those of the first runs."""
    names = dict(model_prefix="shufflenetv2", model_suffix="0.5", img_path=str(data), log_root=str(tmp_path / "logs"))
    sizes = dict(img_size=(32, 32), val_resize=(36, 36), batch_size=4, num_workers=0, device="cpu")
    config = plain_config(**names, **sizes, epochs=2, warmup_epochs=0)
    return config, train.run(config)


def said(folder):
    lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    return [line.partition("WARNING ")[2] for line in lines if "without effect" in line]


def test_only_val_names_the_preprocessing_that_a_checkpoint_decides(run):
    config, folder = run
    best = str(folder / "best.pth")
    changed = replace(config, only_val=True, load_from=best, img_size=(64, 64), val_resize=(64, 64), pad_value=7)
    warned = said(train.run(changed))
    assert [line.partition(" is without effect")[0] for line in warned[:3]] == [
        "img_size: [64, 64]",
        "val_resize: [64, 64]",
        "pad_value: 7",
    ]
    assert warned[0] == f"img_size: [64, 64] is without effect, as {best} has its own: [32, 32]"


def test_only_val_names_the_keys_of_a_training_in_one_line(run):
    config, folder = run
    plain = TrainConfig(
        only_val=True,
        load_from=str(folder / "best.pth"),
        init_lr=0.5,
        mixup_prob=0.2,
        **{name: getattr(config, name) for name in ("model_prefix", "model_suffix", "img_path", "log_root", "device")},
    )
    [warned] = said(train.run(plain))
    assert warned == "only_val trains nothing, so these keys are without effect: 'mixup_prob', 'init_lr'"
    assert said(train.run(replace(plain, init_lr="auto", mixup_prob="auto"))) == []


def test_a_run_that_goes_on_stays_where_and_what_it_is(run, tmp_path):
    config, folder = run
    again = replace(config, resume=True, load_from=str(folder / "last.pth"), epochs=3, exp_name="other")
    assert train.run(again) == folder
    assert said(folder) == [
        f"exp_name: 'other' is without effect, as the run in {folder}, which goes on, has its own: 'exp'"
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "load_from=other.pth"], "--set: load_from: --resume brings it along"),
        (["--set", "resume=False"], "--set: resume: --resume brings it along"),
        (["--set", "config_path=other.py"], "--set: config_path: --resume brings it along"),
    ],
)
def test_what_resume_brings_along_cannot_be_given_beside_it(monkeypatch, tmp_path, capsys, words, message):
    monkeypatch.setattr(sys, "argv", ["train.py", "--resume", str(tmp_path), *words])
    assert train.main() == 2
    assert message in capsys.readouterr().err


def test_a_config_beside_resume_is_without_effect(run, monkeypatch, capsys):
    _, folder = run
    monkeypatch.setattr(sys, "argv", ["train.py", "--resume", str(folder), "--config", "other.py"])
    assert train.main() == 0
    assert "--config: without effect" in capsys.readouterr().err


def test_keys_by_the_sections_of_the_config_file():
    assert sections(TrainConfig, "Learning rate")[0] == "scheduler_type"
    assert "device" not in sections(TrainConfig, "Learning rate")


def briefly(img_path, log_root, **keys):
    """A config with keys that are 'auto', of one short epoch."""
    network = dict(model_prefix="shufflenetv2", model_suffix="0.5", img_path=str(img_path), log_root=str(log_root))
    sizes = dict(epochs=1, img_size=(32, 32), batch_size=4, num_workers=0, device="cpu", keep_features=False)
    return TrainConfig(**{**network, **sizes, **keys})


def test_a_training_names_keys_that_another_key_leaves_nothing_to_do(data, tmp_path):
    keys = dict(optimizer_type="adamw", momentum=0.8, use_ema=False, ema_decay=0.9, scheduler_type="exponential_lr")
    keys |= dict(min_lr=1e-5, lr_gamma=0.5, start_from_epoch=3, resize_mode="letterbox", val_resize=(40, 40))
    assert said(train.run(briefly(data, tmp_path, **keys))) == [
        "ema_decay: 0.9 is without effect, as use_ema = False",
        "val_resize: [40, 40] is without effect, as resize_mode = 'letterbox'",
        "start_from_epoch: 3 is without effect, as patience = 0",
        "momentum: 0.8 is without effect, as optimizer_type = 'adamw'",
        "min_lr: 1e-05 is without effect, as scheduler_type = 'exponential_lr'",
    ]


def test_keys_that_have_their_effect_are_not_named_and_a_saved_config_names_none(data, tmp_path):
    keys = dict(optimizer_type="sgd", momentum=0.8, use_ema=True, ema_decay=0.9, patience=2, min_delta=0.1)
    folder = train.run(briefly(data, tmp_path, **keys, pad_value=7, resize_mode="letterbox"))
    assert said(folder) == []
    again = load_train_config(folder / CONFIG)
    assert said(train.run(again)) == []
    assert said(train.run(replace(again, use_ema=False), explicit=["use_ema", "ema_decay"])) == [
        "ema_decay: 0.9 is without effect, as use_ema = False"
    ]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_said_of_an_optimizer_is_what_torch_takes(name):
    [group] = OPTIMIZERS[name]([nn.Parameter(torch.ones(1))], plain_config(), device=torch.device("cpu")).param_groups
    keys = dict(momentum=0.8, betas=(0.8, 0.9), eps=1e-3)
    config = replace(plain_config(), optimizer_type=name, **keys)
    silent = {key for key in keys if not any(key in sentence for sentence in idle(config, keys))}
    assert silent == keys.keys() & group.keys()


@pytest.mark.parametrize("name", SCHEDULES)
def test_what_is_said_of_a_schedule_is_what_its_rates_show(name):
    config = replace(plain_config(), scheduler_type=name, init_lr=1.0, epochs=9, warmup_epochs=0)
    config = replace(config, min_lr=0.1, lr_gamma=0.5, steps=(3,))

    def rates(**keys):
        return [SCHEDULES[name](replace(config, **keys), float(epoch), epoch) for epoch in range(9)]

    others = dict(min_lr=0.2, lr_gamma=0.6, steps=(5,))
    moving = {key for key, value in others.items() if rates(**{key: value}) != rates()}
    assert {key for key in others if not any(key in sentence for sentence in idle(config, others))} == moving
