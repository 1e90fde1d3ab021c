"""Config files: every key and default, every mistake reported, the older form, what is written can be read again."""

import dataclasses
import runpy

from utils.config import (
    ConfigError,
    PredictConfig,
    TrainConfig,
    load_predict_config,
    load_train_config,
    parse_overrides,
    read_literals,
    schema,
)

import pytest
import torch

from tests.helpers import ROOT

DEFAULTS = dict(  # DESIGN.md, section 3
    config_path="",
    log_root="./logs",
    exp_name="exp",
    only_val=False,
    seed=0,
    model_prefix="resnet",
    model_suffix="18",
    load_from="",
    resume=False,
    use_ema=False,
    ema_decay=0.9998,
    ema_steps=1,
    num_classes="auto",
    img_path="./data/digits",
    on_bad_image="error",
    cache="none",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    mixup_prob=0.0,
    cutmix_prob=0.0,
    mix_off_epochs=0,
    random_erase_prob=0.0,
    horizontal_flip=0.5,
    augment="tawide",
    img_size=(224, 224),
    val_resize=(256, 256),
    num_workers="auto",
    batch_size=128,
    persistent_workers=True,
    pin_memory=True,
    epochs=100,
    device="auto",
    num_threads="auto",
    use_benchmark=True,
    use_apex=True,
    amp_dtype="auto",
    channels_last=True,
    compile=False,
    cuda_graphs="auto",
    list_cache="auto",
    accumulate_steps=1,
    init_lr=0.1,
    optimizer_type="sgd",
    momentum=0.9,
    nesterov=False,
    weight_decay=1e-4,
    betas=(0.9, 0.999),
    eps=1e-6,
    warmup_epochs=5,
    warmup_type="linear",
    scheduler_type="cosine_lr",
    min_lr=1e-7,
    lr_gamma="auto",
    steps=(30, 60, 90),
    loss_type="CELoss",
    smoothing=0.0,
    clip_grad=False,
    save_steps=0,
    world_size="auto",
    gpu_ids="auto",
    dist_backend="auto",
    dist_url="env://",
    sync_bn=False,
)
OLDER_FORM = """
configurations = {
    'cfg': dict(
        config_path='', log_root='./runs', exp_name='old', only_val=False, model_prefix='resnet', model_suffix='34',
        load_from='', resume=False, use_ema=False, num_classes=2, img_path=IMG_PATH, mean=[0.5, 0.5, 0.5],
        std=[0.5, 0.5, 0.5], mixup_prob=0.0, cutmix_prob=0.0, random_erase_prob=0.0, horizontal_flip=0.5,
        augment='tawide', img_size=[224, 224], val_resize=[256, 256], num_workers=4, batch_size=16,
        persistent_workers=True, pin_memory=True, epochs=30, device='cpu', use_benchmark=True, use_apex=True,
        init_lr=0.1, optimizer_type='sgd', momentum=0.9, weight_decay=1e-4, nesterov=False, betas=[0.9, 0.999],
        eps=1e-6, warmup_epochs=3, warmup_type='linear', scheduler_type='step_lr', steps=[10, 20],
        loss_type='LabelSmoothCELoss', smoothing=0.1, clip_grad=True, world_size=1, gpu_ids='0,1',
        dist_backend='nccl', dist_url='env://', sync_bn=True,
    )
}
"""


@pytest.fixture
def config_file(tmp_path):
    def write(text, name="config.py"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def problems_of(config_file):
    """The sentences about the mistakes in a config of these values."""

    def tell(**values):
        with pytest.raises(ConfigError) as caught:
            load_train_config(config_file(""), values)
        return caught.value.problems

    return tell


def test_every_key_of_the_design_has_its_default(config_file):
    assert dataclasses.asdict(load_train_config(config_file(""))) == DEFAULTS


def test_values_of_the_file_win_over_defaults_and_overrides_over_both(config_file):
    path = config_file("epochs = 30  # few\nbatch_size = 8\n")
    config = load_train_config(path, {"batch_size": 4})
    assert (config.epochs, config.batch_size, config.seed) == (30, 4, 0)


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({"img_size": 96}, "img_size", (96, 96)),
        ({"img_size": [64, 96]}, "img_size", (64, 96)),
        ({"model_suffix": 34}, "model_suffix", "34"),
        ({"clip_grad": True}, "clip_norm", 1.0),
        ({"clip_grad": 0.3}, "clip_norm", 0.3),
        ({"clip_grad": False}, "clip_norm", float("inf")),
        ({"scheduler_type": "step_lr"}, "gamma", 0.1),
        ({"scheduler_type": "exponential_lr"}, "gamma", 0.9),
        ({"scheduler_type": "step_lr", "lr_gamma": 0.5}, "gamma", 0.5),
    ],
)
def test_what_a_value_means(config_file, values, name, expected):
    assert getattr(load_train_config(config_file(""), values), name) == expected


