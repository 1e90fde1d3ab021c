"""Mistakes in config files and overrides: every one is reported, with its key or its line."""

from utils.config import ConfigError, load_predict_config, load_train_config, parse_overrides, read_literals

import pytest
import torch


def test_config_path_to_a_missing_file_is_named(config_file, tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.py"):
        load_train_config(config_file(""), {"config_path": str(tmp_path / "missing.py")})


def test_an_unknown_key_names_the_nearest(config_file):
    with pytest.raises(ConfigError, match=r"config\.py: unknown key 'epoch'; nearest: 'epochs'"):
        load_train_config(config_file("epoch = 3\n"))


def test_all_mistakes_are_reported_at_once(problems_of):
    problems = problems_of(
        warmup_epoch=1, batch_size=0, augment="tawid", model_prefix="resnett", epochs=3, warmup_epochs=3
    )
    text = "\n".join(problems)
    assert len(problems) == 5
    for reported in ("'warmup_epochs'", "batch_size: ", "nearest: 'tawide'", "nearest: 'resnet'", "warmup_epochs: 3"):
        assert reported in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("epochs", 1.5),
        ("epochs", "many"),
        ("epochs", True),
        ("batch_size", 0),
        ("accumulate_steps", 0),
        ("num_workers", -1),
        ("num_classes", 0),
        ("only_val", 1),
        ("cache", "disk"),
        ("on_bad_image", "replace"),
        ("augment", "none"),
        ("optimizer_type", "lion"),
        ("scheduler_type", "cosine"),
        ("loss_type", "BCELoss"),
        ("smoothing", 1.1),
        ("smoothing", -0.1),
        ("mixup_prob", 2),
        ("horizontal_flip", float("nan")),
        ("ema_decay", 1.5),
        ("init_lr", 0),
        ("init_lr", float("inf")),
        ("weight_decay", -1),
        ("clip_grad", 0),
        ("mean", [0.5, 0.5]),
        ("std", [0.5, 0.5, 0]),
        ("betas", [0.9]),
        ("img_size", [32, 32, 3]),
        ("img_size", "32"),
        ("steps", 30),
        ("steps", [0]),
        ("amp_dtype", "float32"),
        ("log_root", None),
    ],
)
def test_a_value_out_of_type_or_range_is_reported_with_its_key(problems_of, name, value):
    [problem] = problems_of(**{name: value})
    assert problem.startswith(f"{name}: expected ")
    assert f"got {value!r}" in problem


CONTRADICTIONS = [
    ("model_prefix", dict(model_prefix="resnett")),
    ("model_suffix", dict(model_suffix="19")),
    ("img_size", dict(model_prefix="vgg", model_suffix="11", img_size=[16, 64])),
    ("device", dict(device="cdua")),
    ("device", dict(device="cuda:x")),
    ("device", dict(device="auto:1")),
    ("amp_dtype", dict(device="cpu", amp_dtype="float16")),
    ("warmup_epochs", dict(epochs=5, warmup_epochs=5)),
    ("steps", dict(scheduler_type="step_lr", epochs=30, warmup_epochs=5, steps=[25, 40])),
    ("steps", dict(scheduler_type="step_lr", steps=[], epochs=30, warmup_epochs=5)),
    ("steps", dict(scheduler_type="step_lr", steps=[3], epochs=4, warmup_epochs=0.5)),  # the fifth epoch is none
    ("min_lr", dict(init_lr=0.001, min_lr=0.01)),
    ("nesterov", dict(nesterov=True, momentum=0, optimizer_type="sgd")),
    ("nesterov", dict(nesterov=True, optimizer_type="adamw")),
    ("betas", dict(optimizer_type="adam", betas=[0.9, 1.0])),
    ("mix_off_epochs", dict(mix_off_epochs=101, epochs=100)),
    ("crop_scale", dict(crop_scale=[0.9, 0.3])),
    ("crop_ratio", dict(crop_ratio=[2, 1])),
    ("compile", dict(compile="reduce-overhead", accumulate_steps=2)),
    ("val_resize", dict(val_resize=[256, 200], img_size=[224, 224])),
    ("load_from", dict(resume=True)),
    ("load_from", dict(only_val=True)),
    ("load_from", dict(load_from="no/such/file.pth")),
    ("only_val", dict(only_val=True, resume=True, load_from=__file__)),
    ("exp_name", dict(exp_name="a/b")),
    ("exp_name", dict(exp_name="")),
    ("exp_name", dict(exp_name="..")),
    ("img_path", dict(img_path="no/such/folder")),
    ("world_size", dict(world_size=2)),
]


@pytest.mark.parametrize(("key", "values"), CONTRADICTIONS)
def test_each_contradiction_is_reported_with_its_key(problems_of, key, values):
    [problem] = problems_of(**values)
    assert key in problem


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("load", [load_train_config, load_predict_config])
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_not_there_is_reported(config_file, load, device):
    with pytest.raises(ConfigError, match="device: .*CUDA"):
        load(config_file(""), {"device": device})


