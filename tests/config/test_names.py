"""Tables of names: a policy, an optimizer, a schedule, a warm-up or a loss is added in one place."""

from utils.config.keys import TrainConfig
from utils.config.rules import RULES

import pytest

from tests.helpers import ROOT

PROGRAM = """
import utils
from utils.data.policies import POLICIES
from utils.training.objective import LOSSES, CrossEntropy
from utils.training.optim import OPTIMIZERS
from utils.training.schedulers import SCHEDULES, WARMUPS, learning_rate
import torch

POLICIES["invert"] = lambda fill: lambda pixels, random: 255 - pixels
OPTIMIZERS["adagrad"] = lambda groups, config, *, device: torch.optim.Adagrad(groups, config.init_lr)
SCHEDULES["flat"] = lambda config, epoch, whole: config.init_lr / 2
WARMUPS["none"] = lambda done: 1.0
LOSSES["Smooth"] = lambda config: CrossEntropy(0.25)

from utils.config import TrainConfig
from utils.data.augment import Augmentation, TrainTransform
from utils.training.build import make_model, make_recipe, make_state
from utils.data.preprocess import Preprocess
from PIL import Image

names = dict(augment="invert", optimizer_type="adagrad", scheduler_type="flat", warmup_type="none", loss_type="Smooth")
config = TrainConfig.plain(**{**names, "model_prefix": "shufflenetv2", "model_suffix": "0.5", "img_size": (32, 32)})
cpu = torch.device("cpu")
model = make_model(config, cpu, 3)
recipe = make_recipe(config, model, cpu, Preprocess.from_config(config))
state = make_state(config, model, recipe, 10)
transform = TrainTransform(Augmentation.from_config(config), seed=0)
pixels, _ = transform(Image.new("RGB", (40, 40), (255, 255, 255)), 0, 0)
print(type(state.optimizer).__name__, recipe.objective.smoothing, int(pixels.max()))
print(learning_rate(config, 0, 10) == config.init_lr, learning_rate(config, 999, 10) == config.init_lr / 2)
"""


def test_an_entry_is_all_that_each_of_them_needs(python, tmp_path):
    done = python(tmp_path, ["-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PROGRAM}"])
    assert done.stdout.splitlines() == ["Adagrad 0.25 0", "True True"], done.stderr


@pytest.mark.parametrize("rule", RULES)
def test_rules_declare_keys_that_there_are(rule):
    assert set(rule.needs) <= set(TrainConfig.__dataclass_fields__)


@pytest.mark.parametrize("rule", RULES)
def test_rules_look_at_no_key_that_they_do_not_declare(rule, tmp_path):
    """They are handed those alone, so that a misspelt one is an error rather than a rule that is never applied."""
    from types import SimpleNamespace

    config = TrainConfig.plain(img_path=str(tmp_path))
    rule.check(SimpleNamespace(**{name: getattr(config, name) for name in rule.needs}))
