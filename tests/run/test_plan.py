"""'auto' in whole runs: a table with reasons, numbers in config and checkpoint, what a repeat and a resume keep."""

import shutil
from dataclasses import replace

from utils import tables
from utils.config import ConfigError, load_train_config
from utils.config.keys import AUTO_KEYS
from utils.config.schema import literal
from utils.errors import WeightsError
from utils.log import RunLog
from utils.run.plan import few_steps, planned
from utils.run.splits import read_data
from utils.weights.checkpoint import load_checkpoint

import pytest
import torch

import train
from models import create_model
from tests.helpers.runs import assert_same_run, plain_config, results


def test_what_was_found_is_told_and_kept(auto_config):
    config = auto_config()
    folder = train.run(config)
    rows = tables.read_csv(folder / "recipe.csv")
    found = [key for key in AUTO_KEYS if getattr(config, key) == "auto"]
    assert [row["key"] for row in rows] == found
    saved = load_train_config(folder / "train_config.py")
    said = (folder / "train.log").read_text(encoding="utf-8")
    checkpoint = load_checkpoint(folder / "last.pth")["config"]
    for row in rows:
        value = getattr(saved, row["key"])
        assert value != "auto"
        assert literal(value) == row["value"]
        assert checkpoint[row["key"]] == (list(value) if isinstance(value, tuple) else value)
        assert f"{row['value']}  {row['why']}" in said
    assert_same_run(train.run(saved), folder)
    assert not (folder.parent / "exp1" / "recipe.csv").exists()


def test_a_resume_keeps_it_though_the_folders_have_grown(auto_config, data):
    config = auto_config()
    folder = train.run(config)
    before = load_train_config(folder / "train_config.py")
    for number in range(40):
        shutil.copy(data / "train/ant/00.png", data / f"train/ant/copy{number}.png")
    resumed = replace(before, resume=True, load_from=str(folder / "last.pth"), epochs=3)
    train.run(resumed, force=True)
    after = load_train_config(folder / "train_config.py")
    assert replace(after, epochs=2) == before
    train.run(replace(config, resume=True, load_from=resumed.load_from, epochs=4), force=True)  # as a config file says
    assert replace(load_train_config(folder / "train_config.py"), epochs=2) == before


def test_a_saved_config_of_an_earlier_version_is_no_recipe(auto_config, tmp_path):
    """Keys that it lacks were not there: 'auto' would make another run of it."""
    folder = train.run(auto_config())
    lines = (folder / "train_config.py").read_text(encoding="utf-8").splitlines(keepends=True)
    older = tmp_path / "older.py"
    older.write_text("".join(line for line in lines if not line.startswith(("layer_decay", "crop_scale"))))
    config = load_train_config(older)
    assert (config.layer_decay, config.crop_scale) == (1.0, (0.08, 1.0))
    older.write_text("# mine\n" + "".join(lines[1:3]))
    assert load_train_config(older).layer_decay == "auto"


def test_weights_bring_their_preprocessing_and_a_fitted_head(auto_config, tmp_path):
    first = train.run(auto_config(mean=[0.1, 0.2, 0.3]))
    state = torch.load(first / "best.pth", weights_only=True)["net"]
    del state["fc.weight"], state["fc.bias"]
    for name in (name for name in state if name.endswith("num_batches_tracked")):
        state[name].fill_(1000)  # as of a longer training
    torch.save(state, tmp_path / "body.pth")
    folder = train.run(auto_config(load_from=str(tmp_path / "body.pth"), epochs=1))
    said = (folder / "train.log").read_text(encoding="utf-8")
    assert "head: logistic regression on 1024 features of 21 images" in said
    fine = load_train_config(folder / "train_config.py")
    assert (fine.head_init, fine.freeze_bn) == ("probe", True)
    averages = {name: value for name, value in state.items() if "running_" in name}
    after = load_checkpoint(folder / "last.pth")["net"]
    assert averages
    assert all(torch.equal(after[name], value) for name, value in averages.items())
    again = train.run(auto_config(load_from=str(first / "best.pth"), epochs=1))  # brings a head of these classes
    saved = load_train_config(again / "train_config.py")
    assert (saved.head_init, saved.freeze_epochs, saved.mean) == ("default", 0, (0.1, 0.2, 0.3))
    checked = train.run(auto_config(load_from=str(first / "best.pth"), only_val=True))
    assert results(checked)[0]["accuracy"] == max(
        row[name] for row in results(first) for name in ("accuracy", "ema_accuracy")
    )


