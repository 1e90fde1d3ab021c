"""The network that a command line means: by its two words, by a checkpoint of ours, or by what a file looks like."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import create_model, list_models, native_img_size
from models.arithmetic import Cost, count
from models.dialects import ENOUGH, FAMILIES, identify, translate

from .. import distributed
from ..config import PredictConfig
from ..config.rules import device_problem
from ..data.preprocess import Preprocess
from ..errors import ConfigError, WeightsError
from .checkpoint import is_checkpoint, read_pickle
from .checkpoint_schema import validated
from .load import fill, fill_whole, load_weights, read_state_dict


@dataclass(frozen=True)
class NetworkSpec:
    """What create_model needs; img_size is (height, width)."""

    prefix: str
    suffix: str
    num_classes: int
    img_size: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.prefix} {self.suffix}"

    def build(self) -> nn.Module:
        """A new network in eval mode. Raises WeightsError if there is none such."""
        try:
            return create_model(self.prefix, self.suffix, self.num_classes, img_size=self.img_size).eval()
        except ValueError as error:
            raise WeightsError(str(error)) from None

    def cost(self) -> Cost:
        """What it holds and computes, for one image. Raises WeightsError if there is none such."""
        try:
            return count(self.prefix, self.suffix, self.num_classes, self.img_size)
        except ValueError as error:
            raise WeightsError(str(error)) from None


@dataclass(frozen=True)
class NetworkOptions:
    """What is said of a network; None is to be found out. At least `prefix` and `suffix`, or `weights`."""

    prefix: str | None = None
    suffix: str | None = None
    num_classes: int | None = None
    weights: Path | None = None
    img_size: tuple[int, int] | None = None
    force: bool = False  # accept weights that seem another network's


@dataclass
class LoadedNetwork:
    """A network with its weights, in eval mode, and all that a picture needs on its way into and out of it."""

    spec: NetworkSpec
    model: nn.Module
    classes: list[str]  # names; '0', '1', ... where the weights bring none
    preprocess: Preprocess
    told: str  # where the weights come from, in words


def add_network_options(parser: argparse.ArgumentParser, *, several: bool = False, device: str = "auto") -> None:
    """The options by which every tool is told of its network: `network_options` reads them.

    several: the tool takes a family or all networks, too: `several_networks` reads the options.
    device: what to take where the command line names none.
    """
    add = parser.add_argument_group("networks" if several else "network").add_argument
    alone = "alone: all its variants" if several else "needs --model-suffix"
    add("--model-prefix", metavar="P", help=f"family of the network, such as resnet; {alone}")
    add("--model-suffix", metavar="S", help="its variant, such as 18")
    if several:
        add("--all", action="store_true", help=f"all {len(list_models())} networks")
    add("--num-classes", type=positive, metavar="N", help="default: as in the weights, or 1000 without")
    add("--weights", type=Path, metavar="FILE", help="a checkpoint of train.py says all by itself; or other weights")
    add("--img-size", type=positive, nargs=2, metavar=("H", "W"), help="default: as trained, or the native size")
    add("--device", default=device, help=f"auto, cpu, cuda, cuda:N or mps (default: {device})")


def network_options(arguments: argparse.Namespace) -> NetworkOptions:
    """Raises ConfigError if the words do not go together, or say nothing."""
    given = arguments
    if (given.model_prefix is None) != (given.model_suffix is None):
        raise ConfigError("command line", ["--model-prefix and --model-suffix go together"])
    if given.model_prefix is None and given.weights is None:
        raise ConfigError("command line", ["expected --weights, or --model-prefix and --model-suffix"])
    size = None if given.img_size is None else tuple(given.img_size)
    return NetworkOptions(given.model_prefix, given.model_suffix, given.num_classes, given.weights, size)


def several_networks(arguments: argparse.Namespace) -> list[NetworkOptions]:
    """One network, as `network_options`; a family, where --model-prefix stands alone; or, with --all, all.

    Raises ConfigError if the words do not go together, or say nothing, WeightsError if there is no such family.
    """
    given = arguments
    if not given.all and (given.model_prefix is None or given.model_suffix is not None):
        return [network_options(given)]
    if given.all and (given.model_prefix or given.model_suffix):
        raise ConfigError("command line", ["--all goes without --model-prefix and --model-suffix"])
    if given.weights is not None:
        raise ConfigError("command line", ["--weights belong to one network: say --model-prefix and --model-suffix"])
    names = [name for name in list_models() if given.all or name[0] == given.model_prefix]
    if not names:
        _native_size(given.model_prefix, "")  # names the nearest
    size = None if given.img_size is None else tuple(given.img_size)
    return [NetworkOptions(*name, num_classes=given.num_classes, img_size=size) for name in names]


def positive(text: str) -> int:
    """For argparse: an integer >= 1."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def load_network(options: NetworkOptions, device: torch.device) -> LoadedNetwork:
    """The network with its weights; freshly initialised where there are none. Raises WeightsError or ConfigError.

    Of a checkpoint's raw and averaged weights the better are taken. Without a checkpoint of ours the preprocessing is
    that of ImageNet, as in PredictConfig, for images of the network's size.
    """
    payload = None if options.weights is None else read_payload(options.weights)
    return of_checkpoint(payload, options, device) if is_checkpoint(payload) else of_weights(options, device)


