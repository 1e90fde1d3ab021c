"""What the pages say in prose of defaults is what the rules find: no page contradicts the shipped config."""

import re
from pathlib import Path

from utils.config import TrainConfig, load_train_config
from utils.config.keys import AUTO_KEYS
from utils.recipe.resolve import resolve, table

import pytest

from tests.helpers import ROOT
from tests.helpers.pages import READMES, TEXTS
from tests.recipe import golden

AUTO = TrainConfig(img_path=str(Path(__file__).parent))


def found_for(**facts):
    return resolve(AUTO, golden.facts(**{"classes": "digits", "side": 28, **facts}))


def test_the_shipped_config_leaves_every_key_to_its_rule():
    shipped = load_train_config(ROOT / "train_config.py")
    assert {name for name in AUTO_KEYS if getattr(shipped, name) == "auto"} == set(AUTO_KEYS)
    assert shipped == TrainConfig()


@pytest.mark.parametrize("name", [*READMES, "docs/recipe.md"])
def test_samples_of_the_log_count_the_keys_that_there_are(name):
    assert re.findall(r"(\d+) keys were 'auto'", TEXTS[name]) == [str(len(AUTO_KEYS))]


@pytest.mark.parametrize(
    ("name", "words"),
    [("README.md", r"for (\d+) epochs \((\d+) on a\s+GPU\)"), ("README.zh.md", r"共 (\d+) 轮（GPU 上 (\d+) 轮）")],
)
def test_the_first_command_takes_as_many_epochs_as_the_readmes_say(name, words):
    [said] = re.findall(words, TEXTS[name])
    assert [int(epochs) for epochs in said] == [
        found_for(images=1437, device=device)[0].epochs for device in ("cpu", "cuda")
    ]


def test_the_sample_of_the_recipe_is_what_the_rules_find():
    _, rows = found_for(images=4000)
    expected = {line.split()[0]: line.split() for line in table(rows)}
    block = re.search(r"keys were 'auto':\n(.*?)  \.\.\.\n", TEXTS["docs/recipe.md"], re.DOTALL)[1]
    lines = [line.split() for line in block.splitlines()]
    assert len(lines) == 4
    assert lines == [expected[line[0]] for line in lines]


def test_the_table_of_rules_has_their_lengths():
    [row] = [line for line in TEXTS["docs/recipe.md"].splitlines() if line.startswith("| epochs |")]
    said = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", row)]
    for weights, device, (pictures, low, high) in (
        (False, "cpu", said[:3]),
        (False, "cuda", said[3:6]),
        (True, "cpu", said[6:]),
    ):
        given = {"weights": weights, "device": device}
        assert found_for(images=10**9, **given)[0].epochs == low
        assert found_for(images=1, **given)[0].epochs == high
        assert found_for(images=pictures // (low + 1), **given)[0].epochs == low + 1
