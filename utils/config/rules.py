"""What a single key cannot know: contradictions between keys, and with the machine and the data.

A new rule is a function below `@rule(...)`, which names the keys that it looks at.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from models import create_model, family_of, list_models, native_img_size
from models.layers import check_img_size
from models.public_weights import public_weights

from .. import distributed
from ..absent import absent
from ..data.traversal import list_classes
from ..errors import DataError
from ..text import nearest, one_line, shown
from ..training.freezing import Freezing

MOST_LETTERS = 60  # of exp_name: file systems take 255 bytes
LARGEST_SIDE = 2**14  # pixels of what a network is shown
FOUND_ELSEWHERE = ("device", "gpu_ids", "num_classes", "num_workers", "world_size")  # rules here know their 'auto'
MOST = {"img_size": LARGEST_SIDE, "val_resize": LARGEST_SIDE, "num_workers": 1000, "epochs": 10**6}

DIGITS_PATH = "./data/digits"  # made where it is missing


@dataclass(frozen=True)
class Rule:
    """A condition over some keys; `check` sees these alone, so that one it does not declare is an error at once."""

    needs: tuple[str, ...]
    check: Callable[[SimpleNamespace], str | None]  # values -> a sentence where they do not go together


RULES: list[Rule] = []  # of a TrainConfig, in the order of their sentences


def rule(*needs: str) -> Callable[[Callable[[SimpleNamespace], str | None]], Callable[[SimpleNamespace], str | None]]:
    """Makes the function below it a rule over these keys. It is left out where one of them is at fault by itself."""

    def add(check: Callable[[SimpleNamespace], str | None]) -> Callable[[SimpleNamespace], str | None]:
        RULES.append(Rule(needs, check))
        return check

    return add


def train_problems(values: dict[str, Any]) -> list[str]:
    """A sentence for each contradiction among the keys of a TrainConfig that are in order by themselves."""
    return contradictions(values, RULES)


def contradictions(values: dict[str, Any], rules: Sequence[Rule]) -> list[str]:
    """values: of the keys that are in order; those of the others are missing, and reported already.

    What utils/recipe is still to find contradicts nothing: its rules look at the others.
    """
    known = {name for name, value in values.items() if name in FOUND_ELSEWHERE or value != "auto"}
    problems = []
    for each in rules:
        if known.issuperset(each.needs):
            problems.append(each.check(SimpleNamespace(**{name: values[name] for name in each.needs})))
    return [problem for problem in problems if problem]


@rule("model_prefix", "model_suffix")
def known_network(c: SimpleNamespace) -> str | None:
    try:
        native_img_size(c.model_prefix, c.model_suffix)
    except ValueError as error:
        return str(error)
    return None


@rule("pretrained", "load_from", "only_val", "resume", "model_prefix", "model_suffix")
def known_weights(c: SimpleNamespace) -> str | None:
    if c.pretrained is False or known_network(c):
        return None
    if c.load_from and not (c.only_val or c.resume):  # a resumed run has made its start from them
        return "pretrained: goes without load_from, which names weights too"
    try:
        public_weights(c.model_prefix, c.model_suffix, c.pretrained if isinstance(c.pretrained, str) else "")
    except ValueError as error:
        return f"pretrained: {error}"
    return None


def bearable_size(c: SimpleNamespace, name: str) -> str | None:
    value = getattr(c, name)
    if value != "auto" and max(value if isinstance(value, tuple) else [value]) > MOST[name]:
        return f"{name}: {shown(value)} is more than {MOST[name]:,}, which no machine is up to"
    return None


for _name in MOST:
    rule(_name)(partial(bearable_size, name=_name))


@rule("img_size", "model_prefix", "model_suffix")
def large_enough_images(c: SimpleNamespace) -> str | None:
    if (c.model_prefix, c.model_suffix) not in list_models() or max(c.img_size) > LARGEST_SIDE:
        return None  # another rule reports it
    try:
        check_img_size(c.img_size, family_of(c.model_prefix).min_img_size_of(c.model_suffix))
    except ValueError as error:
        return f"img_size: {error}"
    return None


@rule("device")
def known_device(c: SimpleNamespace) -> str | None:
    return device_problem(c.device)


def device_problem(name: str) -> str | None:
    """Why there is no device of this name here, or None if there is."""
    kind, _, index = name.partition(":")
    numbered = kind == "cuda" and index.isascii() and index.isdigit() and len(index) < 4
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not numbered):
        hint = nearest(kind, ("cuda", "cpu", "auto", "mps"))
        return f"device: expected 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {shown(name)}{hint}"
    if kind == "cuda" and not torch.cuda.is_available():
        return "device: 'cuda' asked for, but torch sees no CUDA device here; 'auto' or 'cpu' would run"
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        return f"device: {name!r} asked for, but there are {torch.cuda.device_count()} CUDA devices"
    if kind == "mps" and not torch.backends.mps.is_available():
        return "device: 'mps' asked for, but torch has none here; 'auto' or 'cpu' would run"
    return None


@rule("gpu_ids")
def known_gpus(c: SimpleNamespace) -> str | None:
    count = torch.cuda.device_count()
    if c.gpu_ids != "auto" and count and max(c.gpu_ids) >= count:
        return f"gpu_ids: {list(c.gpu_ids)} asked for, but there are {count} CUDA devices, 0..{count - 1}"
    return None


@rule("amp_dtype", "device", "use_apex")
def fitting_precision(c: SimpleNamespace) -> str | None:
    on_cpu = c.device == "cpu" or (c.device == "auto" and not torch.cuda.is_available())
    if c.use_apex and c.amp_dtype == "float16" and on_cpu:
        return "amp_dtype: float16 needs a GPU; on a CPU use 'bfloat16' or 'auto'"
    return None


@rule("epochs", "warmup_epochs")
def warmup_within_epochs(c: SimpleNamespace) -> str | None:
    if c.warmup_epochs >= c.epochs:
        return f"warmup_epochs: {c.warmup_epochs} leaves nothing of epochs = {c.epochs}; 'auto' fits, 0 means none"
    return None


@rule("epochs", "scheduler_type", "steps", "warmup_epochs")
def steps_within_epochs(c: SimpleNamespace) -> str | None:
    too_short = not c.steps and c.epochs - c.warmup_epochs < 2  # for any, as utils/recipe has found then
    if c.scheduler_type != "step_lr" or too_short or any(step + c.warmup_epochs <= c.epochs - 1 for step in c.steps):
        return None
    falls = f"{list(c.steps)} (+ warmup_epochs = {c.warmup_epochs})"
    late = f"of epochs = {c.epochs} none begins at one of {falls} or later"
    return f"steps: {late}, so the learning rate would never fall; 'auto' fits"


@rule("init_lr", "min_lr", "scheduler_type")
def floor_below_start(c: SimpleNamespace) -> str | None:
    if c.scheduler_type == "cosine_lr" and c.min_lr > c.init_lr:
        return f"min_lr: {c.min_lr:g} is above init_lr = {c.init_lr:g}"
    return None


@rule("momentum", "nesterov", "optimizer_type")
def nesterov_with_momentum(c: SimpleNamespace) -> str | None:
    if not c.nesterov:
        return None
    if c.optimizer_type != "sgd":
        return f"nesterov: only with optimizer_type 'sgd', not {c.optimizer_type!r}"
    return "nesterov: needs momentum > 0" if c.momentum == 0 else None


@rule("betas")
def betas_below_one(c: SimpleNamespace) -> str | None:
    return f"betas: must be below 1, got {list(c.betas)}" if max(c.betas) >= 1 else None


@rule("accumulate_steps", "compile")
def graphs_of_single_batches(c: SimpleNamespace) -> str | None:
    if c.compile == "reduce-overhead" and c.accumulate_steps > 1:
        return (
            "compile: 'reduce-overhead' keeps gradients in memory that the next batch writes over, so it does not go "
            f"with accumulate_steps = {c.accumulate_steps}; 'default' does"
        )
    return None


@rule("epochs", "freeze_epochs")
def thaws_within_epochs(c: SimpleNamespace) -> str | None:
    if c.freeze_epochs > c.epochs:
        return f"freeze_epochs: {c.freeze_epochs} exceeds epochs = {c.epochs}"
    return None


@rule("freeze", "freeze_epochs", "img_size", "model_prefix", "model_suffix")
def known_parts(c: SimpleNamespace) -> str | None:
    if not c.freeze or large_enough_images(c) or max(c.img_size) > LARGEST_SIDE or known_network(c):
        return None  # another rule reports it
    with torch.device("meta"):  # names without memory
        network = create_model(c.model_prefix, c.model_suffix, img_size=c.img_size)
    try:
        Freezing.of(network, c.freeze, c.freeze_epochs)
    except ValueError as error:
        return f"freeze: {error}"
    return None


def least_before_greatest(c: SimpleNamespace, name: str) -> str | None:
    least, greatest = getattr(c, name)
    return f"{name}: expected the least first, got {[least, greatest]}" if least > greatest else None


for _name in ("crop_scale", "crop_ratio"):
    rule(_name)(partial(least_before_greatest, name=_name))


@rule("epochs", "mix_off_epochs")
def mixing_within_epochs(c: SimpleNamespace) -> str | None:
    if c.mix_off_epochs > c.epochs:
        return f"mix_off_epochs: {c.mix_off_epochs} exceeds epochs = {c.epochs}"
    return None


@rule("img_size", "val_resize")
def crop_within_resize(c: SimpleNamespace) -> str | None:
    if any(crop > side for crop, side in zip(c.img_size, c.val_resize)):
        return (
            f"val_resize: {list(c.val_resize)} is smaller than img_size = {list(c.img_size)}, which is cropped from it"
        )
    return None


@rule("load_from", "only_val", "resume")
def weights_are_there(c: SimpleNamespace) -> str | None:
    needed = "resume" if c.resume else "only_val" if c.only_val else ""
    if needed and not c.load_from:
        return f"load_from: {needed} = True needs a checkpoint to read"
    if c.load_from and not os.path.exists(c.load_from):
        return f"load_from: {shown(c.load_from)}: {absent(c.load_from)}"
    return "only_val: cannot go together with resume" if c.only_val and c.resume else None


@rule("exp_name")
def plain_run_name(c: SimpleNamespace) -> str | None:
    name, odd = c.exp_name, set('/\\:*?"<>|')
    if not name or set(name) & odd or name.startswith(".") or len(name) > MOST_LETTERS or one_line(name) != name:
        return f"exp_name: expected a plain folder name, got {shown(c.exp_name)}"
    return None


@rule("img_path")
def data_is_there(c: SimpleNamespace) -> str | None:
    made_on_demand = Path(c.img_path).absolute() == Path(DIGITS_PATH).absolute()
    if os.path.isdir(c.img_path) or made_on_demand:
        return None
    return f"img_path: no folder {shown(c.img_path)}; expected train/<class>/* and val/<class>/* in it"


@rule("img_path", "num_classes")
def as_many_classes_as_folders(c: SimpleNamespace) -> str | None:
    train = Path(c.img_path) / "train"
    if c.num_classes == "auto" or not os.path.isdir(train):
        return None
    try:
        found = len(list_classes(train))
    except DataError:
        return None  # reported in full when the data are read
    if found and found != c.num_classes:
        return f"num_classes: {c.num_classes}, but {train} holds {found} classes; 'auto' would count them"
    return None


@rule("world_size")
def launcher_agrees(c: SimpleNamespace) -> str | None:
    launched = distributed.number_of("WORLD_SIZE", 1)
    if c.world_size != "auto" and c.world_size != launched:
        return (
            f"world_size: {c.world_size}, but {launched} process(es) were launched; for {c.world_size} start "
            f"python -m torch.distributed.launch --nproc_per_node={c.world_size} --use_env train_multi_gpu.py"
        )
    return None
