"""What a single key cannot know: contradictions between keys, and with the machine and the data."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from models import create_model, list_models, native_img_size

from ..data.traversal import list_classes
from ..errors import DataError
from ..text import nearest, one_line, shown

MOST_LETTERS = 60  # of exp_name: file systems take 255 bytes
LARGEST_SIDE = 2**14  # pixels of what a network is shown
MOST = {"img_size": LARGEST_SIDE, "val_resize": LARGEST_SIDE, "num_workers": 1000, "epochs": 10**6}

Rule = Callable[[SimpleNamespace], str | None]


def train_problems(values: dict[str, Any]) -> list[str]:
    """A sentence for each contradiction among the keys of a TrainConfig that are in order by themselves."""
    return _problems(values, RULES)


def predict_problems(values: dict[str, Any]) -> list[str]:
    """The same for a PredictConfig."""
    return _problems(values, (known_device,))


def _problems(values: dict[str, Any], rules: tuple[Rule, ...]) -> list[str]:
    config, problems = SimpleNamespace(**values), []
    for rule in rules:
        try:
            problem = rule(config)
        except AttributeError:  # a key that the rule needs is itself at fault, which is told already
            continue
        if problem:
            problems.append(problem)
    return problems


def known_network(c: SimpleNamespace) -> str | None:
    try:
        native_img_size(c.model_prefix, c.model_suffix)
    except ValueError as error:
        return str(error)
    return None


def large_enough_images(c: SimpleNamespace) -> str | None:
    if (c.model_prefix, c.model_suffix) not in list_models() or max(c.img_size) > LARGEST_SIDE:
        return None  # told already
    return _size_problem(c.model_prefix, c.model_suffix, c.img_size)


@cache
def _size_problem(model_prefix: str, model_suffix: str, img_size: tuple[int, int]) -> str | None:
    try:
        with torch.device("meta"):
            create_model(model_prefix, model_suffix, 2, img_size=img_size)
    except ValueError as error:
        return f"img_size: {error}"
    return None


def bearable_sizes(c: SimpleNamespace) -> str | None:
    for name, most in MOST.items():
        if (value := getattr(c, name)) != "auto" and max(value if isinstance(value, tuple) else [value]) > most:
            return f"{name}: {shown(value)} is more than {most:,}, which no machine is up to"
    return None


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


def known_gpus(c: SimpleNamespace) -> str | None:
    count = torch.cuda.device_count()
    if c.gpu_ids != "auto" and count and max(c.gpu_ids) >= count:
        return f"gpu_ids: {list(c.gpu_ids)} asked for, but there are {count} CUDA devices, 0..{count - 1}"
    return None


def fitting_precision(c: SimpleNamespace) -> str | None:
    on_cpu = c.device == "cpu" or (c.device == "auto" and not torch.cuda.is_available())
    if c.use_apex and c.amp_dtype == "float16" and on_cpu:
        return "amp_dtype: float16 needs a GPU; on a CPU use 'bfloat16' or 'auto'"
    return None


def warmup_within_epochs(c: SimpleNamespace) -> str | None:
    if c.warmup_epochs >= c.epochs:
        return f"warmup_epochs: {c.warmup_epochs} leaves nothing of epochs = {c.epochs}; must be less"
    return None


def steps_within_epochs(c: SimpleNamespace) -> str | None:
    if c.scheduler_type == "step_lr" and all(step + c.warmup_epochs >= c.epochs for step in c.steps):
        return (
            f"steps: all of {list(c.steps)} (+ warmup_epochs = {c.warmup_epochs}) lie beyond epochs = {c.epochs}, "
            "so the learning rate would never fall"
        )
    return None


def floor_below_start(c: SimpleNamespace) -> str | None:
    if c.scheduler_type == "cosine_lr" and c.min_lr > c.init_lr:
        return f"min_lr: {c.min_lr:g} is above init_lr = {c.init_lr:g}"
    return None


def nesterov_with_momentum(c: SimpleNamespace) -> str | None:
    if not c.nesterov:
        return None
    if c.optimizer_type != "sgd":
        return f"nesterov: only with optimizer_type 'sgd', not {c.optimizer_type!r}"
    return "nesterov: needs momentum > 0" if c.momentum == 0 else None


def betas_below_one(c: SimpleNamespace) -> str | None:
    return f"betas: must be below 1, got {list(c.betas)}" if max(c.betas) >= 1 else None


def mixing_within_epochs(c: SimpleNamespace) -> str | None:
    if c.mix_off_epochs > c.epochs:
        return f"mix_off_epochs: {c.mix_off_epochs} exceeds epochs = {c.epochs}"
    return None


def crop_within_resize(c: SimpleNamespace) -> str | None:
    if any(crop > side for crop, side in zip(c.img_size, c.val_resize)):
        return (
            f"val_resize: {list(c.val_resize)} is smaller than img_size = {list(c.img_size)}, which is cropped from it"
        )
    return None


def weights_are_there(c: SimpleNamespace) -> str | None:
    needed = "resume" if c.resume else "only_val" if c.only_val else ""
    if needed and not c.load_from:
        return f"load_from: {needed} = True needs a checkpoint to read"
    if c.load_from and not os.path.isfile(c.load_from):
        return f"load_from: no such file {shown(c.load_from)}"
    return "only_val: cannot go together with resume" if c.only_val and c.resume else None


def plain_run_name(c: SimpleNamespace) -> str | None:
    name, odd = c.exp_name, set('/\\:*?"<>|')
    if not name or set(name) & odd or name.startswith(".") or len(name) > MOST_LETTERS or one_line(name) != name:
        return f"exp_name: expected a plain folder name, got {shown(c.exp_name)}"
    return None


def data_is_there(c: SimpleNamespace) -> str | None:
    root = Path(c.img_path)
    if not os.path.isdir(root):
        made_on_demand = root.absolute() == Path(DIGITS_PATH).absolute()
        return (
            None
            if made_on_demand
            else f"img_path: no folder {shown(c.img_path)}; expected train/<class>/* and val/<class>/* in it"
        )
    if c.num_classes == "auto" or not os.path.isdir(root / "train"):
        return None
    try:
        found = len(list_classes(root / "train"))
    except DataError:
        return None  # told in full when the data are read
    if found and found != c.num_classes:
        return f"num_classes: {c.num_classes}, but {root / 'train'} holds {found} classes; 'auto' would count them"
    return None


def launcher_agrees(c: SimpleNamespace) -> str | None:
    launched = int(os.environ.get("WORLD_SIZE", 1))
    if c.world_size != "auto" and c.world_size != launched:
        return (
            f"world_size: {c.world_size}, but {launched} process(es) were launched; for {c.world_size} start "
            f"python -m torch.distributed.launch --nproc_per_node={c.world_size} --use_env train_multi_gpu.py"
        )
    return None


RULES: tuple[Rule, ...] = (
    known_network,
    bearable_sizes,
    large_enough_images,
    known_device,
    known_gpus,
    fitting_precision,
    warmup_within_epochs,
    steps_within_epochs,
    floor_below_start,
    nesterov_with_momentum,
    betas_below_one,
    mixing_within_epochs,
    crop_within_resize,
    weights_are_there,
    plain_run_name,
    data_is_there,
    launcher_agrees,
)


DIGITS_PATH = "./data/digits"