def pick_device(name: str) -> torch.device:
    """The device of --device. Raises ConfigError where there is none such."""
    if problem := device_problem(name):
        raise ConfigError("command line", [f"--{problem}"])
    return distributed.pick_device(name)


def of_checkpoint(payload: dict[str, Any], options: NetworkOptions, device: torch.device) -> LoadedNetwork:
    """`load_network` with the checkpoint options.weights read already."""
    saved, classes, path = payload["config"], payload["classes"], options.weights
    names = saved["model_prefix"], saved["model_suffix"]
    _check_agreement(options, names, len(classes))
    preprocess = Preprocess.from_plain(payload["preprocess"])
    if options.img_size is not None:
        preprocess = preprocess.resized(options.img_size)
    spec = NetworkSpec(*names, len(classes), preprocess.img_size)
    model, weights = spec.build(), better_weights(payload)
    if options.img_size is None:
        fill_whole(model, payload[weights], f"{path}: {weights}")
    else:  # tables of positions change with the size
        fill(model, payload[weights], str(path))
    kind = "averaged weights" if weights == "net_ema" else "weights"
    told = f"{spec}, {len(classes)} classes, {kind} of epoch {payload['epoch']} from {path}"
    return LoadedNetwork(spec, model.to(device), list(classes), preprocess, told)


def better_weights(payload: dict[str, Any]) -> str:
    """'net' or 'net_ema': best.pth keeps raw and averaged weights; the better of them are what its figures speak of."""
    best = payload["best"]
    return best.get("weights", "net") if best.get("epoch") == payload["epoch"] else "net"


def _check_agreement(options: NetworkOptions, names: tuple[str, str], num_classes: int) -> None:
    wanted = options.prefix, options.suffix
    if options.prefix is not None and wanted != names:
        raise WeightsError(f"{options.weights}: a checkpoint of {' '.join(names)}, not of {' '.join(wanted)}")
    if options.num_classes not in (None, num_classes):
        raise WeightsError(f"{options.weights}: has {num_classes} classes, not {options.num_classes}")


def of_weights(options: NetworkOptions, device: torch.device) -> LoadedNetwork:
    """`load_network` for weights that are no checkpoint of ours, or for none."""
    spec = find_network(options)
    model, told = spec.build(), f"{spec}, {spec.num_classes} classes, freshly initialised"
    if options.weights is not None:
        report = load_weights(model, options.weights, force=options.force)
        if report.missing and not options.force:
            raise WeightsError(f"{options.weights}: holds a part of the network only: {report}")
        told = f"{spec}, {spec.num_classes} classes; {report}"
    preprocess = Preprocess.from_config(PredictConfig()).resized(spec.img_size)
    classes = [str(i) for i in range(spec.num_classes)]
    return LoadedNetwork(spec, model.to(device), classes, preprocess, told)


