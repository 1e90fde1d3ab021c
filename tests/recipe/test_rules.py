"""What 'auto' becomes: golden values over a grid, what the user set stays, reasons, pictures and weights looked at."""

import csv
from dataclasses import replace
from pathlib import Path

from utils.config import ConfigError, TrainConfig
from utils.config.keys import AUTO_KEYS
from utils.recipe.facts import Expected
from utils.recipe.length import side_for
from utils.recipe.resolve import resolve, table, waiting
from utils.recipe.rules import RULES

import pytest

from tests.recipe import golden

HERE = str(Path(__file__).parent)
AUTO = TrainConfig(img_path=HERE)


def test_every_situation_gets_the_values_that_were_looked_at():
    with open(golden.FILE, encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    found = list(golden.rows(HERE))
    assert [row["situation"] for row in found] == [row["situation"] for row in written]
    for now, then in zip(found, written):
        assert now == then, "python -m tests.recipe.golden, and look at what has changed"


@pytest.mark.parametrize(("name", "facts"), list(golden.situations()))
def test_nothing_is_left_open_and_everything_has_a_reason(name, facts):
    config, rows = resolve(AUTO, facts)
    assert waiting(config) == []
    assert [row.key for row in rows] == list(AUTO_KEYS)
    assert all(row.why for row in rows)
    assert len(table(rows)) == len(AUTO_KEYS)


SET = dict(
    epochs=7, optimizer_type="sgd", init_lr=0.033, weight_decay=0.003, batch_size=12, warmup_epochs=2, min_lr=1e-4,
    clip_grad=False, smoothing=0.03, use_ema=False, ema_decay=0.77, img_size=(64, 96), val_resize=(300, 301),
    mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), resize_mode="letterbox", interpolation="nearest", augment="ra",
    horizontal_flip=0.11, crop_scale=(0.5, 0.6), random_erase_prob=0.12, mixup_prob=0.13, cutmix_prob=0.14,
    mix_off_epochs=3, drop_path=0.15, dropout=0.16, layer_decay=0.6, head_lr_mult=3.3, freeze_epochs=4,
    head_init="default", freeze_bn=False, steps=(2, 3),
)  # fmt: skip


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("name", AUTO_KEYS)
def test_a_key_that_is_set_stays_and_is_not_in_the_table(name, weights):
    config, rows = resolve(replace(AUTO, **{name: SET[name]}), golden.facts(weights=weights))
    assert getattr(config, name) == SET[name]
    assert [row.key for row in rows] == [key for key in AUTO_KEYS if key != name]


MAY_FOLLOW = {  # key that is set -> keys that are found otherwise then, with a reason that names a figure of it
    "warmup_epochs": {"steps"},
    "epochs": {"warmup_epochs", "steps", "ema_decay", "mixup_prob", "cutmix_prob", "mix_off_epochs", "freeze_epochs"}
    | {"augment", "crop_scale"},
    "batch_size": {"init_lr", "ema_decay"},
    "optimizer_type": {"init_lr", "weight_decay"},
    "img_size": {"val_resize"},
    "val_resize": {"img_size"},
    "resize_mode": {"val_resize"},
    "mixup_prob": {"mix_off_epochs"},
    "cutmix_prob": {"mix_off_epochs"},
    "head_init": {"freeze_epochs", "head_lr_mult"},
}


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("name", AUTO_KEYS)
def test_setting_a_key_moves_no_other_but_those_that_are_reckoned_from_it(name, weights):
    facts = golden.facts(weights=weights)
    usual, _ = resolve(AUTO, facts)
    config, _ = resolve(replace(AUTO, **{name: SET[name]}), facts)
    moved = {key for key in AUTO_KEYS if key != name and getattr(config, key) != getattr(usual, key)}
    assert moved <= MAY_FOLLOW.get(name, set())


@pytest.mark.parametrize(("epochs", "off"), [(1, 0), (2, 1), (10, 1), (11, 2), (300, 30)])
def test_pictures_are_mixed_in_one_epoch_at_least(epochs, off):
    config, _ = resolve(replace(AUTO, epochs=epochs, mixup_prob=1.0), golden.facts())
    assert config.mix_off_epochs == off


def test_what_is_found_may_not_contradict_what_is_set():
    with pytest.raises(ConfigError, match="mix_off_epochs: 500 exceeds epochs"):
        resolve(replace(AUTO, mix_off_epochs=500), golden.facts())