@pytest.mark.parametrize(
    "values",
    [
        dict(epochs=6, warmup_epochs=5),
        dict(scheduler_type="step_lr", epochs=36, steps=[30, 60]),
        dict(scheduler_type="cosine_lr", epochs=20, steps=[30, 60]),
        dict(nesterov=True, momentum=0.1),
        dict(mix_off_epochs=100),
        dict(img_size=[64, 32], val_resize=[64, 32]),
        dict(device="cpu", amp_dtype="bfloat16"),
        dict(device="cpu", amp_dtype="float16", use_apex=False),
        dict(world_size=1),
    ],
)
def test_values_that_just_agree_pass(config_file, values):
    load_train_config(config_file(""), values)


def test_num_classes_must_agree_with_the_folders_of_train(image_folder, problems_of, config_file):
    root = str(image_folder({"train": {"cat": 1, "dog": 1, "fox": 0}, "val": {"cat": 1}}))
    [problem] = problems_of(img_path=root, num_classes=3)
    assert problem.startswith("num_classes: 3")
    assert "2 classes" in problem
    assert load_train_config(config_file(""), {"img_path": root, "num_classes": 2}).num_classes == 2


def test_the_older_form_with_a_misspelt_key_names_the_nearest(config_file):
    with pytest.raises(ConfigError, match="unknown key 'batchsize'; nearest: 'batch_size'"):
        load_train_config(config_file("configurations = {'cfg': dict(batchsize=3)}"))


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("epochs = 3\nbatch_size = = 4\n", "line 2"),
        ("epochs = 3\n\nbatch_size = 4 / 0\n", "line 3: .*ZeroDivisionError"),
        ("epochs = 3\nbatch_size = int('x')\n", "line 2: .*ValueError"),
        ("configurations = [1, 2]\n", "configurations: expected"),
    ],
)
def test_a_file_that_does_not_run_is_named_with_the_line(config_file, text, reported):
    with pytest.raises(ConfigError, match=rf"(?s)config\.py.*{reported}"):
        load_train_config(config_file(text))


def test_a_mistake_is_blamed_on_the_command_line_or_the_file_that_has_it(config_file):
    good = config_file("seed = 1\n", "good.py")
    bad = config_file("seed = -1\n", "bad.py")
    with pytest.raises(ConfigError, match=r"^command line: unknown key 'epoch'"):
        load_train_config(good, {"epoch": 3})
    with pytest.raises(ConfigError, match=r"^command line: warmup_epochs: 3 leaves nothing"):
        load_train_config(good, {"warmup_epochs": 3, "epochs": 3})
    with pytest.raises(ConfigError, match=r"^\S*bad\.py: seed"):
        load_train_config(bad, {"epochs": 3})
    with pytest.raises(ConfigError, match=r"^command line over \S*bad\.py:\n.*top_k.*\n.*batch_size"):
        load_predict_config(config_file("top_k = 1\n", "bad.py"), {"batch_size": 0})
    with pytest.raises(ConfigError, match=r"^command line: seed"):
        load_train_config(bad, {"config_path": str(good), "seed": -2})


@pytest.mark.parametrize("load", [load_train_config, read_literals])
def test_a_path_of_windows_in_plain_quotes_is_explained(config_file, load):
    with pytest.raises(ConfigError, match=r"line 1: .*unicodeescape.*write r'C:\\folder' or 'C:/folder'"):
        load(config_file(r"img_path = 'C:\Users\new'"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.py: no such config file"):
        load_train_config(tmp_path / "absent.py")


@pytest.mark.parametrize("pair", ["epochs", "=3"])
def test_an_override_without_a_key_is_reported(config_file, pair):
    with pytest.raises(ConfigError):
        load_train_config(config_file(""), parse_overrides([pair]))


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "epochs = int('3')",
        "epochs = lr",
        "epochs: int = 3",
        "epochs = batch_size = 3",
        "a, b = 1, 2",
        "c.d = 1",
        "epochs += 1",
        "print('x')",
        "def f():\n    pass",
        "steps = [open('x', 'w') for _ in 'a']",
        "name = f'{open}'",
        "epochs = (",
    ],
)
def test_anything_but_literals_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "train_config.py"
    path.write_text(f"lr = 0.1\n\n{line}\nseed = 3\n")
    with pytest.raises(ConfigError, match=r"train_config\.py: line 3: "):
        read_literals(path)


@pytest.mark.parametrize("content", [b"a = '\xff'", b"a = 1\x00", b"a = " + b"(" * 5000 + b")" * 5000])
def test_what_is_no_text_of_python_is_a_config_error(tmp_path, content):
    path = tmp_path / "train_config.py"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"train_config\.py: "):
        read_literals(path)
    with pytest.raises(ConfigError, match="no such config file"):
        read_literals(tmp_path / "none.py")