def find_network(options: NetworkOptions) -> NetworkSpec:
    """From the options, else from a checkpoint's own config, else from names and shapes of the tensors."""
    if options.weights is None:
        size = options.img_size or _native_size(options.prefix, options.suffix)
        return NetworkSpec(options.prefix, options.suffix, options.num_classes or 1000, size)
    state, config = read_state_dict(options.weights), config_of(options.weights)
    names = (options.prefix, options.suffix) if options.prefix is not None else _names_of(options, state, config)
    ours = _translated(names, state, options)
    num_classes = options.num_classes or _head_size(names[0], ours)
    if num_classes is None:
        raise WeightsError(f"{options.weights}: holds no head; say --num-classes, for a newly initialised one")
    size = options.img_size or (tuple(config["img_size"]) if config else _side_of_tables(ours))
    return NetworkSpec(*names, num_classes, size or _native_size(*names))


def _native_size(prefix: str, suffix: str) -> tuple[int, int]:
    try:
        return (native_img_size(prefix, suffix),) * 2
    except ValueError as error:
        raise WeightsError(str(error)) from None


def _names_of(options: NetworkOptions, state: dict[str, Tensor], config: dict[str, Any] | None) -> tuple[str, str]:
    if config:
        return config["model_prefix"], config["model_suffix"]
    guess = identify(state, str(options.weights))
    if guess is None or guess.overlap < ENOUGH:
        raise WeightsError(f"{options.weights}: cannot tell the network; say --model-prefix and --model-suffix")
    return guess.prefix, guess.suffix


def read_payload(path: Path) -> Any:
    """What a file written by torch.save holds, a checkpoint of ours validated; None for .safetensors.

    Raises WeightsError.
    """
    if path.suffix.lower() in (".onnx", ".pt2"):
        told = "an exported graph, not weights: expected the checkpoint that it was made from"
        if path.suffix.lower() == ".pt2":
            told += " or its .onnx file (.pt2 files are not read here, as torch.export.load runs code in them)"
        raise WeightsError(f"{path}: {told}")
    payload = None if path.suffix == ".safetensors" else read_pickle(path)
    return validated(payload, path) if is_checkpoint(payload) else payload


def config_of(path: Path) -> dict[str, Any] | None:
    """Of a checkpoint of ours, else None."""
    payload = read_payload(path)
    return payload["config"] if is_checkpoint(payload) else None


def _translated(names: Sequence[str], state: dict[str, Tensor], options: NetworkOptions) -> dict[str, Tensor]:
    """`state` under our names."""
    try:
        with torch.device("meta"):
            shapes = {name: tensor.shape for name, tensor in create_model(*names).state_dict().items()}
        return translate(*names, state, shapes, source=str(options.weights), force=options.force).state
    except ValueError as error:
        raise WeightsError(f"{options.weights}: {error}") from None
    except Exception as error:  # tensors of any number of axes under names that are known
        told = f"{type(error).__name__}: {error}"
        raise WeightsError(f"{options.weights}: its tensors are none of {' '.join(names)}: {told}") from None


def _head_size(prefix: str, ours: dict[str, Tensor]) -> int | None:
    """Number of classes, if `ours` holds a head."""
    weights = (t for name, t in ours.items() if name.startswith(FAMILIES[prefix].head) and name.endswith("weight"))
    return next((len(weight) for weight in weights), None)


def _side_of_tables(ours: dict[str, Tensor]) -> tuple[int, int] | None:
    """(height, width) that position embeddings or token mixing were made for, if they are and the grid is square."""
    if "pos_embed" in ours and "patch_embed.proj.weight" in ours:
        tokens, patch = ours["pos_embed"].shape[1] - 1, ours["patch_embed.proj.weight"].shape[-1]
    elif "blocks.0.linear_tokens.weight" in ours and "stem.proj.weight" in ours:
        tokens, patch = len(ours["blocks.0.linear_tokens.weight"]), ours["stem.proj.weight"].shape[-1]
    else:
        return None
    side = math.isqrt(tokens)
    return (side * patch, side * patch) if side * side == tokens else None
