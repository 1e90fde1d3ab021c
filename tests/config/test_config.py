"""Config files: every key and default, overrides, the older form, what is written can be read again."""

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
from utils.config.keys import AUTO_KEYS, TITLE_OF_A_RUN
from utils.recipe.rules import RULES

import pytest

from tests.helpers import ROOT

PLAIN = dict(  # DESIGN.md, section 3; what runs had before there was 'auto'
    config_path="",
    log_root="./logs",
    exp_name="exp",
    only_val=False,
    split="val",
    calibrate=True,
    keep_features=True,
    tta="none",
    seed=0,
    loggers=(),
    project="image-classification",
    run_name="",
    model_prefix="resnet",
    model_suffix="18",
    load_from="",
    pretrained=False,
    weights_dir="",
    weights_mirror="",
    resume=False,
    use_ema=False,
    ema_decay=0.9998,
    ema_steps=1,
    num_classes="auto",
    img_path="./data/digits",
    on_bad_image="error",
    max_image_pixels=178_956_970,
    cache="none",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    mixup_prob=0.0,
    cutmix_prob=0.0,
    mix_off_epochs=0,
    vertical_flip=0.0,
    crop_scale=(0.08, 1.0),
    crop_ratio=(3 / 4, 4 / 3),
    rotate=0.0,
    fill="black",
    color_jitter=0.0,
    grayscale_prob=0.0,
    blur_prob=0.0,
    freeze="",
    head_init="default",
    freeze_bn=False,
    freeze_epochs=0,
    layer_decay=1.0,
    head_lr_mult=1.0,
    drop_path="auto",
    dropout="auto",
    random_erase_prob=0.0,
    horizontal_flip=0.5,
    augment="tawide",
    img_size=(224, 224),
    val_resize=(256, 256),
    resize_mode="squash",
    interpolation="bilinear",
    pad_value=128,
    num_workers="auto",
    batch_size=128,
    persistent_workers=True,
    pin_memory=True,
    epochs=100,
    monitor="accuracy",
    patience=0,
    min_delta=0.0,
    start_from_epoch=0,
    max_minutes=0,
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
    keep="all",
    world_size="auto",
    gpu_ids="auto",
    dist_backend="auto",
    dist_url="env://",
    sync_bn=False,
)
AUTO = """
    epochs optimizer_type init_lr weight_decay batch_size warmup_epochs min_lr clip_grad smoothing use_ema ema_decay
    img_size val_resize mean std resize_mode interpolation augment horizontal_flip crop_scale random_erase_prob
    mixup_prob cutmix_prob mix_off_epochs drop_path dropout layer_decay head_lr_mult head_init freeze_epochs
    freeze_bn steps
""".split()
DEFAULTS = {**PLAIN, **dict.fromkeys(AUTO, "auto"), "fill": "mean"}
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


def test_the_file_of_an_older_run_keeps_the_black_that_it_was_trained_with(config_file):
    assert load_train_config(config_file(f"# {TITLE_OF_A_RUN}\naugment = 'tawide'\n")).fill == "black"
    assert load_train_config(config_file("augment = 'tawide'\n")).fill == "mean"


def test_every_key_of_the_design_has_its_default(config_file):
    assert dataclasses.asdict(load_train_config(config_file(""))) == DEFAULTS
    assert dataclasses.asdict(TrainConfig.plain()) == PLAIN
    assert sorted(AUTO_KEYS) == sorted(AUTO)
    assert list(RULES) == sorted(AUTO, key=list(RULES).index)


@pytest.mark.parametrize("name", AUTO)
def test_each_of_them_takes_the_word_auto_and_a_value(config_file, name):
    assert getattr(load_train_config(config_file(f"{name} = 'auto'\n")), name) == "auto"
    with pytest.raises(ConfigError, match=f"{name}: expected .*'auto'"):
        load_train_config(config_file(f"{name} = 'automatic'\n"))


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


def test_the_older_form_loads_with_all_its_keys(image_folder, config_file):
    root = str(image_folder({"train": {"cat": 1, "dog": 1}, "val": {"cat": 1}}))
    path = config_file(f"IMG_PATH = {root!r}\n{OLDER_FORM}")
    given = runpy.run_path(str(path))["configurations"]["cfg"]
    config = load_train_config(path)
    assert len(given) == 47
    for name, value in {**given, "gpu_ids": [0, 1]}.items():  # written '0,1' there
        assert getattr(config, name) == (tuple(value) if isinstance(value, list) else value), name
    assert (config.epochs, config.steps, config.ema_decay) == (30, (10, 20), DEFAULTS["ema_decay"])


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


@pytest.mark.parametrize("word", ["2026_11_27", "1.10", "0x10", "1e3", "1_000"])
def test_a_name_that_python_takes_for_a_number_stays_a_name(config_file, word):
    config = load_train_config(config_file(""), parse_overrides([f"exp_name={word}", "epochs=1_000"]))
    assert (config.exp_name, config.epochs) == (word, 1000)


def test_a_tilde_is_the_home_folder(config_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "photos").mkdir()
    config_file("seed = 5\n", "mine.py")
    config = load_train_config("~/mine.py", {"img_path": "~/photos", "log_root": "~/logs", "exp_name": "a~"})
    assert (config.seed, config.exp_name) == (5, "a~")
    assert (config.img_path, config.log_root) == (str(tmp_path / "photos"), str(tmp_path / "logs"))
    assert load_train_config(config_file(""), {"config_path": "~/mine.py"}).seed == 5
    predict = load_predict_config(config_file(""), {"predict_img_path": "~/x.png", "output": "~/x.csv"})
    assert (predict.predict_img_path, predict.output) == (str(tmp_path / "x.png"), str(tmp_path / "x.csv"))


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
    assert any(line.strip().startswith("img_size = 'auto'") for line in lines)


def test_the_config_of_a_run_can_be_read_without_running_it(tmp_path):
    path = tmp_path / "train_config.py"
    config = TrainConfig.plain(
        min_lr=1e-9, clip_grad=2.5, gpu_ids=(0, 1), img_path="照片\n\udcff", load_from='it\'s "x"'
    )
    path.write_text(schema.render(config, "A run."), encoding="utf-8")
    values = read_literals(path)
    assert values == runpy_values(path)
    assert TrainConfig(**schema.check(TrainConfig, values)[0]) == config


def runpy_values(path):
    return {name: value for name, value in runpy.run_path(str(path)).items() if not name.startswith("__")}