def test_config_path_repeats_another_file_and_overrides_still_win(config_file):
    saved = config_file("epochs = 7\nwarmup_epochs = 1\nseed = 3\n", "saved.py")
    path = config_file(f"config_path = {str(saved)!r}\nepochs = 50\nbatch_size = 2\n")
    config = load_train_config(path, {"seed": 5})
    assert (config.epochs, config.seed, config.batch_size) == (7, 5, DEFAULTS["batch_size"])
    assert load_train_config(config_file("", "empty.py"), {"config_path": str(saved)}).epochs == 7


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
    ("steps", dict(scheduler_type="step_lr", steps=[])),
    ("min_lr", dict(init_lr=0.001, min_lr=0.01)),
    ("nesterov", dict(nesterov=True, momentum=0)),
    ("nesterov", dict(nesterov=True, optimizer_type="adamw")),
    ("betas", dict(optimizer_type="adam", betas=[0.9, 1.0])),
    ("mix_off_epochs", dict(mix_off_epochs=101)),
    ("val_resize", dict(val_resize=[256, 200])),
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


def test_the_older_form_loads_with_all_its_keys(image_folder, config_file):
    root = str(image_folder({"train": {"cat": 1, "dog": 1}, "val": {"cat": 1}}))
    path = config_file(f"IMG_PATH = {root!r}\n{OLDER_FORM}")
    given = runpy.run_path(str(path))["configurations"]["cfg"]
    config = load_train_config(path)
    assert len(given) == 47
    for name, value in {**given, "gpu_ids": [0, 1]}.items():  # written '0,1' there
        assert getattr(config, name) == (tuple(value) if isinstance(value, list) else value), name
    assert (config.epochs, config.steps, config.ema_decay) == (30, (10, 20), DEFAULTS["ema_decay"])


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


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.py: no such config file"):
        load_train_config(tmp_path / "absent.py")


def test_helpers_of_a_file_are_no_keys(config_file):
    text = "import os\nfrom math import sqrt\n_base = 8\ndef twice(x): return 2 * x\nbatch_size = twice(_base)\n"
    assert load_train_config(config_file(text)).batch_size == 16


def test_a_written_config_reads_back_equal(config_file, image_folder):
    root = image_folder({"train": {"猫 's": 1, "dog": 1}, "val": {"dog": 1}}, name='it\'s a "folder" of 猫')
    config = load_train_config(
        config_file(""),
        dict(img_path=str(root), mean=[0.1, 0.2, 0.3], clip_grad=2.5, gpu_ids=[1, 0], steps=[1], lr_gamma=0.3,
             log_root="runs\\new\nline \udcff", init_lr=1e-5, num_classes=2, exp_name="日本"),
    )  # fmt: skip
    assert load_train_config(config_file(schema.render(config, "Two lines\nof a title"), "again.py")) == config


@pytest.mark.parametrize(
    ("name", "kind", "load"),
    [("train_config.py", TrainConfig, load_train_config), ("predict_config.py", PredictConfig, load_predict_config)],
)
def test_the_shipped_file_holds_every_key_once_with_its_meaning(name, kind, load):
    load(ROOT / name)
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    reported = [(line.split(" = ")[0], line.split("  # ")[1]) for line in lines]
    assert reported == [(field.name, schema.comment(field)) for field in dataclasses.fields(kind)]


def test_overrides_are_literals_or_else_strings():
    given = ["epochs = 3", "mean=[0.1, 0.2, 0.3]", "use_ema=True", "img_path=/a=b", "exp_name=", "device='cpu'"]
    given += ["model_suffix=50-32x4d", "init_lr=1e-3", "epochs=4"]
    assert parse_overrides(given) == dict(
        epochs=4, mean=[0.1, 0.2, 0.3], use_ema=True, img_path="/a=b", exp_name="", device="cpu",
        model_suffix="50-32x4d", init_lr=1e-3,
    )  # fmt: skip


@pytest.mark.parametrize("pair", ["epochs", "=3"])
def test_an_override_without_a_key_is_reported(config_file, pair):
    with pytest.raises(ConfigError):
        load_train_config(config_file(""), parse_overrides([pair]))


@pytest.mark.parametrize("text", ["001", "a = b", "{[1]: 2}", "((" * 400])
def test_a_value_that_is_no_literal_stays_as_it_is(config_file, text):
    assert load_train_config(config_file(""), parse_overrides([f"log_root={text}"])).log_root == text


def test_a_prediction_config_is_checked_too(config_file):
    path = config_file("top_k = 3\nbatch_size = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        load_predict_config(path)
    assert [problem.split(";")[0].split(", got")[0] for problem in caught.value.problems] == [
        "unknown key 'top_k'",
        "batch_size: expected an integer >= 1",
    ]
    assert load_predict_config(config_file("topk = 3\n"), {"output": "x.csv"}).topk == 3


def test_help_tells_every_key_with_its_default():
    lines = schema.help_text(TrainConfig).splitlines()
    assert len(lines) == len(DEFAULTS)
    assert any(line.strip().startswith("img_size = [224, 224]") for line in lines)


def test_the_config_of_a_run_can_be_read_without_running_it(tmp_path):
    path = tmp_path / "train_config.py"
    config = TrainConfig(min_lr=1e-9, clip_grad=2.5, gpu_ids=(0, 1), img_path="照片\n\udcff", load_from='it\'s "x"')
    path.write_text(schema.render(config, "A run."), encoding="utf-8")
    values = read_literals(path)
    assert values == runpy_values(path)
    assert TrainConfig(**schema.check(TrainConfig, values)[0]) == config


def runpy_values(path):
    return {name: value for name, value in runpy.run_path(str(path)).items() if not name.startswith("__")}


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
