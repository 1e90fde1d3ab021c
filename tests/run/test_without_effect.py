"""Keys of train.py that are set though something else decides: only_val and resume say so, and which value holds."""

import sys
from dataclasses import replace

from utils.config import TrainConfig
from utils.config.without_effect import sections

import pytest

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