@pytest.mark.parametrize(
    ("classes", "grey", "off"),
    [
        (("0", "1", "2"), False, "numbers"),
        (("a", "b", "Z"), False, "letters"),
        (("arrow-left", "arrow-up"), False, "left from right"),
        (("RightHand", "other"), False, ""),  # no word of its own
        (("bright", "lefty"), False, ""),
        (("cat", "dog"), True, "grey"),
        (("1 cent", "2 cents"), False, ""),
        (("cat", "dog"), False, ""),
    ],
)
def test_flips_and_policies_are_off_where_they_may_change_the_class(classes, grey, off):
    facts = replace(golden.facts(), images=400, classes=classes, grey=grey)
    config, rows = resolve(AUTO, facts)
    why = {row.key: row.why for row in rows}
    assert (config.augment, config.horizontal_flip) == (("simple", 0.0) if off else ("tawide", 0.5))
    assert not off or (off in why["augment"] and off in why["horizontal_flip"])


@pytest.mark.parametrize(
    ("images", "epochs", "expected"),
    [
        (400, 29, ("simple", (0.5, 1.0))),
        (400, 30, ("tawide", (0.25, 1.0))),
        (50_000, 29, ("simple", (0.35, 1.0))),
        (50_000, 30, ("tawide", (0.08, 1.0))),
    ],
)
def test_a_new_network_that_sees_pictures_a_few_times_sees_them_nearly_as_they_are(images, epochs, expected):
    facts = replace(golden.facts(), images=images)
    config, rows = resolve(replace(AUTO, epochs=epochs), facts)
    assert (config.augment, config.crop_scale) == expected
    assert (f"{epochs} epochs" in {row.key: row.why for row in rows}["augment"]) == (epochs < 30)
    pretrained, _ = resolve(replace(AUTO, epochs=epochs), replace(golden.facts(weights=True), images=images))
    assert (pretrained.augment, pretrained.crop_scale) == ("tawide", (0.35, 1.0))


@pytest.mark.parametrize(
    ("epochs", "side", "expected"),
    [
        (30, 224, 224),
        (29, 224, 192),
        (10, 128, 64),  # 17.8 fit with 96
        (17, 128, 96),
        (10, 100, 64),
        (1, 224, 64),
        (1, 64, 64),
        (1, 32, 32),
    ],
)
def test_pictures_shrink_until_enough_epochs_fit(epochs, side, expected):
    assert side_for(epochs, side) == expected


def test_pictures_are_whole_but_where_the_weights_answer_as_they_were_tested():
    whole, _ = resolve(AUTO, golden.facts(weights=True))
    assert (whole.resize_mode, whole.img_size, whole.val_resize) == ("squash", (224, 224), (224, 224))
    for config, facts in (
        (AUTO, golden.facts(weights=True, as_tested=True)),
        (replace(AUTO, resize_mode="shortest"), golden.facts(weights=True)),
    ):
        tested, _ = resolve(config, facts)
        assert (tested.resize_mode, tested.img_size, tested.val_resize) == ("shortest", (224, 224), (256, 256))


@pytest.mark.parametrize(
    ("native", "side", "expected", "why"),
    [
        (224, 28, 160, "less than the 224 of the weights"),
        (224, 180, 192, "less than the 224 of the weights"),
        (224, 200, 224, "the test"),
        (160, 39, 160, "the test"),
        (128, 39, 128, "the test"),
    ],
)
def test_pictures_for_weights_are_smaller_where_they_are_small_themselves(native, side, expected, why):
    steps = replace(golden.IMAGENET, img_size=(native, native), val_resize=(native, native))
    facts = replace(golden.facts(weights=True, side=side), expected=Expected(steps, "the test"))
    found, rows = resolve(AUTO, facts)
    assert found.img_size == (expected, expected)
    assert why in {row.key: row.why for row in rows}["img_size"]


def test_a_rate_follows_the_number_of_images_in_a_step():
    few, _ = resolve(replace(AUTO, batch_size=32), golden.facts())
    many, rows = resolve(replace(AUTO, batch_size=32, accumulate_steps=2), golden.facts(processes=2))
    assert many.init_lr == pytest.approx(2 * few.init_lr, rel=0.05)
    assert "128" in {row.key: row.why for row in rows}["init_lr"]


def test_every_rule_says_what_it_is_for_a_key_that_there_is():
    assert set(RULES) == set(AUTO_KEYS)