def test_a_class_of_which_no_image_can_be_read_is_named_and_spoils_no_loss(auto_config, data, tmp_path):
    torch.save(create_model("shufflenetv2", "0.5", 7).state_dict(), tmp_path / "body.pth")
    for path in (data / "train" / "cow").iterdir():
        path.write_text("no image")
    keys = dict(load_from=str(tmp_path / "body.pth"), head_init="probe", on_bad_image="skip", epochs=1)
    folder = train.run(auto_config(**keys))
    assert "no image of 'cow' in" in (folder / "train.log").read_text(encoding="utf-8")
    assert float(results(folder)[0]["val_loss"]) < 20


def test_a_head_of_as_many_other_classes_is_named(make_config, data, tmp_path):
    first = train.run(make_config(epochs=1, warmup_epochs=0, mix_off_epochs=0))
    shutil.copytree(data, tmp_path / "renamed")
    for split in ("train", "val"):
        (tmp_path / "renamed" / split / "ant").rename(tmp_path / "renamed" / split / "dog")
    keys = dict(epochs=1, warmup_epochs=0, mix_off_epochs=0, load_from=str(first / "best.pth"))
    other = train.run(make_config(**keys, img_path=str(tmp_path / "renamed"), head_init="default"))
    said = "best.pth is of other classes, such as 'ant', and begins as it is; head_init = 'probe' fits it anew"
    assert said in (other / "train.log").read_text(encoding="utf-8")
    same = train.run(make_config(**keys, head_init="default"))
    assert "of other classes" not in (same / "train.log").read_text(encoding="utf-8")


def test_weights_that_make_no_numbers_are_an_error(auto_config, tmp_path):
    state = create_model("shufflenetv2", "0.5", 7).state_dict()
    for name, value in state.items():
        if name.endswith("running_var"):
            value.fill_(-1.0)  # a number, but no variance
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"nan\.pth: its weights make features that are no numbers"):
        train.run(auto_config(load_from=str(tmp_path / "nan.pth"), epochs=1))
    assert not (tmp_path / "logs").exists()


def test_a_resume_may_not_contradict_what_was_found(auto_config):
    config = auto_config()
    folder = train.run(config)
    changed = replace(config, resume=True, load_from=str(folder / "last.pth"), warmup_epochs=50)
    with pytest.raises(ConfigError, match="warmup_epochs: 50 leaves nothing of epochs"):
        train.run(changed)


@pytest.mark.parametrize(
    ("keys", "processes", "advice"),
    [
        ({"batch_size": 512}, 1, "batch_size = 512 makes only 1 optimizer step an epoch of 237 images"),
        ({"batch_size": 512}, 1, "batch_size = 16, which 'auto' would take, makes 15"),
        ({"batch_size": 40}, 2, "batch_size = 40 in 2 processes makes only 3 optimizer steps"),
        ({"batch_size": 16, "accumulate_steps": 8}, 1, "with accumulate_steps = 8 makes only 2 optimizer steps"),
        ({"batch_size": 16, "accumulate_steps": 8}, 1, "accumulate_steps = 1 makes 15"),
        ({"batch_size": 64}, 1, ""),  # 4
        ({"batch_size": "auto", "accumulate_steps": 16}, 1, ""),
    ],
)
def test_batches_that_leave_few_steps_are_told_with_what_to_set(keys, processes, advice):
    said = few_steps(plain_config(**keys), 237, torch.device("cpu"), processes)
    assert (advice in said) if advice else said == ""


def test_few_images_are_no_fault_of_the_batches():
    assert few_steps(plain_config(batch_size=16), 20, torch.device("cpu"), 1) == ""
    assert "makes 2" in few_steps(plain_config(batch_size=128), 20, torch.device("cpu"), 1)


def test_the_warning_of_few_steps_is_in_the_log_of_a_run_that_begins(make_config, capsys):
    config = make_config(batch_size=64, accumulate_steps=1)
    splits, weights = read_data(config), None
    with RunLog():
        planned(config, splits, torch.device("cpu"), weights, lambda config: 1)
    assert "batch_size = 64 makes only 1 optimizer step an epoch of 21 images" in capsys.readouterr().out


def test_no_smoothing_beside_a_loss_that_smooths_is_said(make_config):
    keys = dict(epochs=1, warmup_epochs=0, mix_off_epochs=0)
    folder = train.run(make_config(**keys, loss_type="LabelSmoothCELoss", smoothing=0.0))
    said = (folder / "train.log").read_text(encoding="utf-8")
    assert "smoothing: 0 is taken for the 0.1 of LabelSmoothCELoss" in said


def test_an_auc_of_one_class_is_refused_as_the_monitor(make_config, data):
    for folder in list((data / "val").iterdir())[1:]:
        shutil.rmtree(folder)
    with pytest.raises(ConfigError, match="monitor: 'macro_auc' needs images of two classes"):
        train.run(make_config(monitor="macro_auc"))
